"""Pages of the lake's files: each file once, newest first, by state, object and hour."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seil.app.files import FileFilter, list_page
from seil.app.site import Site
from seil.errors import ConfigurationError
from seil.settings import LakeSettings, Settings

BEGIN = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Ten files, two a moment, ten minutes apart."""
    settings = Settings(lake=LakeSettings(url=(tmp_path / "lake").as_uri()))
    with Site(settings) as opened:
        for number in range(10):
            key = f"error/Salesforce-Account/{number}.parquet"
            place = opened.lake.landing.path(key)
            assert place
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
            moment = (BEGIN + timedelta(minutes=10 * (number // 2))).timestamp()
            os.utime(place, (moment, moment))
        yield opened


@pytest.mark.parametrize("limit", [1, 3, 5, 10, 11])
def test_pages_hold_each_file_once_and_the_newest_first(site: Site, limit: int) -> None:
    keys: list[str] = []
    cursor = ""
    while True:
        page = list_page(site, limit=limit, cursor=cursor)
        assert page.total == 10 - len(keys)
        keys += [file.key for file in page.files]
        if not (cursor := page.cursor):
            break
    assert keys == [file.key for file in list_page(site, limit=0).files]
    assert [int(key.split("/")[-1][0]) for key in keys] == list(range(9, -1, -1))


@pytest.mark.parametrize(
    ("where", "count"),
    [
        pytest.param(FileFilter("error"), 10, id="their state"),
        pytest.param(FileFilter("in"), 0, id="another state"),
        pytest.param(FileFilter(object="account"), 10, id="their object"),
        pytest.param(FileFilter(object="Contact"), 0, id="another object"),
        pytest.param(FileFilter(hour=BEGIN + timedelta(minutes=10)), 8, id="from an hour on"),
        pytest.param(FileFilter(hour=BEGIN - timedelta(minutes=50)), 2, id="until an hour's end"),
    ],
)
def test_a_page_holds_what_is_wanted(site: Site, where: FileFilter, count: int) -> None:
    assert list_page(site, where).total == count


@pytest.mark.parametrize("cursor", ["x", "eA==", "MjAyNi0wMS0wMSB4", "é"])
def test_a_cursor_of_no_page_is_refused(site: Site, cursor: str) -> None:
    with pytest.raises(ConfigurationError, match="of no page"):
        list_page(site, cursor=cursor)


def test_an_hour_without_a_zone_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no time zone"):
        FileFilter(hour=BEGIN.replace(tzinfo=None))
