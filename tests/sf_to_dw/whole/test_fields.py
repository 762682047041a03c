"""Fields that go, come back or are new: known values are kept, and read again when they can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples
from tests.sf_to_dw.small_site import SmallSite, record_id

COLOUR = {"type": "string", "nillable": True}
ONE, TWO, THREE = (record_id(n) for n in (1, 2, 3))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SmallSite]:
    site = SmallSite(tmp_path)
    site.org.fields["Name"] = COLOUR
    site.org.fields["Colour__c"] = COLOUR
    with site.org.serve():
        yield site


def ran(site: SmallSite, **options: Any) -> list[tuple[str, int]]:
    """What it read besides its window."""
    site.pass_time(hours=1)
    report = site.run(**options)
    assert report.problems == []
    assert all(row.balanced for row in report.ledger)
    return [(result.mode, result.landed) for result in report.reconciliation]


def colours(site: SmallSite) -> dict[str, Any]:
    return {key: row.get("colour__c") for key, row in sorted(site.records().items())}


def lose(site: SmallSite, name: str = "Colour__c") -> dict[str, Any]:
    return site.org.fields.pop(name)


def test_known_values_are_kept_while_a_field_is_gone(site: SmallSite) -> None:
    site.add(ONE, TWO, Colour__c="red")
    ran(site)
    lose(site)
    site.add(TWO, Name="anew", Colour__c="blue")
    site.add(THREE, Colour__c="green")
    assert ran(site) == []
    assert colours(site) == {ONE: "red", TWO: "red", THREE: None}
    assert site.records()[TWO]["name"] == "anew"
    assert ran(site, full=True) == []
    assert colours(site) == {ONE: "red", TWO: "red", THREE: None}
    site.assert_rebuild_is_equal()


def test_a_field_that_comes_back_is_read_for_all_records(site: SmallSite) -> None:
    site.add(ONE, TWO, THREE, Colour__c="red")
    ran(site)
    lost = lose(site)
    site.add(TWO, Name="anew", Colour__c="blue")
    site.org.rows[2]["Colour__c"] = "green"
    ran(site)
    site.org.fields["Colour__c"] = lost
    assert ran(site) == [("fields", 2)]
    assert colours(site) == {ONE: "red", TWO: "blue", THREE: "green"}
    assert ran(site) == []
    site.add(ONE, Colour__c="")
    ran(site)
    assert colours(site) == {ONE: None, TWO: "blue", THREE: "green"}
    site.assert_rebuild_is_equal()


def test_a_new_field_is_read_for_all_records(
    site: SmallSite, caplog: pytest.LogCaptureFixture
) -> None:
    lost = lose(site)
    site.add(ONE, TWO, THREE, Colour__c="red")
    ran(site)
    site.add(TWO, Colour__c="blue")
    site.org.fields["Colour__c"] = lost
    assert ran(site) == [("fields", 2)]
    assert colours(site) == {ONE: "red", TWO: "blue", THREE: "red"}
    assert "backfilling the new fields Colour__c" in caplog.text
    site.assert_rebuild_is_equal()


def test_a_full_load_leaves_no_field_due(site: SmallSite) -> None:
    lost = lose(site)
    site.add(ONE, Colour__c="red")
    ran(site)
    site.org.fields["Colour__c"] = lost
    assert ran(site, full=True) == []
    assert colours(site) == {ONE: "red"}


@pytest.mark.parametrize("job", [1, 2])
def test_a_field_stays_due_until_it_was_read(site: SmallSite, job: int) -> None:
    """The run dies at its window's job, or at the field's."""
    lost = lose(site)
    site.add(ONE, TWO, Colour__c="red")
    ran(site)
    site.org.fields["Colour__c"] = lost
    started = [0]

    def fails(_: str) -> str:
        started[0] += 1
        if started[0] == job:
            raise ConnectionAbortedError
        return ""

    site.org.fails = fails
    site.pass_time(hours=1)
    assert site.run().problems
    site.org.fails = lambda _: ""
    assert ran(site) == [("fields", 2)]
    assert colours(site) == {ONE: "red", TWO: "red"}


steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 3), st.sampled_from(["", "x", "y", "z"])),
        st.tuples(st.sampled_from(["lose", "regain", "run", "full", "die"])),
    ),
    max_size=7,
)


@settings(
    max_examples=examples(3, many=20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=steps)
def test_whatever_comes_and_goes_the_tables_end_as_the_org(
    steps: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = SmallSite(tmp_path_factory.mktemp("fields"))
    site.org.fields["Colour__c"] = COLOUR
    site.add(*(record_id(n) for n in range(4)), Colour__c="w")
    with site.org.serve():
        for step in [("run",), *steps, ("regain",), ("run",)]:
            take(site, step)
            site.pass_time(minutes=20)
        expected = {row["Id"]: row["Colour__c"] or None for row in site.org.rows}
        assert colours(site) == dict(sorted(expected.items()))
        site.assert_rebuild_is_equal()


def take(site: SmallSite, step: tuple[Any, ...]) -> None:
    match step:
        case ("set", number, value):
            site.add(record_id(number), Colour__c=value)
        case ("lose",):
            site.org.fields.pop("Colour__c", None)
        case ("regain",):
            site.org.fields["Colour__c"] = COLOUR
        case ("die",):
            site.org.fails = dying(site)
            site.run()
            site.org.fails = lambda _: ""
        case (kind,):
            assert site.run(full=kind == "full").problems == []


def dying(site: SmallSite) -> Any:
    """The second job of a run is never answered, or the first where there is one."""
    before = len(site.org.queries)

    def fails(soql: str) -> str:
        if len(site.org.queries) > before + 1 or "Colour__c" not in soql:
            raise ConnectionAbortedError
        return ""

    return fails
