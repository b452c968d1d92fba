"""What every verb needs of a request: its body, who asks, and how to answer. One ``Call`` a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from aiohttp import web

from kubette.api import kinds, meta, schema
from kubette.api.errors import ApiError, BadRequest, Timeout, TooLarge, invalid_patch
from kubette.api.kinds import Kind
from kubette.apiserver import bodies, codec, request, writes
from kubette.apiserver.authn import User
from kubette.apiserver.authz import Authorizer
from kubette.apiserver.load import INLINE, Share
from kubette.apiserver.objects import Objects
from kubette.apiserver.registry.base import Context
from kubette.apiserver.request import RequestInfo

if TYPE_CHECKING:
    from kubette.apiserver.app import App

Object = dict[str, Any]
T = TypeVar("T")
_BODY_SECONDS = 60.0  # as upstream's request timeout
_TRIES = 5  # of an update that others write in between
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
    weight: int = 0  # bytes to work on: of the body, and of the object that it changes
    share: Share | None = None

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
            user=self.user.name, groups=self.user.groups, now=meta.now, reader=self.objects,
            subresource=self.info.subresource, dry_run=self.dry_run, warnings=self.warnings,
        )  # fmt: skip

    @property
    def heavy(self) -> bool:
        """Whether the work is done beside the event loop."""
        return self.weight > INLINE

    @property
    def objects(self) -> Objects:
        """The objects, to be read wherever the work is done."""
        return self.app.load.on_loop(self.app.objects) if self.heavy else self.app.objects

    @property
    def authorizer(self) -> Authorizer:
        return self.app.load.on_loop(self.app.authorizer) if self.heavy else self.app.authorizer

    async def run(self, work: Callable[[], T], more: int = 0) -> T:
        """``work()``, beside the loop where the request, and ``more`` bytes, are large. Raises TooManyRequests."""
        if self.weight + more <= INLINE:
            return work()
        return await self._share().run(self.weight + more, work)

    def weigh_stored(self) -> None:
        """The stored object is worked on, too. Call before ``context``."""
        if entry := self.app.objects.head(self.kind, self.namespace, self.info.name):
            self.weight += len(entry.value)

    async def update(
        self,
        change: Callable[[Object], Object],
        ctx: Context,
        admission: writes.Admission,
        check: Callable[[Object], None] = lambda obj: None,
        admission_of_create: writes.Admission | None = None,
    ) -> writes.Written:
        """``writes.update`` of the request's object; prepared beside the loop if it is large, and again if another
        write came between."""
        kind, namespace, name = self.kind, self.namespace, self.info.name
        for left in reversed(range(_TRIES)):
            entry = self.app.objects.head(kind, namespace, name)
            prepare = partial(
                writes.prepare_update, entry, kind, namespace, name, change, ctx, admission, check, admission_of_create
            )
            ready = await self.run(prepare)
            try:
                return writes.commit(self.app.objects, ready)
            except writes.Stale:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _share(self) -> Share:
        if self.share is None:
            self.share = self.app.load.share(self.user.name)
        return self.share

    def release(self) -> None:
        """Give back what the request held."""
        if self.share is not None:
            self.share.release()

    async def body(self) -> bytes:
        """The whole body. Raises TooLarge past 3 MiB, TooManyRequests, Timeout."""
        length = self.request.content_length
        if length is not None and length > codec.MAX_BODY:
            raise _too_large()
        if length == 0 or not self.request.body_exists:
            return b""
        parts, size = [], 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for part in self.request.content.iter_any():
                    size += len(part)
                    if size > codec.MAX_BODY:
                        raise _too_large()
                    if size > INLINE:
                        self._share().hold(size)
                    parts.append(part)
        except web.RequestPayloadError as e:
            raise BadRequest(f"unable to read the body: {e}") from e
        except TimeoutError:
            raise Timeout(f"the request's body did not come within {_BODY_SECONDS:.0f} seconds") from None
        self.weight += size
        return b"".join(parts)

    async def decode(self, kind: str, api_version: str) -> tuple[Object, bodies.Body]:
        """The body as an object. Kind and version are the URL's where the body does not say them.
        Raises BadRequest."""
        data = await self.body()
        media = self.request.headers.get("Content-Type", "")

        def decode() -> tuple[Object, bodies.Body]:
            try:
                body = bodies.decode(data, media)
                obj = _object(body.value)
                fill(obj, kind, api_version)
            except bodies.Malformed as e:
                raise bodies.unrecognized(kind, data, e) from e
            return obj, body

        return await self.run(decode)

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
        self.warnings += [line for text in result.warnings for line in _yaml_lines(text)]
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
            self.app.load.on_loop(self.app).authorize(self.user, self.info, verb)

    def require(self, verb: str) -> None:
        """MethodNotAllowed unless the kind (or subresource) has the verb."""
        sub = self.kind.subresource(self.info.subresource) if self.info.subresource else None
        if verb not in (sub.verbs if sub else self.kind.verbs):
            raise method_not_allowed()

    async def reply(self, value: bytes, code: int = 200) -> web.Response:
        """An object's bytes, transformed as the client asked."""
        accepted = self.accepted
        if accepted.form == codec.JSON and not accepted.as_:
            return self.raw(value, code, accepted.form)
        body = await self.run(partial(self._transformed, value), len(value))
        return self.raw(body, code, accepted.form)

    def _transformed(self, value: bytes) -> bytes:
        accepted = self.accepted
        if accepted.as_ and self.info.kind is not None:
            value = orjson.dumps(self.transform(orjson.loads(value), accepted))
        return codec.convert(value, accepted.form)

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
        for header in codec.warning_headers(self.warnings):
            out.add("Warning", header)
        return out


def _yaml_lines(text: str) -> list[str]:
    """Each of a YAML parser's errors is a warning of its own."""
    return [line.strip() for line in text.removeprefix("yaml: unmarshal errors:\n").split("\n")]


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
