"""Rules for where a pod may run: affinity, tolerations, spreading. Source: pkg/apis/core/validation."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.objectmeta import label_value_errors, qualified_name_errors

Object = dict[str, Any]
_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_INCLUSION = ("Honor", "Ignore")
_WEIGHT = "must be in the range 1-100"
_POSITIVE = "must be greater than zero"


def affinity(value: Object | None, path: str) -> list[FieldError]:
    if not value:
        return []
    out = []
    if (node := value.get("nodeAffinity")) is not None:
        out += _node_affinity(node, f"{path}.nodeAffinity")
    for field in ("podAffinity", "podAntiAffinity"):
        terms = value.get(field) or {}
        at = f"{path}.{field}"
        for i, term in enumerate(terms.get(_REQUIRED) or ()):
            out += _pod_term(term, f"{at}.{_REQUIRED}[{i}]")
        for i, weighted in enumerate(terms.get(_PREFERRED) or ()):
            where = f"{at}.{_PREFERRED}[{i}]"
            out += _weight(weighted, where)
            out += _pod_term(weighted.get("podAffinityTerm") or {}, f"{where}.podAffinityTerm")
    return out


def _weight(term: Object, path: str) -> list[FieldError]:
    weight = term.get("weight") or 0
    return [] if 1 <= weight <= 100 else [invalid(f"{path}.weight", weight, _WEIGHT)]


def _node_affinity(value: Object, path: str) -> list[FieldError]:
    out = []
    if (selector := value.get(_REQUIRED)) is not None:
        out += node_selector(selector, f"{path}.{_REQUIRED}")
    for i, term in enumerate(value.get(_PREFERRED) or ()):
        at = f"{path}.{_PREFERRED}[{i}]"
        out += _weight(term, at)
        out += _node_term(term.get("preference") or {}, f"{at}.preference")
    return out


def node_selector(selector: Object, path: str) -> list[FieldError]:
    """A NodeSelector: at least one term."""
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        return [required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    return [e for i, t in enumerate(terms) for e in _node_term(t, f"{path}.nodeSelectorTerms[{i}]")]


def _node_term(term: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for i, e in enumerate(term.get("matchExpressions") or ()):
        out += checks.requirement(e, f"{path}.matchExpressions[{i}]", ordered=True)
    for i, e in enumerate(term.get("matchFields") or ()):
        at, values = f"{path}.matchFields[{i}]", e.get("values") or []
        if e.get("operator") in ("In", "NotIn"):
            if len(values) != 1:
                words = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
                out.append(required(f"{at}.values", words))
        else:
            out.append(invalid(f"{at}.operator", e.get("operator") or "", "not a valid selector operator"))
        if e.get("key") != "metadata.name":
            out.append(invalid(f"{at}.key", e.get("key") or "", "not a valid field selector key"))
        else:
            for j, value in enumerate(values):
                out += checks.named(names.dns1123_subdomain, f"{at}.values[{j}]", value)
    return out


def _pod_term(term: Object, path: str) -> list[FieldError]:
    out = checks.label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    out += checks.label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or ():
        out += checks.named(names.dns1123_label, f"{path}.namespace", name)
    out += _label_keys(term, path)
    key = term.get("topologyKey") or ""
    if not key:
        out.append(required(f"{path}.topologyKey", "can not be empty"))
    out += [invalid(f"{path}.topologyKey", key, m) for m in qualified_name_errors(key)]
    return out


def _label_keys(term: Object, path: str) -> list[FieldError]:
    """``matchLabelKeys`` and ``mismatchLabelKeys``, which add to ``labelSelector`` when the pod is created."""
    match, mismatch, selector = term.get("matchLabelKeys"), term.get("mismatchLabelKeys"), term.get("labelSelector")
    if not match and not mismatch:
        return []
    out: list[FieldError] = []
    for field, keys in (("matchLabelKeys", match or []), ("mismatchLabelKeys", mismatch or [])):
        if keys and selector is None:
            out.append(forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set"))
        elif keys:
            out += [invalid(f"{path}.{field}[{i}]", k, m) for i, k in enumerate(keys) for m in qualified_name_errors(k)]
    # Once created, a pod's selector has one expression for each key. A second one contradicts it.
    seen = set((selector or {}).get("matchLabels") or ())
    for expression in (selector or {}).get("matchExpressions") or ():
        key = expression.get("key") or ""
        if key in (match or ()) and key in seen:
            at = f"{path}[{(match or []).index(key)}]"
            out.append(invalid(at, key, "exists in both matchLabelKeys and labelSelector"))
        seen.add(key)
    for i, key in enumerate(match or ()):
        if key in (mismatch or ()):
            words = "exists in both matchLabelKeys and mismatchLabelKeys"
            out.append(invalid(f"{path}.matchLabelKeys[{i}]", key, words))
    return out


def apply_label_keys(pod: Object) -> None:
    """Add to the selectors of a new pod what its ``matchLabelKeys`` and ``mismatchLabelKeys`` say of its labels."""
    spec, labels = pod["spec"], (pod.get("metadata") or {}).get("labels") or {}
    for constraint in spec.get("topologySpreadConstraints") or ():
        _extend(constraint, labels)
    for field in ("podAffinity", "podAntiAffinity"):
        terms = (spec.get("affinity") or {}).get(field) or {}
        for term in terms.get(_REQUIRED) or ():
            _extend(term, labels)
        for weighted in terms.get(_PREFERRED) or ():
            _extend(weighted.get("podAffinityTerm") or {}, labels)


def _extend(term: Object, labels: Object) -> None:
    selector = term.get("labelSelector")
    more = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in term.get(field) or () if key in labels
    ]  # fmt: skip
    if selector is not None and more:
        selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *more]


def tolerations(values: list[Object] | None, path: str) -> list[FieldError]:
    out = []
    for i, t in enumerate(values or ()):
        at, key, operator = f"{path}[{i}]", t.get("key") or "", t.get("operator") or ""
        if key:
            out += [invalid(f"{at}.key", key, m) for m in qualified_name_errors(key)]
        elif operator != "Exists":
            words = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            out.append(invalid(f"{at}.operator", operator, words))
        if t.get("tolerationSeconds") is not None and t.get("effect") != "NoExecute":
            words = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            out.append(invalid(f"{at}.effect", t.get("effect") or "", words))
        if operator in ("", "Equal"):
            value = t.get("value") or ""
            if found := label_value_errors(value):
                out.append(invalid(f"{at}.operator", value, ";".join(found)))
        elif operator == "Exists":
            if t.get("value"):
                words = "value must be empty when `operator` is 'Exists'"
                out.append(invalid(f"{at}.operator", t["value"], words))
        elif operator in ("Lt", "Gt"):  # their feature gate is off by default
            out.append(unsupported(f"{at}.operator", operator, ("Equal", "Exists", "Lt", "Gt")))
        else:
            out.append(unsupported(f"{at}.operator", operator, ("Equal", "Exists")))
        out += checks.if_set(t.get("effect"), _EFFECTS, f"{at}.effect")
    return out


def taints(values: list[Object] | None, path: str) -> list[FieldError]:
    """A node's taints; a key may come once for each effect."""
    out = []
    seen: set[tuple[str, str]] = set()
    for i, t in enumerate(values or ()):
        at, key, effect = f"{path}[{i}]", t.get("key") or "", t.get("effect") or ""
        out += [invalid(f"{at}.key", key, m) for m in qualified_name_errors(key)]
        value = t.get("value") or ""
        if found := label_value_errors(value):
            out.append(invalid(f"{at}.value", value, ";".join(found)))
        out += checks.one_of(effect, _EFFECTS, f"{at}.effect")
        if (key, effect) in seen:
            words = "taints must be unique by key and effect pair"
            out.append(FieldError("FieldValueDuplicate", at, words, t, True))
        seen.add((key, effect))
    return out


def spread(constraints: list[Object] | None, path: str) -> list[FieldError]:
    """topologySpreadConstraints."""
    out: list[FieldError] = []
    pairs = [(c.get("topologyKey") or "", c.get("whenUnsatisfiable") or "") for c in constraints or ()]
    for i, c in enumerate(constraints or ()):
        at, key, when = f"{path}[{i}]", c.get("topologyKey") or "", c.get("whenUnsatisfiable") or ""
        if (c.get("maxSkew") or 0) <= 0:
            out.append(invalid(f"{at}.maxSkew", c.get("maxSkew") or 0, _POSITIVE))
        if not key:
            out.append(required(f"{at}.topologyKey", "can not be empty"))
        if when not in _UNSATISFIABLE:
            out.append(unsupported(f"{at}.whenUnsatisfiable", when, _UNSATISFIABLE))
        if (key, when) in pairs[i + 1 :]:
            out.append(duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {when}}}"))
        least = c.get("minDomains")
        if least is not None:
            if least <= 0:
                out.append(invalid(f"{at}.minDomains", least, _POSITIVE))
            if when != "DoNotSchedule":
                words = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
                out.append(invalid(f"{at}.minDomains", least, words))
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if (policy := c.get(field)) is not None and policy not in _INCLUSION:
                out.append(unsupported(f"{at}.{field}", policy, _INCLUSION))
        out += _label_keys(c, at)
        out += checks.label_selector(c.get("labelSelector"), f"{at}.labelSelector")
    return out
