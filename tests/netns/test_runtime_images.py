"""Images from archives and from a registry on loopback, as those tools really make them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from kubette.runtime import kernel
from kubette.runtime.images import ImageStore
from kubette.runtime.interface import ContainerSpec, ImageFailure, SandboxSpec, Security
from kubette.runtime.oci import OciRuntime
from kubette.runtime.sweep import sweep

TOOLS = ("skopeo", "umoci", "docker-registry")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="unpacks files of any owner"),
    pytest.mark.skipif(any(kernel.which(t) is None for t in TOOLS), reason="needs skopeo, umoci and a registry"),
]


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=30)


@pytest.fixture(scope="module")
def archives() -> Iterator[Path]:
    """One image with a layer, a layer that deletes, and a configuration; in every form it travels."""
    base = Path(tempfile.mkdtemp(prefix="kubette-test-"))
    layout = f"{base}/layout:v1"
    (base / "root/bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", base / "root/bin/busybox")
    (base / "root/gone").write_text("x")
    (base / "root/data").mkdir(mode=0o700)
    (base / "root/data/seed").write_text("seed\n")
    run("umoci", "init", "--layout", f"{base}/layout")
    run("umoci", "new", "--image", layout)
    run("umoci", "insert", "--image", layout, f"{base}/root", "/")
    run("umoci", "insert", "--whiteout", "--image", layout, "/gone")
    run("umoci", "config", "--image", layout, "--config.cmd", "/bin/sh", "--config.env", "FOO=bar",
        "--config.volume", "/data", "--config.volume", "/new/")  # fmt: skip
    copy = ("skopeo", "copy", "-q", "--insecure-policy", f"oci:{layout}")
    run(*copy, f"docker-archive:{base}/docker.tar:example.com/team/box:v1")
    run(*copy, f"oci-archive:{base}/My_Box.oci.tar:v1")
    (base / "docker.tar.gz").write_bytes(gzip.compress((base / "docker.tar").read_bytes(), 1))
    yield base
    shutil.rmtree(base)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextlib.contextmanager
def serving(archives: Path, *prefix: str) -> Iterator[str]:
    """host:port of a registry that holds ``box:v1``. ``prefix``: a command that runs another, somewhere else."""
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="kubette-test-") as directory:
        config = Path(directory, "registry.yml")
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {directory}}}}}\nhttp: {{addr: '{address}'}}\n"
        )
        process = subprocess.Popen(
            [*prefix, "docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            run(*prefix, "skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--retry-times=5",
                f"docker-archive:{archives}/docker.tar", f"docker://{address}/box:v1")  # fmt: skip
            yield address
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="module")
def registry(archives: Path) -> Iterator[str]:
    with serving(archives) as address:
        yield address


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("layout", "localhost/layout:v1"),
        ("docker.tar", "example.com/team/box:v1"),
        ("docker.tar.gz", "example.com/team/box:v1"),
        ("My_Box.oci.tar", "localhost/my-box:v1"),
    ],
)
async def test_load(store: ImageStore, archives: Path, file: str, name: str) -> None:
    (image,) = await store.load(archives / file)
    assert (image.references, image.cmd, image.env) == ((name,), ("/bin/sh",), ("FOO=bar",))
    assert await store.resolve(name) == image == await store.resolve(image.id)
    root = store.root(image.id).lower
    assert (root / "bin/busybox").is_file() and not (root / "gone").exists()


async def test_files_that_are_no_image(store: ImageStore, tmp_path: Path) -> None:
    def tar(name: str, member: str, content: bytes) -> Path:
        with tarfile.open(tmp_path / name, "w") as t:
            info = tarfile.TarInfo(member)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
        return tmp_path / name

    text = tmp_path / "text"
    text.write_text("hello")
    for file, why in (
        (tmp_path / "none", "no such file"),
        (tmp_path, "no file, and no directory with an index.json"),
        (Path("/dev/zero"), "no file, and no directory with an index.json"),
        (text, "is not an image archive: it is no tar file"),
        (tar("a", "x", b""), "neither manifest.json nor index.json"),
        (tar("b", "manifest.json", b"{]"), "manifest cannot be read"),
        (tar("c", "manifest.json", b"[]"), "holds no image"),
        (tar("d", "manifest.json", b'[{"Config":"x.json","Layers":[]}]'), "holds no usable image"),
    ):
        with pytest.raises(ImageFailure, match=why) as caught:
            await store.load(file)
        assert "\n" not in str(caught.value)
    assert all(i.pinned for i in await store.list())
    assert list((tmp_path / "store/tmp").iterdir()) == []


async def test_pull_by_tag_and_digest(store: ImageStore, registry: str) -> None:
    first, again = await asyncio.gather(store.pull(f"{registry}/box:v1"), store.pull(f"{registry}/box:v1"))
    assert first == again and first.references == (f"{registry}/box:v1",)
    (digest,) = first.digests
    assert digest.startswith(f"{registry}/box@sha256:")
    assert (await store.pull(digest)).id == first.id
    assert await store.resolve(digest) == first
    await store.remove(f"{registry}/box:v1")
    assert await store.resolve(f"{registry}/box:v1") is None


async def test_pull_in_another_network_namespace(archives: Path, tmp_path: Path) -> None:
    """As an agent does, whose node has a loopback of its own: the registry is on the host's."""
    host = tmp_path / "host"
    kernel.pin_namespaces({"net": host}, "")
    try:
        with serving(archives, "nsenter", f"--net={host}") as address:
            with pytest.raises(ImageFailure, match="connection refused"):
                await ImageStore(tmp_path / "a").pull(f"{address}/box:v1")
            image = await ImageStore(tmp_path / "b", netns=host).pull(f"{address}/box:v1")
            assert image.references == (f"{address}/box:v1",)
    finally:
        kernel.unmount(host)


@pytest.mark.parametrize("name", ["box:nope", "nobox", "box@sha256:" + "0" * 64])
async def test_what_the_registry_does_not_have(store: ImageStore, registry: str, name: str) -> None:
    with pytest.raises(ImageFailure, match=r"failed to pull and unpack image .*: not found$") as caught:
        await store.pull(f"{registry}/{name}")
    assert caught.value.reason == "ErrImagePull"


@contextlib.asynccontextmanager
async def before(registry: str, may: Callable[[web.Request], bool]) -> AsyncIterator[str]:
    """host:port of something before the registry, which lets through what may pass and answers 401 else."""

    async def handle(request: web.Request) -> web.Response:
        if not may(request):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        headers = {"Accept": ",".join(request.headers.getall("Accept", ["*/*"]))}
        async with aiohttp.ClientSession() as client:
            url = f"http://{registry}{request.path_qs}"
            async with client.request(request.method, url, headers=headers) as r:
                keep = {k: v for k, v in r.headers.items() if k.startswith("Docker-") or k == "Content-Type"}
                return web.Response(status=r.status, body=await r.read(), headers=keep)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
async def guarded(registry: str) -> AsyncIterator[str]:
    """The registry behind basic authentication for user:secret."""
    want = "Basic " + base64.b64encode(b"user:secret").decode()
    async with before(registry, lambda request: request.headers.get("Authorization") == want) as address:
        yield address


async def test_credentials(store: ImageStore, guarded: str) -> None:
    with pytest.raises(ImageFailure, match="authorization"):
        await store.pull(f"{guarded}/box:v1")
    wrong, right = {"username": "user", "password": "no"}, {"username": "user", "password": "secret"}
    image = await store.pull(f"{guarded}/box:v1", [wrong, right])
    assert image.references == (f"{guarded}/box:v1",)


async def test_a_local_image_is_pinned_until_it_is_removed(store: ImageStore) -> None:
    kubia = await store.pull("luksa/kubia")  # no registry is asked
    assert kubia.pinned and await store.resolve("docker.io/luksa/kubia:latest") == kubia
    await store.remove("luksa/kubia")
    assert await store.resolve("luksa/kubia") is None
    assert store.get(kubia.id) == kubia  # what runs from it goes on


class Silent:
    """A registry that takes connections and never answers."""

    async def __aenter__(self) -> str:
        self.connected, self.left = asyncio.Event(), asyncio.Event()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.left.clear()
        self.connected.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self.left.set()
        writer.close()


async def test_a_registry_that_says_nothing(tmp_path: Path) -> None:
    """Given up, with nothing left behind: no process, no file."""
    async with Silent() as address, asyncio.timeout(30):
        with pytest.raises(ImageFailure, match=r"failed to resolve reference .*: no progress for 0.2s$"):
            await ImageStore(tmp_path / "store", patience=0.2).pull(f"{address}/box:v1")
    silent = Silent()
    async with silent as address, asyncio.timeout(30):
        pull = asyncio.create_task(ImageStore(tmp_path / "store").pull(f"{address}/box:v1"))
        await silent.connected.wait()
        pull.cancel()  # the pod was deleted
        await silent.left.wait()
        await asyncio.gather(pull, return_exceptions=True)
    assert list((tmp_path / "store/tmp").iterdir()) == []


async def test_what_a_killed_process_left_is_removed(archives: Path, store: ImageStore, tmp_path: Path) -> None:
    """An agent that is killed while it pulls: its skopeo ends with it, and the next one to come cleans up."""
    program = "import asyncio, sys; from pathlib import Path; from kubette.runtime.images import ImageStore\n"
    program += "asyncio.run(ImageStore(Path(sys.argv[1])).pull(sys.argv[2], [{'username': 'u'}]))"
    silent = Silent()
    async with silent as address, asyncio.timeout(60):
        argv = (program, str(tmp_path / "store"), f"{address}/box:v1")
        agent = await asyncio.create_subprocess_exec(sys.executable, "-c", *argv)
        await silent.connected.wait()
        agent.kill()
        await agent.wait()
        await silent.left.wait()
    (left,) = (tmp_path / "store/tmp").iterdir()
    assert (left / "auth.json").stat().st_mode & 0o777 == 0o600
    await store.load(archives / "docker.tar")
    assert list((tmp_path / "store/tmp").iterdir()) == []


async def test_two_nodes_that_pull_the_same_image_fetch_it_once(registry: str, tmp_path: Path) -> None:
    fetched: list[str] = []

    def may(request: web.Request) -> bool:
        fetched.extend([request.path] * ("/blobs/" in request.path))
        return True

    async with before(registry, may) as address:
        nodes = [ImageStore(tmp_path / "store"), ImageStore(tmp_path / "store")]
        first, second = await asyncio.gather(*(n.pull(f"{address}/box:v1") for n in nodes))
    assert first == second and len(fetched) == len(set(fetched)) > 0
    assert [p.name for p in (tmp_path / "store/locks").iterdir() if p.name.startswith("sha256")] == []


async def test_volumes_that_an_image_declares_are_writable(store: ImageStore, archives: Path) -> None:
    """Also where the root is not; each container has its own, which begins with what the image has there."""
    (image,) = await store.load(archives / "docker.tar")
    cluster, base = f"vol{os.getpid()}", Path(tempfile.mkdtemp(prefix="kubette-test-"))
    runtime = OciRuntime("n1", cluster, base / "data", base / "run", store)
    try:
        sandbox = await runtime.create_sandbox(SandboxSpec("pod1", "box", "default", "box"))
        script = "cd /data; busybox cat seed; echo more >> seed; echo x > /new/file && echo new;"
        script += "busybox touch /no 2>/dev/null || echo kept"
        command, read_only = ("/bin/busybox", "sh", "-c", script), Security(read_only_root=True)
        env = (("PATH", "/bin"),)
        for attempt in range(2):
            log = base / f"{attempt}.log"
            identity = await runtime.create(ContainerSpec(
                "pod1", "main", attempt, image.id, sandbox, command, env=env, security=read_only, log_path=log,
            ))  # fmt: skip
            await runtime.start(identity)
            assert await asyncio.wait_for(runtime.wait(identity), 20) == 0
            lines = [line.split(" ", 3)[3] for line in log.read_text().splitlines()]
            assert lines == ["seed", "new", "kept"]
        root = store.root(image.id).lower
        assert (root / "data/seed").read_text() == "seed\n" and not (root / "new").exists()
    finally:
        runtime.close()
        assert sweep(f"kubette-{cluster}", [base]) == []
        shutil.rmtree(base)
