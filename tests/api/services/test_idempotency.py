"""Both stores of the requests seen before, held to the same."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.services.conftest import MakeStore
from tests.examples import examples
from tests.issuers import Clock
from tests.ministack import Ministack

from seil.api.calls import Answer, Fault, ServiceCall
from seil.api.services.idempotency import Claim, IdempotencyStore, KeyState, fingerprint, key_of
from seil.api.services.request_file import SqliteStore
from seil.aws.idempotency import DynamoStore, request_store
from seil.errors import ConfigurationError, UnavailableError
from seil.settings import ApiSettings

DONE = Answer(200, {"id": 7, "name": "Füße 🎈"}, (), None)


@pytest.fixture
def store(make_store: MakeStore) -> IdempotencyStore:
    return make_store()


def claimed(store: IdempotencyStore, key: str = "k", mark: str = "m") -> Claim:
    return store.claim(key, mark, lease=60)


def test_free_key_is_claimed_once(store: IdempotencyStore) -> None:
    assert claimed(store).state is KeyState.CLAIMED
    assert claimed(store, mark="other") == Claim(KeyState.RUNNING, "m")
    assert claimed(store, "k2").state is KeyState.CLAIMED


def test_settled_key_has_its_answer(store: IdempotencyStore) -> None:
    claimed(store)
    store.settle("k", DONE)
    assert claimed(store, mark="other") == Claim(KeyState.DONE, "m", DONE)


def test_answer_with_faults_comes_back_whole(store: IdempotencyStore) -> None:
    faults = (Fault("EC40901", "Modified", (3, 4), "notDone"), Fault("EC40001", "x"))
    answer = Answer(409, None, faults, 2.5, (1, 2))
    claimed(store)
    store.settle("k", answer)
    assert claimed(store).answer == answer


def test_released_key_is_free_again(store: IdempotencyStore) -> None:
    claimed(store)
    store.release("k")
    assert claimed(store, mark="other").state is KeyState.CLAIMED


def test_doubted_key_stays_taken(store: IdempotencyStore) -> None:
    claimed(store)
    store.doubt("k")
    assert claimed(store) == Claim(KeyState.UNKNOWN, "m")


def test_claim_that_runs_longer_than_its_lease_is_unknown(make_store: MakeStore) -> None:
    clock = Clock()
    store = make_store(clock=clock)
    claimed(store)
    clock.now += 59
    assert claimed(store).state is KeyState.RUNNING
    clock.now += 2
    assert claimed(store).state is KeyState.UNKNOWN
    store.settle("k", DONE)
    assert claimed(store).state is KeyState.DONE


def test_key_is_forgotten_after_its_age(make_store: MakeStore) -> None:
    clock = Clock()
    store = make_store(clock=clock, age=100)
    claimed(store)
    store.settle("k", DONE)
    clock.now += 99
    assert claimed(store).state is KeyState.DONE
    clock.now += 2
    assert claimed(store, mark="other").state is KeyState.CLAIMED


@pytest.mark.parametrize("change", ["settle", "doubt"])
def test_outcome_of_a_key_nobody_holds_changes_nothing(
    store: IdempotencyStore, change: str
) -> None:
    getattr(store, change)("k", *([DONE] if change == "settle" else []))
    store.release("k")
    assert claimed(store).state is KeyState.CLAIMED


def test_keys_outlive_the_store(make_store: MakeStore) -> None:
    first = make_store()
    claimed(first)
    first.settle("k", DONE)
    assert claimed(make_store()) == Claim(KeyState.DONE, "m", DONE)


def test_of_many_threads_and_stores_one_gets_the_key(make_store: MakeStore) -> None:
    stores = [make_store() for _ in range(3)]
    for round_ in range(5):
        gate = threading.Barrier(9)

        def race(number: int, gate: threading.Barrier = gate, key: str = f"k{round_}") -> KeyState:
            gate.wait()
            return claimed(stores[number % 3], key).state

        with ThreadPoolExecutor(9) as pool:
            claims = list(pool.map(race, range(9)))
        assert sorted(claims) == [KeyState.CLAIMED] + [KeyState.RUNNING] * 8


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "settle", "doubt", "release"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["x", "y"]),
        st.integers(0, 40),
    ),
    max_size=12,
)


class Model:
    """What a store has to do, in a dictionary."""

    def __init__(self, lease: float, age: float) -> None:
        self.lease, self.age = lease, age
        self.held: dict[str, tuple[str, KeyState, Answer | None, float]] = {}

    def claim(self, key: str, mark: str, now: float) -> Claim:
        if key not in self.held or self.held[key][3] < now - self.age:
            self.held[key] = (mark, KeyState.RUNNING, None, now)
            return Claim(KeyState.CLAIMED, mark)
        mark_, state, answer, at = self.held[key]
        if state is KeyState.RUNNING and now - at > self.lease:
            state = KeyState.UNKNOWN
        return Claim(state, mark_, answer)

    def change(self, step: str, key: str) -> None:
        if step == "release":
            self.held.pop(key, None)
        elif key in self.held:
            mark, _, answer, at = self.held[key]
            state = KeyState.DONE if step == "settle" else KeyState.UNKNOWN
            self.held[key] = (mark, state, DONE if step == "settle" else answer, at)


@settings(
    max_examples=examples(10, many=100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_store_does_what_a_dictionary_would(make_store: MakeStore, steps: Any) -> None:
    clock = Clock(now=1_800_000_000.0)
    store, model = make_store(clock=clock, age=100), Model(lease=30, age=100)
    own = uuid4().hex
    for step, key, mark, seconds in steps:
        clock.now += seconds
        if step == "claim":
            claim = store.claim(own + key, mark, lease=30)
            assert claim == model.claim(key, mark, clock.now)
        else:
            getattr(store, step)(own + key, *([DONE] if step == "settle" else []))
            model.change(step, key)


_OLD_TABLE = """
create table request (
    key text primary key, fingerprint text not null, state text not null, answer text,
    claimed_at real not null
) without rowid
"""
_ROW = "insert into request (key, fingerprint, state, answer, claimed_at) values (?, ?, ?, ?, ?)"
_CLAIMING = """
import sys
from pathlib import Path
from seil.api.services.request_file import SqliteStore

store = SqliteStore(Path(sys.argv[1]))
print(store.claim("k", "m", lease=3600).state, flush=True)
sys.stdin.read()
"""


def test_claim_of_a_process_that_was_killed_is_unknown_at_once(tmp_path: Path) -> None:
    file = tmp_path / "requests.sqlite"
    command = [sys.executable, "-c", _CLAIMING, str(file)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        closing(SqliteStore(file)) as neighbour,
    ):
        assert process.stdout
        assert process.stdout.readline() == b"claimed\n"
        assert claimed(neighbour).state is KeyState.RUNNING
        process.kill()
        process.wait()
        assert claimed(neighbour) == Claim(KeyState.UNKNOWN, "m")
    with closing(SqliteStore(file)) as restarted:
        assert claimed(restarted).state is KeyState.UNKNOWN
        assert len(list((tmp_path / "requests.owners").iterdir())) == 1


def test_claim_of_a_store_that_was_closed_is_unknown(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "requests.sqlite")) as first:
        claimed(first)
    with closing(SqliteStore(tmp_path / "requests.sqlite")) as second:
        assert claimed(second).state is KeyState.UNKNOWN
    assert list((tmp_path / "requests.owners").iterdir()) == []


def test_claim_whose_outcome_cannot_be_written_down_does_not_run_any_more(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "requests.sqlite")) as store:
        claimed(store)
        store._connection.execute("pragma query_only = 1")
        with pytest.raises(UnavailableError):
            store.settle("k", DONE)
        store._connection.execute("pragma query_only = 0")
        assert claimed(store).state is KeyState.UNKNOWN


def test_claim_lasts_as_long_as_its_caller_set(make_store: MakeStore) -> None:
    clock = Clock()
    store = make_store(clock=clock)
    claimed(store)
    clock.now += 30
    assert store.claim("k", "m", lease=1).state is KeyState.RUNNING
    clock.now += 31
    assert store.claim("k", "m", lease=3600).state is KeyState.UNKNOWN


def test_keys_of_an_earlier_version_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "requests.sqlite"
    with closing(sqlite3.connect(file)) as old, old:
        old.execute(_OLD_TABLE)
        answer = '{"code": 200, "data": {"id": 7}, "errors": [], "retry_after": null}'
        old.execute(_ROW, ("k", "m", "done", answer, time.time()))
        old.execute(_ROW, ("k2", "m", "running", None, time.time()))
    for _ in range(2):
        with closing(SqliteStore(file)) as store:
            assert claimed(store) == Claim(KeyState.DONE, "m", Answer(200, {"id": 7}))
            assert claimed(store, "k2").state is KeyState.UNKNOWN


def call(**changes: Any) -> ServiceCall:
    values = {"operation": "gam.create-order", "request": {}, "correlation_id": "c"}
    return ServiceCall(**{**values, "caller": "x", "idempotency_key": "1", **changes})


def test_key_belongs_to_caller_operation_and_key() -> None:
    others = [
        call(caller="y"),
        call(operation="gam.create-line-items"),
        call(idempotency_key="2"),
        call(caller='x", "gam.create-order', operation="1", idempotency_key=""),
    ]
    assert key_of(call(correlation_id="other", application_label="l")) == key_of(call())
    assert len({key_of(other) for other in [call(), *others]}) == 5


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=5))
def test_fingerprint_does_not_depend_on_the_order_of_fields(request_: dict[str, Any]) -> None:
    again = dict(reversed(request_.items()))
    assert fingerprint(request_) == fingerprint(again)
    assert fingerprint({**request_, "new": 1}) != fingerprint({**request_, "new": "1"})


def test_claim_does_not_look_through_all_keys(tmp_path: Path) -> None:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with closing(SqliteStore(tmp_path / "requests.sqlite")) as store:
        with closing(sqlite3.connect(tmp_path / "requests.sqlite")) as many, many:
            rows = [(f"k{at}", "m", "done", None, time.time()) for at in range(5_000)]
            many.executemany(_ROW, rows)
        store._connection.set_progress_handler(count, 1)
        assert claimed(store).state is KeyState.CLAIMED
    assert 10 < steps < 1_000


def test_file_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "requests.sqlite").write_text("no database, but long enough to look like one" * 30)
    with pytest.raises(ConfigurationError, match=r"requests\.sqlite: cannot be used"):
        SqliteStore(tmp_path / "requests.sqlite")


def test_file_that_fails_later_is_unavailable(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "requests.sqlite")
    store.close()
    with pytest.raises(UnavailableError, match="file of requests"):
        claimed(store)


def test_table_that_is_missing_is_a_configuration_error(aws: Ministack) -> None:
    store = DynamoStore("no-such-table", lambda: aws.client("dynamodb"))
    with pytest.raises(ConfigurationError, match="table no-such-table: DynamoDB answered"):
        claimed(store)


def test_dynamodb_that_is_away_is_unavailable(aws_away: None) -> None:
    store = request_store(ApiSettings(requests_table="requests"))
    with pytest.raises(UnavailableError, match="DynamoDB: EndpointConnectionError"):
        claimed(store)


def test_function_without_a_table_says_which_variable_names_it() -> None:
    with pytest.raises(ConfigurationError, match="SEIL_API__REQUESTS_TABLE"):
        request_store(ApiSettings())


def test_claim_whose_answer_was_lost_and_sent_again_is_still_ours(aws: Ministack) -> None:
    aws.table("twice")

    class Twice:
        """A client whose first answer is lost, so that botocore sends the write again."""

        def put_item(self, **parameters: Any) -> Any:
            aws.client("dynamodb").put_item(**parameters)
            return aws.client("dynamodb").put_item(**parameters)

    store = DynamoStore("twice", Twice)  # type: ignore[arg-type]
    assert claimed(store).state is KeyState.CLAIMED
    assert claimed(store).state is KeyState.RUNNING
