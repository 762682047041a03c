"""Files, batches and jobs of billing, on both databases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.sf_to_t1.wire import Wire, run_once

from seil.errors import LeaseLostError
from seil.settings import SfToT1Settings
from seil.state import State
from seil.state.backup import back_up, restore
from seil.state.billing import BillingBatch, BillingFile
from seil.state.leases import acquire_lease
from seil.state.store import state_in_memory

PLACE = "SALESFORCE/ARDATA"
ONE, TWO = "a" * 16, "b" * 16
NOW = datetime(2026, 11, 30, 10, tzinfo=UTC)
BATCH = BillingBatch("f1", PLACE, 1, 1, 3, hashes=Counter({ONE: 2, TWO: 1}), before={ONE: 4})


def only_file(state: State) -> BillingFile:
    (file,) = state.billing.files()
    return file


def test_request_is_idempotent_and_opens_only_what_failed(state: State) -> None:
    for _ in range(2):
        state.billing.request("j1", ["f1"], PLACE)
    file = only_file(state)
    assert (file.state, file.place, file.columns) == ("open", PLACE, ())
    for stored, expected in (("failed", "open"), ("imported", "imported"), ("in_doubt",) * 2):
        state.billing.put_file(replace(file, state=stored, columns=("A", "é")))  # type: ignore[arg-type]
        state.billing.request("j2", ["f1"], PLACE)
        assert (only_file(state).state, only_file(state).columns) == (expected, ("A", "é"))
    assert [(job.job_id, len(job.files)) for job in state.billing.jobs()] == [("j1", 1), ("j2", 1)]


def test_batches_come_back_as_they_were(state: State) -> None:
    state.billing.put_batches([BATCH])
    sent = replace(
        BATCH, state="sent", attempts=1, sent_at=NOW, total_before=7, criteria=(("Á", "é"),)
    )
    state.billing.put_batches([sent])
    (stored,) = state.billing.batches("f1", PLACE)
    assert replace(stored, changed_at=sent.changed_at) == sent
    assert (stored.unsent, stored.last_row) == (3, 3)
    assert state.billing.batches_in(PLACE, "planned", "in_doubt") == []
    assert state.billing.batches_in(PLACE, "sent") == [stored]
    assert state.billing.counts("f1", PLACE) == {"sent": 1}


def test_former_holder_of_the_lease_writes_nothing(state: State) -> None:
    lease = acquire_lease(state.database, "sf_to_t1")
    lease.release()
    acquire_lease(state.database, "sf_to_t1")
    with pytest.raises(LeaseLostError):
        state.billing.under(lease).put_batches([BATCH])
    assert state.billing.batches("f1", PLACE) == []


def test_backup_holds_all_of_it(state: State, tmp_path: Path) -> None:
    state.billing.request("j1", ["f1"], PLACE)
    state.billing.put_batches([BATCH])
    state.billing.put_job("j1", "Failed", "why", refusal="no")
    back_up(state.database, tmp_path / "backup")
    with state_in_memory() as other:
        restore(other.database, tmp_path / "backup")
        assert other.billing.jobs() == state.billing.jobs()
        assert other.billing.batches("f1", PLACE) == state.billing.batches("f1", PLACE)


def test_flow_is_exact_on_either_database(state: State, tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    failures = iter(["lost", "half", "late", "malformed", "unsent"])
    wire.next_failure = lambda: next(failures, "ok")
    chosen = SfToT1Settings(batch_rows=2, attempts=9)
    state.billing.request("", ["f1"], PLACE)
    (file,) = run_once(state, wire, chosen, {"f1": b"A,B\n1,x\n1,x\n2,y\n2,y\n1,x\n"})
    wire.store.close()
    assert (file.state, file.row_count) == ("imported", 5)
    assert state.billing.counts("f1", PLACE) == {"committed": 3}
    assert wire.imports > 3
