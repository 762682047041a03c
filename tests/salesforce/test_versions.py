from __future__ import annotations

import pytest
from tests.salesforce.conftest import FarEnd, Reply

from seil.salesforce.org import Org
from seil.salesforce.versions import age, end, release
from seil.settings import SalesforceSettings


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("31.0", "Summer '14"),
        ("59.0", "Winter '24"),
        ("60.0", "Spring '24"),
        ("62.0", "Winter '25"),
        ("66.0", "Spring '26"),
        ("67.0", "Summer '26"),
        ("68.0", "Winter '27"),
    ],
)
def test_release_of_a_version(version: str, expected: str) -> None:
    assert release(version) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("68.0", ""),
        ("69.0", ""),
        ("67.0", "1 release behind the org's 68.0 of Winter '27"),
        ("62.0", "6 releases behind the org's 68.0 of Winter '27"),
    ],
)
def test_age(version: str, expected: str) -> None:
    assert age(version, "68.0") == expected


@pytest.mark.parametrize(
    ("version", "words"),
    [("30.0", "switched it off"), ("40.0", "Summer '28"), ("59.0", "three years"), ("60.0", "")],
)
def test_end_of_a_version(version: str, words: str) -> None:
    notice = end(version, "68.0")
    assert words in notice
    assert bool(notice) == bool(words)


def test_default_is_a_version_that_has_no_soap_login() -> None:
    assert float(SalesforceSettings().api_version) >= 66


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(body=[{"version": "9.0"}, {"version": "68.0"}, {"version": "67.0"}]), "68.0"),
        (Reply(body={}), ""),
        (Reply(404), ""),
    ],
    ids=["list", "odd", "none"],
)
def test_newest_version_of_an_org(far: FarEnd, org: Org, reply: Reply, expected: str) -> None:
    far.on("GET", "/services/data", reply)
    assert org.newest_version() == expected
