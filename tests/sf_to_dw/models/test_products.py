"""Products in their formats, and how a format is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

Given = Mapping[str, Sequence[Mapping[str, Any]]]
Build = Callable[[str, Given], list[dict[str, Any]]]

VIDEO = "Digital Video"
BANNER = "Digital Banner"


def format_of(space: str | None, media: str | None, *sizes: str | None) -> Given:
    """One product sold in one format; `sizes`: width, height, run time."""
    width, height, run_time = sizes
    return {
        "product": [{"id": "01tA", "name": "Promo"}],
        "ad_space_specification": [
            {"id": "a5A", "name": space, "vlocity_cmt__product2id__c": "01tA"}
        ],
        "ad_space_creative_size_type": [
            {
                "id": "a6A",
                "vlocity_cmt__adspacespecificationid__c": "a5A",
                "vlocity_cmt__adcreativesizetypeid__c": "a7A",
            }
        ],
        "ad_creative_size_type": [
            {
                "id": "a7A",
                "name": "Size",
                "vlocity_cmt__mediatype__c": media,
                "vlocity_cmt__width__c": width,
                "vlocity_cmt__height__c": height,
                "vlocity_cmt__runtime__c": run_time,
            }
        ],
    }


FULL = format_of("AU_CTV_Spot", VIDEO, "1920", "1080", "30")


def changed(table: str, **values: Any) -> Given:
    return {**FULL, table: [{**record, **values} for record in FULL[table]]}


@pytest.mark.parametrize(
    ("space", "media", "sizes", "name"),
    [
        pytest.param("Home", BANNER, ("300", "250", None), "Promo 300x250", id="size"),
        pytest.param("Home", BANNER, ("300", "250", "0"), "Promo 300x250", id="no run time"),
        pytest.param("Home", None, ("300", "250", None), "Promo 300x250", id="no media type"),
        pytest.param(None, BANNER, ("300", "250", None), "Promo 300x250", id="no space name"),
        pytest.param("Home", BANNER, ("300", None, None), "Promo", id="no height"),
        pytest.param("Home", BANNER, ("300", "0", None), "Promo", id="zero height"),
        pytest.param("Home", BANNER, ("-300", "250", None), "Promo", id="negative width"),
        pytest.param("Home", BANNER, (None, None, None), "Promo", id="nothing"),
        pytest.param("Home", BANNER, ("299.5", "250.49", None), "Promo 300x250", id="half up"),
        pytest.param("Home", BANNER, ("2.5", "3.5", None), "Promo 3x4", id="half is never even"),
        pytest.param("Home", BANNER, ("0.49", "250", None), "Promo", id="rounds to zero"),
        pytest.param("Home", BANNER, ("0.5", "250", None), "Promo 1x250", id="rounds to one"),
        pytest.param("Home", BANNER, ("300", "250", "15"), "Promo 15 | 300x250", id="run time"),
        pytest.param("Home", BANNER, ("300", "250", "14.5"), "Promo 15 | 300x250", id="run half"),
        pytest.param("Home", BANNER, ("300", "250", "0.4"), "Promo 300x250", id="run to zero"),
        pytest.param("Home", BANNER, (None, None, "15"), "Promo 15 | ", id="run time alone"),
        pytest.param("Home", VIDEO, ("640", "480", None), "Promo 640x480v", id="video"),
        pytest.param("Home", VIDEO, (None, None, None), "Promo v", id="video without size"),
        pytest.param("Home", VIDEO, ("640", "480", "30"), "Promo 30 | 640x480v", id="video time"),
        pytest.param(
            "A_CTV_B", VIDEO, ("640", "480", None), "Promo CTV | 640x480v", id="video device"
        ),
        pytest.param(
            "A_CTV_B", VIDEO, ("640", "480", "30"), "Promo 30 | CTV | 640x480v", id="all of it"
        ),
        pytest.param("A_CTV_B", BANNER, ("300", "250", None), "Promo 300x250", id="banner device"),
        pytest.param("A_ctv_B", VIDEO, ("640", "480", None), "Promo 640x480v", id="small letters"),
        pytest.param("A-CTV-B", VIDEO, ("640", "480", None), "Promo 640x480v", id="no wildcard"),
    ],
)
def test_product_name(
    build: Build, space: str | None, media: str | None, sizes: tuple[str | None, ...], name: str
) -> None:
    [row] = build("products", format_of(space, media, *sizes))
    assert row["product_name"] == name


def test_product_has_ids_of_all_four_in_its_key(build: Build) -> None:
    [row] = build("products", FULL)
    expected = {
        "product_key": "01tA-a7A-a5A-a6A",
        "product_id": "01tA",
        "base_product_name": "Promo",
        "ad_space_specification_id": "a5A",
        "ad_space_creative_size_type_id": "a6A",
        "creative_size_type_id": "a7A",
        "creative_size_type_name": "Size",
        "width": 1920,
        "height": 1080,
        "run_time": 30,
        "device": "CTV",
    }
    assert {column: row[column] for column in expected} == expected


@pytest.mark.parametrize(
    ("table", "key", "name"),
    [
        ("ad_creative_size_type", "01tA-a5A-a6A", "Promo"),
        ("ad_space_creative_size_type", "01tA-a5A", "Promo"),
        ("ad_space_specification", "01tA", "Promo"),
    ],
)
def test_deleted_part_leaves_the_rest(build: Build, table: str, key: str, name: str) -> None:
    [row] = build("products", changed(table, isdeleted=True))
    assert (row["product_key"], row["product_name"]) == (key, name)


def test_deleted_product_leaves(build: Build) -> None:
    assert build("products", changed("product", isdeleted=True)) == []


def test_product_has_a_row_a_space_and_size(build: Build) -> None:
    records: Given = {
        **FULL,
        "ad_space_specification": [
            {"id": f"a5{n}", "name": n, "vlocity_cmt__product2id__c": "01tA"} for n in "AB"
        ],
        "ad_space_creative_size_type": [
            {
                "id": f"a6{n}",
                "vlocity_cmt__adspacespecificationid__c": "a5A",
                "vlocity_cmt__adcreativesizetypeid__c": "a7A",
            }
            for n in "AB"
        ],
    }
    rows = build("products", records)
    assert sorted(row["product_key"] for row in rows) == [
        "01tA-a5B",
        "01tA-a7A-a5A-a6A",
        "01tA-a7A-a5A-a6B",
    ]


def test_product_has_people_and_dates(build: Build) -> None:
    records: Given = {
        "product": [
            {
                "id": "01tA",
                "name": "Promo",
                "createdbyid": "005A",
                "lastmodifiedbyid": "005B",
                "lastmodifieddate": "2026-03-01T23:59:59.999Z",
                "vlocity_cmt__fulfilmentstartdate__c": "2026-01-01T00:00:00Z",
                "isactive": True,
            }
        ],
        "user": [{"id": "005A", "name": "Ann"}, {"id": "005B", "name": "Bob"}],
    }
    [row] = build("products", records)
    expected = {
        "created_by": "Ann",
        "product_owner": "Ann",
        "last_modified_by": "Bob",
        "last_modified_at": datetime(2026, 3, 1, 23, 59, 59, 999000, tzinfo=UTC),
        "last_modified_date": date(2026, 3, 1),
        "first_available_date": date(2026, 1, 1),
        "product_status": True,
    }
    assert {column: row[column] for column in expected} == expected
