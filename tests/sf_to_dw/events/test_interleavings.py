"""Tables filled by events equal tables filled by the clock, whatever happens in between."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.sf_to_dw.events.conftest import StreamingSite, is_settled, lose_places, subscribing

from seil.app.subscribe import subscriber
from seil.sandbox.salesforce.fault_kinds import STREAM_KINDS
from seil.sf_to_dw import pipeline
from seil.state.streams import StreamPositions

_STEPS = 6
_SEEDS = [*range(2), *(pytest.param(seed, marks=pytest.mark.matrix) for seed in range(2, 30))]


class KilledError(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("seed", _SEEDS)
def test_events_fill_the_tables_as_the_clock_does(
    seed: int, site: StreamingSite, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = random.Random(seed)
    clock = StreamingSite(tmp_path_factory.mktemp("clock"))
    # The same org, read by the clock alone.
    (clock.folder / "org").symlink_to(site.folder / "org")
    with site.serve():
        for _ in range(_STEPS):
            _change(draw, site)
            _happen(draw, site)
        with subscribing(site) as running:
            _mark_the_end(site, running)
        clock.server = site.server
        for name in ("seil.toml", "objects.toml"):
            shutil.copy(site.folder / name, clock.folder / name)
        # A window ends at a whole second of the org's clock.
        site.ahead += 1
        assert clock.run().ok
    assert _living(site.records()) == _living(clock.records())


def _mark_the_end(site: StreamingSite, running: Any) -> None:
    last = site.add_account("The last one")
    running.wait_for(site, last, "The last one")
    running.wait_until_settled()


def _living(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A site that begins later has none of the records that were purged before."""
    return {key: row for key, row in records.items() if not row["isdeleted"]}


def _change(draw: random.Random, site: StreamingSite) -> None:
    accounts = [row for row, deleted in _accounts(site) if not deleted]
    for _ in range(draw.randint(1, 4)):
        action = draw.choice(["add", "rename", "rename", "delete", "purge", "undelete"])
        account = draw.choice(accounts)
        if action == "add" or len(accounts) < 3:
            accounts.append(site.add_account(f"New {draw.random()}"))
        elif action == "rename":
            site.rename(account, f"Name {draw.random()}")
        elif action == "undelete":
            _undelete(site)
        else:
            accounts.remove(account)
            site.store_records().delete("Account", [account], hard=action == "purge")


def _accounts(site: StreamingSite) -> list[tuple[str, bool]]:
    sql = 'SELECT "Id", "IsDeleted" FROM main."Account" ORDER BY "Id"'
    return list(site.store.cursor().execute(sql).fetchall())


def _undelete(site: StreamingSite) -> None:
    for account in [row for row, deleted in _accounts(site) if deleted][:1]:
        site.undelete(account)


def _happen(draw: random.Random, site: StreamingSite) -> None:
    """A subscriber that lives for a moment, under a fault or until it is killed; or the clock."""
    what = draw.choice(["subscribe", "fault", "kill", "kill", "run", "lost"])
    if what == "run":
        assert site.run().ok
    elif what == "lost":
        lose_places(site)
    elif what == "kill":
        with pytest.raises(KilledError), _dying(draw), site.open() as context:
            mortal = subscriber(context)
            mortal.run(until=lambda: is_settled(context.state, topics=1))
            raise KilledError
    else:
        if what == "fault":
            kinds = sorted(name for name in STREAM_KINDS if name != "stream-silent")
            site.server.faults.add(*STREAM_KINDS[draw.choice(kinds)].faults)
        with subscribing(site) as running:
            running.wait_until_settled()
        site.server.faults.clear()


@contextmanager
def _dying(draw: random.Random) -> Iterator[None]:
    """Before or after the read, after the load, or before a stream's place is stored."""
    place, name = draw.choice(
        [(pipeline, "read_by_id"), (pipeline, "load"), (StreamPositions, "store")]
    )
    before = draw.random() < 0.5
    calls = draw.randint(1, 3)
    original: Callable[..., Any] = getattr(place, name)

    def die(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls -= 1
        if not calls and before:
            raise KilledError
        result = original(*arguments, **options)
        if not calls:
            raise KilledError
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, die)
        yield
