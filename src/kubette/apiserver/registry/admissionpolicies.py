"""Validating and mutating admission policies. Source: pkg/apis/admissionregistration/{v1/defaults.go,validation}."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, invalid, required, unsupported
from kubette.apiserver.registry import admissionrules, checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_CEL_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII).fullmatch
_CEL_RESERVED = frozenset(
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
        "let", "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip
_MOST_ANNOTATIONS, _ANNOTATION_LONGEST = 20, 5 * 1024
_PATCH_FIELDS = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}


class AdmissionPolicies(Strategy):
    """Both kinds: who is matched, conditions and variables; then validations or mutations."""

    @property
    def _mutating(self) -> bool:
        return self.kind.kind.startswith("Mutating")

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("failurePolicy", "Fail")
        admissionrules.default_match(spec.get("matchConstraints"))

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = checks.known(spec["failurePolicy"], admissionrules.FAILURE_POLICIES, "spec.failurePolicy")
        if (kind := spec.get("paramKind")) is not None:
            out += _param_kind(kind, "spec.paramKind")
        match, path = spec.get("matchConstraints"), "spec.matchConstraints"
        if match is None:
            out.append(required(path))
        else:
            out += admissionrules.match_resources(match, path)
            if not match.get("resourceRules"):
                out.append(required(f"{path}.resourceRules"))
            out += admissionrules.only_mutable(match, path) if self._mutating else []
        out += admissionrules.match_conditions(spec.get("matchConditions") or [], "spec.matchConditions")
        for i, variable in enumerate(spec.get("variables") or ()):
            out += _variable(variable, f"spec.variables[{i}]")
        return out + (_mutations(spec) if self._mutating else _validations(spec, obj["metadata"].get("name") or ""))

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return [] if ctx.subresource == "status" else self.validate(new, ctx)

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        return admissionrules.static_suffix(obj)

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return () if ctx.subresource else admissionrules.static_suffix(new)


class AdmissionPolicyBindings(Strategy):
    """Which parameters a policy gets, for which requests, and (of validating ones) what follows a refusal."""

    _ACTIONS = ("Audit", "Deny", "Warn")

    def default(self, obj: Object) -> None:
        admissionrules.default_match(obj.setdefault("spec", {}).get("matchResources"))

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec, path = obj["spec"], "spec.policyName"
        name = spec.get("policyName") or ""
        out = checks.named(names.dns1123_subdomain, path, name) if name else [required(path)]
        if (ref := spec.get("paramRef")) is not None:
            out += _param_ref(ref, "spec.paramRef")
        match, at = spec.get("matchResources"), "spec.matchResources"
        out += admissionrules.match_resources(match, at) if match is not None else []
        if self.kind.kind.startswith("Mutating"):
            return out + (admissionrules.only_mutable(match, at) if match is not None else [])
        return out + self._actions(spec.get("validationActions") or [], "spec.validationActions")

    def _actions(self, actions: list[str], path: str) -> list[FieldError]:
        out: list[FieldError] = []
        for i, action in enumerate(actions):
            if action not in self._ACTIONS:
                out.append(unsupported(f"{path}[{i}]", action, self._ACTIONS))
            if action in actions[:i]:
                out.append(duplicate(f"{path}[{i}]", action))
        if {"Deny", "Warn"} <= set(actions):
            words = (
                "must not contain both Deny and Warn (repeating the same validation failure information in the API "
                "response and headers serves no purpose)"
            )
            out.append(invalid(path, actions, words))
        return out if actions else [required(path, "at least one validation action is required")]

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        return admissionrules.static_suffix(obj)

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return admissionrules.static_suffix(new)


def _param_kind(kind: Object, path: str) -> list[FieldError]:
    version, name, at = kind.get("apiVersion") or "", kind.get("kind") or "", f"{path}.apiVersion"
    out: list[FieldError] = []
    if not version:
        out.append(required(at))
    elif version.count("/") > 1:
        out.append(invalid(at, version, f"unexpected GroupVersion string: {version}"))
    else:
        group, _, bare = version.rpartition("/")
        if group and (found := names.dns1123_subdomain(group)):
            out.append(invalid(at, group, ",".join(found)))
        if not bare:
            out.append(invalid(at, version, "version must be specified"))
        elif found := names.dns1035_label(bare):
            out.append(invalid(at, bare, ",".join(found)))
    if not name:
        out.append(required(f"{path}.kind"))
    elif found := names.dns1035_label(name.lower()):
        words = "may have mixed case, but should otherwise match: " + ",".join(found)
        out.append(invalid(f"{path}.kind", name, words))
    return out


def _param_ref(ref: Object, path: str) -> list[FieldError]:
    name, selector = ref.get("name") or "", ref.get("selector")
    out = checks.named(names.path_segment_name, f"{path}.name", name) if name else []
    out += checks.label_selector(selector, f"{path}.selector")
    if name and selector is not None:
        words = "name and selector are mutually exclusive"
        out += [FieldError("FieldValueForbidden", f"{path}.{f}", words) for f in ("name", "selector")]
    if not name and selector is None:
        out.append(required(path, "one of name or selector must be specified"))
    action, at = ref.get("parameterNotFoundAction"), f"{path}.parameterNotFoundAction"
    if not action:
        out.append(required(at))
    elif action not in ("Allow", "Deny"):
        out.append(unsupported(at, action, ("Deny", "Allow")))
    return out


def _variable(variable: Object, path: str) -> list[FieldError]:
    name = variable.get("name") or ""
    out: list[FieldError] = []
    if not name.strip():
        out.append(required(f"{path}.name", "name is not specified"))
    elif not _CEL_IDENTIFIER(name) or name in _CEL_RESERVED:
        out.append(invalid(f"{path}.name", name, "must be a valid CEL identifier"))
    return out + admissionrules.expression(variable, path, "expression is not specified")


def _validations(spec: Object, policy: str) -> list[FieldError]:
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        words = "validations or auditAnnotations must contain at least one item"
        return [required("spec.validations", words), required("spec.auditAnnotations", words)]
    out = [e for i, v in enumerate(validations) for e in _validation(v, f"spec.validations[{i}]")]
    path = "spec.auditAnnotations"
    if len(annotations) > _MOST_ANNOTATIONS:
        out.append(invalid(path, annotations, f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations"))
    keys = [a.get("key") or "" for a in annotations]
    for i, annotation in enumerate(annotations):
        out += _annotation(annotation, policy, f"{path}[{i}]")
        if keys[i] in keys[:i]:
            out.append(duplicate(f"{path}[{i}].key", keys[i]))
    return out


def _validation(validation: Object, path: str) -> list[FieldError]:
    out = admissionrules.expression(validation, path, "expression is not specified")
    text, message, reason = (validation.get(f) or "" for f in ("messageExpression", "message", "reason"))
    if text and not text.strip():
        out.append(invalid(f"{path}.messageExpression", text, "must be non-empty if specified"))
    if message and not message.strip():
        out.append(invalid(f"{path}.message", message, "must be non-empty if specified"))
    elif re.search(r"[\n\r]", message.strip()):
        out.append(invalid(f"{path}.message", message, "must not contain line breaks"))
    if validation.get("reason") is not None and reason not in _REASONS:
        out.append(unsupported(f"{path}.reason", reason, _REASONS))
    return out


def _annotation(annotation: Object, policy: str, path: str) -> list[FieldError]:
    key, value = annotation.get("key") or "", (annotation.get("valueExpression") or "").strip()
    if policy:
        out = checks.qualified_name(f"{policy}/{key}", f"{path}.key")
    else:
        out = [invalid(f"{path}.key", key, "requires metadata.name be non-empty")]
    if not value:
        out.append(required(f"{path}.valueExpression", "valueExpression is not specified"))
    elif len(value.encode()) > _ANNOTATION_LONGEST:
        words = f"must not exceed {_ANNOTATION_LONGEST} bytes in length"
        out.append(required(f"{path}.valueExpression", words))
    return out


def _mutations(spec: Object) -> list[FieldError]:
    mutations = spec.get("mutations") or []
    out = [] if mutations else [required("spec.mutations", "mutations must contain at least one item")]
    for i, mutation in enumerate(mutations):
        out += _mutation(mutation, f"spec.mutations[{i}]")
    again, path = spec.get("reinvocationPolicy"), "spec.reinvocationPolicy"
    if not again:
        return [*out, required(path)]
    return out + checks.known(again, admissionrules.REINVOCATION_POLICIES, path)


def _mutation(mutation: Object, path: str) -> list[FieldError]:
    kind = mutation.get("patchType") or ""
    if not kind:
        return [required(f"{path}.patchType")]
    if kind not in _PATCH_FIELDS:
        return [unsupported(f"{path}.patchType", kind, tuple(_PATCH_FIELDS))]
    out: list[FieldError] = []
    for other, field in _PATCH_FIELDS.items():
        given, at = mutation.get(field), f"{path}.{field}"
        if other != kind:
            if given is not None:
                out.append(invalid(at, f"{{{field}}}", f"must not be specified when patchType is {kind}"))
        elif given is None:
            out.append(required(at, f"must be specified when patchType is {kind}"))
        else:
            out += admissionrules.expression(given, at)
    return out
