"""Small validators that several kinds share: each gives field errors under the path that it is told.

Source: pkg/apis/core/validation and apimachinery/pkg/apis/meta/v1/validation. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kubette.api import intstr, names, quantity
from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported
from kubette.apiserver.registry.objectmeta import dns1123_label_errors, label_value_errors, qualified_name_errors

Object = dict[str, Any]
IMMUTABLE = "field is immutable"
NON_NEGATIVE = "must be greater than or equal to 0"
PROTOCOLS = ("TCP", "UDP", "SCTP")


def named(rule: Callable[[str], Iterable[str]], path: str, value: str) -> list[FieldError]:
    """The messages of a ``names`` validator as errors at ``path``."""
    return [invalid(path, value, m) for m in rule(value)]


def non_negative(value: int | None, path: str) -> list[FieldError]:
    return [invalid(path, value, NON_NEGATIVE)] if value is not None and value < 0 else []


def positive(value: int | None, path: str) -> list[FieldError]:
    return [invalid(path, value, "must be greater than 0")] if value is not None and value <= 0 else []


def one_of(value: str | None, allowed: Sequence[str], path: str) -> list[FieldError]:
    """Required, and one of ``allowed``."""
    if not value:
        return [required(path)]
    return [] if value in allowed else [unsupported(path, value, allowed)]


def if_set(value: str | None, allowed: Sequence[str], path: str) -> list[FieldError]:
    return [] if not value or value in allowed else [unsupported(path, value, allowed)]


def known(value: str | None, allowed: Sequence[str], path: str) -> list[FieldError]:
    """One of ``allowed``; the empty string is none of them. Null is required."""
    if value is None:
        return [required(path)]
    return [] if value in allowed else [unsupported(path, value, allowed)]


def qualified_name(value: str, path: str) -> list[FieldError]:
    return [invalid(path, value, m) for m in qualified_name_errors(value)]


def non_negative_quantity(value: Any, path: str) -> list[FieldError]:
    if value is None or quantity.parse(str(value)) >= 0:
        return []
    return [invalid(path, str(value), NON_NEGATIVE)]


def token_seconds(seconds: int | None, path: str) -> list[FieldError]:
    """How long a service account's token may live."""
    if seconds is not None and seconds < 600:
        return [invalid(path, seconds, "may not specify a duration less than 10 minutes")]
    if seconds is not None and seconds > 1 << 32:
        return [invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def typed_reference(ref: Object, path: str) -> list[FieldError]:
    """A TypedLocalObjectReference as networking kinds have it: group, kind and name."""
    out: list[FieldError] = []
    if (group := ref.get("apiGroup")) is not None:
        out += named(names.dns1123_subdomain, f"{path}.apiGroup", group)
    for field in ("kind", "name"):
        value = ref.get(field) or ""
        out += named(names.path_segment_name, f"{path}.{field}", value) if value else [required(f"{path}.{field}")]
    return out


def immutable(new: Any, old: Any, path: str) -> list[FieldError]:
    return [] if new == old else [invalid(path, new, IMMUTABLE)]


def label(value: str, path: str) -> list[FieldError]:
    """A DNS label, such as the name of a container or volume."""
    return [invalid(path, value, m) for m in dns1123_label_errors(value)]


def no_backsteps(value: str, path: str) -> list[FieldError]:
    """A path that does not go up."""
    return [invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def descending_path(value: str, path: str) -> list[FieldError]:
    """A relative path that does not go up."""
    out = [invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return out + no_backsteps(value, path)


_URL_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")


def domain_prefixed_path(value: str, path: str) -> list[FieldError]:
    """``acme.io/foo``: a DNS name and what may stand in a URL's path."""
    host, _, rest = value.partition("/")
    if not host or not rest:
        return [invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    out = named(names.dns1123_subdomain, path, host)
    if _URL_PATH.fullmatch(rest) is None:
        out.append(invalid(path, rest, f"Invalid path (regex used for validation is '{_URL_PATH.pattern}')"))
    return out


def port(value: int | None, path: str) -> list[FieldError]:
    """A port number that must be there."""
    return [invalid(path, value or 0, m) for m in names.port_number(value or 0)]


def port_or_name(value: Any, path: str) -> list[FieldError]:
    """An IntOrString that is a port number or the name of one."""
    if isinstance(value, int):
        return port(value, path)
    return named(names.port_name, path, str(value))


def percent_or_count(value: Any, path: str) -> list[FieldError]:
    """An IntOrString that is a number from 0 or a percentage."""
    if isinstance(value, int):
        return non_negative(value, path)
    return named(names.percent, path, str(value))


def at_most_hundred(value: Any, path: str) -> list[FieldError]:
    if intstr.is_percent(value) and int(value[:-1]) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def ip(value: str, path: str) -> list[FieldError]:
    return named(names.ip, path, value)


def non_special_ip(value: str, path: str) -> list[FieldError]:
    """An address that may be an endpoint's: neither unspecified, loopback nor link-local."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return [invalid(path, value, "must be a valid IP address")]
    out = []
    if address.is_unspecified:
        out.append(invalid(path, value, f"may not be unspecified ({value})"))
    if address.is_loopback:
        out.append(invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        out.append(invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if address.is_multicast and _link_local_multicast(address):
        words = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        out.append(invalid(path, value, words))
    return out


def _link_local_multicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.IPv4Network("224.0.0.0/24")
    return address in ipaddress.IPv6Network("ff02::/16")


_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def label_selector(selector: Object | None, path: str) -> list[FieldError]:
    """A ``metav1.LabelSelector``."""
    if selector is None:
        return []
    out: list[FieldError] = []
    for key, value in (selector.get("matchLabels") or {}).items():
        out += [invalid(f"{path}.matchLabels", key, m) for m in qualified_name_errors(key)]
        out += [invalid(f"{path}.matchLabels", value, m) for m in label_value_errors(value)]
    for i, e in enumerate(selector.get("matchExpressions") or ()):
        out += requirement(e, f"{path}.matchExpressions[{i}]")
    return out


def requirement(e: Object, path: str, *, ordered: bool = False) -> list[FieldError]:
    """One of a selector's ``matchExpressions``. ``ordered``: a node's, which may also ask for Gt and Lt."""
    out = []
    operator, values, key = e.get("operator") or "", e.get("values") or [], e.get("key") or ""
    if operator in ("In", "NotIn"):
        if not values:
            out.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            words = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            out.append(forbidden(f"{path}.values", words))
    elif ordered and operator in ("Gt", "Lt"):
        if len(values) != 1:
            words = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            out.append(required(f"{path}.values", words))
    else:
        out.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    out += [invalid(f"{path}.key", key, m) for m in qualified_name_errors(key)]
    for i, value in enumerate(values):
        out += [invalid(f"{path}.values[{i}]", value, m) for m in label_value_errors(value)]
    return out


def empty_selector(selector: Object | None) -> bool:
    """Without a single requirement."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))
