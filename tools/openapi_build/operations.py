"""The operations of the API, generated from the table of kinds, in a form that v2 and v3 are emitted from.

The schema package has definitions but no paths. Clients need paths for more than reading: kubectl looks at
the parameters of PATCH to learn whether a kind supports ``fieldValidation`` and ``dryRun``, and finds the
kind by ``x-kubernetes-group-version-kind``. Watch paths (``/api/v1/watch/…``, deprecated) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kubette.api.kinds import Kind, Subresource

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
STATUS = META + "Status"


@dataclass(frozen=True)
class Param:
    """A query or path parameter; ``type`` is an OpenAPI primitive."""

    name: str
    type: str
    description: str
    where: str = "query"


@dataclass(frozen=True)
class Operation:
    """One method of one path. ``body`` and ``answer`` are definition names, ``string`` for plain text."""

    path: str
    method: str
    id: str
    tag: str
    description: str
    answer: str
    params: tuple[Param, ...] = ()
    action: str = ""
    gvk: tuple[str, str, str] | None = None
    body: str = ""
    codes: tuple[int, ...] = (200,)
    consumes: tuple[str, ...] = ()
    group_version: tuple[str, str] = field(default=("", ""))


_PRETTY = Param("pretty", "string", "If 'true', the output is pretty printed.")
_DRY_RUN = Param("dryRun", "string", "'All' processes the request in every stage but does not persist it.")
_MANAGER = Param("fieldManager", "string", "Name of the actor that makes the change; at most 128 characters.")
_VALIDATION = Param(
    "fieldValidation",
    "string",
    "What to do with unknown and duplicate fields: Ignore drops them, Warn (the default) also warns, "
    "Strict refuses the request.",
)
_FORCE = Param("force", "boolean", "Take over fields owned by others; apply patches only.")
_LIST = (
    Param("allowWatchBookmarks", "boolean", "Ask for watch events of type BOOKMARK."),
    Param("continue", "string", "The token of the previous chunk, to get the next one."),
    Param("fieldSelector", "string", "Restrict the result by fields. Defaults to everything."),
    Param("labelSelector", "string", "Restrict the result by labels. Defaults to everything."),
    Param("limit", "integer", "The most objects to return in one answer."),
    Param("resourceVersion", "string", "Which version of the data may be served."),
    Param("resourceVersionMatch", "string", "How resourceVersion is applied to a list."),
    Param("sendInitialEvents", "boolean", "Begin a watch with the present objects, then a bookmark."),
    Param("timeoutSeconds", "integer", "How long the call may last, whatever happens."),
    Param("watch", "boolean", "Stream changes instead of listing; needs resourceVersion."),
)
_DELETE = (
    _DRY_RUN,
    Param("gracePeriodSeconds", "integer", "Seconds before the object is deleted; 0 is at once."),
    Param("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    Param("propagationPolicy", "string", "Orphan, Background or Foreground: what becomes of dependents."),
)
_WRITE = (_DRY_RUN, _MANAGER, _VALIDATION)
_NAMESPACE = Param("namespace", "string", "the namespace that the object lives in", "path")
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_HTTP = {"create": "post", "get": "get", "delete": "delete", "patch": "patch", "update": "put"}


def tag(group: str, version: str) -> str:
    """``core_v1``, ``rbacAuthorization_v1``."""
    first, *rest = (group.removesuffix(".k8s.io") or "core").split(".")
    return first + "".join(p.capitalize() for p in rest) + "_" + version


def operations(kind: Kind, schemas: dict[tuple[str, str, str], str]) -> Iterator[Operation]:
    """All operations of a kind. ``schemas`` maps (group, version, kind) to a definition name."""
    yield from _main(kind)
    for sub in kind.subresources:
        yield from _subresource(kind, sub, schemas)


def resource_list(group: str, version: str) -> Operation:
    """GET of the group-version itself."""
    path = f"/apis/{group}/{version}/" if group else f"/api/{version}/"
    name = _camel(group, version)
    return Operation(path, "get", f"get{name}APIResources", tag(group, version), "get available resources",
                     META + "APIResourceList", group_version=(group, version))


def _camel(group: str, version: str) -> str:
    name, _, _ = tag(group, version).rpartition("_")
    return name[0].upper() + name[1:] + version[0].upper() + version[1:]


class _Scope:
    """What the operations of one kind share."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.prefix = _camel(kind.group, kind.version)
        self.spaced = "Namespaced" if kind.namespaced else ""
        self.namespace = (_NAMESPACE,) if kind.namespaced else ()
        self.collection = kind.path("{namespace}" if kind.namespaced else None)
        self.item = self.collection + "/{name}"
        self.name = (Param("name", "string", f"name of the {kind.kind}", "path"), *self.namespace)

    def operation(
        self, path: str, method: str, verb: str, action: str, description: str, answer: str,
        params: tuple[Param, ...], *, suffix: str = "", body: str = "", codes: tuple[int, ...] = (200,),
        gvk: tuple[str, str, str] | None = None, consumes: tuple[str, ...] = (), spaced: str | None = None,
    ) -> Operation:
        k = self.kind
        spaced = self.spaced if spaced is None else spaced
        return Operation(
            path, method, f"{verb}{self.prefix}{spaced}{k.kind}{suffix}", tag(k.group, k.version),
            description, answer, (*params, _PRETTY), action, gvk or (k.group, k.version, k.kind), body, codes,
            consumes, (k.group, k.version),
        )


def _main(kind: Kind) -> Iterator[Operation]:
    s = _Scope(kind)
    schema, listed, noun = kind.schema, kind.schema + "List", kind.kind
    verbs = set(kind.verbs)
    if "list" in verbs:
        text = f"list or watch objects of kind {noun}"
        yield s.operation(s.collection, "get", "list", "list", text, listed, (*s.namespace, *_LIST))
        if kind.namespaced:
            yield s.operation(kind.path(), "get", "list", "list", text, listed, _LIST,
                              suffix="ForAllNamespaces", spaced="")
    if "create" in verbs:
        yield s.operation(s.collection, "post", "create", "post", f"create a {noun}", schema,
                          (*s.namespace, *_WRITE), body=schema, codes=(200, 201, 202))
    if "deletecollection" in verbs:
        selectors = tuple(p for p in _LIST if p.name not in ("watch", "allowWatchBookmarks"))
        yield s.operation(s.collection, "delete", "deleteCollection", "deletecollection",
                          f"delete collection of {noun}", STATUS, (*s.namespace, *selectors, *_DELETE),
                          body=META + "DeleteOptions")
    if "get" in verbs:
        yield s.operation(s.item, "get", "read", "get", f"read the specified {noun}", schema, s.name)
    if "update" in verbs:
        yield s.operation(s.item, "put", "replace", "put", f"replace the specified {noun}", schema,
                          (*s.name, *_WRITE), body=schema, codes=(200, 201))
    if "patch" in verbs:
        yield s.operation(s.item, "patch", "patch", "patch", f"partially update the specified {noun}", schema,
                          (*s.name, *_WRITE, _FORCE), body=META + "Patch", codes=(200, 201), consumes=PATCHES)
    if "delete" in verbs:
        yield s.operation(s.item, "delete", "delete", "delete", f"delete a {noun}", STATUS,
                          (*s.name, *_DELETE), body=META + "DeleteOptions", codes=(200, 202))


def _subresource(
    kind: Kind, sub: Subresource, schemas: dict[tuple[str, str, str], str]
) -> Iterator[Operation]:
    s = _Scope(kind)
    path, suffix = f"{s.item}/{sub.name}", sub.name[0].upper() + sub.name[1:]
    gvk = (sub.group, sub.version, sub.kind)
    schema = schemas.get(gvk, "")
    if not schema or sub.name == "log":  # streams and proxies: no object goes in or out
        for verb in sub.verbs:
            action = "get" if sub.name == "log" else "connect"
            name = "read" if sub.name == "log" else "connect" + _HTTP[verb].capitalize()
            yield s.operation(path, _HTTP[verb], name, action, f"{sub.name} of {kind.kind}", "string", s.name,
                              suffix=suffix, gvk=gvk)
        return
    text = f"{sub.name} of the specified {kind.kind}"
    if "get" in sub.verbs:
        yield s.operation(path, "get", "read", "get", f"read {text}", schema, s.name, suffix=suffix, gvk=gvk)
    if "create" in sub.verbs:
        yield s.operation(path, "post", "create", "post", f"create {text}", schema, (*s.name, *_WRITE),
                          suffix=suffix, gvk=gvk, body=schema, codes=(200, 201, 202))
    if "update" in sub.verbs:
        yield s.operation(path, "put", "replace", "put", f"replace {text}", schema, (*s.name, *_WRITE),
                          suffix=suffix, gvk=gvk, body=schema, codes=(200, 201))
    if "patch" in sub.verbs:
        yield s.operation(path, "patch", "patch", "patch", f"partially update {text}", schema,
                          (*s.name, *_WRITE, _FORCE), suffix=suffix, gvk=gvk, body=META + "Patch",
                          codes=(200, 201), consumes=PATCHES)
