"""One request, start to finish: who asks, what for, whether they may, which verb answers, what errors become.

``dispatch`` is the table of verbs; everything that a verb does lies in ``verbs/``, ``info`` and ``streams``.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from kubette.api.errors import ApiError, BadRequest, Forbidden, InternalError
from kubette.apiserver import authn, codec, impersonation, info, proxying, request, streams
from kubette.apiserver.authn import ANONYMOUS, User
from kubette.apiserver.authz import Authorizer
from kubette.apiserver.config import ServerConfig
from kubette.apiserver.load import Load
from kubette.apiserver.objects import Objects
from kubette.apiserver.rbac import Attributes
from kubette.apiserver.request import RequestInfo
from kubette.apiserver.splice import Spliced
from kubette.apiserver.tokens import Tokens
from kubette.apiserver.verbs import connect, create, delete, get, patch, scale, update, watch
from kubette.apiserver.verbs import list as list_verb
from kubette.apiserver.verbs.base import Call, method_not_allowed
from kubette.store import Store

_log = logging.getLogger(__name__)
_Handler = Callable[[Call], Awaitable[web.StreamResponse]]

_VERBS: dict[str, _Handler] = {
    "get": get.handle,
    "list": list_verb.handle,
    "watch": watch.handle,
    "create": create.handle,
    "update": update.handle,
    "patch": patch.handle,
    "delete": delete.handle,
    "deletecollection": delete.collection,
}
_SCALE: dict[str, _Handler] = {"get": scale.get, "update": scale.update, "patch": scale.patch}
#: Subresources that are the object itself, seen through other rules.
_OBJECT_SHAPED = frozenset({"status", "finalize", "approval", "resize", "ephemeralcontainers"})
#: Resources that clients are warned of, in upstream's words.
_DEPRECATED = {
    "endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    "componentstatuses": "v1 ComponentStatus is deprecated in v1.19+",
}
_STREAMS: dict[str, _Handler] = {
    "log": streams.log,
    "exec": streams.exec_,
    "attach": streams.attach,
    "portforward": streams.port_forward,
    "proxy": proxying.proxy,
}
_STREAM_VERBS = {True: ("get",), False: ("get", "create")}  # of logs, of sessions


class App:
    """What requests share."""

    def __init__(self, config: ServerConfig, store: Store) -> None:
        self.config = config
        self.objects = Objects(store)
        self.tokens = Tokens(config.sa_signing_key, config.issuer, self.objects.find)
        self.authorizer = Authorizer(store)
        self.nodes = streams.NodeClient(config)
        self.load = Load()

    async def handle(self, req: web.BaseRequest) -> web.StreamResponse:
        """The one entry point of the HTTP server."""
        call: Call | None = None
        try:
            asked = request.parse(req.method, req.raw_path)
            user = self._user(req, asked)
            self.authorize(user, asked)
            call = Call(self, req, asked, user)
            if asked.kind is not None and (text := _DEPRECATED.get(asked.kind.group_resource)):
                call.warnings.append(text)
            if asked.kind is not None and asked.name and (asked.verb != "delete" or asked.subresource):
                self.objects.refuse_damaged(asked.kind, call.namespace, asked.name)
            return await dispatch(asked)(call)
        except ApiError as e:
            return _failed(req, e)
        except RecursionError:
            return _failed(req, BadRequest("exceeded max depth"))
        except ConnectionResetError:
            return Spliced()  # the client has gone: there is nobody to answer
        except Exception as e:
            _log.error("%s %s: %s", req.method, req.path, stack_of(e))
            return _failed(req, InternalError("Internal error occurred: see the server's log"))
        finally:
            if call is not None:
                call.release()

    def authorize(self, user: User, asked: RequestInfo, verb: str = "") -> None:
        """Check the permission that a request needs. ``verb``: in place of its own. Raises Forbidden."""
        attributes = asked.attributes(verb)
        if not self.authorizer.allowed(user, attributes):
            raise forbidden(user, asked, attributes)

    def _user(self, req: web.BaseRequest, asked: RequestInfo) -> User:
        transport = req.transport
        peer = transport.get_extra_info("peercert") if transport is not None else None
        user = authn.authenticate(peer, req.headers.get("Authorization", ""), self.tokens) or ANONYMOUS
        target = impersonation.wanted(req.headers.items())
        if target is None:
            return user
        return impersonation.act_as(user, target, asked.attributes(), self.authorizer.allowed)


def stack_of(error: BaseException) -> str:
    """Where an error came from, for the log: its type and stack, and no message, which may show an object's content."""
    lines = [f"{type(error).__name__}\n", *traceback.format_tb(error.__traceback__)]
    cause = error.__cause__ or error.__context__
    return "".join(lines) + (f"caused by {stack_of(cause)}" if cause is not None else "")


def dispatch(asked: RequestInfo) -> _Handler:
    """The handler of a parsed request. Raises NotFound, MethodNotAllowed."""
    if not asked.resource:
        return info.handle
    if asked.kind is None:
        raise request.page_not_found()
    sub = asked.subresource
    if not sub:
        handler = None if _has_no_route(asked) else _VERBS.get(asked.verb)
    elif sub == "scale":
        handler = _SCALE.get(asked.verb)
    elif sub in _STREAMS:
        handler = _STREAMS[sub] if sub == "proxy" or asked.verb in _STREAM_VERBS[sub == "log"] else None
    elif sub in _OBJECT_SHAPED:
        handler = _VERBS.get(asked.verb) if asked.verb in ("get", "update", "patch") else None
    else:
        handler = connect.handle if asked.verb == "create" else None
    if handler is None:
        raise method_not_allowed()
    return handler


def _has_no_route(asked: RequestInfo) -> bool:
    """A write to a collection, or across namespaces; a watch by another method than GET."""
    if asked.verb in ("update", "patch"):
        return not asked.name
    if asked.verb == "watch":
        return asked.method not in ("GET", "HEAD")
    kind = asked.kind
    return asked.verb == "deletecollection" and kind is not None and kind.namespaced and not asked.namespace


def forbidden(user: User, asked: RequestInfo, attributes: Attributes) -> Forbidden:
    """Upstream's words for a request that no authorizer allows."""
    why = attributes.refusal(user.name)
    if not asked.resource:
        return Forbidden(f"forbidden: {why}", details={})
    details: dict[str, Any] = {"kind": asked.resource}
    if attributes.name:
        details["name"] = attributes.name
    if asked.group:
        details["group"] = asked.group
    named = f' "{attributes.name}"' if attributes.name else ""
    return Forbidden(f"{asked.group_resource}{named} is forbidden: {why}", details=details)


def _failed(req: web.BaseRequest, error: ApiError) -> web.Response:
    form = codec.JSON
    try:
        form = codec.accepted(req.headers.get("Accept", "")).form
    except ApiError:
        pass  # what the client will not take is told in JSON
    status = error.status()
    body = codec.encode(status, form)
    headers = {"Content-Type": form, "Cache-Control": "no-cache, private"}
    if error.code in (429, 504) or (error.details or {}).get("retryAfterSeconds"):
        headers["Retry-After"] = str((error.details or {}).get("retryAfterSeconds", 1))
    response = web.Response(body=body, status=error.code, headers=headers)
    if error.code in (413, 415) or (req.can_read_body and error.code >= 400):
        response.force_close()
    return response
