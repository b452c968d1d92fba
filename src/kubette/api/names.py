"""Validators for names: what may be an object's name, a label, a port's name, an environment variable.

Each returns the list of upstream's messages (``k8s.io/apimachinery/pkg/util/validation``), empty when the
value is fine, so that the caller wraps them in field errors with its own path. Pure; no field paths here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_ENV_VAR = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_RELAXED_ENV_VAR = "[ -<>-~]+"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"
_HTTP_HEADER = "[-A-Za-z0-9]+"

_LABEL_MSG = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_MSG = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_LABEL_1035_MSG = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character"
)
_QUALIFIED_MSG = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_LABEL_VALUE_MSG = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_ENV_VAR_MSG = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', "
    "and must not start with a digit"
)
_RELAXED_ENV_VAR_MSG = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
_EMPTY = "must be non-empty"


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value) is not None


def _max_len(limit: int, unit: str = "characters") -> str:
    """Upstream says bytes for the parts of labels and characters for everything else; both count bytes."""
    return f"must be no more than {limit} {unit}"


def _size(value: str) -> int:
    return len(value.encode("utf-8", "surrogatepass"))


def _regex(message: str, pattern: str, *examples: str) -> str:
    """Upstream's ``RegexError``: the rule, examples, and the pattern in words a user can copy."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    listed = " or ".join(f"'{e}', " for e in examples)
    return f"{message} (e.g. {listed}regex used for validation is '{pattern}')"


def dns1123_label(value: str) -> list[str]:
    """A DNS label of 63 bytes (RFC 1123): namespaces, container names."""
    out = [_max_len(63)] if _size(value) > 63 else []
    if not _matches(_LABEL, value):
        if _matches(_SUBDOMAIN, value):
            out.append("must not contain dots")
        else:
            out.append(_regex(_LABEL_MSG, _LABEL, "my-name", "123-abc"))
    return out


def dns1123_subdomain(value: str, unit: str = "characters") -> list[str]:
    """A DNS name of 253 bytes: most object names."""
    out = [_max_len(253, unit)] if _size(value) > 253 else []
    if not _matches(_SUBDOMAIN, value):
        out.append(_regex(_SUBDOMAIN_MSG, _SUBDOMAIN, "example.com"))
    return out


def dns1035_label(value: str) -> list[str]:
    """A DNS label that starts with a letter (RFC 1035): Service names."""
    out = [_max_len(63)] if _size(value) > 63 else []
    if not _matches(_LABEL_1035, value):
        out.append(_regex(_LABEL_1035_MSG, _LABEL_1035, "my-name", "abc-123"))
    return out


def wildcard_dns1123_subdomain(value: str) -> list[str]:
    """``*.example.com``: Ingress hosts."""
    out = [_max_len(253)] if _size(value) > 253 else []
    if not _matches(_WILDCARD, value):
        message = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "
            "which must consist of lower case alphanumeric characters, '-' or '.' "
            "and end with an alphanumeric character"
        )
        out.append(_regex(message, _WILDCARD, "*.example.com"))
    return out


def fully_qualified_name(value: str) -> list[str]:
    """A DNS name of at least three labels: groups of CustomResourceDefinitions, finalizers, signers."""
    if not value:
        return [_EMPTY]
    out = dns1123_subdomain(value)
    if not out and value.count(".") < 2:
        out.append("should be a domain with at least three segments separated by dots")
    return out


def qualified_name(value: str) -> list[str]:
    """``prefix/name``: label and annotation keys, resource names, finalizers."""
    out: list[str] = []
    prefix, slash, name = value.partition("/")
    if not slash:
        name = value
    elif "/" in name:
        message = "a valid label key " + _regex(_QUALIFIED_MSG, _QUALIFIED, "MyName", "my.name", "123-abc")
        return [message + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    elif not prefix:
        out.append("prefix part " + _EMPTY)
    else:
        out += ["prefix part " + m for m in dns1123_subdomain(prefix, "bytes")]
    if not name:
        out.append("name part " + _EMPTY)
    elif _size(name) > 63:
        out.append("name part " + _max_len(63, "bytes"))
    if not _matches(_QUALIFIED, name):
        out.append("name part " + _regex(_QUALIFIED_MSG, _QUALIFIED, "MyName", "my.name", "123-abc"))
    return out


def label_value(value: str) -> list[str]:
    """The value of a label: empty, or up to 63 bytes of a qualified name."""
    out = [_max_len(63, "bytes")] if _size(value) > 63 else []
    if not _matches(_LABEL_VALUE, value):
        out.append(_regex(_LABEL_VALUE_MSG, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return out


def port_name(value: str) -> list[str]:
    """A container's port name and a named target port (RFC 6335): at most 15 characters."""
    out: list[str] = []
    if _size(value) > 15:
        out.append(_max_len(15))
    if not _matches("[-a-z0-9]+", value):
        out.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        out.append("must contain at least one letter (a-z)")
    if "--" in value:
        out.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        out.append("must not begin or end with a hyphen")
    return out


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def env_var_name(value: str, *, relaxed: bool = True) -> list[str]:
    """An environment variable's name; since 1.32 anything printable but ``=``."""
    if relaxed:
        if not value:
            return [f"environment variable name {_EMPTY}"]
        return [] if _matches(_RELAXED_ENV_VAR, value) else [_RELAXED_ENV_VAR_MSG]
    if not _matches(_ENV_VAR, value):
        return [_regex(_ENV_VAR_MSG, _ENV_VAR, "my.env-name", "MY_ENV.NAME", "MyEnvName1")]
    return _config_path_dots(value)


def c_identifier(value: str) -> list[str]:
    if _matches(_C_IDENTIFIER, value):
        return []
    message = (
        "a valid C identifier must start with alphabetic character or '_', "
        "followed by a string of alphanumeric characters or '_'"
    )
    return [_regex(message, _C_IDENTIFIER, "my_name", "MY_NAME", "MyName")]


def config_map_key(value: str) -> list[str]:
    """A key of a ConfigMap's or Secret's data: it becomes a file's name."""
    out = [_max_len(253)] if _size(value) > 253 else []
    if not _matches(_CONFIG_KEY, value):
        message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        out.append(_regex(message, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return out + _config_path_dots(value)


def _config_path_dots(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def path_segment_name(value: str, *, prefix: bool = False) -> list[str]:
    """A name that only has to fit in a URL: roles, bindings, CSRs."""
    out: list[str] = []
    if not prefix and value in (".", ".."):
        return [f"may not be '{value}'"]
    for char in "/%":
        if char in value:
            out.append(f"may not contain '{char}'")
    return out


def http_header_name(value: str) -> list[str]:
    if _matches(_HTTP_HEADER, value):
        return []
    message = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [_regex(message, _HTTP_HEADER, "X-Header-Name")]


def percent(value: str) -> list[str]:
    if _matches(_PERCENT, value):
        return []
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return [_regex(message, _PERCENT, "1%", "93%")]


_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_PADDED_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+", re.ASCII).fullmatch


def _unpadded(value: str) -> str:
    """``value`` without leading zeros in the parts of an IPv4 address."""
    return ".".join(str(int(part)) if len(part) < 20 else part for part in value.split("."))


def ip(value: str) -> list[str]:
    """An IPv4 or IPv6 address in any of its forms, without zone or leading zeros."""
    try:
        if "%" in value:
            raise ValueError(value)
        address = ipaddress.ip_address(value)
    except ValueError:
        if _PADDED_IPV4(value) and not ip(_unpadded(value)):
            return ["must not have leading 0s"]
        return [_IP]
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    return ["must not be an IPv4-mapped IPv6 address"] if mapped else []


def canonical_ip(value: str) -> list[str]:
    """An address in the one form that upstream prints."""
    if found := ip(value):
        return found
    canonical = str(ipaddress.ip_address(value))
    return [] if value == canonical else [f'must be in canonical form ("{canonical}")']


def cidr(value: str) -> list[str]:
    """A subnet: an address without bits beyond the prefix length, and that length."""
    address, slash, length = value.partition("/")
    bare = address if ":" in address else _unpadded(address) if _PADDED_IPV4(address) else address
    try:
        if not slash or "%" in value or not (length.isascii() and length.isdigit()):
            raise ValueError(value)
        interface = ipaddress.ip_interface(f"{bare}/{int(length)}" if len(length) < 5 else value)
    except ValueError:
        return [_CIDR]
    if bare != address or length != str(int(length)):
        return ["must not have leading 0s in IP or prefix length"]
    if isinstance(interface, ipaddress.IPv6Interface) and interface.ip.ipv4_mapped is not None:
        return ["must not have an IPv4-mapped IPv6 address"]
    if interface.ip != interface.network.network_address:
        return ["must not have bits set beyond the prefix length"]
    return []


def canonical_cidr(value: str) -> list[str]:
    """A subnet in the one form that upstream prints."""
    if found := cidr(value):
        return found
    canonical = str(ipaddress.ip_network(value))
    return [] if value == canonical else [f'must be in canonical form ("{canonical}")']


def generated_name_base(value: str) -> str:
    """What a ``generateName`` is validated as: a trailing dash would be followed by the suffix."""
    return value[:-1] + "a" if len(value) > 1 and value.endswith("-") else value


def any_of(*messages: Sequence[str]) -> list[str]:
    """The first list that is empty wins; otherwise all of them (a value that may have either form)."""
    out: list[str] = []
    for found in messages:
        if not found:
            return []
        out += found
    return out
