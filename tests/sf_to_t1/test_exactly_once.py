"""Whatever dies or is lost, TechOne's table ends with each row of each file, once."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples
from tests.sf_to_t1.wire import FAILURES, Killed, Wire, run_once

from seil.errors import RetryError
from seil.settings import SfToT1Settings
from seil.state.store import state_in_memory

COLUMNS = ("Id", "Note")
CELL = st.sampled_from(["", "1", "2", " ", "a,b", '"', "x\r\ny", "é"])
ROW = st.tuples(CELL, CELL)
FILES = st.lists(st.lists(ROW, max_size=9), min_size=1, max_size=3)
# After so many commits and calls the process dies; 0 is never.
LIVES = st.lists(st.integers(0, 25), max_size=6)
MODES = {
    "whole table": SfToT1Settings(batch_rows=2),
    "read by a column": SfToT1Settings(batch_rows=2, read_by="Id"),
    "by the batch's column": SfToT1Settings(batch_rows=2, batch_column="Batch"),
}
_folders = count()


def text(rows: Sequence[tuple[str, ...]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerows([COLUMNS, *rows])
    return out.getvalue().encode()


def dying(after: int) -> Callable[[], None]:
    ticks = count(1)

    def tick() -> None:
        if next(ticks) == after:
            raise Killed

    return tick


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wire")


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=examples(25, many=400))
@given(
    files=FILES,
    lives=LIVES,
    failures=st.lists(st.sampled_from(FAILURES), max_size=12),
    data=st.data(),
)
def test_table_has_each_row_once(
    folder: Path,
    mode: str,
    files: list[list[tuple[str, ...]]],
    lives: list[int],
    failures: list[str],
    data: st.DataObject,
) -> None:
    chosen = chosen_settings(MODES[mode])
    place = f"SALESFORCE/{chosen.table}"
    contents = {f"f{number}": text(rows) for number, rows in enumerate(files)}
    wire = shared_wire(folder)
    remaining = iter(failures)
    with state_in_memory() as state:
        for file_id in contents:
            state.billing.request("", [file_id], place)
        for death in lives:
            tick = dying(death)
            wire.next_failure, wire.tick = (lambda: next(remaining, "ok")), tick
            try:
                run_once(state, wire, chosen, contents, tick=tick)
            except (Killed, RetryError):
                state.billing.request("", list(contents), place)
        wire.next_failure, wire.tick = (lambda: "ok"), (lambda: None)
        run_once(state, wire, chosen, contents)
        assert {file.state for file in state.billing.files()} == {"imported"}
        imports = wire.imports
        run_once(state, wire, chosen, contents)
        assert wire.imports == imports
    expected = Counter(tuple(row) for rows in files for row in rows)
    assert wire.rows(place, len(COLUMNS)) == expected


def chosen_settings(mode: SfToT1Settings) -> SfToT1Settings:
    """A table of its own, so that the wire can be shared."""
    return mode.model_copy(update={"table": f"T{next(_folders)}"})


_wires: dict[Path, Wire] = {}


def shared_wire(folder: Path) -> Wire:
    if folder not in _wires:
        _wires[folder] = Wire(folder)
    return _wires[folder]


@pytest.fixture(scope="module", autouse=True)
def closed_wires() -> Iterator[None]:
    yield
    for wire in _wires.values():
        wire.store.close()
    _wires.clear()
