"""Event patterns, after the examples of EventBridge's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from seil.errors import ConfigurationError
from seil.events.dispatch import Pattern
from seil.events.envelope import Event

LANDED = Event(
    "aws.s3",
    "Object Created",
    {
        "bucket": {"name": "seil-dev-sf-to-dw-landing"},
        "object": {"key": "in/dev-Salesforce-Order/run/a.parquet", "size": 10},
        "reason": None,
        "fresh": True,
        "tags": ["hourly", "delta"],
        "parts": [{"n": 1}, {"n": 2}],
    },
    resources=("arn:aws:s3:::seil-dev-sf-to-dw-landing",),
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.s3"]}, True),
        ({"source": ["aws.ec2", "aws.s3"]}, True),
        ({"source": ["AWS.S3"]}, False),
        ({"source": ["aws.s3"], "detail-type": ["Object Removed"]}, False),
        ({"detail": {"object": {"key": [{"prefix": "in/"}]}}}, True),
        ({"detail": {"object": {"key": [{"prefix": "error/"}]}}}, False),
        ({"detail": {"object": {"key": [{"suffix": ".parquet"}]}}}, True),
        ({"detail": {"object": {"size": [{"prefix": "1"}]}}}, False),
        ({"detail": {"object": {"size": [10]}}}, True),
        ({"detail": {"object": {"size": ["10"]}}}, False),
        ({"detail": {"fresh": [True]}}, True),
        ({"detail": {"fresh": [1]}}, False),
        ({"detail": {"reason": [None]}}, True),
        ({"detail": {"absent": [None]}}, False),
        ({"detail": {"reason": [{"exists": True}]}}, True),
        ({"detail": {"absent": [{"exists": False}]}}, True),
        ({"detail": {"absent": {"deep": [{"exists": False}]}}}, True),
        ({"detail": {"fresh": [{"exists": False}]}}, False),
        ({"detail": {"tags": ["delta"]}}, True),
        ({"detail": {"tags": ["full"]}}, False),
        ({"detail": {"parts": {"n": [2]}}}, True),
        ({"detail": {"parts": {"absent": [{"exists": False}]}}}, True),
        ({"resources": [{"prefix": "arn:aws:s3:"}]}, True),
        ({"source": [{"anything-but": "seil.sf-to-dw"}]}, True),
        ({"source": [{"anything-but": ["aws.s3", "aws.ec2"]}]}, False),
        ({"source": [{"anything-but": {"prefix": "aws."}}]}, False),
        ({"detail": {"absent": [{"anything-but": "x"}]}}, False),
    ],
    ids=str,
)
def test_pattern_matches(pattern: dict[str, Any], expected: bool) -> None:
    assert Pattern(pattern).matches(LANDED) is expected


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ({}, "event pattern: is empty (name at least one field)"),
        ({"source": "aws.s3"}, "event pattern source: needs a list of alternatives"),
        ({"source": []}, "event pattern source: needs a list of alternatives"),
        ({"detail": {"n": [{"numeric": [">", 1]}]}}, "operator 'numeric' is not supported"),
        ({"source": [{"prefix": 1}]}, "needs a text, not 1"),
        ({"source": [{"exists": "yes"}]}, "exists is true or false"),
        ({"source": [{"anything-but": {"suffix": "x"}}]}, "anything-but takes values or a prefix"),
        ({"source": [{"prefix": "a", "suffix": "b"}]}, "one operator at a time"),
    ],
    ids=str,
)
def test_pattern_refuses_what_it_does_not_understand(pattern: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Pattern(pattern)
    assert problem in str(caught.value)


def test_pattern_names_every_problem_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Pattern({"source": "aws.s3", "detail": {"n": [{"cidr": "10.0.0.0/24"}]}})
    assert [problem.place for problem in caught.value.problems] == [
        "event pattern source",
        "event pattern detail.n",
    ]
