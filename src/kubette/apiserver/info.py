"""The paths that are no resource: health, version, discovery, OpenAPI, metrics, issuer metadata."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from kubette.api import discovery
from kubette.apiserver import codec
from kubette.apiserver.config import VERSION
from kubette.apiserver.request import page_not_found
from kubette.apiserver.verbs.base import method_not_allowed

if TYPE_CHECKING:
    from kubette.apiserver.verbs.base import Call

_YEAR = 365 * 24 * 3600
_CHECKS = ("ping", "log", "datastore", "poststarthook/bootstrap")


async def handle(call: Call) -> web.StreamResponse:
    info = call.info
    if info.method not in ("GET", "HEAD"):
        raise method_not_allowed()
    parts = info.path.strip("/").split("/")
    match parts[0]:
        case "healthz" | "livez" | "readyz":
            return _health(call, parts)
        case "version":
            return call.answer_object(version())
        case "api" | "apis":
            return _discovery(call, info.path)
        case "openapi":
            return _openapi(call, parts)
        case "metrics":
            return _metrics(call)
        case "":
            return call.answer_object({"paths": _paths()})
        case ".well-known" if parts[1:] == ["openid-configuration"]:
            return call.answer_object(
                {
                    "issuer": call.app.config.issuer,
                    "jwks_uri": f"{call.app.config.issuer}/openid/v1/jwks",
                    "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"],
                }
            )
        case "openid" if parts[1:] == ["v1", "jwks"]:
            return call.answer_object(call.app.tokens.jwks())
        case _:
            raise page_not_found()


def version() -> dict[str, Any]:
    """What ``kubectl version`` shows of a server."""
    import platform

    major, minor, _ = VERSION[1:].split(".", 2)
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major, "minor": minor, "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "kubette", "platform": f"linux/{arch}",
        "emulationMajor": major, "emulationMinor": minor, "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
    }  # fmt: skip


def _health(call: Call, parts: list[str]) -> web.Response:
    if len(parts) > 1 and "/".join(parts[1:]) not in _CHECKS:
        raise page_not_found()
    if (failure := call.app.objects.store.failure) is not None and parts[1:] in ([], ["datastore"]):
        text = f"[-]datastore failed: {failure}\n{parts[0]} check failed\n"
        return web.Response(text=text, status=500)
    if "verbose" in call.info.query:
        text = "".join(f"[+]{name} ok\n" for name in _CHECKS) + f"{parts[0]} check passed\n"
        return web.Response(text=text)
    return web.Response(text="ok")


def _discovery(call: Call, path: str) -> web.Response:
    form, media = "plain", codec.JSON
    path = path.rstrip("/")
    if path in ("/api", "/apis"):
        for item in call.request.headers.get("Accept", "").split(","):
            text = item.replace(" ", "")
            if "g=apidiscovery.k8s.io" in text and "as=APIGroupDiscoveryList" in text:
                form = "v2" if "v=v2;" in text + ";" else "v2beta1"
                media = discovery.AGGREGATED_V2 if form == "v2" else discovery.AGGREGATED_V2BETA1
                break
            if text.startswith((codec.JSON, "*/*")):
                break
    if path == "/api" and form == "plain":
        config = call.app.config
        body: bytes | None = orjson.dumps(discovery.api_versions(f"{config.endpoint_address}:{config.port}"))
    else:
        body = _document(path, form)
    if body is None:
        raise page_not_found()
    return call.raw(body, 200, media)


@cache
def _document(path: str, form: str) -> bytes | None:
    return discovery.builtin(path, form)


def _openapi(call: Call, parts: list[str]) -> web.Response:
    from kubette.api import openapi

    if parts == ["openapi", "v3"]:
        return call.raw(openapi.v3_index(), 200, codec.JSON)
    accept = call.request.headers.get("Accept", "")
    if parts == ["openapi", "v2"]:
        document: openapi.Document | None = openapi.v2(protobuf="com.github.proto-openapi.spec.v2" in accept)
    elif parts[1:2] == ["v3"]:
        document = openapi.v3("/".join(parts[2:]))
    else:
        document = None
    if document is None:
        raise page_not_found()
    etag = f'"{document.etag}"'
    keep = {"ETag": etag, "Vary": "Accept, Accept-Encoding", "Cache-Control": "no-cache, private"}
    if asked := call.info.param("hash"):
        if asked != document.etag:  # of another version of the server: what the index names now
            return web.Response(status=301, headers={"Location": f"{call.info.path}?hash={document.etag}"})
        keep |= {"Cache-Control": "public, immutable", "Expires": formatdate(time.time() + _YEAR, usegmt=True)}
    if call.request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=keep)
    headers = {"Content-Type": document.media_type, **keep}
    if "gzip" in call.request.headers.get("Accept-Encoding", ""):
        return web.Response(body=document.gzipped, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=document.plain(), headers=headers)


def _metrics(call: Call) -> web.Response:
    store = call.app.objects.store
    lines = ["# TYPE apiserver_storage_objects gauge"]
    lines += [f'apiserver_storage_objects{{resource="{r}"}} {store.count(r)}' for r in sorted(store.resources())]
    lines += ["# TYPE kubette_store_revision counter", f"kubette_store_revision {store.rev}", ""]
    return web.Response(text="\n".join(lines), headers={"Content-Type": "text/plain; version=0.0.4"})


def _paths() -> list[str]:
    groups = discovery.groups()
    out = ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis"]
    for group, versions in groups.items():
        if group:
            out += [f"/apis/{group}", *(f"/apis/{group}/{v}" for v in versions)]
    return sorted([*out, "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks",
                   "/readyz", "/version"])  # fmt: skip
