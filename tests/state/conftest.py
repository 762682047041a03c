"""The same tests of a state on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Literal

import pytest
from tests.postgresql import Server, running

from seil.settings import StateSettings
from seil.state import State, open_state

Engine = Literal["sqlite", "postgres"]
ENGINES: tuple[Engine, ...] = ("sqlite", "postgres")
OpenState = Callable[[str], State]
NewState = Callable[[Engine], State]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running(17) as database:
        yield database


@pytest.fixture
def new_url(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[Engine], str]:
    """Of a state that does not exist yet."""
    numbers = count()

    def make(engine: Engine) -> str:
        if engine == "sqlite":
            return f"sqlite:{tmp_path / f'new{next(numbers)}' / 'state.sqlite'}"
        server: Server = request.getfixturevalue("server")
        return server.url(server.new_database())

    return make


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, new_url: Callable[[Engine], str]) -> str:
    return new_url(request.param)


@pytest.fixture
def opened() -> Iterator[OpenState]:
    states: list[State] = []

    def open_one(url: str) -> State:
        states.append(open_state(StateSettings(url=url)))
        return states[-1]

    yield open_one
    for state in states:
        state.close()


@pytest.fixture
def state(url: str, opened: OpenState) -> State:
    return opened(url)


@pytest.fixture
def new_state(new_url: Callable[[Engine], str], opened: OpenState) -> NewState:
    return lambda engine: opened(new_url(engine))
