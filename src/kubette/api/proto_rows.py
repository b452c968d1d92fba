"""The rows of ``proto_table``, parsed when a message is first met: what the codec needs to know of a field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from kubette.api.kinds import all_kinds

# Kinds that upstream registers in every group and version.
_COMMON = frozenset({
    "APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "CreateOptions", "DeleteOptions", "GetOptions",
    "ListOptions", "PartialObjectMetadata", "PartialObjectMetadataList", "PatchOptions", "Status", "UpdateOptions",
    "WatchEvent",
})  # fmt: skip
_OR = "apiextensions.v1.JSONSchemaPropsOr"

#: Messages that are a JSON schema, or something else in its place: the name of the field that holds that.
SCHEMA_OR = {_OR + "Bool": "allows", _OR + "Array": "jSONSchemas", _OR + "StringArray": "property"}


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    number: int
    how: str  # ":", "!", "?" or "<": see proto_table
    shape: str  # "", "[]" or "{}"
    type: str  # one letter, or the full name of a message


@dataclass(frozen=True, slots=True)
class Message:
    name: str
    by_number: Mapping[int, Field]
    in_order: tuple[Field, ...]


@cache
def _rows() -> dict[str, str]:
    """``core.v1.Pod`` → its row, unparsed."""
    from kubette.api.proto_table import TABLE

    out: dict[str, str] = {}
    package = ""
    for line in TABLE.replace("\n ", " ").splitlines():
        if line.startswith("@"):
            package = line[1:]
        else:
            name, _, fields = line.partition(" ")
            out[f"{package}.{name}"] = fields
    return out


@cache
def message(name: str) -> Message:
    """KeyError for a message that is not in the table."""
    package = name.rpartition(".")[0]
    fields = []
    for token in _rows()[name].split():
        field, _, rest = token.partition("=")
        found = re.fullmatch(r"(\d+)([:!?<])(\[\]|\{\}|)(\S+)", rest)
        assert found is not None, token
        number, how, shape, kind = found.groups()
        if len(kind) > 1 and "." not in kind:
            kind = f"{package}.{kind}"
        fields.append(Field(field, int(number), how, shape, kind))
    return Message(name, {f.number: f for f in fields}, tuple(sorted(fields, key=lambda f: f.number)))


@cache
def _packages() -> dict[str, str]:
    """``apps/v1`` → ``apps.v1``, for all groups and versions that have protobuf."""
    out = {k.api_version: ".".join(k.proto.split(".")[-3:-1]) for k in all_kinds() if k.proto}
    return {**out, "meta.k8s.io/v1": "meta.v1"}


def message_of(api_version: str, kind: str) -> str | None:
    """The message of a kind, ``apps.v1.Deployment``; None for kinds without protobuf (custom ones, Table)."""
    name = f"{_packages().get(api_version, '')}.{kind}"
    if name in _rows():
        return name
    return f"meta.v1.{kind}" if kind in _COMMON else None
