"""The Status bodies that clients parse: upstream's wording, causes, and the way back to an exception."""

from __future__ import annotations

import pytest

from kubette.api import errors


def test_invalid_object_reads_as_upstreams() -> None:
    port = errors.invalid("spec.ports[0].port", 70000, "must be between 1 and 65535, inclusive")
    status = errors.invalid_object("Service", "kubia", [port]).status()
    assert status["message"] == (
        'Service "kubia" is invalid: spec.ports[0].port: Invalid value: 70000: '
        "must be between 1 and 65535, inclusive"
    )
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: 70000: must be between 1 and 65535, inclusive",
            "field": "spec.ports[0].port",
        }
    ]


def test_several_causes_are_listed_in_brackets() -> None:
    bad = [errors.required("metadata.name", "name is needed"), errors.duplicate("spec.x", "a")]
    message = errors.invalid_object("Deployment", "d", bad, "apps").message
    assert message == (
        'Deployment.apps "d" is invalid: [metadata.name: Required value: name is needed, '
        'spec.x: Duplicate value: "a"]'
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.not_found("pods", "p"),
        errors.already_exists("services", "s"),
        errors.conflict("deployments", "d", "apps"),
        errors.Expired("too old resource version: 1 (5)"),
        errors.TooLarge("limit is 3145728"),
    ],
)
def test_a_status_becomes_the_same_exception_again(error: errors.ApiError) -> None:
    back = errors.from_status(error.status())
    assert type(back) is type(error)
    assert back.status() == error.status()


def test_a_status_without_reason_is_told_by_its_code() -> None:
    assert isinstance(errors.from_status({"message": "gone"}, 410), errors.Expired)
    assert isinstance(errors.from_status({}, 409), errors.Conflict)
