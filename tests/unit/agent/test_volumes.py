"""Volumes on a real directory: content, modes, atomic replacement, what is refused."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from kubette.agent import volumes
from kubette.agent.container_spec import volume_mounts
from kubette.agent.env import ConfigError
from kubette.agent.volumes.base import Context, VolumeAt, VolumeError

Obj = dict[str, Any]


class Objects:
    def __init__(self) -> None:
        self.config_maps: dict[str, Obj] = {"m": {"data": {"a": "1", "b": "2"}}}
        self.secrets: dict[str, Obj] = {"s": {"data": {"k": base64.b64encode(b"pw").decode()}}}

    async def config_map(self, namespace: str, name: str) -> Obj | None:
        return self.config_maps.get(name)

    async def secret(self, namespace: str, name: str) -> Obj | None:
        return self.secrets.get(name)

    async def token(self, pod: Obj, audience: str, seconds: int) -> str:
        return f"token-{audience}-{seconds}"

    async def claim_source(self, namespace: str, name: str) -> Obj:
        raise VolumeError(f'persistentvolumeclaim "{name}" not found')


POD: Obj = {"metadata": {"name": "p", "namespace": "d", "uid": "u", "labels": {"b": "2", "a": "1"}}, "spec": {}}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(POD, Objects(), tmp_path / "data", tmp_path / "run")


async def made(context: Context, **volume: Any) -> Path:
    return (await volumes.setup(context, {"name": "v", **volume})).path


def shown(path: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in path.iterdir() if not p.name.startswith("..")}


async def test_config_map_is_replaced_as_a_whole(context: Context) -> None:
    assert isinstance(context.objects, Objects)
    path = await made(context, configMap={"name": "m", "defaultMode": 0o400})
    assert shown(path) == {"a": "1", "b": "2"}
    assert (path / "a").stat().st_mode & 0o777 == 0o400
    first = (path / "..data").readlink()
    await made(context, configMap={"name": "m", "defaultMode": 0o400})
    assert (path / "..data").readlink() == first  # nothing changed, nothing moved
    context.objects.config_maps["m"] = {"data": {"b": "3", "c": "4"}}
    await made(context, configMap={"name": "m", "defaultMode": 0o400})
    assert shown(path) == {"b": "3", "c": "4"}
    assert not (path / first).exists()


@pytest.mark.parametrize(
    ("volume", "writable"),
    [
        ({"configMap": {"name": "m"}}, False), ({"secret": {"secretName": "s"}}, False), ({"projected": {}}, False),
        ({"downwardAPI": {}}, False), ({"emptyDir": {}}, True), ({"hostPath": {"path": "/"}}, True),
    ],
)  # fmt: skip
async def test_what_follows_an_object_is_mounted_read_only(context: Context, volume: Obj, writable: bool) -> None:
    at = await volumes.setup(context, {"name": "v", **volume})
    container = {"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    (mount,) = volume_mounts(container, {"v": at}, {}, Path("/nonexistent"))
    assert mount.read_only is not writable


async def test_items_and_what_is_missing(context: Context) -> None:
    path = await made(context, secret={"secretName": "s", "items": [{"key": "k", "path": "x/y", "mode": 0o600}]})
    assert (path / "x" / "y").read_text() == "pw"
    assert (path / "x" / "y").stat().st_mode & 0o777 == 0o600
    assert context.run_dir in path.parents  # secrets do not touch the disk
    for source, words in (
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        ({"configMap": {"name": "m", "items": [{"key": "z", "path": "z"}]}}, "references non-existent config key: z"),
        ({"configMap": {"name": "m", "items": [{"key": "a", "path": "../z"}]}}, "invalid path"),
        ({"persistentVolumeClaim": {"claimName": "c"}}, 'persistentvolumeclaim "c" not found'),
        ({"iscsi": {}}, "no volume plugin matched"),
    ):
        with pytest.raises(VolumeError, match=words):
            await made(context, **source)
    assert shown(await made(context, configMap={"name": "no", "optional": True})) == {}


async def test_projected(context: Context) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600, "audience": "x"}},
        {"configMap": {"name": "m", "items": [{"key": "a", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    path = await made(context, projected={"sources": sources})
    assert shown(path) == {"token": "token-x-600", "ca.crt": "1", "labels": 'a="1"\nb="2"'}


async def test_empty_dir_and_host_path(context: Context, tmp_path: Path) -> None:
    path = await made(context, emptyDir={})
    (path / "kept").write_text("x")
    assert (await made(context, emptyDir={})) == path
    assert shown(path) == {"kept": "x"}
    assert path.stat().st_mode & 0o777 == 0o777
    host = await made(context, hostPath={"path": str(tmp_path / "new"), "type": "DirectoryOrCreate"})
    assert host.is_dir()
    with pytest.raises(VolumeError, match=r"hostPath type check failed: .* is not a file"):
        await made(context, hostPath={"path": str(host), "type": "File"})
    await volumes.remove_all(context)
    assert not context.data_dir.exists()
    assert host.is_dir()


def test_a_sub_path_needs_all_its_variables() -> None:
    container = {"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v", "subPathExpr": "$(B)/$(A)/$(C)"}]}
    with pytest.raises(ConfigError, match=r"^missing value for A, C$"):
        volume_mounts(container, {"v": VolumeAt(Path("/"))}, {"B": "b", "C": ""}, Path("/nonexistent"))


async def test_a_write_that_fails_leaves_nothing_behind_and_the_old_files_in_place(context: Context) -> None:
    assert isinstance(context.objects, Objects)
    path = await made(context, configMap={"name": "m"})
    before = sorted(p.name for p in path.iterdir())
    context.objects.config_maps["m"] = {"data": {"a": "new", "n" * 300: "no filesystem takes this name"}}
    with pytest.raises(VolumeError):
        await made(context, configMap={"name": "m"})
    assert sorted(p.name for p in path.iterdir()) == before
    assert shown(path) == {"a": "1", "b": "2"}


async def test_directories_of_sub_paths_outlive_an_update(context: Context) -> None:
    assert isinstance(context.objects, Objects)
    path = await made(context, configMap={"name": "m"})
    (path / "made-by-sub-path").mkdir()
    (path / "..2020_01_01_00_00_00.left").mkdir()  # by an agent that was killed
    context.objects.config_maps["m"] = {"data": {"a": "new"}}
    await made(context, configMap={"name": "m"})
    names = {p.name for p in path.iterdir() if not p.name.startswith("..2")}
    assert names == {"a", "..data", "made-by-sub-path"}
    assert [p.name for p in path.iterdir() if p.name.startswith("..2")] == [str((path / "..data").readlink())]


def deep(top: Path, levels: int) -> None:
    """Directories in one another, deeper than a path can name."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir("d" * 20, dir_fd=fd)
        below = os.open("d" * 20, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


async def test_what_containers_left_is_deleted_however_deep_and_links_are_not_followed(
    context: Context, tmp_path: Path
) -> None:
    path, outside = await made(context, emptyDir={}), tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (path / "link").symlink_to(outside)
    deep(path, 1500)
    await volumes.remove_all(context)
    assert not context.data_dir.exists()
    assert (outside / "kept").exists()
