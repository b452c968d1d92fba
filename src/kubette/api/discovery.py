"""Discovery documents: how a client learns which resources there are, derived from the table of kinds.

Two forms of the same facts. Aggregated (``apidiscovery.k8s.io/v2``, KEP-3352) answers ``/api`` and
``/apis`` with everything at once; plain (``APIVersions``, ``APIGroupList``, ``APIGroup``,
``APIResourceList``) is what kubectl before 1.27 reads, one document a group-version. Kinds that are not in
the table (custom resources) are passed in as ``extra``; without them the answers are computed once.

This module negotiates nothing and knows no HTTP beyond the names of the media types.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from kubette.api.kinds import Kind, Subresource, all_kinds

#: Media types of the aggregated form; kubectl asks for v2, then v2beta1, then plain JSON.
AGGREGATED_V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
AGGREGATED_V2BETA1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

Document = dict[str, Any]


def groups(extra: Sequence[Kind] = ()) -> dict[str, dict[str, list[Kind]]]:
    """Group → version → kinds, in the order of the table; the first version of a group is preferred."""
    out: dict[str, dict[str, list[Kind]]] = {}
    for kind in (*all_kinds(), *extra):
        out.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
    return out


def aggregated_core(version: str = "v2") -> Document:
    """The aggregated answer of ``/api``; ``version`` is ``v2`` or ``v2beta1``."""
    return _aggregated(version, {"": groups()[""]})


def aggregated_apis(version: str = "v2", extra: Sequence[Kind] = ()) -> Document:
    """The aggregated answer of ``/apis``: every named group."""
    return _aggregated(version, {g: vs for g, vs in groups(extra).items() if g})


def api_versions(server_address: str = "") -> Document:
    """The plain answer of ``/api``. ``server_address`` is ``host:port`` as the client reached it."""
    return {
        "kind": "APIVersions",
        "versions": list(groups()[""]),
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def api_group_list(extra: Sequence[Kind] = ()) -> Document:
    """The plain answer of ``/apis``."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(g, versions) for g, versions in groups(extra).items() if g],
    }


def api_group(group: str, extra: Sequence[Kind] = ()) -> Document | None:
    """The plain answer of ``/apis/GROUP``; None where there is no such group."""
    versions = groups(extra).get(group) if group else None
    if versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)}


def api_resource_list(group: str, version: str, extra: Sequence[Kind] = ()) -> Document | None:
    """The plain answer of ``/api/VERSION`` or ``/apis/GROUP/VERSION``; None where there is none."""
    kinds = groups(extra).get(group, {}).get(version)
    if kinds is None:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [r for kind in kinds for r in _plain_resources(kind)],
    }


@cache
def builtin(path: str, form: str) -> bytes | None:
    """The encoded document for a path such as ``/apis/apps/v1`` where only built-in kinds are served.

    ``form`` is ``v2``, ``v2beta1`` (both only for ``/api`` and ``/apis``) or ``plain``. ``/api`` in plain
    form depends on the address and is not answered here."""
    import orjson

    parts = path.strip("/").split("/")
    doc: Document | None = None
    match parts:
        case ["api"] if form != "plain":
            doc = aggregated_core(form)
        case ["apis"]:
            doc = api_group_list() if form == "plain" else aggregated_apis(form)
        case ["api", version]:
            doc = api_resource_list("", version)
        case ["apis", group]:
            doc = api_group(group)
        case ["apis", group, version]:
            doc = api_resource_list(group, version)
    return None if doc is None else orjson.dumps(doc)


def _aggregated(version: str, tree: dict[str, dict[str, list[Kind]]]) -> Document:
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {
                        "version": v,
                        "resources": [_aggregated_resource(k) for k in sorted(kinds, key=lambda k: k.plural)],
                        "freshness": "Current",
                    }
                    for v, kinds in versions.items()
                ],
            }
            for group, versions in tree.items()
        ],
    }


def _aggregated_resource(kind: Kind) -> Document:
    out: Document = {
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        out["shortNames"] = list(kind.short_names)
    if kind.categories:
        out["categories"] = list(kind.categories)
    if kind.subresources:
        out["subresources"] = [
            {"subresource": s.name, "responseKind": _response_kind(kind, s), "verbs": list(s.verbs)}
            for s in kind.subresources
        ]
    return out


def _response_kind(kind: Kind, sub: Subresource) -> Document:
    """Empty group and version mean the parent's own, as upstream writes them."""
    same = (sub.group, sub.version) == (kind.group, kind.version)
    return {
        "group": "" if same else sub.group,
        "version": "" if same else sub.version,
        "kind": sub.kind,
    }


def _group(group: str, versions: Iterable[str]) -> Document:
    listed = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _plain_resources(kind: Kind) -> list[Document]:
    main: Document = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        main["shortNames"] = list(kind.short_names)
    if kind.categories:
        main["categories"] = list(kind.categories)
    out = [main]
    for sub in kind.subresources:
        row: Document = {
            "name": f"{kind.plural}/{sub.name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": sub.kind,
            "verbs": list(sub.verbs),
        }
        if (sub.group, sub.version) != (kind.group, kind.version):
            row["group"], row["version"] = sub.group, sub.version
        out.append(row)
    return out
