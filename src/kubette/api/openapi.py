"""The OpenAPI documents that a server hands out, as ready bytes.

They are written at build time (``tools/build_hook.py``) and read from the package's data on first use. Each
is kept compressed, as most clients take it; ``plain()`` is for those that don't.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"

JSON = "application/json"
#: The v2 protobuf form. Requests spell it ``spec.v2@v1.0``; an answer with the ``@`` breaks kubectl's parser.
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its gzipped bytes, the media type of what is inside, and a strong tag without quotes."""

    gzipped: bytes
    media_type: str
    etag: str

    def plain(self) -> bytes:
        """The bytes uncompressed."""
        return gzip.decompress(self.gzipped)


def _read(name: str) -> bytes:
    try:
        return (DATA / "openapi" / name).read_bytes()
    except FileNotFoundError as e:
        raise RuntimeError(
            f"{e.filename} is missing: the package was not built; run `python tools/build_hook.py`"
        ) from e


@cache
def v3_index() -> bytes:
    """The answer of ``/openapi/v3``: a JSON object, ``paths`` → group-version → ``serverRelativeURL``."""
    return _read("v3.json")


@cache
def _v3_hashes() -> dict[str, str]:
    import orjson

    paths = orjson.loads(v3_index())["paths"]
    return {path: entry["serverRelativeURL"].rpartition("=")[2] for path, entry in paths.items()}


def v3(path: str) -> Document | None:
    """The v3 document of ``api/v1``, ``apis/apps/v1``, …; None where there is none.

    Its ``etag`` is the hash in the index's URL: an answer to that URL never changes."""
    path = path.strip("/")
    tag = _v3_hashes().get(path)
    if tag is None:
        return None
    return Document(_read(f"v3/{path.replace('/', '__')}.json.gz"), JSON, tag)


def v2(*, protobuf: bool = False) -> Document:
    """The v2 document, in JSON or in gnostic's protobuf."""
    etag = _read("v2.etag").decode()
    if protobuf:
        return Document(_read("v2.pb.gz"), V2_PROTOBUF, etag + "-pb")
    return Document(_read("v2.json.gz"), JSON, etag)
