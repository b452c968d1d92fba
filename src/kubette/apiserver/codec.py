"""Wire formats of answers, and what the client will take. Bodies that come in: ``bodies``.

Answers that exist as JSON bytes are sent as they are; only other formats cost an encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from kubette.api.caching import cached_short
from kubette.api.errors import NotAcceptable

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MAX_BODY = 3 << 20
_FORMATS = {JSON: JSON, YAML: YAML, PROTOBUF: PROTOBUF, "*/*": JSON, "application/*": JSON}
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """``form`` is a media type; ``as_`` is ``""``, ``Table``, ``PartialObjectMetadata`` or ``…List``."""

    form: str = JSON
    as_: str = ""
    group: str = ""
    version: str = ""
    stream: str = ""


DEFAULT = Accepted()


@cached_short(256, 512)
def accepted(header: str) -> Accepted:
    """The best of an Accept header; plain JSON is preferred where it is listed without a transformation.
    Raises NotAcceptable."""
    if not header.strip():
        return DEFAULT
    choices = []
    for item in header.split(","):
        media, *rest = (part.strip() for part in item.split(";"))
        form = _FORMATS.get(media.lower())
        if form is None:
            continue
        params = dict(p.split("=", 1) for p in rest if "=" in p)
        as_ = params.get("as", "")
        if as_ not in ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
            continue
        if as_ and params.get("v", "v1") not in ("v1", "v1beta1"):
            continue
        choices.append(Accepted(form, as_, params.get("g", ""), params.get("v", ""), params.get("stream", "")))
    if not choices:
        raise NotAcceptable(
            "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf"
        )
    first = choices[0]
    if first.form == PROTOBUF and not first.as_ and DEFAULT in choices:
        return DEFAULT
    return first


def encode(obj: Object, form: str) -> bytes:
    """An answer in the negotiated format."""
    if form == JSON:
        return orjson.dumps(obj)
    if form == PROTOBUF:
        from kubette.api import protobuf

        try:
            return protobuf.encode_envelope(obj)
        except ValueError as e:
            raise NotAcceptable(f"object is not serializable to protobuf: {e}") from e
    import yaml

    text: str = yaml.dump(obj, Dumper=_dumper(), sort_keys=True, allow_unicode=True)
    return text.encode()


@cache
def _dumper() -> Any:
    """Quotes, beyond what PyYAML does, the text that Go's YAML would read as a boolean or a number."""
    import yaml

    dumper: Any = type("Dumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {})
    dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("[yYnN]$"), list("yYnN"))
    number = re.compile(r"[-+]?\.?[0-9][0-9a-fA-FxXoO_.+-]*$")
    dumper.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    return dumper


def watch_line(change: str, obj: Object, form: str) -> bytes:
    """One event of a watch in the negotiated format."""
    if form == PROTOBUF:
        from kubette.api import protobuf

        return protobuf.watch_frame(change, obj)
    return b'{"type":"%s","object":%s}\n' % (change.encode(), orjson.dumps(obj))


def convert(value: bytes, form: str) -> bytes:
    """An answer's JSON bytes in the negotiated format."""
    return value if form == JSON else encode(orjson.loads(value), form)


_WARNINGS_TOTAL, _WARNING_CUT = 4096, 256  # characters: of all, and of each once all do not fit
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def warning_headers(texts: Iterable[str]) -> list[str]:
    """The values of ``Warning`` headers, each text once. Too many are cut short, then left out, as upstream does."""
    plain = [_CONTROL.sub(" ", text) for text in dict.fromkeys(texts) if text]
    if sum(map(len, plain)) > _WARNINGS_TOTAL:
        plain = [text[:_WARNING_CUT] for text in plain]
    out, written = [], 0
    for text in plain:
        if written >= _WARNINGS_TOTAL:
            break
        written += len(text)
        out.append('299 - "{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"')))
    return out


def partial(obj: Object) -> Object:
    """The object's PartialObjectMetadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj.get("metadata") or {},
    }


def table(kind: Any, objs: list[Object], list_meta: Object, include: str) -> Object:
    """A ``meta.k8s.io/v1`` Table of ``objs``; ``include`` is None, Metadata (default) or Object."""
    from kubette.api import columns

    out: Object = columns.table(kind, objs, True, include=include)
    out["metadata"] = list_meta
    return out
