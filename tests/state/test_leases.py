"""One process at a time, on both databases."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta

import pytest

from seil.errors import AlreadyRunningError, LeaseLostError
from seil.processes import machine, process_start
from seil.state import State
from seil.state.leases import acquire_lease

NAME = "sf_to_t1"


def hold_as(state: State, *, pid: int, where: str, seconds_ago: int = 0) -> None:
    """As another process would have left it."""
    acquire_lease(state.database, NAME)
    sql = (
        "UPDATE leases SET pid = :pid, machine = :machine, process_start = :started, "
        "renewed_at = :at WHERE name = :name"
    )
    at = f"20{26 if seconds_ago else 99}-01-01T00:00:00.000000Z"
    values = {"pid": pid, "machine": where, "started": process_start(pid), "at": at}
    with state.database.transaction() as transaction:
        transaction.execute(sql, name=NAME, **values)


def test_second_holder_is_refused_by_name_until_the_release(state: State) -> None:
    first = acquire_lease(state.database, NAME)
    with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()} on "):
        acquire_lease(state.database, NAME)
    acquire_lease(state.database, "another")
    with first.renewal():
        first.renew()
    second = acquire_lease(state.database, NAME)
    assert second.token == first.token + 1


def test_dead_process_of_this_machine_is_succeeded_at_once(state: State) -> None:
    child = subprocess.Popen(["true"])
    hold_as(state, pid=child.pid, where=machine())
    child.wait()
    assert acquire_lease(state.database, NAME).token == 2


@pytest.mark.parametrize("where", [machine(), "another machine"])
def test_living_or_renewing_holder_keeps_it(state: State, where: str) -> None:
    hold_as(state, pid=os.getppid(), where=where, seconds_ago=0)
    with pytest.raises(AlreadyRunningError):
        acquire_lease(state.database, NAME)


def test_holder_of_another_machine_loses_it_after_its_length(state: State) -> None:
    former = acquire_lease(state.database, NAME, length=timedelta(seconds=30))
    hold_sql = "UPDATE leases SET machine = 'another', renewed_at = :at WHERE name = :name"
    with state.database.transaction() as transaction:
        transaction.execute(hold_sql, at="2026-01-01T00:00:00.000000Z", name=NAME)
    acquire_lease(state.database, NAME)
    with state.database.transaction() as transaction, pytest.raises(LeaseLostError, match="taken"):
        former.check(transaction)
    with pytest.raises(LeaseLostError):
        former.renew()


def test_release_is_called_off_in_the_same_transaction(state: State) -> None:
    lease = acquire_lease(state.database, NAME)
    assert not lease.release(unless=lambda transaction: bool(transaction.rows("SELECT 1")))
    with pytest.raises(AlreadyRunningError):
        acquire_lease(state.database, NAME)
    assert lease.release()
    acquire_lease(state.database, NAME)
