"""Local images: roots made from the host's own files, so that nothing is downloaded or built.

What programs need to run is shown (/usr, the Python that runs kubette), read-only or copy-on-write; a
minimal /etc is generated. Never shown: the host's /etc, /root, /home and /var, except for the Python paths.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import kubette
from kubette.runtime.interface import Image, Mount
from kubette.runtime.rootfs import RootSource

_VERSION = 1  # of the layout below: a change makes new images

_PACKAGE = Path(kubette.__file__ or "").resolve().parent
_KUBETTE = (sys.executable, "-m", "kubette.cli.main")


@dataclass(frozen=True, slots=True)
class LocalImage:
    """A row of the table: what runs, and what its root has beside the common parts."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...] = ()
    runs_kubette: bool = True  # it imports the package, and so is told where that lies
    add: Callable[[Path], None] | None = None


def _kubia_files(root: Path) -> None:
    from kubette.runtime.selfsigned import write_pair

    write_pair(root / "etc/kubia/tls.crt", root / "etc/kubia/tls.key", "kubia")


#: Waits, and so reaps whatever is left to it as the first process of a PID namespace.
_PAUSE = "trap 'exit 0' TERM; while :; do sleep 2147483647 & wait $!; done"

TABLE: dict[str, LocalImage] = {
    "docker.io/luksa/kubia:latest": LocalImage(
        (sys.executable, "-I", "-S", str(_PACKAGE / "runtime/apps/kubia.py")), runs_kubette=False, add=_kubia_files
    ),
    "docker.io/kubette/pause:latest": LocalImage(("/bin/sh", "-c", _PAUSE), runs_kubette=False),
    "docker.io/kubette/dns:latest": LocalImage(_KUBETTE, ("dns",)),
    "docker.io/kubette/ingress:latest": LocalImage(_KUBETTE, ("ingress",)),
}

_PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = "root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n"
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ETC_COPIED = ("ld.so.cache", "ld.so.conf", "protocols", "services", "debian_version", "os-release")


def image_of(reference: str) -> Image:
    """The image as it would be now: its ID covers the definition and the host files that it copies."""
    row = TABLE[reference]
    env = [f"PATH={_path() if row.runs_kubette else _USUAL_PATH}"]
    if row.runs_kubette and not _below(_PACKAGE, Path(sys.prefix)) and not _below(_PACKAGE, Path("/usr")):
        env.append(f"PYTHONPATH={_PACKAGE.parent}")
    stamps = [_stamp(Path("/etc") / n) for n in ("ld.so.cache", "alternatives", "ssl/certs")]
    facts = [_VERSION, reference, row.entrypoint, row.cmd, env, stamps, [asdict(m) for m in _python_binds()]]
    digest = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()
    return Image(
        id=f"sha256:{digest}", references=(reference,), pinned=True, env=tuple(env),
        entrypoint=row.entrypoint, cmd=row.cmd, working_dir="/",
    )  # fmt: skip


def source_of(directory: Path) -> RootSource:
    """What its containers stand on, given the directory that ``build`` made."""
    overlays = [Path(p) for p in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")]
    shown = tuple(p for p in overlays if p.is_dir() and not p.is_symlink())
    return RootSource(directory / "rootfs", shown, tuple(_python_binds(directory / "empty")))


def build(reference: str, directory: Path) -> None:
    """Make the skeleton root at ``directory/rootfs``: atomically, so that a reader sees all or nothing."""
    if (directory / "rootfs").is_dir():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".new-", dir=directory.parent))
    try:
        making.chmod(0o755)
        (making / "empty").mkdir()
        root = making / "rootfs"
        _skeleton(root)
        if add := TABLE[reference].add:
            add(root)
        os.rename(making, directory)
    except OSError:
        shutil.rmtree(making, ignore_errors=True)
        if not (directory / "rootfs").is_dir():  # another process was faster: fine
            raise


def _skeleton(root: Path) -> None:
    for name in ("dev", "proc", "sys", "run", "root", "home", "mnt", "opt", "srv", "usr", "etc", "var/lib",
                 "var/log", "var/cache", "tmp", "var/tmp"):  # fmt: skip
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "var/tmp").chmod(0o1777)
    (root / "var/run").symlink_to("/run")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        host = Path("/") / name
        if host.is_symlink():
            (root / name).symlink_to(os.readlink(host))
        elif host.is_dir():
            (root / name).mkdir()
    etc = root / "etc"
    (etc / "passwd").write_text(_PASSWD)
    (etc / "group").write_text(_GROUP)
    (etc / "nsswitch.conf").write_text(_NSSWITCH)
    for name in ("hosts", "hostname", "resolv.conf"):
        (etc / name).touch()
    for name in _ETC_COPIED:
        if (Path("/etc") / name).is_file():
            shutil.copy(Path("/etc") / name, etc / name)
    if Path("/etc/alternatives").is_dir():
        shutil.copytree("/etc/alternatives", etc / "alternatives", symlinks=True)
    _public_authorities(etc)
    for bind in _python_binds():
        at = root / bind.target.lstrip("/")
        if bind.source.is_dir():
            at.mkdir(parents=True, exist_ok=True)
        else:
            at.parent.mkdir(parents=True, exist_ok=True)
            at.touch()
    for link in _executable_links():
        at = root / str(link).lstrip("/")
        if not any(_below(link, Path(b.target)) for b in _python_binds()) and not at.is_symlink():
            at.parent.mkdir(parents=True, exist_ok=True)
            at.symlink_to(os.readlink(link))


def _public_authorities(etc: Path) -> None:
    """The CA bundle, and links into /usr/share/ca-certificates; nothing private lies in either."""
    certs = etc / "ssl/certs"
    certs.mkdir(parents=True)
    host = Path("/etc/ssl/certs")
    if (host / "ca-certificates.crt").is_file():
        shutil.copy(host / "ca-certificates.crt", certs / "ca-certificates.crt")
    for entry in host.iterdir() if host.is_dir() else ():
        target = os.readlink(entry) if entry.is_symlink() else ""
        if target.startswith("/usr/") or (target and "/" not in target):
            (certs / entry.name).symlink_to(target)
    if Path("/etc/ssl/openssl.cnf").is_file():
        shutil.copy("/etc/ssl/openssl.cnf", etc / "ssl/openssl.cnf")


def _python_binds(empty: Path = Path("empty")) -> list[Mount]:
    """Interpreter, standard library, site-packages and kubette, each at its own absolute path.

    Elsewhere a venv or pyenv Python would pick up another libpython. A base prefix can hold gigabytes of
    packages of its own; a venv does not use them, so they are covered by an empty directory.
    """
    base, prefix = Path(sys.base_prefix), Path(sys.prefix)
    paths: list[Path] = []
    covered: list[Path] = []
    if not _below(base, Path("/usr")):
        stdlib = Path(sysconfig.get_path("stdlib", vars={"installed_base": str(base), "base": str(base)}))
        paths += [Path(os.path.realpath(sys.executable)), stdlib, *sorted((base / "lib").glob("libpython*.so*"))]
        if prefix != base and (stdlib / "site-packages").is_dir():
            covered.append(stdlib / "site-packages")
    if prefix != base and not _below(prefix, Path("/usr")):
        paths.append(prefix)
    if not any(_below(_PACKAGE, p) for p in [*paths, Path("/usr")]):
        paths.append(_PACKAGE)
    out = [Mount(p, str(p), read_only=True) for p in dict.fromkeys(paths) if p.exists()]
    return out + [Mount(empty, str(p), read_only=True) for p in covered]


def _executable_links() -> list[Path]:
    """The symlinks from sys.executable to the real interpreter."""
    out: list[Path] = []
    at = Path(sys.executable)
    while at.is_symlink():
        out.append(at)
        at = Path(os.path.normpath(at.parent / os.readlink(at)))
    return out


def _path() -> str:
    own = str(Path(sys.executable).parent)
    return _USUAL_PATH if own in _USUAL_PATH.split(":") else f"{_USUAL_PATH}:{own}"


def _below(path: Path, top: Path) -> bool:
    return path == top or top in path.parents


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
