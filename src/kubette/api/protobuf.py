r"""Kubernetes protobuf: objects as JSON dicts from and to the binary form that kubectl and client-go write.

A body is the magic ``k8s\0`` and a ``runtime.Unknown`` that names apiVersion and kind and carries the object's
message. Which field is which is said by ``proto_table``. Pure: bytes and dicts only; it knows nothing of
defaults and validation. Importing it is cheap: the table is read when the first body comes.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding.
"""

from __future__ import annotations

import struct
from typing import Any

from kubette.api import proto_decode, proto_encode
from kubette.api.proto_rows import message_of

Obj = dict[str, Any]

MAGIC = proto_decode.MAGIC


def supports(api_version: str, kind: str) -> bool:
    """False for kinds that have no protobuf form: custom ones, Table. A server answers 406 (or 415) then."""
    return message_of(api_version, kind) is not None


def decode_envelope(data: bytes, default: tuple[str, str] | None = None) -> Obj:
    """The object in ``data``, with apiVersion and kind. ``default`` stands in where the envelope names none.

    Raises ValueError for anything but well-formed protobuf of a known kind, whatever the bytes are."""
    try:
        return proto_decode.envelope(data, default)
    except IndexError as e:
        raise ValueError("unexpected EOF") from e
    except (OverflowError, struct.error) as e:
        raise ValueError(f"value out of range: {e}") from e


def encode_envelope(obj: Obj) -> bytes:
    """``obj`` (with apiVersion and kind) in its envelope.

    Raises ValueError for kinds without protobuf and for values that do not fit their field."""
    api_version, kind = str(obj.get("apiVersion") or ""), str(obj.get("kind") or "")
    name = message_of(api_version, kind)
    if name is None:
        raise ValueError(f'no kind "{kind}" is registered for version "{api_version}" in protobuf')
    return MAGIC + proto_encode.envelope(name, obj)


def watch_frame(event: str, obj: Obj) -> bytes:
    """One event of a watch in ``application/vnd.kubernetes.protobuf;stream=watch``: a length of four bytes and a
    bare WatchEvent, whose object is an envelope."""
    raw = proto_encode.sized(1, encode_envelope(obj))
    frame = proto_encode.sized(1, event.encode()) + proto_encode.sized(2, raw)
    return struct.pack(">I", len(frame)) + frame
