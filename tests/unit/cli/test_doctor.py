"""What the doctor says of a machine that lacks something, and of one that lacks nothing."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from kubette.cli import doctor
from kubette.cli.main import main

GOOD = doctor.Check("conmon", lambda: None, "apt-get install conmon")
BAD = doctor.Check("runc", lambda: "no runc in PATH", "apt-get install runc")


def test_one_sentence_names_each_lack_and_its_remedy() -> None:
    assert doctor.missing([GOOD]) is None
    assert doctor.missing([GOOD, BAD]) == (
        "this machine cannot run kubette, it lacks: runc (no runc in PATH; apt-get install runc)"
    )


def test_the_command_fails_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.examine, "__defaults__", ((GOOD, BAD),))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert result.output == "ok    conmon\nLACKS runc: no runc in PATH\n      → apt-get install runc\n"
    as_json = json.loads(CliRunner().invoke(main, ["doctor", "-o", "json"]).output)
    assert [(f["name"], f["ok"]) for f in as_json] == [("conmon", True), ("runc", False)]


def test_crun_alone_does_not_do_on_hybrid_cgroups(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("cgroup")
    monkeypatch.setattr(doctor, "CGROUP_ROOT", root)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/crun" if name == "crun" else None)
    oci = next(c for c in doctor.CHECKS if c.name == "oci-runtime")
    assert oci.probe() == "crun alone cannot run on cgroup v1 or hybrid"
    (root / "cgroup.controllers").touch()
    assert oci.probe() is None


def test_this_machine_has_what_the_tests_need() -> None:
    """The probes that ask the kernel agree with what is plain to see here."""
    checks = {check.name: check.probe for check in doctor.CHECKS}
    assert checks["nftables"]() is None
    assert checks["overlayfs"]() is None


def test_a_kernel_without_nf_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NFNL_SUBSYS_NFTABLES", 200)  # a subsystem that no kernel has
    problem = doctor._nftables()
    assert (problem is None) == (os.geteuid() != 0)  # others may not ask
    assert problem is None or problem.startswith("the kernel has no nf_tables: ")
