"""What every verb needs of a request: its body, who asks, and how to answer. One ``Call`` a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kubette.api import kinds, meta, schema
from kubette.api.errors import ApiError, BadRequest, TooLarge, invalid_patch
from kubette.api.kinds import Kind
from kubette.apiserver import bodies, codec, request
from kubette.apiserver.authn import User
from kubette.apiserver.registry.base import Context
from kubette.apiserver.request import RequestInfo

if TYPE_CHECKING:
    from kubette.apiserver.app import App

Object = dict[str, Any]
_SCHEME = "pkg/api/legacyscheme/scheme.go:30"


@dataclass(slots=True)
class Call:
    """One request on its way. ``kind`` is set for resource requests."""

    app: App
    request: web.BaseRequest
    info: RequestInfo
    user: User
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def kind(self) -> Kind:
        kind = self.info.kind
        assert kind is not None, "a resource request"
        return kind

    @property
    def namespace(self) -> str:
        """The namespace in the store: empty for what has none."""
        return self.info.namespace if self.kind.namespaced else ""

    @property
    def accepted(self) -> codec.Accepted:
        return codec.accepted(self.request.headers.get("Accept", ""))

    def context(self) -> Context:
        return Context(
            user=self.user.name, groups=self.user.groups, now=meta.now, reader=self.app.objects,
            subresource=self.info.subresource, dry_run=self.dry_run, warnings=self.warnings,
        )  # fmt: skip

    async def body(self) -> bytes:
        """The whole body. Raises TooLarge past 3 MiB."""
        length = self.request.content_length
        if length is not None and length > codec.MAX_BODY:
            raise _too_large()
        if length == 0 or not self.request.body_exists:
            return b""
        parts, size = [], 0
        try:
            async for part in self.request.content.iter_any():
                size += len(part)
                if size > codec.MAX_BODY:
                    raise _too_large()
                parts.append(part)
        except web.RequestPayloadError as e:
            raise BadRequest(f"unable to read the body: {e}") from e
        return b"".join(parts)

    async def decode(self, kind: str, api_version: str) -> tuple[Object, bodies.Body]:
        """The body as an object. Kind and version are the URL's where the body does not say them.
        Raises BadRequest."""
        data = await self.body()
        try:
            body = bodies.decode(data, self.request.headers.get("Content-Type", ""))
            obj = _object(body.value)
            fill(obj, kind, api_version)
        except bodies.Malformed as e:
            raise bodies.unrecognized(kind, data, e) from e
        return obj, body

    def check(
        self, obj: Object, body: bodies.Body | None = None, kind: Kind | str | None = None, more: Sequence[str] = ()
    ) -> None:
        """The structural check of ``obj``, in place, as ``fieldValidation`` asks. ``more``: what strict decoding
        has to say beyond the object's own fields. Raises BadRequest."""
        kind = kind or self.kind
        duplicates = None
        if body is not None and request.field_validation(self.info) != "Ignore":
            duplicates = schema.find_duplicates(body.data) if body.data else None
            more = (*more, *body.strict)
        if why := self._structure(obj, kind, duplicates, more):
            raise _cannot_be_handled(_kind_name(kind), str(obj.get("apiVersion", "")), _kind_name(kind), why)

    def check_patched(self, obj: Object, kind: Kind | str | None = None, more: Sequence[str] = ()) -> None:
        """As ``check``, of what a patch has made. Raises Invalid."""
        if why := self._structure(obj, kind or self.kind, None, more):
            raise invalid_patch(obj, why)

    def _structure(self, obj: Object, kind: Kind | str, duplicates: list[str] | None, more: Sequence[str]) -> str:
        result = schema.check(kind, obj, request.field_validation(self.info), duplicates, more)
        self.warnings += result.warnings
        return result.message if result.errors else ""

    def expect(self, obj: Object, kind: Kind) -> None:
        """The body names the kind of the URL. Raises BadRequest."""
        found, api_version = obj["kind"], obj["apiVersion"]
        if (found, api_version) == (kind.kind, kind.api_version):
            return
        group, _, version = api_version.rpartition("/")
        if found == kind.kind and group == kind.group and _registered(found, group, version):
            raise BadRequest(
                f"the API version in the data ({api_version}) does not match the expected API version "
                f"({kind.api_version})"
            )
        raise _cannot_be_handled(found, api_version, kind.kind, _mismatch(obj, kind))

    def expect_patched(self, obj: Object, kind: Kind) -> None:
        """As ``expect``, of what a patch has made. Raises Invalid."""
        if (obj["kind"], obj["apiVersion"]) != (kind.kind, kind.api_version):
            raise invalid_patch(obj, _mismatch(obj, kind))

    def authorize(self, verb: str) -> None:
        """Forbidden unless the user has this further verb on what the request names."""
        if verb != self.info.verb:
            self.app.authorize(self.user, self.info, verb)

    def require(self, verb: str) -> None:
        """MethodNotAllowed unless the kind (or subresource) has the verb."""
        sub = self.kind.subresource(self.info.subresource) if self.info.subresource else None
        if verb not in (sub.verbs if sub else self.kind.verbs):
            raise method_not_allowed()

    def answer(self, value: bytes, code: int = 200) -> web.Response:
        """An object's bytes, transformed as the client asked."""
        accepted = self.accepted
        if accepted.as_ and self.info.kind is not None and code < 400:
            import orjson

            value = orjson.dumps(self.transform(orjson.loads(value), accepted))
        return self.raw(codec.convert(value, accepted.form), code, accepted.form)

    def transform(self, obj: Object, accepted: codec.Accepted) -> Object:
        if accepted.as_ == "PartialObjectMetadata":
            return codec.partial(obj)
        if accepted.as_ == "Table":
            if obj.get("kind") == "Status":
                return obj
            rv = {"resourceVersion": meta.resource_version(obj)}
            return codec.table(self.kind, [obj], rv, self.info.param("includeObject", "Metadata"))
        raise codec_refused(accepted)

    def answer_object(self, obj: Object, code: int = 200) -> web.Response:
        """A small object as it is (a Status, a review), in the client's format."""
        form = self.accepted.form
        return self.raw(codec.encode(obj, form), code, form)

    def raw(self, body: bytes, code: int, form: str) -> web.Response:
        return web.Response(body=body, status=code, headers=self.headers(form))

    def headers(self, form: str) -> Mapping[str, str]:
        if not self.warnings:
            return {"Content-Type": form, "Cache-Control": "no-cache, private"}
        from multidict import CIMultiDict

        out = CIMultiDict({"Content-Type": form, "Cache-Control": "no-cache, private"})
        for text in dict.fromkeys(self.warnings):
            escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
            out.add("Warning", f'299 - "{escaped}"')
        return out


def _kind_name(kind: Kind | str) -> str:
    return kind.kind if isinstance(kind, Kind) else kind.rpartition(".")[2]


def _registered(kind: str, group: str, version: str) -> bool:
    return any((k.kind, k.group, k.version) == (kind, group, version) for k in kinds.all_kinds())


def _mismatch(obj: Object, kind: Kind) -> str:
    """Why an object of another kind or version cannot be decoded as ``kind``."""
    found, api_version = obj["kind"], obj["apiVersion"]
    group, _, version = api_version.rpartition("/")
    if not _registered(found, group, version):
        return f'no kind "{found}" is registered for version "{api_version}" in scheme "{_SCHEME}"'
    internal = kind.group.partition(".")[0] or "core"
    return f"converting ({version}.{found}) to ({internal}.{kind.kind}): unknown conversion"


def _cannot_be_handled(found: str, api_version: str, wanted: str, why: str) -> BadRequest:
    version = api_version.rpartition("/")[2]
    return BadRequest(f'{found} in version "{version}" cannot be handled as a {wanted}: {why}')


def codec_refused(accepted: codec.Accepted) -> ApiError:
    from kubette.api.errors import NotAcceptable

    return NotAcceptable(f"the object cannot be transformed to {accepted.as_}")


def method_not_allowed() -> ApiError:
    from kubette.api.errors import MethodNotAllowed

    return MethodNotAllowed("the server does not allow this method on the requested resource", details={})


def _too_large() -> TooLarge:
    return TooLarge(f"Request entity too large: limit is {codec.MAX_BODY}")


def fill(obj: Object, kind: str, api_version: str) -> None:
    """Kind and version where ``obj`` does not say them. Raises Malformed where they are no text."""
    for name, value in (("kind", kind), ("apiVersion", api_version)):
        found = obj.get(name)
        if found is not None and not isinstance(found, str):
            raise bodies.Malformed(
                "couldn't get version/kind; json parse error: json: cannot unmarshal "
                f"{_go_kind(found)} into Go struct field .{name} of type string"
            )
        obj[name] = found or value


def _object(value: Any) -> Object:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bodies.Malformed(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {_go_kind(value)} into Go "
            "value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
            "\"json:\\\"kind,omitempty\\\"\" }"
        )
    return value


def _go_kind(value: Any) -> str:
    if isinstance(value, list | dict):
        return "array" if isinstance(value, list) else "object"
    if isinstance(value, str):
        return "string"
    return "bool" if isinstance(value, bool) else "number"
