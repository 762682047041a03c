from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.techone.conftest import FarEnd

from seil.errors import LoginError, UnavailableError, UnexpectedAnswerError
from seil.techone.session import TechOneToken, Tokens
from seil.techone.wire import Wire


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(far_end: FarEnd, clock: Clock) -> Iterator[Tokens]:
    wire = Wire(20)
    yield Tokens(far_end.settings(), wire, clock=clock)
    wire.close()


def granted(far_end: FarEnd, **members: Any) -> None:
    far_end.token = (200, {"access_token": "t", "token_type": "Bearer", **members})


@pytest.mark.parametrize(
    ("reply", "used_for"),
    [
        ({"expires_in": 3600}, 3540),
        ({"expires_in": "3600"}, 3540),
        ({"expires_in": 3600.0}, 3540),
        ({"expires_in": 60}, 30),
        ({}, 240),
    ],
)
def test_a_token_is_used_until_shortly_before_it_expires(
    far_end: FarEnd, tokens: Tokens, clock: Clock, reply: dict[str, Any], used_for: float
) -> None:
    granted(far_end, **reply)
    first = tokens.current()
    clock.now += used_for - 0.01
    assert tokens.current() is first
    clock.now += 0.01
    assert tokens.current() is not first
    assert len(far_end.sent) == 2


def test_a_token_that_lasts_no_time_is_used_once(far_end: FarEnd, tokens: Tokens) -> None:
    granted(far_end, expires_in=0)
    assert tokens.current() is not tokens.current()
    assert len(far_end.sent) == 2


def test_only_the_token_in_force_can_be_refused(far_end: FarEnd, tokens: Tokens) -> None:
    first = tokens.current()
    second = tokens.current(refused=first)
    assert tokens.current(refused=first) is second
    assert len(far_end.sent) == 2


def test_a_failed_login_is_tried_again_by_the_next(far_end: FarEnd, tokens: Tokens) -> None:
    far_end.token = (503, {})
    with pytest.raises(UnavailableError):
        tokens.current()
    granted(far_end)
    assert tokens.current().value == "t"


def test_a_tokens_repr_masks_it() -> None:
    assert "hidden" not in repr(TechOneToken("hidden", time.monotonic()))


_NO_LIFETIMES: tuple[object, ...] = (
    "soon",
    -1,
    True,
    None,
    [],
    float("inf"),
    float("nan"),
    10**400,
)


@pytest.mark.parametrize(
    ("status", "reply", "reason"),
    [
        (200, {}, "no access_token (200)"),
        (200, {"access_token": 1}, "no access_token (200)"),
        (200, {"access_token": "with space"}, "no access_token (200)"),
        (302, {"access_token": "t"}, "no access_token (302)"),
        (404, {}, "no access_token (404)"),
        (200, b"[" * 100_000, "no access_token (200)"),
        (200, ["t"], "no access_token (200)"),
        (200, {"access_token": "t", "token_type": "mac"}, "its token is not a Bearer token"),
        *(
            (
                200,
                {"access_token": "t", "expires_in": value},
                "expires_in is not a number of seconds",
            )
            for value in _NO_LIFETIMES
        ),
    ],
)
def test_grants_of_another_shape(
    far_end: FarEnd, tokens: Tokens, status: int, reply: Any, reason: str
) -> None:
    far_end.token = (status, reply)
    with pytest.raises(UnexpectedAnswerError) as caught:
        tokens.current()
    assert caught.value.reason == reason


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_login(far_end: FarEnd, tokens: Tokens, status: int) -> None:
    far_end.token = (status, b"<html>")
    with pytest.raises(LoginError) as caught:
        tokens.current()
    assert caught.value.code == str(status)
