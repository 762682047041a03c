"""How long the contract's lists may be, and how far one with many faults is judged."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from seil.admanager import models
from seil.admanager.models.base import Shape
from seil.admanager.models.targeting import CustomCriteriaSet, GeoTargeting
from seil.admanager.models.values import CreativePlaceholder

PLACEHOLDER = {"size": {"width": 1, "height": 1}}

LISTS: list[Any] = [
    pytest.param(models.ActOnLineItems, {"action": "pause"}, "ids", 7, 500, id="ids"),
    pytest.param(GeoTargeting, {}, "targetedLocations", {"id": 7}, 800, id="criteria"),
    pytest.param(CreativePlaceholder, PLACEHOLDER, "companions", PLACEHOLDER, 100, id="several"),
]


@pytest.mark.parametrize(("model", "others", "name", "entry", "most"), LISTS)
def test_list_is_as_long_as_its_limit(
    model: type[Shape], others: Any, name: str, entry: Any, most: int
) -> None:
    model.model_validate({**others, name: [entry] * most})
    with pytest.raises(ValidationError, match=f"at most {most} items"):
        model.model_validate({**others, name: [entry] * (most + 1)})


def test_longer_list_is_refused_unread() -> None:
    with pytest.raises(ValidationError) as refusal:
        GeoTargeting.model_validate({"targetedLocations": [{}] * 100_000})
    assert refusal.value.error_count() == 1


def test_answer_may_have_longer_lists() -> None:
    targeting = GeoTargeting.of_answer({"targetedLocations": [{"id": 7}] * 900})
    assert len(targeting.targeted_locations) == 900


def test_list_may_be_null_or_empty_where_it_could_before() -> None:
    assert GeoTargeting.model_validate({"targetedLocations": None}).targeted_locations is None
    assert GeoTargeting.model_validate({"targetedLocations": []}).targeted_locations == []
    with pytest.raises(ValidationError, match="at least 1 item"):
        models.ActOnLineItems.model_validate({"action": "pause", "ids": []})


def test_faults_have_the_place_and_the_text_of_their_entry() -> None:
    children = [{"keyId": 1}, {"what": 1}, {"children": [{"keyId": 2}, {"keyId": "x"}]}]
    with pytest.raises(ValidationError) as refusal:
        CustomCriteriaSet.model_validate({"children": children})

    places = [(error["loc"], error["type"]) for error in refusal.value.errors()]
    assert places == [
        (("children", 1), "criteria"),
        (("children", 2, "set", "children", 1, "key", "keyId"), "value_error"),
    ]


def test_list_of_many_faults_is_judged_until_there_are_enough() -> None:
    with pytest.raises(ValidationError) as refusal:
        GeoTargeting.model_validate({"targetedLocations": [{}] * 800})

    *faults, last = refusal.value.errors()
    assert (len(faults), last["type"], last["loc"]) == (51, "truncation", ("targetedLocations", 51))
