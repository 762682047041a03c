"""A bucket on S3, as far as a service behind HTTP shows it: what is sent, and what is refused."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.lake.fake_s3 import FakeS3

from seil.errors import ConflictError, LakeError
from seil.lake import Bucket

TABLE = pa.table({"a": [1, 2, 3]})


@pytest.fixture
def bucket(service: FakeS3) -> Bucket:
    return Bucket("s3://lake")


def test_put_get_head_and_list(bucket: Bucket) -> None:
    assert bucket.put("in/b c", b"two")
    assert bucket.put("in/a", b"one")
    assert bucket.get("in/b c") == b"two"
    entry = bucket.head("in/a")
    assert entry is not None
    assert (entry.key, entry.size) == ("in/a", 3)
    assert bucket.head("in/none") is None
    assert [entry.key for entry in bucket.list("in/")] == ["in/a", "in/b c"]


def test_a_list_begins_where_it_is_wanted(bucket: Bucket) -> None:
    for hour in ("01", "02", "03"):
        bucket.put(f"in/2026/{hour}/a", b"x")
    keys = [entry.key for entry in bucket.list("in/", start="in/2026/02")]
    assert keys == ["in/2026/02/a", "in/2026/03/a"]


def test_the_first_to_create_a_key_has_it(bucket: Bucket) -> None:
    assert bucket.put("lock", b"one", create=True)
    assert not bucket.put("lock", b"two", create=True)
    assert bucket.get("lock") == b"one"


def test_a_conditional_write_needs_the_tag_of_what_is_there(bucket: Bucket) -> None:
    first = bucket.put_if("state", b"one", None)
    second = bucket.put_if("state", b"two", first)
    for tag in (None, first):
        with pytest.raises(ConflictError, match=r"s3://lake/state was changed"):
            bucket.put_if("state", b"three", tag)
    assert bucket.version("state") == (b"two", second)
    assert bucket.version("none") is None


@pytest.mark.parametrize("ignores", [False, True])
def test_a_store_that_ignores_conditions_is_found_out(
    bucket: Bucket, service: FakeS3, ignores: bool
) -> None:
    service.ignores_conditions = ignores
    assert bucket.refuses_stale_tags("doctor/probe") is not ignores
    assert service.objects == {}


def test_a_move_leaves_one_copy(bucket: Bucket, service: FakeS3) -> None:
    bucket.put("in/a", b"x")
    bucket.touch("in/a")
    bucket.move("in/a", "processed/a")
    bucket.delete("in/none")
    assert service.objects == {"processed/a": b"x"}


def test_a_file_is_written_and_read_in_ranges(bucket: Bucket) -> None:
    with bucket.writer("t.parquet") as file:
        pq.write_table(TABLE, file)
        assert bucket.head("t.parquet") is None
    with bucket.reader("t.parquet") as file:
        assert pq.read_table(file).equals(TABLE)


def test_a_large_file_appears_when_its_last_part_is_there(bucket: Bucket, service: FakeS3) -> None:
    block = bytes(range(256)) * (1 << 14)
    with bucket.writer("large") as file:
        for _ in range(6):
            file.write(block)
        assert service.objects == {}
    assert len(service.parts) > 1
    assert service.objects["large"] == block * 6


def test_a_file_that_is_not_finished_never_appears(bucket: Bucket, service: FakeS3) -> None:
    with pytest.raises(ZeroDivisionError), bucket.writer("half") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert service.objects == {}


def _write(bucket: Bucket) -> None:
    with bucket.writer("a") as file:
        file.write(b"x")


def _read(bucket: Bucket) -> None:
    with bucket.reader("a"):
        pass


@pytest.mark.parametrize(
    ("call", "beginning"),
    [
        (lambda bucket: bucket.put("a", b"x"), "Cannot write s3://lake/a: "),
        (lambda bucket: bucket.put("a", b"x", create=True), "Cannot write s3://lake/a: "),
        (lambda bucket: bucket.put_if("a", b"x", None), "Cannot write s3://lake/a: "),
        (lambda bucket: bucket.version("a"), "Cannot read s3://lake/a: "),
        (lambda bucket: bucket.get("a"), "Cannot read s3://lake/a: "),
        (lambda bucket: bucket.head("a"), "Cannot read s3://lake/a: "),
        (lambda bucket: list(bucket.list("in/")), "Cannot list s3://lake/in/: "),
        (lambda bucket: bucket.move("a", "b"), "Cannot move s3://lake/a: "),
        (lambda bucket: bucket.delete("a"), "Cannot delete s3://lake/a: "),
        (_write, "Cannot write s3://lake/a: "),
        (_read, "Cannot read s3://lake/a: "),
    ],
)
def test_what_the_service_refuses_is_a_lake_error_in_one_line(
    bucket: Bucket, service: FakeS3, call: Any, beginning: str
) -> None:
    service.refused = "AccessDenied"
    with pytest.raises(LakeError) as caught:
        call(bucket)
    message = str(caught.value)
    assert message.startswith(beginning)
    assert "\n" not in message
    assert "secret" not in message
