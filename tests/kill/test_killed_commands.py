"""What a person asks for by hand, killed and asked for again, comes to the same as undisturbed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.sites import wait_for_the_next_second

from seil.sandbox.salesforce.store import OrgStore
from seil.sf_to_dw.schema_review import Decisions

pytestmark = pytest.mark.timeout(900)

LIVES = "SEIL_KILL_LIVES" in os.environ
Orgs = tuple[Path, Path]
# Nothing is compared but what is asked for.
CATALOG = """
[defaults.flow]
lag = "0s"
lookback = "2d"
compare_ids = "off"
refresh_formulas = "off"
deletions = false

[objects.Contact]
history = true
"""


def killings(moments: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Lives: one with a kill after everything that lasts; by order each of them in a life alone."""
    once = list(dict.fromkeys(moments))
    kills: list[dict[str, Any]] = [{"at": {"name": name, "nth": 1}} for name in once]
    yield [kill for kill in kills if kill["at"]["name"].startswith("after ")]
    if LIVES:
        yield from ([kill] for kill in kills)
        yield from ([{"at": {"nth": nth}}] for nth in range(1, len(moments) + 1))


def compare(
    ready: Any, asked: tuple[str, ...], told: Callable[[Any], Any], *, folder: Path
) -> list[str]:
    """`ready` as it was left, lived through without a kill and with. Returns what was done."""
    undisturbed = ready.copied(folder / "undisturbed")
    with undisturbed.serve(catalog=CATALOG):
        undisturbed.finish(*asked)
        moments: list[str] = undisturbed.moments()
        undisturbed.finish("run")
    expected, expected_told = undisturbed.contents(), told(undisturbed)
    for number, kills in enumerate(killings(moments)):
        site = ready.copied(folder / str(number))
        with site.serve(catalog=CATALOG):
            for kill in kills:
                site.ask(*asked, **kill)
            assert site.kills, kills
            site.finish(*asked)
            site.finish("run")
        contents = site.contents()
        for name, rows in expected.items():
            assert contents[name] == rows, (name, kills)
        assert told(site) == expected_told, kills
        assert site.untold() == set()
        assert site.left_over() == []
    return moments


@pytest.fixture
def site(undisturbed: Any, orgs: Orgs, tmp_path: Path) -> Any:
    found = undisturbed.site.copied(tmp_path / "ready")
    shutil.rmtree(found.folder / "org")
    shutil.copytree(orgs[1], found.folder / "org")
    return found


def change_org(site: Any, *statements: str) -> None:
    with closing(OrgStore.open(site.folder / "org")) as store, store.write() as cursor:
        for statement in statements:
            cursor.execute(statement)


def decided(site: Any) -> list[list[dict[str, Any]]]:
    """What was decided, what the events say of it, each once, and how often history does."""
    with site.open() as context:
        account = context.catalog["Account"]
        kept = [vars(entry) for entry in Decisions(context.lake).get(account)]
        told = [
            entry
            for _, event in context.journal.read(detail_type="schema-accepted")
            for entry in event.detail["decisions"]
        ]
        noted = [
            {"source": entry["source"]}
            for entry in context.registry.history(account)
            if entry["source"].startswith("accepted")
        ]
    said = [[{k: v for k, v in e.items() if k != "at"} for e in some] for some in (kept, told)]
    return [*said, noted]


@pytest.mark.parametrize("policy", ["column", "drop"] if LIVES else ["column"])
def test_a_decision_on_a_column(site: Any, tmp_path: Path, policy: str) -> None:
    with site.serve(catalog=CATALOG) as server:
        number = {"object": "Account", "action": "change", "field": "NumberOfEmployees"}
        body = {**number, "type": "string", "length": 40}
        httpx.post(f"{server.url}/sandbox/schema", json=body).raise_for_status()
        httpx.post(f"{server.url}/sandbox/tick", json={"share": 0.1}, timeout=60).raise_for_status()
        wait_for_the_next_second()
    asked = ("schema", "accept", "Account.NumberOfEmployees", "--as", policy)
    compare(site, asked, decided, folder=tmp_path)
