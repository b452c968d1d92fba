"""What of the wanted rules no held rule covers."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from kubette.apiserver import escalation
from kubette.apiserver.escalation import TooComplex, missing

Rule = dict[str, Any]


def rule(verbs: str, resources: str = "", groups: str = "", names: str = "", urls: str = "") -> Rule:
    """Words of each field; the core group is written ``core``."""
    out: Rule = {"verbs": verbs.split()}
    if urls:
        return {**out, "nonResourceURLs": urls.split()}
    out |= {"resources": resources.split(), "apiGroups": ["" if g == "core" else g for g in (groups or "core").split()]}
    return {**out, "resourceNames": names.split()} if names else out


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        (rule("get", "pods"), rule("*", "*", "*")),
        (rule("get", "pods/log"), rule("get", "*/log")),
        (rule("get list", "pods nodes"), rule("list get watch", "nodes pods secrets")),
        (rule("get", "pods", names="a"), rule("get", "pods")),
        (rule("get", "pods", names="a b"), rule("get", "pods", names="a b c")),
        (rule("get", urls="/healthz/a"), rule("get", urls="/healthz/*")),
        (rule("get", urls="/x/*"), rule("get", urls="/x/*")),
        (rule("get", urls="/"), rule("*", urls="*")),
    ],
)
def test_covered(wanted: Rule, held: Rule) -> None:
    assert missing([wanted], [held]) == []


@pytest.mark.parametrize(
    ("wanted", "held", "lines"),
    [
        (rule("get list", "pods"), rule("get", "pods"), ['{APIGroups:[""], Resources:["pods"], Verbs:["list"]}']),
        (rule("get", "pods"), rule("get", "pods", names="a"), ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}']),
        (rule("get", "pods", names="x"), rule("get", "pods", names="* a"),
         ['{APIGroups:[""], Resources:["pods"], ResourceNames:["x"], Verbs:["get"]}']),
        (rule("get", "*"), rule("get", "pods"), ['{APIGroups:[""], Resources:["*"], Verbs:["get"]}']),
        (rule("get", urls="/x*"), rule("get", urls="/x"), ['{NonResourceURLs:["/x*"], Verbs:["get"]}']),
        (rule("get put", urls="/y"), rule("get", urls="/x/*"), ['{NonResourceURLs:["/y"], Verbs:["get", "put"]}']),
    ],
)  # fmt: skip
def test_not_covered(wanted: Rule, held: Rule, lines: list[str]) -> None:
    assert missing([wanted], [held]) == lines


def test_several_rules_cover_together() -> None:
    held = [rule("get", "pods nodes"), rule("list", "nodes"), rule("list", "pods", names="a")]
    assert missing([rule("get list", "nodes")], held) == []
    assert missing([rule("get list", "pods", names="a")], held) == []
    assert missing([rule("get list", "pods")], held) == ['{APIGroups:[""], Resources:["pods"], Verbs:["list"]}']


def test_classes_decide_as_single_permissions_do() -> None:
    """The comparison by classes agrees with one that writes every permission out."""
    dice = random.Random(1)

    def some(words: str, most: int = 3) -> list[str]:
        return dice.sample(words.split(), dice.randint(1, most))

    def any_rule() -> Rule:
        out: Rule = {"verbs": some("get list watch *"), "apiGroups": some("apps batch *")}
        out["resources"] = some("pods pods/log pods/exec nodes nodes/log */log *")
        return {**out, "resourceNames": some("a b * c")} if dice.random() < 0.4 else out

    def covers(held: Rule, verb: str, group: str, kind: str, name: str) -> bool:
        names, (_, slash, sub) = held.get("resourceNames"), kind.partition("/")
        return (
            bool({"*", verb} & {*held["verbs"]}) and bool({"*", group} & {*held["apiGroups"]})
            and bool({"*", kind, *([f"*/{sub}"] if slash else [])} & {*held["resources"]})
            and (not names or name in names)
        )  # fmt: skip

    seen = set()
    for _ in range(500):
        wanted, held = any_rule(), [any_rule() for _ in range(dice.randint(1, 6))]
        parts = itertools.product(
            wanted["verbs"], wanted["apiGroups"], wanted["resources"], wanted.get("resourceNames") or [""]
        )
        lacking = [part for part in parts if not any(covers(h, *part) for h in held)]
        lines = missing([wanted], held)
        assert sum(line.partition("Verbs:")[2].count('"') // 2 for line in lines) == len(lacking), (wanted, held)
        seen.add(bool(lacking))
    assert seen == {True, False}


def test_a_product_of_thousands_is_not_written_out() -> None:
    many = [f"x{i}" for i in range(10_000)]
    wanted = {"verbs": many, "apiGroups": many, "resources": many, "resourceNames": many}
    assert missing([wanted], [wanted]) == []
    lines = missing([wanted], [rule("get", "pods")])
    assert len(lines) <= 257 and lines[-1] == "and more"


def test_what_cannot_be_compared_within_bounds_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escalation, "_MAX_COMBINATIONS", 100)
    held = [rule(f"v{i}", f"r{j}") for i in range(11) for j in range(11)]
    with pytest.raises(TooComplex):
        missing(
            [{"verbs": [f"v{i}" for i in range(11)], "apiGroups": [""], "resources": [f"r{i}" for i in range(11)]}],
            held,
        )
