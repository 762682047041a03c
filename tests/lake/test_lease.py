"""A lock in a remote bucket: over real HTTP, and on a service that fails on order."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from tests.lake.fake_s3 import FakeS3
from tests.limits import until

from seil.errors import LakeError, LeaseLostError
from seil.lake import Bucket
from seil.lake.lease import Holder, Lease, LeaseHeldError, LeaseRecord

KEY = "run.lock"
LONG, OVER = timedelta(minutes=10), timedelta(0)
DEAD = LeaseRecord(5, Holder("elsewhere", 1), "dead", OVER)


@pytest.fixture(params=["memory", "s3"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    if request.param == "memory":
        return Bucket("memory:///")
    return Bucket(request.getfixturevalue("s3_url"))


def lease(bucket: Bucket, length: timedelta = LONG, host: str = "here") -> Lease:
    acquired = Lease(bucket, KEY, length=length)
    acquired.acquire(Holder(host, os.getpid()))
    return acquired


def stored(bucket: Bucket) -> LeaseRecord:
    return LeaseRecord.of(bucket.version(KEY))


def test_a_lease_is_held_by_one_and_released_to_the_next(bucket: Bucket) -> None:
    first = lease(bucket)
    with first.renewal():
        with pytest.raises(LeaseHeldError, match=rf"process {os.getpid()} on here"):
            lease(bucket)
        first.check()
    assert stored(bucket).holder is None
    assert lease(bucket).token > first.token
    assert [entry.key for entry in bucket.list()] == [KEY]


def test_one_of_two_takers_of_a_stale_lease_wins(bucket: Bucket) -> None:
    def take(number: int) -> int:
        try:
            return lease(Bucket(bucket.url) if "s3" in bucket.url else bucket).token
        except LeaseHeldError:
            return 0

    for _ in range(50):
        bucket.put(KEY, DEAD.text)
        with ThreadPoolExecutor(2) as pool:
            tokens = sorted(pool.map(take, range(2)))
        assert tokens[0] == 0
        assert tokens[1] > DEAD.token
        assert stored(bucket).token == tokens[1]


def test_tokens_grow_by_each_taking_and_outlive_the_lock(bucket: Bucket) -> None:
    tokens = []
    for _ in range(3):
        ours = lease(bucket)
        with ours.renewal():
            tokens.append(ours.token)
    bucket.delete(KEY)
    assert sorted({*tokens}) == tokens
    assert lease(bucket).token >= tokens[0]


def test_a_holder_that_stalled_leaves_its_successors_lock_alone(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stalled = lease(bucket)
    monkeypatch.setattr("seil.lake.lease._GRACE", -1)
    with stalled.renewal():
        successor = lease(bucket, host="there")
    assert "was not released: another run holds it" in caplog.text
    assert stored(bucket).holder == Holder("there", os.getpid())
    with pytest.raises(LeaseLostError, match=r"process \d+ on there took it over"):
        stalled.renew()
    successor.renew()


def test_an_overdue_holder_whom_nobody_succeeded_goes_on(bucket: Bucket) -> None:
    paused = lease(bucket, OVER)
    paused.check()
    successor = LeaseRecord(paused.token + 1, Holder("there", 1), "other")
    bucket.put(KEY, successor.text)
    for _ in range(2):
        with pytest.raises(LeaseLostError, match="process 1 on there took it over"):
            paused.check()


def test_a_lease_is_renewed_in_the_background(bucket: Bucket) -> None:
    ours = lease(bucket, timedelta(milliseconds=200))
    with ours.renewal():
        until(lambda: stored(bucket).renewals >= 3)


def test_a_lock_of_an_earlier_version_is_respected_until_it_is_stale(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"host": "old", "pid": 7, "since": "2026-11-29T10:00:00+00:00"}
    bucket.put(KEY, json.dumps(body).encode())
    with pytest.raises(LeaseHeldError, match="process 7 on old, since 2026-11-29 10:00 UTC"):
        lease(bucket)
    monkeypatch.setattr("seil.lake.lease._GRACE", -1)
    assert lease(bucket).token > 0


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"token": "x"}', b"\xff"])
def test_a_lock_that_cannot_be_read_counts_as_held(content: bytes) -> None:
    bucket = Bucket("memory:///")
    bucket.put(KEY, content)
    with pytest.raises(LeaseHeldError, match="an unknown process"):
        lease(bucket)


@pytest.mark.parametrize(("minutes", "is_free"), [(0, False), (10, False), (11, True)])
def test_a_lease_is_stale_by_the_stores_clock_alone(
    service: FakeS3, minutes: int, is_free: bool
) -> None:
    """The store's stands years before this machine's."""
    service.clock = datetime(2016, 2, 29, 12, tzinfo=UTC)
    dead = lease(Bucket("s3://lake"))
    service.clock += timedelta(minutes=minutes)
    try:
        ours = lease(Bucket("s3://lake"), host="there").token
    except LeaseHeldError:
        ours = 0
    assert (ours > dead.token) is is_free
    assert service.objects.keys() == {KEY}


def test_a_renewal_that_fails_is_made_again(service: FakeS3) -> None:
    ours = lease(Bucket("s3://lake"))
    service.refused = "AccessDenied"
    with pytest.raises(LakeError, match="AccessDenied"):
        ours.renew()
    ours.check()
    service.refused = ""
    ours.renew()
    assert stored(Bucket("s3://lake")).renewals == 1


def test_a_renewal_that_fails_until_the_end_stops_the_holder(
    service: FakeS3, caplog: pytest.LogCaptureFixture
) -> None:
    ours = lease(Bucket("s3://lake"), timedelta(milliseconds=100))
    service.refused = "AccessDenied"
    reason = "could not be renewed in time .*AccessDenied"
    with pytest.raises(LeaseLostError, match=reason), ours.renewal():
        until(lambda: "lost s3://lake/run.lock" in caplog.text)
    service.refused = ""
    # What has been given up is not taken up again.
    with pytest.raises(LeaseLostError, match=reason):
        ours.check()


def test_a_renewal_whose_answer_is_lost_is_ours(service: FakeS3) -> None:
    ours = lease(Bucket("s3://lake"))
    service.lost = 1
    ours.renew()
    ours.renew()
    assert stored(Bucket("s3://lake")).renewals == 2


def test_a_release_that_fails_is_logged(service: FakeS3, caplog: pytest.LogCaptureFixture) -> None:
    ours = lease(Bucket("s3://lake"))
    with ours.renewal():
        service.refused = "AccessDenied"
    assert "run.lock: " in caplog.text
    assert "The next run can take it after" in caplog.text
