"""What every verb needs of a request: its body, who asks, and how to answer. One ``Call`` a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kubette.api import meta, schema
from kubette.api.errors import ApiError, BadRequest, TooLarge
from kubette.api.kinds import Kind
from kubette.apiserver import codec
from kubette.apiserver.authn import User
from kubette.apiserver.registry.base import Context
from kubette.apiserver.request import RequestInfo

if TYPE_CHECKING:
    from kubette.apiserver.app import App

Object = dict[str, Any]
_MODES = {"": "Warn", "Ignore": "Ignore", "Warn": "Warn", "Strict": "Strict"}


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
        async for part in self.request.content.iter_any():
            size += len(part)
            if size > codec.MAX_BODY:
                raise _too_large()
            parts.append(part)
        return b"".join(parts)

    async def decode(self) -> tuple[Object, bytes]:
        """The body as an object, with its bytes."""
        data = await self.body()
        value = codec.decode(data, self.request.headers.get("Content-Type", ""))
        if value is None:
            raise BadRequest("Object 'Kind' is missing in 'null'")
        if not isinstance(value, dict):
            raise BadRequest(
                f"couldn't get version/kind; json parse error: json: cannot unmarshal {_go_kind(value)} into Go "
                "value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                "\"json:\\\"kind,omitempty\\\"\" }"
            )
        return value, data

    def check(self, obj: Object, data: bytes | None = None, kind: Kind | str | None = None) -> None:
        """The structural check of ``obj``, in place, as ``fieldValidation`` asks. Raises BadRequest."""
        kind = kind or self.kind
        name = kind.kind if isinstance(kind, Kind) else kind.rpartition(".")[2]
        version = str(obj.get("apiVersion", "")).rpartition("/")[2]
        asked = self.info.param("fieldValidation")
        mode = _MODES.get(asked)
        if mode is None:
            raise BadRequest(
                f'fieldValidation: Unsupported value: "{asked}": supported values: "", "Ignore", "Strict", "Warn"'
            )
        duplicates = None
        if data is not None and mode != "Ignore":
            duplicates = codec.duplicates(data, self.request.headers.get("Content-Type", ""))
        result = schema.check(kind, obj, mode, duplicates)  # type: ignore[arg-type]
        self.warnings += result.warnings
        if result.errors:
            raise BadRequest(f'{name} in version "{version}" cannot be handled as a {name}: {result.message}')

    def expect(self, obj: Object, kind: Kind) -> None:
        """The body names the kind of the URL. Raises BadRequest."""
        found = obj.get("kind")
        if not found:
            raise BadRequest(f"Object 'Kind' is missing in '{_shown(obj)}'")
        version = obj.get("apiVersion")
        if not version:
            raise BadRequest(f"Object 'apiVersion' is missing in '{_shown(obj)}'")
        if version != kind.api_version:
            raise BadRequest(
                f"the API version in the data ({version}) does not match the expected API version "
                f"({kind.api_version})"
            )
        if found != kind.kind:
            raise BadRequest(
                f'{found} in version "{kind.version}" cannot be handled as a {kind.kind}: '
                f"converting to {kind.kind}: unknown kind"
            )

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


def codec_refused(accepted: codec.Accepted) -> ApiError:
    from kubette.api.errors import NotAcceptable

    return NotAcceptable(f"the object cannot be transformed to {accepted.as_}")


def method_not_allowed() -> ApiError:
    from kubette.api.errors import MethodNotAllowed

    return MethodNotAllowed("the server does not allow this method on the requested resource", details={})


def _too_large() -> TooLarge:
    return TooLarge(f"Request entity too large: limit is {codec.MAX_BODY}")


def _shown(obj: Object) -> str:
    import orjson

    try:
        return orjson.dumps(obj).decode()[:512]
    except orjson.JSONEncodeError as e:
        raise BadRequest("exceeded max depth") from e


def _go_kind(value: Any) -> str:
    if isinstance(value, list):
        return "array"
    if isinstance(value, str):
        return "string"
    return "bool" if isinstance(value, bool) else "number"
