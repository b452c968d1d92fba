"""DeviceClasses and ResourceSlices: what devices there are and how a claim may ask for them.

Source: pkg/apis/resource/{v1/defaults.go,validation}. CEL selectors are not compiled, and the values of a capacity's
``requestPolicy`` are not compared with the capacity.
"""

from __future__ import annotations

import re
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required, too_long, too_many, unsupported
from kubette.apiserver.registry import checks, resourceclaims, resources, scheduling, storage
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import label_value_errors

Object = dict[str, Any]
_MOST_DEVICES, _MOST_ADVANCED_DEVICES = 128, 64
_MOST_ATTRIBUTES, _MOST_VALUES, _MOST_TAINTS, _MOST_CONDITIONS = 32, 48, 16, 4
_MOST_SETS, _MOST_COUNTERS, _MOST_CONSUMED = 8, 32, 2
_LONGEST_VALUE = 64
_ONE_VALUE = "exactly one value must be specified"
_SINGLE = ("bool", "int", "string", "version")
_LISTS = ("bools", "ints", "strings", "versions")
_SLICE_NODES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_DEVICE_NODES = ("nodeName", "nodeSelector", "allNodes")
_NUMBER, _PRERELEASE, _BUILD = r"(0|[1-9]\d*)", r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)", r"[0-9a-zA-Z-]+"
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRERELEASE}(\.{_PRERELEASE})*)?(\+{_BUILD}(\.{_BUILD})*)?", re.ASCII
)


class DeviceClasses(Strategy):
    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = resourceclaims.selectors(spec.get("selectors") or [], "spec.selectors")
        out += resourceclaims.limited(
            spec.get("config") or [], resourceclaims.MOST_CONFIGS, "spec.config", resourceclaims.configuration
        )
        name = spec.get("extendedResourceName")
        if name is not None and not resources.extended(name):
            out.append(invalid("spec.extendedResourceName", name, "must be a valid extended resource name"))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return self.validate(new, ctx)


class ResourceSlices(Strategy):
    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {})

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        _stamp(obj, ctx)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        _stamp(new, ctx)
        super().prepare_update(new, old, ctx)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = storage.driver_name(spec.get("driver"), "spec.driver") + _pool(spec.get("pool") or {}, "spec.pool")
        out += _nodes(spec)
        devices, shared = spec.get("devices") or [], spec.get("sharedCounters") or []
        if shared and devices:
            out.append(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
        most = _MOST_ADVANCED_DEVICES if any(map(_advanced, devices)) else _MOST_DEVICES
        own = spec.get("perDeviceNodeSelection") is True
        out += _keyed(devices, most, "spec.devices", "name", lambda d, path: _device(d, path, own))
        return out + _keyed(shared, _MOST_SETS, "spec.sharedCounters", "name", _counter_set)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        spec, before = new["spec"], old["spec"]
        pool, had = spec.get("pool") or {}, before.get("pool") or {}
        out = self.validate(new, ctx) + checks.immutable(pool.get("name"), had.get("name"), "spec.pool.name")
        for field in ("driver", "nodeName"):
            out += checks.immutable(spec.get(field), before.get(field), f"spec.{field}")
        return out


def _stamp(obj: Object, ctx: Context) -> None:
    """The times of taints that have none."""
    for device in obj["spec"].get("devices") or ():
        for taint in device.get("taints") or ():
            if not taint.get("timeAdded"):
                taint["timeAdded"] = ctx.now()


def _keyed(values: list[Object], most: int, path: str, key: str, rule: resourceclaims.Rule) -> list[FieldError]:
    """A list of at most ``most`` items whose field ``key`` differs."""
    if len(values) > most:
        return [too_many(path, len(values), most)]
    out = [e for i, v in enumerate(values) for e in rule(v, f"{path}[{i}]")]
    known = [v.get(key) or "" for v in values]
    return out + [duplicate(f"{path}[{i}]", k) for i, k in enumerate(known) if k in known[:i]]


def _pool(pool: Object, path: str) -> list[FieldError]:
    name: str = pool.get("name") or ""
    count, generation = (pool.get(f) or 0 for f in ("resourceSliceCount", "generation"))
    out = [] if name else [required(f"{path}.name")]
    if name:
        if len(name) > 253:
            out.append(too_long(f"{path}.name", 253))
        out += [e for part in name.split("/") for e in checks.named(names.dns1123_subdomain, f"{path}.name", part)]
    if count <= 0:
        out.append(invalid(f"{path}.resourceSliceCount", count, "must be greater than zero"))
    if generation < 0:
        out.append(invalid(f"{path}.generation", generation, "must be greater than or equal to zero"))
    return out


def _nodes(spec: Object) -> list[FieldError]:
    """Which nodes have the slice's devices: one of four fields."""
    out: list[FieldError] = []
    if (name := spec.get("nodeName")) is not None:
        if name:
            out += checks.named(names.dns1123_subdomain, "spec.nodeName", name)
        else:
            out.append(invalid("spec.nodeName", name, "must be either unset or set to a non-empty string"))
    if (selector := spec.get("nodeSelector")) is not None:
        out += scheduling.node_selector(selector, "spec.nodeSelector")
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            words = "must have exactly one node selector term"
            out.append(invalid("spec.nodeSelector.nodeSelectorTerms", terms, words))
    for field in ("allNodes", "perDeviceNodeSelection"):
        if spec.get(field) is False:
            out.append(invalid(f"spec.{field}", False, "must be either unset or set to true"))
    words = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
    return out + _exactly_one(spec, _SLICE_NODES, "spec", words, f"{words}, but multiple fields are set")


def _exactly_one(value: Object, fields: tuple[str, ...], path: str, none: str, many: str) -> list[FieldError]:
    given = [f"`{f}`" for f in fields if value.get(f) not in (None, "", False)]
    if not given:
        return [required(path, none)]
    return [invalid(path, f"{{{', '.join(given)}}}", many)] if len(given) > 1 else []


def _advanced(device: Object) -> bool:
    """Whether the device has what lowers the number of devices in a slice."""
    lists = any(a.get(f) is not None for a in (device.get("attributes") or {}).values() for f in _LISTS)
    return bool(device.get("taints") or device.get("consumesCounters") or lists)


def _device(device: Object, path: str, own_nodes: bool) -> list[FieldError]:
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    out = checks.named(names.dns1123_label, f"{path}.name", device.get("name") or "")
    if (count := len(attributes) + len(capacity)) > _MOST_ATTRIBUTES:
        words = f"the total number of attributes and capacities must not exceed {_MOST_ATTRIBUTES}"
        out.append(invalid(path, count, words))
    if (count := sum(max(1, sum(len(a.get(f) or ()) for f in _LISTS)) for a in attributes.values())) > _MOST_VALUES:
        out.append(invalid(path, count, f"the total number of attribute values must not exceed {_MOST_VALUES}"))
    for name, attribute in attributes.items():
        out += resourceclaims.qualified(name, f"{path}.attributes")
        out += _attribute(attribute, f"{path}.attributes[{name}]")
    for name, amount in capacity.items():
        out += resourceclaims.qualified(name, f"{path}.capacity")
        if amount.get("requestPolicy") is not None and not device.get("allowMultipleAllocations"):
            words = "allowMultipleAllocations must be true"
            out.append(forbidden(f"{path}.capacity[{name}].requestPolicy", words))
    out += resourceclaims.limited(device.get("taints") or [], _MOST_TAINTS, f"{path}.taints", _taint)
    consumed, at = device.get("consumesCounters") or [], f"{path}.consumesCounters"
    out += _keyed(consumed, _MOST_CONSUMED, at, "counterSet", _consumption)
    return out + _nodes_of_device(device, path, own_nodes) + _binding(device, path)


def _attribute(attribute: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    given = [f for f in (*_SINGLE, *_LISTS) if attribute.get(f) is not None]
    for field in given:
        value, at = attribute[field], f"{path}.{field}"
        if field in _LISTS and not value:
            out.append(invalid(at, value, "must not be empty if specified"))
        named = [(v, f"{at}[{i}]") for i, v in enumerate(value)] if field in _LISTS else [(value, at)]
        for text, where in named if field.startswith(("string", "version")) else ():
            if field.startswith("version") and _SEMVER.fullmatch(text) is None:
                out.append(invalid(where, text, "must be a string compatible with semver.org spec 2.0.0"))
            if len(text.encode()) > _LONGEST_VALUE:
                out.append(too_long(where, _LONGEST_VALUE))
    if len(given) != 1:
        out.append(invalid(path, attribute if given else "", _ONE_VALUE))
    return out


def _taint(taint: Object, path: str) -> list[FieldError]:
    effect, value = taint.get("effect") or "", taint.get("value") or ""
    out = checks.qualified_name(taint.get("key") or "", f"{path}.key")
    out += [invalid(f"{path}.value", value, m) for m in label_value_errors(value)]
    if not effect:
        out.append(required(f"{path}.effect"))
    elif effect not in resourceclaims.EFFECTS:
        out.append(unsupported(f"{path}.effect", effect, resourceclaims.EFFECTS))
    return out


def _counter_set(value: Object, path: str) -> list[FieldError]:
    return _counters(value, path, "name")


def _consumption(value: Object, path: str) -> list[FieldError]:
    return _counters(value, path, "counterSet")


def _counters(value: Object, path: str, field: str) -> list[FieldError]:
    name, counters, at = value.get(field) or "", value.get("counters") or {}, f"{path}.{field}"
    out = checks.named(names.dns1123_label, at, name) if name else [required(at)]
    if not counters:
        out.append(required(f"{path}.counters"))
    elif len(counters) > _MOST_COUNTERS:
        out.append(too_many(f"{path}.counters", len(counters), _MOST_COUNTERS))
    else:
        out += [e for key in counters for e in checks.named(names.dns1123_label, f"{path}.counters", key)]
    return out


def _nodes_of_device(device: Object, path: str, own: bool) -> list[FieldError]:
    if not own:
        if all(device.get(f) is None for f in _DEVICE_NODES):
            return []
        words = (
            "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true "
            "in the ResourceSlice spec"
        )
        return [invalid(path, None, words)]
    out: list[FieldError] = []
    if (name := device.get("nodeName")) is not None:
        rule = checks.named(names.dns1123_subdomain, f"{path}.nodeName", name)
        out += rule if name else [invalid(f"{path}.nodeName", name, "must not be empty")]
    if (selector := device.get("nodeSelector")) is not None:
        out += scheduling.node_selector(selector, f"{path}.nodeSelector")
    if device.get("allNodes") is False:
        out.append(invalid(f"{path}.allNodes", False, "must be either unset or set to true"))
    words = (
        "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to "
        "true in the ResourceSlice spec"
    )
    return out + _exactly_one(device, _DEVICE_NODES, path, words, words)


def _binding(device: Object, path: str) -> list[FieldError]:
    """``bindingConditions`` and ``bindingFailureConditions``: both or neither, without overlap."""
    fields = ("bindingConditions", "bindingFailureConditions")
    wanted, failed = (device.get(f) or [] for f in fields)
    out: list[FieldError] = []
    for field, values in zip(fields, (wanted, failed), strict=True):
        out += resourceclaims.limited(values, _MOST_CONDITIONS, f"{path}.{field}", checks.qualified_name)
        out += [duplicate(f"{path}.{field}[{i}]", v) for i, v in enumerate(values) if v in values[:i]]
    words = "bindingFailureConditions must not overlap with bindingConditions"
    out += [invalid(f"{path}.{fields[1]}[{i}]", v, words) for i, v in enumerate(failed) if v in wanted]
    if bool(wanted) != bool(failed):
        lacking, other = fields if failed else fields[::-1]
        out.append(invalid(f"{path}.{lacking}", device.get(lacking), f"{lacking} are required to use {other}"))
    return out
