"""CustomResourceDefinitions: defaults and validation of the definition itself.

Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/{v1,validation} and pkg/registry/customresourcedefinition.
Upstream's errors place what all versions have in common at ``spec.validation`` and the like, where v1beta1 had it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required, too_many
from kubette.apiserver.registry import checks, structuralschema, webhookconfigurations
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_REVIEWS = ("v1", "v1beta1")
_WARNING_LONGEST, _MOST_SELECTABLE = 256, 8
_APPROVAL = "api-approved.kubernetes.io"
_PULL = "see https://github.com/kubernetes/enhancements/pull/1111"


class CustomResourceDefinitions(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        named = spec.setdefault("names", {})
        kind = named.get("kind") or ""
        named["singular"] = named.get("singular") or kind.lower()
        if kind and not named.get("listKind"):
            named["listKind"] = f"{kind}List"
        conversion = spec.setdefault("conversion", {"strategy": "None"})
        service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
        if service is not None:
            service.setdefault("port", 443)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        stored = next(([v["name"]] for v in _versions(obj) if v.get("storage") and v.get("name")), [])
        obj["status"] = {
            "conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored,
        }  # fmt: skip

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        super().prepare_update(new, old, ctx)
        if ctx.subresource:
            return
        status = new.setdefault("status", {})
        stored = status.setdefault("storedVersions", [])
        for version in _versions(new):
            if version.get("storage"):
                if version.get("name") not in stored:
                    status["storedVersions"] = [*stored, version.get("name") or ""]
                break

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        name, wanted = obj["metadata"].get("name") or "", f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
        out: list[FieldError] = []
        if name != wanted:
            out.append(invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
        out += _spec(spec) + _stored(obj)
        return out + _approval(obj, None) + _preserving(spec)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return _names((new.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")
        spec, before = new["spec"], old["spec"]
        out = _spec(spec)
        if _established(old):
            out += checks.immutable(spec.get("scope"), before.get("scope"), "spec.scope")
            out += checks.immutable(spec["names"].get("kind"), before["names"].get("kind"), "spec.names.kind")
        out += checks.immutable(spec.get("group"), before.get("group"), "spec.group")
        out += checks.immutable(spec["names"].get("plural"), before["names"].get("plural"), "spec.names.plural")
        out += _stored(new) + _approval(new, old)
        return out + ([] if before.get("preserveUnknownFields") else _preserving(spec))


def _versions(obj: Object) -> list[Object]:
    return obj["spec"].get("versions") or []


def _established(obj: Object) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def _joined(rule: Callable[[str], list[str]], value: str, path: str, intro: str = "") -> list[FieldError]:
    found = rule(value)
    return [invalid(path, value, intro + ",".join(found))] if found else []


def _spec(spec: Object) -> list[FieldError]:
    group, versions = spec.get("group") or "", spec.get("versions") or []
    out: list[FieldError] = []
    if not group:
        out.append(required("spec.group"))
    elif found := _joined(names.dns1123_subdomain, group, "spec.group"):
        out += found
    elif "." not in group:
        out.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    out += checks.one_of(spec.get("scope"), ("Cluster", "Namespaced"), "spec.scope")
    for i, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            out.append(required(f"spec.versions[{i}].schema.openAPIV3Schema"))
    common = {f: _common(versions, f) for f in ("schema", "subresources", "additionalPrinterColumns")}
    for i, version in enumerate(versions):
        path = f"spec.versions[{i}]"
        out += _joined(names.dns1035_label, version.get("name") or "", f"{path}.name")
        out += _deprecation(version, path)
        out += _version({k: v for k, v in version.items() if not common.get(k)}, path, "schema")
        out += _selectable(version, f"{path}.selectableFields")
    if versions:
        out += _version({k: versions[0].get(k) for k in common if common[k]}, "spec", "validation")
    known = [v.get("name") or "" for v in versions]
    if len(known) != len(set(known)):
        out.append(invalid("spec.versions", versions, "must contain unique version names"))
    if sum(1 for v in versions if v.get("storage")) != 1:
        words = "must have exactly one version marked as storage version"
        out.append(invalid("spec.versions", versions, words))
    needed = ("plural", "singular", "kind", "listKind")
    out += [required(f"spec.names.{f}") for f in needed if not spec["names"].get(f)]
    return out + _names(spec["names"], "spec.names") + _conversion(spec["conversion"], "spec.conversion")


def _common(versions: list[Object], field: str) -> bool:
    """Whether all versions say the same of ``field``."""
    return bool(versions) and all(v.get(field) == versions[0].get(field) for v in versions)


def _version(version: Object, path: str, schema_field: str) -> list[FieldError]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    out: list[FieldError] = []
    if schema is not None:
        at = f"{path}.{schema_field}.openAPIV3Schema"
        if schema.get("nullable"):
            out.append(forbidden(f"{at}.nullable", "nullable cannot be true at the root"))
        out += structuralschema.validate(schema, at)
    scale = (version.get("subresources") or {}).get("scale")
    if scale is not None:
        out += _scale(scale, f"{path}.subresources.scale")
    for i, column in enumerate(version.get("additionalPrinterColumns") or ()):
        out += _column(column, f"{path}.additionalPrinterColumns[{i}]")
    return out


def _deprecation(version: Object, path: str) -> list[FieldError]:
    warning, at = version.get("deprecationWarning"), f"{path}.deprecationWarning"
    if warning is None:
        return []
    if not version.get("deprecated"):
        return [invalid(at, warning, "can only be set for deprecated versions")]
    out = []
    if len(warning.encode()) > _WARNING_LONGEST:
        out.append(invalid(at, warning, f"must be <= {_WARNING_LONGEST} characters long"))
    if not warning:
        out.append(invalid(at, warning, "must not be an empty string"))
    odd = next((i for i, char in enumerate(warning) if not char.isprintable()), None)
    if odd is not None:
        words = "must only contain printable UTF-8 characters; non-printable character found at index "
        out.append(invalid(at, warning, f"{words}{len(warning[:odd].encode())}"))
    return out


def _scale(scale: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field, where in (("specReplicasPath", "spec"), ("statusReplicasPath", "status")):
        value, at = scale.get(field) or "", f"{path}.{field}"
        if not value:
            out.append(required(at))
        elif found := _json_path(value, at):
            out += found
        elif not value.startswith(f".{where}."):
            out.append(invalid(at, value, f"should be a json path under .{where}"))
    selector, at = scale.get("labelSelectorPath") or "", f"{path}.labelSelectorPath"
    if selector:
        found = _json_path(selector, at)
        if not found and not selector.startswith((".spec.", ".status.")):
            found = [invalid(at, selector, "should be a json path under either .spec or .status")]
        out += found
    return out


def _json_path(value: str, path: str) -> list[FieldError]:
    return [] if value.startswith(".") else [invalid(path, value, "must be a simple json path starting with .")]


def _column(column: Object, path: str) -> list[FieldError]:
    kind, form, value = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    out = [] if column.get("name") else [required(f"{path}.name")]
    words = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not kind:
        out.append(required(f"{path}.type", words))
    elif kind not in _COLUMN_TYPES:
        out.append(invalid(f"{path}.type", kind, words))
    if form and form not in _COLUMN_FORMATS:
        out.append(invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}"))
    return out + (_json_path(value, f"{path}.JSONPath") if value else [required(f"{path}.JSONPath")])


def _selectable(version: Object, path: str) -> list[FieldError]:
    fields = version.get("selectableFields") or []
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    out: list[FieldError] = []
    known = [f.get("jsonPath") or "" for f in fields]
    for i, value in enumerate(known):
        at = f"{path}[{i}].jsonPath"
        if not value:
            out.append(required(at))
            continue
        found = _at(schema, value)
        if found is None:
            out.append(invalid(at, value, f"is an invalid path: does not refer to a valid field: {value}"))
            continue
        if value.split(".")[1:2] == ["metadata"]:
            out.append(invalid(at, value, "must not point to fields in metadata"))
        if found.get("type") not in ("string", "boolean", "integer"):
            words = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats "
                "are allowed."
            )
            out.append(invalid(at, value, words))
        if value in known[:i]:
            out.append(duplicate(at, value))
    if (count := len(set(filter(None, known)))) > _MOST_SELECTABLE:
        out.append(too_many(path, count, _MOST_SELECTABLE))
    return out


def _at(schema: Object, path: str) -> Object | None:
    """The schema of the field at a simple JSON path."""
    found: Object | None = schema
    for step in path.split(".")[1:]:
        found = ((found or {}).get("properties") or {}).get(step)
    return found if path.startswith(".") else None


def _names(given: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field in ("plural", "singular"):
        if value := given.get(field):
            out += _joined(names.dns1035_label, value, f"{path}.{field}")
    for field in ("kind", "listKind"):
        value = given.get(field) or ""
        if value and (found := names.dns1035_label(value.lower())):
            words = "may have mixed case, but should otherwise match: " + ",".join(found)
            out.append(invalid(f"{path}.{field}", value, words))
    for i, short in enumerate(given.get("shortNames") or ()):
        out += _joined(names.dns1035_label, short, f"{path}.shortNames[{i}]")
    if given.get("kind") and given["kind"] == given.get("listKind"):
        out.append(invalid(f"{path}.listKind", given["listKind"], "kind and listKind may not be the same"))
    for i, category in enumerate(given.get("categories") or ()):
        out += _joined(names.dns1035_label, category, f"{path}.categories[{i}]")
    return out


def _conversion(conversion: Object, path: str) -> list[FieldError]:
    strategy, webhook = conversion.get("strategy") or "", conversion.get("webhook")
    config, versions = (webhook or {}).get("clientConfig"), (webhook or {}).get("conversionReviewVersions") or []
    out = checks.one_of(strategy, ("None", "Webhook"), f"{path}.strategy")
    at, reviews = f"{path}.webhookClientConfig", f"{path}.conversionReviewVersions"
    if strategy != "Webhook":
        words = "should not be set when strategy is not set to Webhook"
        out += [forbidden(at, words)] if config is not None else []
        return out + ([forbidden(reviews, words)] if versions else [])
    if config is None:
        out.append(required(at, "required when strategy is set to Webhook"))
    else:
        out += webhookconfigurations.client_config(config, at)
    if not versions:
        return [*out, required(reviews)]
    for i, version in enumerate(versions):
        if version in versions[:i]:
            out.append(invalid(f"{reviews}[{i}]", version, "duplicate version"))
        else:
            out += checks.named(names.dns1035_label, f"{reviews}[{i}]", version)
    if not set(versions) & set(_REVIEWS):
        out.append(invalid(reviews, versions, f"must include at least one of {', '.join(_REVIEWS)}"))
    return out


def _stored(obj: Object) -> list[FieldError]:
    """Each version that objects may be stored in is one of the spec's."""
    stored, path = (obj.get("status") or {}).get("storedVersions") or [], "status.storedVersions"
    if not stored:
        return [invalid(path, stored, "must have at least one stored version")]
    versions = _versions(obj)
    out = [
        invalid(path, stored, f"must have the storage version {v.get('name')}")
        for v in versions if v.get("storage") and v.get("name") not in stored
    ]  # fmt: skip
    known = {v.get("name") for v in versions}
    for i, name in enumerate(stored):
        if name not in known:
            words = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            out.append(invalid(f"{path}[{i}]", name, words))
    return out


def _preserving(spec: Object) -> list[FieldError]:
    if not spec.get("preserveUnknownFields"):
        return []
    words = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
    return [invalid("spec.preserveUnknownFields", True, words)]


def _state(obj: Object) -> str:
    """How the annotation of approval stands: missing, bypassed, approved or invalid."""
    text = (obj["metadata"].get("annotations") or {}).get(_APPROVAL) or ""
    if not text:
        return "missing"
    if text.startswith("unapproved"):
        return "bypassed"
    try:
        url = urlsplit(text)
    except ValueError:
        return "invalid"
    return "approved" if url.scheme and url.netloc else "invalid"


def _approval(obj: Object, old: Object | None) -> list[FieldError]:
    """A group of Kubernetes' own needs an approved API."""
    group = obj["spec"].get("group") or ""
    if not f".{group}".endswith((".k8s.io", ".kubernetes.io")):
        return []
    state, path = _state(obj), f"metadata.annotations[{_APPROVAL}]"
    if old is not None and _state(old) == state:
        return []
    if state == "missing":
        return [required(path, f'protected groups must have approval annotation "{_APPROVAL}", {_PULL}')]
    if state == "invalid":
        words = (
            f'protected groups must have approval annotation "{_APPROVAL}" with either a URL or a reason starting with '
            f'"unapproved", {_PULL}'
        )
        return [invalid(path, obj["metadata"]["annotations"][_APPROVAL], words)]
    return []
