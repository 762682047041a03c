"""What is wrong with a request, told in the contract's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import pytest
from pydantic import ValidationError

from seil.admanager.models import ActOnLineItems, CreateOrder
from seil.api.calls import Fault
from seil.api.faults import faults_of, validation_faults


class Errors(Sequence[Any]):
    """So many, and how far they were looked at."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.seen = 0

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return [self[one] for one in range(self.length)[at]]
        if at >= self.length:
            raise IndexError
        self.seen = max(self.seen, at + 1)
        return {"type": "missing", "loc": ("body", f"field{at}"), "msg": "Field required"}


def test_errors_beyond_the_reported_ones_are_counted_only() -> None:
    errors = Errors(100_000)
    faults = faults_of(errors)
    assert faults[0] == Fault("EC40001", "field0: Field required")
    assert (len(faults), faults[-1]) == (51, Fault("EC40001", "and 99950 more"))
    assert errors.seen == 50


def test_errors_that_all_have_a_place_are_all_reported() -> None:
    faults = faults_of(Errors(50))
    assert (len(faults), faults[-1].message) == (50, "field49: Field required")


def test_long_place_is_shortened_to_its_ends() -> None:
    error = {"type": "missing", "loc": ("body", "a" * 100_000, 3, "z"), "msg": "Field required"}
    message = faults_of([error])[0].message
    assert message.startswith("aaa")
    assert message.endswith("aaa[3].z: Field required")
    assert len(message) < 300


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (
            CreateOrder,
            {"orders": [{"name": "x" * 256, "advertiserId": 1, "traffickerId": 2}]},
            "orders[0].name: has 256 characters, at most 255 may be given",
        ),
        (
            ActOnLineItems,
            {"ids": list(range(501)), "action": "pause"},
            "ids: has 501 entries, at most 500 may be given",
        ),
        (
            ActOnLineItems,
            {"ids": [], "action": "pause"},
            "ids: has 0 entries, at least 1 must be given",
        ),
    ],
    ids=["text", "long-list", "empty-list"],
)
def test_length_is_in_characters_or_entries(model: Any, values: Any, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        model.model_validate(values)
    assert [fault.message for fault in validation_faults(error.value)] == [message]
