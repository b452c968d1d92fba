"""Which image pull secrets are for which image; pulls that nobody waits for any more."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from kubette.agent.images import ImagePuller, auths_of
from kubette.runtime.interface import Image, ImageFailure
from kubette.testing.fakenode import FakeNodeImages


@pytest.mark.parametrize(
    ("keys", "image", "chosen"),
    [
        (["127.0.0.1:5000", "127.0.0.1:5001"], "127.0.0.1:5000/a:v1", ["127.0.0.1:5000"]),
        (["https://reg.example.com/v2/"], "reg.example.com/a", ["https://reg.example.com/v2/"]),
        (["https://index.docker.io/v1/"], "busybox", ["https://index.docker.io/v1/"]),
        (["https://index.docker.io/v1/"], "luksa/kubia", ["https://index.docker.io/v1/"]),
        (["*.example.com"], "reg.example.com/a", ["*.example.com"]),
        (["*.example.com"], "a.reg.example.com/a", []),
        (["reg.example.com", "reg.example.com/team"], "reg.example.com/team/a:v1",
         ["reg.example.com/team", "reg.example.com"]),
        (["reg.example.com/team"], "reg.example.com/teams/a", []),
        (["reg.example.com:443"], "reg.example.com/a", []),
    ],
)  # fmt: skip
def test_credentials_go_to_their_registry_only(keys: list[str], image: str, chosen: list[str]) -> None:
    auth = base64.b64encode(b"user:se:cret").decode()
    data = json.dumps({"auths": {k: {"auth": auth} for k in keys}}).encode()
    broken = {"data": {".dockerconfigjson": "!"}}
    secret = {"data": {".dockerconfigjson": base64.b64encode(data).decode()}}
    found = auths_of([broken, secret], image)
    assert [a["registry"] for a in found] == chosen
    assert all((a["username"], a["password"]) == ("user", "se:cret") for a in found)


async def test_a_pull_that_fails_after_its_pods_have_gone_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No task is left whose failure nobody has looked at."""
    begun, fails = asyncio.Event(), asyncio.Event()
    unseen: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))

    class Slow(FakeNodeImages):
        async def pull(self, reference: str, auths: Sequence[Mapping[str, str]] = ()) -> Image:
            begun.set()
            await fails.wait()
            raise ImageFailure("the registry has gone")

    puller = ImagePuller(Slow(), 1, 10)
    waiting = asyncio.create_task(puller.ensure("u", {"image": "web:1"}, (), lambda *_: None))
    await begun.wait()
    (pull,) = puller._pulls.values()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    with caplog.at_level("INFO"):
        fails.set()
        await asyncio.wait([pull])
        await asyncio.sleep(0)
        del pull
        gc.collect()
    assert unseen == []
    assert [r.getMessage() for r in caplog.records if r.name == "kubette.agent.images"] == [
        "pulling image web:1: the registry has gone"
    ]
