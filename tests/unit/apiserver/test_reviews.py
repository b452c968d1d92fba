"""Access reviews that upstream refuses, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from kubette.apiserver.reviews import review_errors

_GET = {"verb": "get", "resource": "pods", "namespace": "a"}


@pytest.mark.parametrize(
    ("kind", "spec", "says"),
    [
        ("SelfSubjectAccessReview", {"resourceAttributes": _GET}, ""),
        ("SelfSubjectAccessReview", {}, "spec.resourceAttributes: Invalid value: null: exactly one of"),
        ("SubjectAccessReview", {"resourceAttributes": _GET}, "spec.user: Invalid value: \"\": at least one of"),
        ("SubjectAccessReview", {"user": "u", "resourceAttributes": _GET, "nonResourceAttributes": {"path": "/"}},
         "cannot be specified in combination with resourceAttributes"),
        ("LocalSubjectAccessReview", {"user": "u", "resourceAttributes": _GET}, "must match metadata.namespace"),
    ],
)  # fmt: skip
def test_review_errors(kind: str, spec: dict[str, Any], says: str) -> None:
    found = review_errors(kind, "b", {"metadata": {}, "spec": spec})
    assert [says in str(e) for e in found] == ([True] if says else [])
