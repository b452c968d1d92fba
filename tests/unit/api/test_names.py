"""What may be a name, and upstream's words for what may not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubette.api import names

GOOD: list[tuple[Callable[[str], list[str]], list[str]]] = [
    (names.dns1123_label, ["a", "0", "a-b", "a" * 63]),
    (names.dns1123_subdomain, ["a", "a.b-c", "a" * 253]),
    (names.dns1035_label, ["a", "a1", "a" * 63]),
    (names.qualified_name, ["a", "A.b_c", "example.com/Name", "a" * 63]),
    (names.label_value, ["", "a", "A.b_c-9", "a" * 63]),
    (names.port_name, ["http", "a", "80-tcp", "a" * 15]),
    (names.env_var_name, ["A", "a b", "my.env-name"]),
    (names.config_map_key, ["a", ".b", "A_b-c.d", "a" * 253]),
    (names.path_segment_name, ["system:node", "a b"]),
    (names.ip, ["10.0.0.1", "fd00::1"]),
    (names.cidr, ["10.0.0.0/8", "fd00::/64"]),
]
BAD: list[tuple[Callable[[str], list[str]], list[str]]] = [
    (names.dns1123_label, ["", "A", "-a", "a-", "a.b", "a" * 64, "a\n", "ü"]),
    (names.dns1123_subdomain, ["", "a..b", ".a", "a" * 254, "a_b"]),
    (names.dns1035_label, ["", "1a", "a.b", "a" * 64]),
    (names.qualified_name, ["", "/a", "a/", "a/b/c", "A/b/c", "-a", "a" * 64, "Ex.com/a"]),
    (names.label_value, ["-a", "a b", "a" * 64, "ü"]),
    (names.port_name, ["", "80", "-a", "a--b", "A", "a" * 16]),
    (names.env_var_name, ["", "a=b", "ü"]),
    (names.config_map_key, ["", ".", "..", "..a", "a/b", "a" * 254]),
    (names.path_segment_name, [".", "..", "a/b", "a%b"]),
    (names.ip, ["", "10.0.0", "010.0.0.1", "fe80::1%eth0"]),
    (names.cidr, ["", "10.0.0.0", "10.0.0.0/33"]),
]


@pytest.mark.parametrize(("valid", "values"), GOOD, ids=lambda v: getattr(v, "__name__", ""))
def test_accepted(valid: Callable[[str], list[str]], values: list[str]) -> None:
    assert {v: valid(v) for v in values if valid(v)} == {}


@pytest.mark.parametrize(("valid", "values"), BAD, ids=lambda v: getattr(v, "__name__", ""))
def test_refused(valid: Callable[[str], list[str]], values: list[str]) -> None:
    assert [v for v in values if not valid(v)] == []


def test_the_words() -> None:
    assert names.dns1123_subdomain("A_b") == [
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
        "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ]
    assert names.dns1035_label("1a") == [
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
        "is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    ]
    assert names.dns1123_label("a.b") == ["must not contain dots"]
    assert names.port_name("") == [
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        "must contain at least one letter (a-z)",
    ]
    assert names.qualified_name("/a") == ["prefix part must be non-empty"]
    assert names.label_value("a" * 64) == ["must be no more than 63 bytes"]
    assert names.dns1123_label("a" * 64) == ["must be no more than 63 characters"]
    assert names.env_var_name("a=b") == [
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
    ]
