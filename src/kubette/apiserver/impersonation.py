"""Acting as another user: what ``Impersonate-*`` headers ask for, and which permissions that takes.

A mode is tried after the other: the constrained ones (KEP-5284) need a right on the user *and* on what is done as
that user; the last is the older form, ``impersonate`` on each user, group, uid and extra value. Every header is
checked, or the request is refused. Source: k8s.io/apiserver/pkg/endpoints/filters/impersonation. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import unquote

from kubette.api import names
from kubette.api.errors import BadRequest, Forbidden
from kubette.apiserver.authn import ANONYMOUS, AUTHENTICATED, NODE_PREFIX, NODES, UNAUTHENTICATED, User, service_account
from kubette.apiserver.rbac import MASTERS, Attributes
from kubette.apiserver.request import well_formed

Allowed = Callable[[User, Attributes], bool]
_GROUP = "authentication.k8s.io"
_EXTRA = "impersonate-extra-"
_NODE_NAME = "authentication.kubernetes.io/node-name"
_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")


def wanted(headers: Iterable[tuple[str, str]]) -> User | None:
    """The user that the headers name, without the groups that follow from it; None where they name no one.

    Raises BadRequest for groups, a uid or extra without a user."""
    name = uid = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    more = False
    for header, value in headers:
        lower, value = header.lower(), well_formed(value)
        if not lower.startswith("impersonate-"):
            continue
        if lower == "impersonate-user":
            name = name or value
        elif lower == "impersonate-uid":
            uid = uid or value
        elif lower == "impersonate-group":
            more = True
            groups.append(value)
        elif lower.startswith(_EXTRA):
            more = True
            extra.setdefault(unquote(lower.removeprefix(_EXTRA)), []).append(value)
    if not name:
        if more or uid:
            raise BadRequest("requested groups, uid or extra without impersonating a user name")
        return None
    return User(name, tuple(groups), uid, extra)


def act_as(user: User, target: User, asked: Attributes, allowed: Allowed) -> User:
    """The user that the request is made as. ``asked``: what the request does. Raises Forbidden."""
    first: Forbidden | None = None
    for mode, applies in _MODES.items():
        if not applies(user, target):
            continue
        try:
            if mode:
                _check(user, _with_verb(asked, f"impersonate-on:{mode}:{asked.verb}"), allowed)
                _constrain(target)
            for attributes in _needed(target, mode):
                _check(user, attributes, allowed)
        except Forbidden as e:
            first = first or e
            continue
        return _completed(target, mode)
    assert first is not None, "the last mode applies to every user"
    raise first


def _associated(user: User, target: User) -> bool:
    """A ServiceAccount whose token says that it runs on the node that it wants to be."""
    nodes = user.extra.get(_NODE_NAME) or []
    return _arbitrary(user, target) and service_account(user.name) is not None and nodes == [_node(target.name)]


def _arbitrary(user: User, target: User) -> bool:
    return _only_name(target) and _node(target.name) != ""


def _account(user: User, target: User) -> bool:
    return _only_name(target) and service_account(target.name) is not None


def _user_info(user: User, target: User) -> bool:
    return not _node(target.name) and service_account(target.name) is None


#: Mode → to whom it applies; the empty one is the older form.
_MODES: Mapping[str, Callable[[User, User], bool]] = {
    "associated-node": _associated,
    "arbitrary-node": _arbitrary,
    "serviceaccount": _account,
    "user-info": _user_info,
    "": lambda user, target: True,
}


def _only_name(target: User) -> bool:
    return not (target.groups or target.uid or target.extra)


def _node(name: str) -> str:
    """The node's name in a user's; empty where it is no node's."""
    node = name.removeprefix(NODE_PREFIX)
    return node if node != name and not names.dns1123_subdomain(node) else ""


def _constrain(target: User) -> None:
    """What a constrained mode never allows. Raises Forbidden."""
    why = ""
    if "" in target.groups:
        why = "impersonating the empty string group is not allowed"
    elif MASTERS in target.groups:
        why = "impersonating the system:masters group is not allowed"
    for key, values in target.extra.items():
        domain, slash, path = key.partition("/")
        if not slash or names.dns1123_subdomain(domain) or not _PATH.fullmatch(path):
            why = f'impersonating an invalid key in extra is not allowed: "{key}"'
        elif "" in values:
            why = "impersonating the empty string value in extra is not allowed"
    if why:
        raise Forbidden(f"forbidden: {why}", details={})


def _needed(target: User, mode: str) -> Iterator[Attributes]:
    """Every permission that being ``target`` takes."""
    verb = f"impersonate:{mode}" if mode else "impersonate"
    group, version = (_GROUP, "v1") if mode else ("", "v1")
    account, node = service_account(target.name), _node(target.name)
    if account is not None:
        yield Attributes(verb, group, version, "serviceaccounts", "", *account)
    elif mode and node:
        name = "*" if mode == "associated-node" else node
        yield Attributes(verb, group, version, "nodes", "", "", name)
    else:
        yield Attributes(verb, group, version, "users", "", "", target.name)
    if target.uid:
        yield Attributes(verb, _GROUP, "v1", "uids", "", "", target.uid)
    for name in target.groups:
        yield Attributes(verb, group, version, "groups", "", "", name)
    for key, values in target.extra.items():
        for value in values:
            yield Attributes(verb, _GROUP, "v1", "userextras", key, "", value)


def _check(user: User, attributes: Attributes, allowed: Allowed) -> None:
    if allowed(user, attributes):
        return
    details = {"name": attributes.name, "group": attributes.group, "kind": attributes.resource}
    named = f' "{attributes.name}"' if attributes.name else ""
    resource = f"{attributes.resource}.{attributes.group}" if attributes.group else attributes.resource
    what = f"{resource}{named} is forbidden" if resource else "forbidden"
    raise Forbidden(f"{what}: {attributes.refusal(user.name)}", details={k: v for k, v in details.items() if v})


def _with_verb(asked: Attributes, verb: str) -> Attributes:
    return Attributes(
        verb, asked.group, asked.version, asked.resource, asked.subresource, asked.namespace, asked.name, asked.path
    )


def _completed(target: User, mode: str) -> User:
    """``target`` with the groups that follow from its name."""
    groups = target.groups
    account = service_account(target.name)
    if account is not None and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    elif mode and _node(target.name):
        groups = (NODES,)
    follows = AUTHENTICATED
    if target.name == ANONYMOUS.name or UNAUTHENTICATED in groups:
        follows = UNAUTHENTICATED
    if follows not in groups:
        groups = (*groups, follows)
    return User(target.name, groups, target.uid, target.extra)
