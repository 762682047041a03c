"""What a person asks for by hand, killed and asked for again, comes to the same as undisturbed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.kill.conftest import LIVES, each_lasting, move_formula, some_of
from tests.limits import HANGS

from seil.lake.keys import landed_file
from seil.sandbox.salesforce.store import OrgStore

# The lives of one command take many minutes: they are shared out among tests.
PARTS = min(8, max(1, LIVES // 3))

IN_PARTS = pytest.mark.parametrize("part", range(PARTS))

pytestmark = pytest.mark.timeout(7200)
KILLED = -9
Orgs = tuple[Path, Path]
# Nothing is read again or compared but what is asked for.
CATALOG = """
[defaults.flow]
lag = "0s"
lookback = "0s"
compare_ids = "off"
refresh_formulas = "off"
deletions = false

[objects.Contact]
history = true
"""


def killings(moments: Sequence[str], about: object) -> Iterator[list[dict[str, Any]]]:
    """A life with a kill after all that lasts; lives with one before or after any of it."""
    every = list(each_lasting(moments))
    yield [k for k in every if k["at"]["nth"] == 1 and k["at"]["name"].startswith("after ")]
    yield from ([kill] for kill in some_of(every, 6 * LIVES, about))


def came_to(site: Any, at: dict[str, Any]) -> bool:
    return bool(site.moments().count(at["name"]) >= at["nth"])


def compare(
    ready: Any, command: tuple[str, ...], outcome: Callable[[Any], Any], *, folder: Path, part: int
) -> list[str]:
    """`ready` as it was left, lived through without a kill and with, every life of this part.
    Returns what was done.
    """
    undisturbed = ready.copied(folder / "undisturbed")
    with undisturbed.serve(catalog=CATALOG):
        undisturbed.finish(*command)
        moments: list[str] = undisturbed.moments()
        undisturbed.finish("run")
    expected, expected_outcome = undisturbed.contents(), outcome(undisturbed)
    for number, kills in enumerate([*killings(moments, command)][part::PARTS]):
        site = ready.copied(folder / str(number))
        with site.serve(catalog=CATALOG):
            for kill in kills:
                site.ask(*command, **kill)
            # What depends on the time it takes may come less often than in the life undisturbed.
            assert site.kills or not came_to(site, kills[0]["at"]), kills
            site.finish(*command)
            site.finish("run")
        contents = site.contents()
        for name, rows in expected.items():
            assert contents[name] == rows, (name, kills)
        assert outcome(site) == expected_outcome, kills
        # What goes round again is told of once more.
        assert site.untold() == undisturbed.untold()
        assert site.left_over() == []
    return moments


@pytest.fixture
def site(undisturbed: Any, orgs: Orgs, tmp_path: Path) -> Any:
    copy = undisturbed.site.copied(tmp_path / "ready")
    shutil.rmtree(copy.folder / "org")
    shutil.copytree(orgs[1], copy.folder / "org")
    return copy


def decided(site: Any) -> list[list[dict[str, Any]]]:
    """What was decided, what the events say of it, each once, and how often history does."""
    with site.open() as context:
        account = context.catalog["Account"]
        decisions = [vars(entry) for entry in context.state.decisions.get("Account")]
        outcome = [
            entry
            for _, event in context.journal.read(detail_type="schema-accepted")
            for entry in event.detail["decisions"]
        ]
        notes = [
            {"source": entry["source"]}
            for entry in context.registry.history(account)
            if entry["source"].startswith("accepted")
        ]
    lists = [
        [{k: v for k, v in e.items() if k != "at"} for e in some] for some in (decisions, outcome)
    ]
    return [*lists, notes]


def retried(site: Any) -> set[str]:
    """Each is told of, under the key where it lay."""
    with site.open() as context:
        events = [event for _, event in context.journal.read(detail_type="file-retry")]
    return {event.detail["archived_key"] for event in events}


@IN_PARTS
@pytest.mark.parametrize("policy", ["column", "drop"] if LIVES else ["column"])
def test_a_decision_on_a_column(site: Any, tmp_path: Path, policy: str, part: int) -> None:
    with site.serve(catalog=CATALOG) as server:
        number = {"object": "Account", "action": "change", "field": "NumberOfEmployees"}
        body = {**number, "type": "string", "length": 40}
        httpx.post(f"{server.url}/sandbox/schema", json=body, timeout=HANGS).raise_for_status()
        httpx.post(
            f"{server.url}/sandbox/tick", json={"share": 0.1}, timeout=HANGS
        ).raise_for_status()
    command = ("schema", "accept", "Account.NumberOfEmployees", "--as", policy)
    compare(site, command, decided, folder=tmp_path, part=part)


@pytest.fixture
def extracted(site: Any) -> Any:
    """A site whose last changes lie in in/: the next window begins behind them."""
    with site.serve(catalog=CATALOG) as server:
        wish = {"share": 0.1}
        httpx.post(f"{server.url}/sandbox/tick", json=wish, timeout=HANGS).raise_for_status()
        site.finish("extract")
    return site


@IN_PARTS
def test_sending_files_and_records_round_again(extracted: Any, tmp_path: Path, part: int) -> None:
    """Those that have failed, and those that a rule has set aside, which is no rule any more."""
    with extracted.open() as context:
        landing = context.lake.landing
        failed = list(landing.list("in/"))
        for entry in failed:
            file = landed_file(entry.key)
            assert file
            landing.move(entry.key, file.archive_key("error", entry.modified))
    command = ("files", "retry", "--all", "--exceptions")
    moments = compare(extracted, command, retried, folder=tmp_path, part=part)
    assert moments.count("after move to landing/in") > len(failed) > 1


@IN_PARTS
@pytest.mark.parametrize("how", ["all ways", *(["--ids", "--formulas"] if LIVES else ())])
def test_a_comparison_with_the_org(site: Any, tmp_path: Path, how: str, part: int) -> None:
    with closing(OrgStore.open(site.folder / "org")) as store:
        move_formula(store, "anew")
        with store.write() as cursor:
            deleted = cursor.execute(
                'DELETE FROM main."OrderItem" WHERE Id IN (SELECT Id FROM main."OrderItem"'
                " WHERE NOT IsDeleted ORDER BY Id LIMIT 6) RETURNING Id"
            ).fetchall()
        ids = [row[0] for row in deleted[:3]]
        store.remember_hard_deleted("OrderItem", ids, datetime.now(UTC))
    before = site.contents()
    command = ("reconcile", *([] if how == "all ways" else [how]))
    compare(site, command, lambda s: s.contents() != before, folder=tmp_path, part=part)
    assert replace(site, folder=tmp_path / "undisturbed").contents() != before


def test_redelivering_dead_letters(extracted: Any, tmp_path: Path) -> None:
    """A listener that has died too often of an event is asked for it again, and dies again."""
    listen = ("listen", "--once")
    undisturbed = extracted.copied(tmp_path / "undisturbed")
    site = extracted.copied(tmp_path / "killed")
    with undisturbed.serve(catalog=CATALOG):
        undisturbed.finish(*listen)
    with site.serve(catalog=CATALOG):
        for _ in range(6):
            site.ask(*listen, at={"name": "after write curated/Salesforce", "nth": 1})
        site.finish(*listen)
        assert site.ask("events", "dead") == 1, site.output()
        again = ("events", "redeliver", "--all")
        assert site.ask(*again, at={"name": "after journal dead_letters", "nth": 1}) == KILLED
        for name in ("move to landing/processed", "journal subscribers"):
            site.ask(*listen, at={"name": f"after {name}", "nth": 1})
            site.finish(*again)
        site.finish(*listen)
        assert site.ask("events", "dead") == 0, site.output()
    assert site.kills > 4
    contents = site.contents()
    for name, rows in undisturbed.contents().items():
        assert contents[name] == rows, name
    assert site.untold() == set()
    assert site.left_over() == []


def moved(site: Any) -> Any:
    """What the other warehouse has."""
    return replace(site, warehouse="moved.duckdb").contents()


# As long as all others: `make kill` and `make matrix` run it.
@pytest.mark.parametrize(
    "part", [pytest.param(n, marks=() if LIVES else pytest.mark.matrix) for n in range(PARTS)]
)
def test_a_move_to_another_warehouse(site: Any, tmp_path: Path, part: int) -> None:
    command = ("move", "duckdb:moved.duckdb")
    moments = compare(site, command, moved, folder=tmp_path, part=part)
    assert {"after commit seil.loads", "after commit seil.builds"} <= {*moments}
