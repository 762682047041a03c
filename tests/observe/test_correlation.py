"""The ids of requests."""

from __future__ import annotations

import uuid

import pytest

from seil.observe.correlation import new_id, valid_id

GUID = "7d0cbd3e-34b1-4c3b-8a30-6b1a0f7f3c11"


def test_new_ids_are_guids_and_none_comes_twice() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert {(uuid.UUID(text).version, uuid.UUID(text).variant) for text in ids} == {
        (4, uuid.RFC_4122)
    }
    assert all(valid_id(text) == text for text in ids[:10])


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", GUID + "0", f"{{{GUID}}}", f"urn:uuid:{GUID}", "g" * 32),
        *("0x" + "1" * 30, "1_1_" * 8, "1" * 32 + "----", " " * 4 + "1" * 28, "+" + "1" * 31),
    ],
)
def test_what_is_no_guid_is_no_id(text: str) -> None:
    assert valid_id(text) is None


@pytest.mark.parametrize("text", [GUID, GUID.upper(), GUID.replace("-", "")])
def test_a_guid_is_logged_in_its_canonical_form(text: str) -> None:
    assert valid_id(text) == GUID
