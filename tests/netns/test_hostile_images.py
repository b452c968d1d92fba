"""Images made to get at the host: their configuration and layers reach no file that is not theirs, and no full disk."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubette.runtime import kernel, rootfs
from kubette.runtime.images import ImageStore
from kubette.runtime.interface import ContainerSpec, ImageFailure, SandboxSpec
from kubette.runtime.oci import OciRuntime
from kubette.runtime.rootfs import RootSource
from kubette.runtime.sweep import sweep

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts"),
    pytest.mark.skipif(any(kernel.which(t) is None for t in ("skopeo", "umoci")), reason="needs skopeo and umoci"),
]

Entry = tuple[str, bytes | str]  # path, and content or "-> target"


def tar_of(*entries: Entry) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, str) and content.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, content[3:]
                tar.addfile(info)
            elif isinstance(content, str):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                info.size, info.mode = len(content), 0o755
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def image(file: Path, config: dict[str, Any], *layers: bytes) -> Path:
    """A docker-archive."""
    body = {
        "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]},
    }  # fmt: skip
    names = [f"{n}.tar" for n in range(len(layers))]
    manifest = [{"Config": "c.json", "RepoTags": ["example.com/hostile:v1"], "Layers": names}]
    members = [("manifest.json", json.dumps(manifest).encode()), ("c.json", json.dumps(body).encode())]
    file.write_bytes(tar_of(*members, *zip(names, layers, strict=True)))
    return file


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 40 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    kernel.mount("tmpfs", disk, "tmpfs", 0, "size=40m")
    yield disk
    kernel.unmount(disk)


@pytest.mark.parametrize("path", ["/foo:/etc", "/x,lowerdir=/etc", "/x\\:/etc"])
def test_a_declared_volume_never_shows_the_host(tmp_path: Path, path: str) -> None:
    lower, directory = tmp_path / "lower", tmp_path / "container"
    directory.mkdir()
    (lower / path.lstrip("/")).mkdir(parents=True)
    (lower / path.lstrip("/") / "mine").touch()
    try:
        (row,) = rootfs.volumes(directory, RootSource(lower), [path])
        assert os.listdir(row["source"]) == ["mine"] and row["destination"] == path
        assert not any("=" in option or ":" in option for option in row["options"])
    finally:
        rootfs.discard(directory)
    assert not directory.exists() and kernel.mounts_below(tmp_path) == []


def test_a_declared_volume_that_is_a_link_stays_in_the_image(tmp_path: Path) -> None:
    lower, directory = tmp_path / "lower", tmp_path / "container"
    for path in (lower / "etc", directory):
        path.mkdir(parents=True)
    (lower / "etc/mine").touch()
    (lower / "absolute").symlink_to("/etc")
    (lower / "upwards").symlink_to("../../../../../etc")
    (lower / "nowhere").symlink_to("/nonexistent")
    rows = rootfs.volumes(directory, RootSource(lower), ["/absolute", "/upwards", "/nowhere"])
    assert [os.listdir(row["source"]) for row in rows] == [["mine"], [], ["mine"]]
    rootfs.discard(directory)


@pytest.mark.parametrize(
    "layers",
    [
        [tar_of((".", "-> /etc"))],
        [tar_of(("d", "-> /etc"), ("d/kubette-hostile", b"x"))],
        [tar_of(("d", "-> ../../../../../../../../etc")), tar_of(("d/kubette-hostile", b"x"))],
        [tar_of(("../../../../../../../../etc/kubette-hostile", b"x"))],
        [tar_of(("/etc/kubette-hostile", b"x"))],
        [tar_of(("d", "-> /etc")), tar_of(("d/.wh.hostname", b""))],
    ],
)
async def test_layers_reach_no_file_of_the_host(tmp_path: Path, layers: list[bytes]) -> None:
    before = sorted(os.listdir("/etc"))
    store = ImageStore(tmp_path / "store")
    try:
        (loaded,) = await store.load(image(tmp_path / "a.tar", {}, *layers))
    except ImageFailure:
        pass
    else:
        root = store.root(loaded.id).lower
        assert root.is_dir() and not root.is_symlink()
    assert sorted(os.listdir("/etc")) == before


@pytest.mark.parametrize(
    "config",
    [{"User": 5}, {"Env": "PATH=/"}, {"Env": [1]}, {"Entrypoint": {"a": 1}}, {"Cmd": ["a\0b"]},
     {"WorkingDir": ["/"]}, {"Volumes": {f"/v{n}": {} for n in range(1000)}}],
)  # fmt: skip
async def test_a_configuration_of_the_wrong_types_is_one_clear_error(tmp_path: Path, config: dict[str, Any]) -> None:
    store = ImageStore(tmp_path / "store")
    with pytest.raises(ImageFailure, match="holds no usable image") as caught:
        await store.load(image(tmp_path / "a.tar", config, tar_of(("f", b"x"))))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


async def test_an_archive_that_would_fill_the_disk(small_disk: Path, tmp_path: Path) -> None:
    """Compressed as a whole, or in a layer."""
    store = ImageStore(small_disk / "store")
    huge = image(tmp_path / "plain.tar", {}, tar_of(("zeros", bytes(200 << 20))))
    (tmp_path / "whole.tar.gz").write_bytes(gzip.compress(huge.read_bytes(), 1))
    layout = tmp_path / "layout"
    process = await asyncio.create_subprocess_exec(
        "skopeo", "copy", "-q", "--insecure-policy", f"docker-archive:{huge}", f"oci:{layout}:v1"
    )
    assert await process.wait() == 0
    for file in (tmp_path / "whole.tar.gz", layout):
        assert sum(f.stat().st_size for f in ([file] if file.is_file() else file.rglob("*"))) < 4 << 20
        with pytest.raises(ImageFailure, match=r"no space left"):
            await store.load(file)
        assert list((small_disk / "store/tmp").iterdir()) == []
    assert os.statvfs(small_disk).f_bavail * 4096 > 30 << 20


async def test_names_of_files_and_directories_are_no_options(tmp_path: Path) -> None:
    """Neither of the archive nor of the data directory, with a container that runs from it."""
    base = Path(tempfile.mkdtemp(prefix="kubette-test-", suffix=":,\\x y"))
    cluster = f"opt{os.getpid()}"
    store = ImageStore(base / "store")
    busybox = Path("/bin/busybox").read_bytes()
    config = {"Volumes": {"/foo:/etc": {}}, "Env": ["PATH=/bin"]}
    layer = tar_of(("bin/sh", busybox), ("foo:/etc/mine", b"x"))
    (own,) = await store.load(image(base / "a:b,c.tar", config, layer))
    local = await store.resolve("luksa/kubia")
    assert local is not None
    runtime = OciRuntime("n1", cluster, base / "data", tmp_path / "run", store)
    try:
        sandbox = await runtime.create_sandbox(SandboxSpec("pod1", "box", "default", "box"))
        for number, (which, script, said) in enumerate(
            [(own.id, "echo /foo:/etc/*", "/foo:/etc/mine"), (local.id, "touch /usr/x && echo fine", "fine")]
        ):
            log = base / f"logs/{number}"
            spec = ContainerSpec("pod1", "main", number, which, sandbox, ("/bin/sh", "-c", script), log_path=log)
            identity = await runtime.create(spec)
            await runtime.start(identity)
            assert await asyncio.wait_for(runtime.wait(identity), 20) == 0
            assert log.read_text().split(" ", 3)[3].strip() == said
        with pytest.raises(ImageFailure, match="in use"):
            await store.remove("example.com/hostile:v1")
        await runtime.remove_sandbox("pod1")
        await store.remove("example.com/hostile:v1")
        assert kernel.mounts_below(base) == []
    finally:
        runtime.close()
        assert sweep(f"kubette-{cluster}", [base, tmp_path]) == []
        shutil.rmtree(base)


def test_no_user_of_the_machine_reaches_the_store(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o755)  # as an earlier version left it
    ImageStore(tmp_path / "store")
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
