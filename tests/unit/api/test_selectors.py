"""Which objects a selector picks, and what is refused."""

from __future__ import annotations

import pytest

from kubette.api.selectors import from_label_selector, from_map, parse_fields, parse_labels

KUBIA = {"app": "kubia", "tier": "web", "n": "5"}


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("", True), ("app=kubia", True), ("app==kubia,tier=web", True), ("app=other", False), ("app!=other", True),
        ("missing!=x", True), ("app", True), ("!app", False), ("!missing", True), ("tier in (web, db)", True),
        ("tier notin (web,db)", False), ("missing notin (a)", True), ("n>4", True), ("n<5", False), ("app=", False),
        ("tier in (,web)", True), (" app = kubia ", True),
    ],
)  # fmt: skip
def test_labels(text: str, picked: bool) -> None:
    assert parse_labels(text).matches(KUBIA) is picked


MALFORMED = ["a in", "a in (", "a=b=c", "a,,b", "=x", "a/b/c=d", "x in (a b)", "a=-bad-", "n>x", "()"]


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_labels_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_labels(text)


def test_a_label_selector_object() -> None:
    expression = {"key": "tier", "operator": "NotIn", "values": ["db"]}
    assert from_label_selector({"matchLabels": {"app": "kubia"}, "matchExpressions": [expression]}).matches(KUBIA)
    assert from_label_selector({}).matches({})
    assert not from_label_selector(None).matches(KUBIA)
    assert not from_map({}).matches(KUBIA), "a Service with an empty selector selects nothing"
    with pytest.raises(ValueError, match='"Maybe" is not a valid label selector operator'):
        from_label_selector({"matchExpressions": [{"key": "a", "operator": "Maybe"}]})


def test_fields() -> None:
    selector = parse_fields("status.phase!=Running,spec.nodeName=node-1")
    assert selector.matches({"status.phase": "Pending", "spec.nodeName": "node-1"})
    assert not selector.matches({"status.phase": "Running", "spec.nodeName": "node-1"})
    assert selector.exact("spec.nodeName") == "node-1" and selector.exact("status.phase") is None
    assert parse_fields(r"a=x\,y").matches({"a": "x,y"})
    assert parse_fields("a=").matches({})
    with pytest.raises(ValueError, match="invalid selector: 'nonsense'"):
        parse_fields("nonsense")
