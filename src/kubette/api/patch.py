"""The three kinds of PATCH: JSON patch, JSON merge patch and strategic merge patch. Pure.

Sources: RFC 6902, RFC 7396, and Kubernetes' strategic merge
(https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md).
The original is never changed. Errors are ``BadRequest`` for a malformed patch, ``Invalid`` (422) for one that
does not apply, as upstream answers.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from kubette.api import schema
from kubette.api.errors import BadRequest, Invalid, TooLarge

Obj = dict[str, Any]

MAX_JSON_PATCH_OPERATIONS = 10_000
#: Bytes that the copy operations of one patch may make, as large as a body.
_MAX_COPIED = 3 << 20
_REJECTED = "the server rejected our request due to an error in our request"
_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def json_patch(original: Obj, operations: Any) -> Obj:
    """RFC 6902. The operations apply all or not at all."""
    import jsonpatch

    if not isinstance(operations, list):
        raise BadRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > MAX_JSON_PATCH_OPERATIONS:
        raise TooLarge(
            f"The allowed maximum operations in a JSON patch is {MAX_JSON_PATCH_OPERATIONS}, got {len(operations)}"
        )
    for operation in operations:
        _check_operation(operation)
    out: Any = copy.deepcopy(original)
    copied = 0
    for operation in operations:
        try:
            if operation["op"] == "copy":
                copied += len(json.dumps(jsonpatch.JsonPointer(operation["from"]).resolve(out)))
                if copied > _MAX_COPIED:
                    raise Invalid(f"{_REJECTED}: the copies that the patch makes exceed the limit {_MAX_COPIED}")
            out = jsonpatch.JsonPatch([operation]).apply(out, in_place=True)
        except jsonpatch.InvalidJsonPatch as error:
            raise BadRequest(f"error decoding patch: {error}") from error
        except jsonpatch.JsonPatchTestFailed as error:
            raise Invalid(f"{_REJECTED}: testing value {operation['path']} failed: test failed") from error
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, *_NO_SUCH_PLACE) as error:
            words = f"{operation['op']} operation does not apply: doc is missing path: {operation['path']}"
            raise Invalid(f"{_REJECTED}: {words}") from error
    if not isinstance(out, dict):
        raise Invalid(f"{_REJECTED}: the patch left no object")
    return out


#: What the library lets through where a path leads into a text or number, or an index is no number of Python's.
_NO_SUCH_PLACE = (TypeError, KeyError, ValueError, IndexError, AttributeError)
_OPERATIONS = frozenset({"add", "remove", "replace", "move", "copy", "test"})


def _check_operation(operation: Any) -> None:
    """Raises BadRequest for what cannot be decoded as an operation, Invalid for one that cannot be applied."""
    if not isinstance(operation, dict):
        raise BadRequest("error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Operation")
    op, path = operation.get("op"), operation.get("path")
    if op not in _OPERATIONS if isinstance(op, str) else True:
        raise Invalid(f"{_REJECTED}: Unexpected kind: {op if isinstance(op, str) else 'unknown'}")
    if not isinstance(path, str):
        raise Invalid(f"{_REJECTED}: {op} operation does not apply: the operation has no path")
    if op in ("move", "copy") and not isinstance(operation.get("from"), str):
        raise Invalid(f"{_REJECTED}: {op} operation does not apply: the operation has no from")


def merge_patch(original: Any, patch: Any) -> Any:
    """RFC 7396: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    out = dict(original) if isinstance(original, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


def strategic_merge(definition: str, original: Obj, patch: Any) -> Obj:
    """``patch`` applied to ``original``, lists merged as the schema ``definition`` (a kind's) says."""
    if not isinstance(patch, dict):
        raise BadRequest("invalid patch: it must be an object")
    return _map(definition, original, patch)


def _map(definition: str, original: Obj, patch: Obj) -> Obj:
    match patch.get(_DIRECTIVE):
        case None | "merge":
            pass
        case "replace":
            return {k: v for k, v in patch.items() if k != _DIRECTIVE}
        case "delete":
            return {}
        case other:
            raise BadRequest(f"Unknown patch type: {other}")
    out = dict(original)
    retain = patch.get(_RETAIN)
    if retain is not None:
        if not isinstance(retain, list) or not all(isinstance(k, str) for k in retain):
            raise BadRequest("invalid patch format of retainKeys: not an array of strings")
        retained = set(retain)
        if any(v is not None and not k.startswith("$") and k not in retained for k, v in patch.items()):
            raise BadRequest("element in patch but not in the retainKeys list")
        out = {k: v for k, v in out.items() if k in retained}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            out.pop(key, None)
        else:
            out[key] = _field(definition, key, out.get(key), value, patch.get(_ORDER + key))
    for key, values in patch.items():
        name = key.removeprefix(_DELETE)
        if name != key and isinstance(out.get(name), list):
            gone = {_identity(v) for v in _list_of(values, key)}
            out[name] = [v for v in out[name] if _identity(v) not in gone]
        name = key.removeprefix(_ORDER)
        if name != key and name not in patch and isinstance(out.get(name), list):
            meta = schema.field_meta(definition, name)
            out[name] = _ordered(out[name], _list_of(values, key), out[name], meta.merge_key if meta else "")
    return out


def _list_of(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest(f"invalid patch: {where} must be an array")
    return value


def _field(definition: str, name: str, old: Any, new: Any, order: Any) -> Any:
    meta = schema.field_meta(definition, name)
    strategies: Sequence[str] = meta.strategies if meta else ()
    inner = meta.definition if meta else ""
    if isinstance(new, dict):
        base = old if isinstance(old, dict) and "replace" not in strategies else {}
        if meta is not None and meta.shape == "map" and inner:
            return {**base, **{k: _map(inner, base.get(k) or {}, v) for k, v in new.items() if isinstance(v, dict)}}
        return _map(inner, base, new)
    if isinstance(new, list) and "merge" in strategies and meta is not None:
        before = old if isinstance(old, list) else []
        wanted = None if order is None else _list_of(order, _ORDER + name)
        return _merge_list(inner, meta.merge_key, before, new, name, wanted)
    return copy.deepcopy(new)


def _merge_list(
    definition: str, merge_key: str, old: list[Any], new: list[Any], name: str, order: list[Any] | None
) -> list[Any]:
    """``new`` merged into ``old``, in the order that ``order`` ($setElementOrder) gives, else in the patch's own."""
    if not merge_key:
        merged = {_identity(v): v for v in (*old, *new)}
        return _ordered(list(merged.values()), new if order is None else order, old, "")
    for item in new:
        if not isinstance(item, dict):
            raise BadRequest(f"invalid patch: an element of {name} is not an object")
    if any(item.get(_DIRECTIVE) == "replace" for item in new):
        kept = [item for item in new if _DIRECTIVE not in item]
        return kept if order is None else _ordered(kept, order, old, merge_key)
    items: dict[int, Any] = dict(enumerate(old))
    places: dict[Any, list[int]] = {}
    for i, item in items.items():
        places.setdefault(_identity(item.get(merge_key) if isinstance(item, dict) else item), []).append(i)
    patched: list[Any] = []
    for item in new:
        if item.keys() == {_DIRECTIVE}:
            continue
        if merge_key not in item:
            raise BadRequest(f"map: {item} does not contain declared merge key: {merge_key}")
        key = _identity(item[merge_key])
        if item.get(_DIRECTIVE) == "delete":
            for i in places.pop(key, ()):
                del items[i]
            continue
        patched.append(item)
        if key in places:
            first = places[key][0]
            items[first] = _map(definition, items[first], item)
        else:
            at = len(old) + len(new) + len(patched)  # after everything that is there
            items[at] = _map(definition, {}, item)
            places[key] = [at]
    return _ordered(list(items.values()), patched if order is None else order, old, merge_key)


def _identity(value: Any) -> Any:
    """A hashable form by which two JSON values are equal."""
    return (type(value), value) if isinstance(value, str | int | float | None) else repr(value)


def _ordered(items: list[Any], order: list[Any], before: list[Any], merge_key: str) -> list[Any]:
    """``items`` with those that ``order`` names in its order. The server's own keep their order too, and stand before
    an element of the patch only where the list had them so: a new element comes before them."""

    def key(item: Any) -> Any:
        return _identity(item.get(merge_key) if merge_key and isinstance(item, dict) else item)

    rank: dict[Any, int] = {}
    for i, item in enumerate(order):
        rank.setdefault(key(item), i)
    place: dict[Any, int] = {}
    for i, item in enumerate(before):
        place.setdefault(key(item), i)
    named = sorted((i for i in items if key(i) in rank), key=lambda i: rank[key(i)])
    others = [i for i in items if key(i) not in rank]
    out: list[Any] = []
    n = o = 0
    while n < len(named) and o < len(others):
        at = place.get(key(named[n]))
        if at is not None and place.get(key(others[o]), len(before)) < at:
            out.append(others[o])
            o += 1
        else:
            out.append(named[n])
            n += 1
    return [*out, *named[n:], *others[o:]]
