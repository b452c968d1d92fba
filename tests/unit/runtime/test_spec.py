"""From a container's spec and image to what the OCI runtime is told."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from kubette.runtime import devices, seccomp
from kubette.runtime import spec as specs
from kubette.runtime.interface import ContainerSpec, Image, Resources, RuntimeFailure, Sandbox, Security

IMAGE = Image("sha256:x", ("a",), entrypoint=("/entry",), cmd=("one", "two"), env=("A=image", "B=image"))
POD = ContainerSpec("uid", "main", 0, IMAGE.id, Sandbox("uid", Path("/n"), Path("/i"), Path("/u")))


@pytest.mark.parametrize(
    ("command", "args", "runs"),
    [
        ((), (), ["/entry", "one", "two"]),
        ((), ("x",), ["/entry", "x"]),
        (("c",), (), ["c"]),
        (("c",), ("x",), ["c", "x"]),
    ],
)
def test_command_and_args_replace_entrypoint_and_cmd(
    command: tuple[str, ...], args: tuple[str, ...], runs: list[str]
) -> None:
    assert specs.command_line(replace(POD, command=command, args=args), IMAGE) == runs


def test_the_pods_env_wins_over_the_images() -> None:
    user = specs.User(0, 0, (0,), "/root")
    env = specs.environment(replace(POD, env=[("B", "pod"), ("HOSTNAME", "mine")]), IMAGE, user, "kubia-x")
    assert env[0].startswith("PATH=/usr/local/sbin:")
    assert {"A=image", "B=pod", "HOSTNAME=mine", "HOME=/root"} <= set(env)


@pytest.mark.parametrize(
    ("image_user", "security", "want"),
    [
        ("", Security(), (0, 0, "/root")),
        ("web", Security(), (33, 33, "/var/www")),
        ("web:staff", Security(), (33, 50, "/var/www")),
        ("1234:5", Security(), (1234, 5, "/")),
        ("web", Security(run_as_user=7, run_as_group=8), (7, 8, "/")),
    ],
)
def test_whom_it_runs_as(tmp_path: Path, image_user: str, security: Security, want: tuple[int, int, str]) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n")
    (tmp_path / "etc/group").write_text("staff:x:50:web\n")
    user = specs.user_of(replace(POD, security=security), replace(IMAGE, user=image_user), tmp_path)
    assert (user.uid, user.gid, user.home) == want
    if image_user.startswith("web") and security == Security():
        assert 50 in user.groups


@pytest.mark.parametrize("passwd", ["link", "link inside", "pipe", "directory", "none"])
def test_an_images_passwd_is_its_own(tmp_path: Path, passwd: str) -> None:
    """Whatever it is: no file of the host is read in its place, and nothing is waited for."""
    root, own = tmp_path / "root", tmp_path / "root/etc/passwd"
    (root / "etc").mkdir(parents=True)
    (tmp_path / "secret").write_text("web:x:1:1::/outside:/bin/sh\n")
    (root / "real").write_text("web:x:2:2::/inside:/bin/sh\n")
    match passwd:
        case "link":
            own.symlink_to(tmp_path / "secret")
        case "link inside":
            own.symlink_to("/../../real")
        case "pipe":
            os.mkfifo(own)
        case "directory":
            own.mkdir()
    image = replace(IMAGE, user="web")
    if passwd == "link inside":
        assert specs.user_of(POD, image, root).uid == 2
    else:
        with pytest.raises(RuntimeFailure, match="unable to find user web"):
            specs.user_of(POD, image, root)


@pytest.mark.parametrize(
    ("user", "why"),
    [("²", "unable to find user"), ("99999999999", "unable to find user"), ("4294967296", "unable to find user"),
     ("odd", "unable to find user"), ("web:nope", "unable to find group"), ("web:short", "unable to find group"),
     ("web:²", "unable to find group")],
)  # fmt: skip
def test_an_id_that_is_none_is_one_clear_error(tmp_path: Path, user: str, why: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("odd:x:many:0::/:/bin/sh\nweb:x:7:some::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text("short\nodd:x:many:web\nfine:x:9:web\n")
    with pytest.raises(RuntimeFailure, match=why):
        specs.user_of(POD, replace(IMAGE, user=user), tmp_path)
    assert specs.user_of(POD, replace(IMAGE, user="web"), tmp_path) == specs.User(7, 0, (0, 9), "/")


@pytest.mark.parametrize(
    ("image_user", "asked", "words"),
    [
        ("", None, "container has runAsNonRoot and image will run as root"),
        ("web", 0, "container's runAsUser breaks non-root policy"),
        ("web", None, "container has runAsNonRoot and image has non-numeric user (web), "
                      "cannot verify user is non-root"),
    ],
)  # fmt: skip
def test_root_is_refused_where_non_root_is_asked_for(
    tmp_path: Path, image_user: str, asked: int | None, words: str
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("web:x:33:33:web:/var/www:/bin/sh\n")
    refused = replace(POD, security=Security(run_as_non_root=True, run_as_user=asked), pod_words="p_d(u)")
    with pytest.raises(RuntimeFailure) as caught:
        specs.user_of(refused, replace(IMAGE, user=image_user), tmp_path)
    assert str(caught.value) == f'{words} (pod: "p_d(u)", container: main)'
    assert caught.value.reason == "CreateContainerConfigError"


def test_a_read_only_root_is_read_only_in_every_part() -> None:
    part = {"destination": "/usr", "type": "bind", "options": ["rbind"]}
    spec = replace(POD, security=Security(read_only_root=True))
    user = specs.User(0, 0, (), "/")
    out = specs.config(
        spec, IMAGE, root=Path("/r"), user=user, hostname="h", cgroup="/c", shm=None, extra_mounts=[part]
    )
    assert out["root"]["readonly"]
    assert next(m for m in out["mounts"] if m["destination"] == "/usr")["options"] == ["rbind", "ro"]


def test_the_default_seccomp_profile_follows_the_capabilities() -> None:
    def forbidden(*capabilities: str) -> set[str]:
        return {name for rule in seccomp.default(capabilities)["syscalls"] for name in rule["names"]}

    assert {"mount", "unshare", "reboot", "clone3"} <= forbidden()
    assert not {"mount", "unshare", "clone", "clone3"} & forbidden("CAP_SYS_ADMIN")
    assert "reboot" in forbidden("CAP_SYS_ADMIN")


def test_a_seccomp_profile_of_the_node(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text('{"defaultAction": "SCMP_ACT_LOG"}')
    assert seccomp.profile(str(file)) == {"defaultAction": "SCMP_ACT_LOG"}
    assert seccomp.profile("") is None
    with pytest.raises(RuntimeFailure, match="cannot load seccomp profile"):
        seccomp.profile(str(tmp_path / "none.json"))


def test_the_hosts_devices() -> None:
    found = {d["path"]: d for d in devices.of_host()}
    assert (found["/dev/null"]["type"], found["/dev/null"]["major"], found["/dev/null"]["minor"]) == ("c", 1, 3)
    assert not any(path.startswith(("/dev/pts", "/dev/shm")) for path in found)


def test_capabilities() -> None:
    def of(**kw: tuple[str, ...]) -> list[str]:
        return specs.capabilities(replace(POD, security=Security(**kw)))  # type: ignore[arg-type]

    assert "CAP_NET_ADMIN" not in of() and "CAP_CHOWN" in of()
    assert of(drop_capabilities=("ALL",), add_capabilities=("NET_BIND_SERVICE",)) == ["CAP_NET_BIND_SERVICE"]
    assert "CAP_NET_RAW" not in of(drop_capabilities=("NET_RAW",))
    assert len(of(add_capabilities=("ALL",))) == 41


def test_limits_and_namespaces_reach_the_config() -> None:
    limited = replace(POD, resources=Resources(cpu_shares=512, cpu_quota_us=50_000, memory_bytes=1 << 20, pids=9))
    config = specs.config(
        limited, IMAGE, root=Path("/r"), user=specs.User(5, 5, (5,), "/"), hostname="h", cgroup="/c", shm=None
    )
    resources = config["linux"]["resources"]
    assert resources["cpu"] == {"shares": 512, "quota": 50_000, "period": 100_000}
    assert resources["memory"] == {"limit": 1 << 20} and resources["pids"] == {"limit": 9}
    assert {n["type"]: n.get("path") for n in config["linux"]["namespaces"]} == {
        "mount": None, "pid": None, "network": "/n", "ipc": "/i", "uts": "/u",
    }  # fmt: skip
    assert config["process"]["capabilities"]["effective"] == []  # not root: bounding only
