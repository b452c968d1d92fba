"""Secrets: types with required keys, stringData merged into data. Source: core/validation (ValidateSecret)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required, too_long
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.configmaps import MAX_SIZE, decoded_size, immutable_errors

Object = dict[str, Any]
_ACCOUNT = "kubernetes.io/service-account.name"
#: type → keys of ``data`` that must be there.
_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}

_JSON = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")


class Secrets(Strategy):
    selectable_fields = {"type": lambda o: o.get("type") or ""}  # noqa: RUF012

    def default(self, obj: Object) -> None:
        if not obj.get("type"):
            obj["type"] = "Opaque"
        if text := obj.pop("stringData", None):
            data = obj.setdefault("data", {})
            for key, value in text.items():
                data[key] = base64.b64encode((value or "").encode()).decode()

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out: list[FieldError] = []
        data = obj.get("data") or {}
        size = 0
        for key, value in data.items():
            out += checks.named(names.config_map_key, f"data[{key}]", key)
            size += decoded_size(value)
        if size > MAX_SIZE:
            out.append(too_long("data", MAX_SIZE))
        return out + _of_type(obj, data)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = checks.immutable(new.get("type"), old.get("type"), "type")
        out += immutable_errors(new, old, ("data",))
        return out + self.validate(new, ctx)

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        if obj.get("type") == "kubernetes.io/tls" and (why := _key_pair(obj.get("data") or {})):
            yield why

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return self.warnings_on_create(new, ctx)


def _of_type(obj: Object, data: Object) -> list[FieldError]:
    kind = obj.get("type") or ""
    if kind == "kubernetes.io/service-account-token":
        if not (obj["metadata"].get("annotations") or {}).get(_ACCOUNT):
            return [required(f"metadata.annotations[{_ACCOUNT}]")]
        return []
    if kind == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            return [required("data[username]"), required("data[password]")]
        return []
    if kind == "kubernetes.io/ssh-auth":
        return [] if data.get("ssh-privatekey") else [required("data[ssh-privatekey]")]
    missing = [required(f"data[{key}]") for key in _KEYS.get(kind, ()) if key not in data]
    if kind in _JSON and not missing:
        key = _KEYS[kind][0]
        if why := _not_an_object(base64.b64decode(data[key] or "")):
            return [invalid(f"data[{key}]", "<secret contents redacted>", why)]
    return missing


def _not_an_object(text: bytes) -> str:
    """Why ``text`` is no JSON object, in the words of Go's decoder; null is one."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as e:
        if e.pos >= len(e.doc):
            return "unexpected end of JSON input"
        return f"invalid character '{e.doc[e.pos]}' looking for beginning of value"
    except (ValueError, RecursionError):
        return "invalid JSON"
    if value is None or isinstance(value, dict):
        return ""
    kind = "array" if isinstance(value, list) else "string" if isinstance(value, str) else "number"
    kind = "bool" if isinstance(value, bool) else kind
    return f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"


def _key_pair(data: Object) -> str:
    """What is wrong with the certificate and key of a TLS Secret (Go's tls.X509KeyPair); empty: nothing."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    certificate, key = (base64.b64decode(data.get(name) or "") for name in ("tls.crt", "tls.key"))
    for name, text in (("certificate", certificate), ("key", key)):
        if b"-----BEGIN " not in text:
            return f"tls: failed to find any PEM data in {name} input"
    try:
        public = x509.load_pem_x509_certificates(certificate)[0].public_key()
    except (ValueError, TypeError):
        return "x509: malformed certificate"
    try:
        private = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError):
        return "tls: failed to parse private key"
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    same = public.public_bytes(*form) == private.public_bytes(*form)
    return "" if same else "tls: private key does not match public key"
