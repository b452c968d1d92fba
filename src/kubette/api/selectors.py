"""Label and field selectors: parse once, match many times. Pure.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors and
``metav1.LabelSelector``. Errors are ValueError with upstream's words where clients see them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubette.api import names

_TOKEN = re.compile(r"\s*(==|!=|=|!|<|>|\(|\)|,|[^\s=!<>(),]+)")
_RESERVED = {"==", "!=", "=", "!", "<", ">", "(", ")", ","}
_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """``operator``: in, notin, exists, !, gt, lt. ``notin`` holds for objects without the label, as upstream."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        if value is None or not re.fullmatch(r"[+-]?\d+", value):
            return False
        bound = int(self.values[0])
        return int(value) > bound if self.operator == "gt" else int(value) < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold. ``nothing``: matches no object (a nil ``metav1.LabelSelector``)."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        return not self.nothing and all(r.matches(labels or {}) for r in self.requirements)

    @property
    def everything(self) -> bool:
        return not self.nothing and not self.requirements


def _checked(key: str, operator: str, values: Sequence[str] = ()) -> Requirement:
    problems = names.qualified_name(key)
    if problems:
        raise ValueError(f'key: Invalid value: "{key}": {"; ".join(problems)}')
    for i, value in enumerate(values):
        if operator in ("gt", "lt"):
            if not re.fullmatch(r"[+-]?\d+", value):
                why = "for 'Gt', 'Lt' operators, the value must be an integer"
                raise ValueError(f"values[{i}][{key}]: Invalid value: \"{value}\": {why}")
        elif problems := names.label_value(value):
            raise ValueError(f'values[{i}][{key}]: Invalid value: "{value}": {"; ".join(problems)}')
    return Requirement(key, operator, tuple(values))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise ValueError(f"unable to parse requirement: unexpected character at {at}")
            self._tokens.append(found[1])
            at = found.end()
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def next(self) -> str:
        token = self.peek()
        self._at += 1
        return token

    def identifier(self) -> str:
        token = self.next()
        if not token or token in _RESERVED:
            raise ValueError(f"unable to parse requirement: found '{token}', expected: identifier")
        return token

    def values(self) -> list[str]:
        if (token := self.next()) != "(":
            raise ValueError(f"unable to parse requirement: found '{token}', expected: '('")
        out: list[str] = []
        while True:
            out.append("" if self.peek() in (",", ")") else self.identifier())
            match self.next():
                case ",":
                    continue
                case ")":
                    return sorted(set(out))
                case other:
                    raise ValueError(f"unable to parse requirement: found '{other}', expected: ',' or ')'")

    def requirement(self) -> Requirement:
        if self.peek() == "!":
            self.next()
            return _checked(self.identifier(), "!")
        key = self.identifier()
        match self.peek():
            case "" | ",":
                return _checked(key, "exists")
            case "=" | "==" | "!=" as operator:
                self.next()
                value = "" if self.peek() in ("", ",") else self.identifier()
                return _checked(key, "notin" if operator == "!=" else "in", [value])
            case "<" | ">" as operator:
                self.next()
                return _checked(key, "gt" if operator == ">" else "lt", [self.identifier()])
            case "in" | "notin" as operator:
                self.next()
                return _checked(key, operator, self.values())
            case other:
                raise ValueError(
                    f"unable to parse requirement: found '{other}', expected: in, notin, =, ==, !=, gt, lt"
                )


def parse_labels(text: str) -> LabelSelector:
    """``app=kubia,tier in (a, b),!old``; empty text matches everything. ValueError when malformed."""
    parser = _Parser(text)
    if not parser.peek():
        return LabelSelector()
    out = [parser.requirement()]
    while parser.peek():
        if (token := parser.next()) != ",":
            raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
        out.append(parser.requirement())
    return LabelSelector(tuple(out))


def from_label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """Of a ``metav1.LabelSelector``: None matches nothing, ``{}`` everything."""
    if selector is None:
        return LabelSelector(nothing=True)
    out = [Requirement(k, "in", (v,)) for k, v in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise ValueError(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        out.append(Requirement(expression["key"], operator, tuple(expression.get("values") or ())))
    return LabelSelector(tuple(out))


def from_map(labels: Mapping[str, str] | None) -> LabelSelector:
    """Of a plain map (Service, ReplicationController): an empty one matches nothing."""
    if not labels:
        return LabelSelector(nothing=True)
    return LabelSelector(tuple(Requirement(k, "in", (v,)) for k, v in labels.items()))


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Triples of field, ``=`` or ``!=``, value."""

    terms: tuple[tuple[str, str, str], ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all((fields.get(f, "") == value) is (op == "=") for f, op, value in self.terms)

    def exact(self, field: str) -> str | None:
        """The one value that ``field`` must have, or None: lets a list be a lookup."""
        return next((v for f, op, v in self.terms if f == field and op == "="), None)


def parse_fields(text: str) -> FieldSelector:
    """``status.phase!=Running,spec.nodeName=n``; ``\\`` escapes ``,``, ``=`` and itself. ValueError if malformed."""
    terms = []
    for part in re.findall(r"(?:\\.|[^,\\])+", text):
        found = re.fullmatch(r"((?:\\.|[^=!\\])+)(!=|==|=)((?:\\[\\,=]|[^\\=])*)", part)
        if found is None:
            raise ValueError(f"invalid selector: '{part}'; can't understand '{part}'")
        terms.append((found[1].strip(), "!=" if found[2] == "!=" else "=", re.sub(r"\\(.)", r"\1", found[3])))
    return FieldSelector(tuple(terms))
