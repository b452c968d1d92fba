"""Validating and mutating webhook configurations. Source: pkg/apis/admissionregistration/{v1/defaults.go,validation},
k8s.io/apiserver/pkg/util/webhook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, invalid, required, unsupported
from kubette.apiserver.registry import admissionrules, checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_REVIEW_VERSIONS = ("v1", "v1beta1")
_SIDE_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")
_NO_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_FORM = "; desired format: https://host[/path]"


class WebhookConfigurations(Strategy):
    """Mutating configurations have a reinvocation policy besides."""

    @property
    def _mutating(self) -> bool:
        return self.kind.kind.startswith("Mutating")

    def default(self, obj: Object) -> None:
        for hook in obj.get("webhooks") or ():
            for field, value in (("failurePolicy", "Fail"), ("matchPolicy", "Equivalent"), ("timeoutSeconds", 10)):
                hook.setdefault(field, value)
            hook.setdefault("namespaceSelector", {})
            hook.setdefault("objectSelector", {})
            if self._mutating:
                hook.setdefault("reinvocationPolicy", "Never")
            if (service := (hook.get("clientConfig") or {}).get("service")) is not None:
                service.setdefault("port", 443)
            for rule in hook.get("rules") or ():
                admissionrules.default_rule(rule)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return self._validate(obj, strict_effects=True, strict_versions=True, unique=True)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """What an older server accepted stays acceptable."""
        before = _hooks(old)
        known = [h.get("name") or "" for h in before]
        return self._validate(
            new,
            strict_effects=all(h.get("sideEffects") in _NO_SIDE_EFFECTS for h in before),
            strict_versions=all(_recognized(h) for h in before if h.get("admissionReviewVersions")),
            unique=len(known) == len(set(known)),
        )

    def _validate(self, obj: Object, *, strict_effects: bool, strict_versions: bool, unique: bool) -> list[FieldError]:
        out: list[FieldError] = []
        seen: set[str] = set()
        for i, hook in enumerate(_hooks(obj)):
            path, name = f"webhooks[{i}]", hook.get("name") or ""
            out += _hook(hook, path, _NO_SIDE_EFFECTS if strict_effects else _SIDE_EFFECTS)
            if self._mutating and (again := hook.get("reinvocationPolicy")) is not None:
                out += checks.known(again, admissionrules.REINVOCATION_POLICIES, f"{path}.reinvocationPolicy")
            out += _versions(hook, f"{path}.admissionReviewVersions", strict_versions)
            if unique and name in seen:
                out.append(duplicate(f"{path}.name", name))
            if name:
                seen.add(name)
        return out

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        return admissionrules.static_suffix(obj)

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return admissionrules.static_suffix(new)


def _hooks(obj: Object) -> list[Object]:
    return obj.get("webhooks") or []


def _recognized(hook: Object) -> bool:
    return any(v in _REVIEW_VERSIONS for v in hook.get("admissionReviewVersions") or ())


def _hook(hook: Object, path: str, effects: tuple[str, ...]) -> list[FieldError]:
    out = _fully_qualified(hook.get("name") or "", f"{path}.name")
    for i, rule in enumerate(hook.get("rules") or ()):
        out += admissionrules.rule(rule, f"{path}.rules[{i}]")
    out += checks.known(hook["failurePolicy"], admissionrules.FAILURE_POLICIES, f"{path}.failurePolicy")
    out += checks.known(hook["matchPolicy"], admissionrules.MATCH_POLICIES, f"{path}.matchPolicy")
    wanted = hook.get("sideEffects")
    if wanted is None:
        out.append(required(f"{path}.sideEffects", f"must specify one of {', '.join(effects)}"))
    elif wanted not in effects:
        out.append(unsupported(f"{path}.sideEffects", wanted, effects))
    if not 1 <= (seconds := hook["timeoutSeconds"]) <= 30:
        out.append(invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds"))
    for field in ("namespaceSelector", "objectSelector"):
        out += checks.label_selector(hook.get(field), f"{path}.{field}")
    out += client_config(hook.get("clientConfig") or {}, f"{path}.clientConfig")
    return out + admissionrules.match_conditions(hook.get("matchConditions") or [], f"{path}.matchConditions")


def _fully_qualified(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    if found := names.dns1123_subdomain(name):
        return [invalid(path, name, ",".join(found))]
    return [invalid(path, name, m) for m in names.fully_qualified_name(name)]


def _versions(hook: Object, path: str, strict: bool) -> list[FieldError]:
    versions = hook.get("admissionReviewVersions") or []
    listed = ", ".join(_REVIEW_VERSIONS)
    if not versions:
        return [required(path, f"must specify one of {listed}")]
    out: list[FieldError] = []
    for i, version in enumerate(versions):
        if version in versions[:i]:
            out.append(invalid(f"{path}[{i}]", version, "duplicate version"))
        else:
            out += checks.named(names.dns1035_label, f"{path}[{i}]", version)
    if strict and not _recognized(hook):
        out.append(invalid(path, versions, f"must include at least one of {listed}"))
    return out


def client_config(config: Object, path: str) -> list[FieldError]:
    """Where a webhook is called: at a URL or a Service."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [required(path, "exactly one of url or service is required")]
    if url is not None:
        return webhook_url(url, f"{path}.url")
    return webhook_service(service or {}, f"{path}.service")


def webhook_url(url: str, path: str) -> list[FieldError]:
    try:
        if re.search(r"[\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})", url):
            raise ValueError("invalid character in URL")
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as e:
        return [required(path, f'url must be a valid URL: parse "{url}": {e}{_FORM}')]
    out: list[FieldError] = []
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme != "https":
        out.append(invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    if not host:
        out.append(invalid(path, host, f"host must be specified{_FORM}"))
    if "@" in parts.netloc:
        out.append(invalid(path, user, "user information is not permitted in the URL"))
    if parts.fragment:
        out.append(invalid(path, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        out.append(invalid(path, parts.query, "query parameters are not permitted in the URL"))
    return out


def webhook_service(service: Object, path: str) -> list[FieldError]:
    out = [required(f"{path}.{f}") for f in ("name", "namespace") if not service.get(f)]
    port = service.get("port", 443)
    if found := names.port_number(port):
        out.append(invalid(f"{path}.port", port, f"port is not valid: {', '.join(found)}"))
    url = service.get("path") or ""
    if url in ("", "/"):
        return out
    at = f"{path}.path"
    if url == "//":
        return [*out, invalid(at, url, "segment[0] may not be empty")]
    if not url.startswith("/"):
        out.append(invalid(at, url, "must start with a '/'"))
    for i, step in enumerate(url[1:].removesuffix("/").split("/")):
        if not step:
            out.append(invalid(at, url, f"segment[{i}] may not be empty"))
        else:
            out += [invalid(at, url, f"segment[{i}]: {m}") for m in names.dns1123_subdomain(step)]
    return out
