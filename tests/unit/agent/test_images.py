"""Which image pull secrets are for which image."""

from __future__ import annotations

import base64
import json

import pytest

from kubette.agent.images import auths_of


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
