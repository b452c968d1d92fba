"""No object leads the server to its own host or link."""

from __future__ import annotations

import pytest

from kubette.api.errors import BadRequest
from kubette.apiserver.dialing import is_global_unicast, resolve

NEVER = [
    "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "169.254.169.254", "::ffff:169.254.0.1", "fe80::1",
    "fe80::1%eth0", "fd00::1%eth0", "0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "239.1.1.1", "ff02::1",
    "255.255.255.255", "127.1", "2130706433", "localhost", "",
]  # fmt: skip
GLOBAL = ["10.42.0.7", "172.29.0.2", "192.168.1.1", "8.8.8.8", "fd00:42::7", "2001:db8::1", "::ffff:10.0.0.1"]


@pytest.mark.parametrize("address", NEVER)
def test_the_servers_own_host_and_link_are_never_dialed(address: str) -> None:
    assert not is_global_unicast(address)


@pytest.mark.parametrize("address", GLOBAL)
def test_pods_and_nodes_have_private_addresses(address: str) -> None:
    assert is_global_unicast(address)


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "2130706433", "169.254.1.1", "::1", "no.such.host.invalid", "a..b"]
)
async def test_a_name_is_judged_by_its_addresses(host: str) -> None:
    with pytest.raises(BadRequest):
        await resolve(host, is_global_unicast)


async def test_what_is_dialed_is_what_was_judged() -> None:
    assert await resolve("10.42.0.7", is_global_unicast) == "10.42.0.7"
    assert await resolve("localhost", lambda address: True) in ("127.0.0.1", "::1")
