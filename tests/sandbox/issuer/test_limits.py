from __future__ import annotations

import pytest

from seil.sandbox.issuer.limits import TokenLimits


class Clock:
    now = 6000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> TokenLimits:
    return TokenLimits(60, 5, clock=clock)


def guesses(limits: TokenLimits, times: int, client: str = "booking", at: str = "10.0.0.1") -> int:
    """How many of so many wrong secrets are judged."""
    judged = 0
    for _ in range(times):
        if limits.wait(client, at) is None:
            limits.count_wrong(client, at)
            judged += 1
    return judged


def asks(limits: TokenLimits, client: str = "booking", at: str = "10.0.0.2") -> float | None:
    """Seconds that somebody with the right secret has to wait."""
    if (seconds := limits.wait(client, at)) is not None:
        return seconds
    return limits.count_right(client, at)


def test_guesses_at_one_client_from_one_address_are_few(limits: TokenLimits, clock: Clock) -> None:
    assert guesses(limits, 100) == 5

    wait = limits.wait("booking", "10.0.0.1")
    assert wait is not None
    clock.now += wait + 0.001
    assert guesses(limits, 100) == 1


def test_who_guesses_does_not_lock_the_client_out(limits: TokenLimits) -> None:
    guesses(limits, 1000)

    assert asks(limits) is None


def test_many_who_guess_do_not_lock_out_a_client_that_was_here(limits: TokenLimits) -> None:
    assert asks(limits) is None
    assert sum(guesses(limits, 10, at=f"10.1.0.{n}") for n in range(50)) == 15

    assert asks(limits) is None
    wait = asks(limits, at="10.0.0.3")
    assert wait is not None
    assert wait <= 60


def test_an_address_that_guesses_at_many_clients_is_stopped(limits: TokenLimits) -> None:
    assert asks(limits, at="10.0.0.1") is None

    assert sum(guesses(limits, 10, f"client-{n}") for n in range(50)) == 15
    assert asks(limits, "another", at="10.0.0.1") is not None
    assert asks(limits, at="10.0.0.1") is None


def test_a_client_has_a_share_of_its_own(limits: TokenLimits) -> None:
    waits = [asks(limits, at=f"10.0.0.{n}") for n in range(70)]

    assert waits[:60] == [None] * 60
    assert all(waits[60:])
    assert asks(limits, "another") is None


def test_an_address_has_a_share_of_its_own(limits: TokenLimits) -> None:
    assert sum(asks(limits, f"client-{n}") is None for n in range(70)) == 60
    assert asks(limits, at="10.0.0.3") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("2001:db8::1", "2001:db8::ffff:1", True, id="one network of IPv6"),
        pytest.param("2001:db8::1", "2001:db8:0:1::1", False, id="two networks"),
        pytest.param("::ffff:10.0.0.1", "10.0.0.1", True, id="IPv4 within IPv6"),
        pytest.param("10.0.0.1", "10.0.0.2", False, id="IPv4"),
        pytest.param("", "", True, id="none"),
    ],
)
def test_addresses_that_one_may_have_count_as_one(
    limits: TokenLimits, one: str, other: str, same: bool
) -> None:
    guesses(limits, 5, at=one)

    assert (limits.wait("booking", other) is not None) == same


def test_what_is_remembered_is_bounded(limits: TokenLimits) -> None:
    for number in range(12_000):
        guesses(limits, 1, "x" * 10_000 + str(number), f"10.{number % 200}.{number // 200}.1")
        asks(limits, f"client-{number % 2000}", f"172.16.{number % 200}.{number // 200}")

    assert len(limits._proven) <= 1000
    assert all(
        len(limit._counts) <= 10_000
        for limit in (limits._wrong_of_pair, limits._wrong_from_address, limits._clients)
    )
    assert max(len(str(pair)) for pair in limits._wrong_of_pair._counts) < 300
