"""State documents: changed by compare-and-swap, under a fencing token."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.holder import Holder
from tests.limits import HANGS

from seil.errors import ConflictError, LakeError, LeaseLostError
from seil.lake import Bucket, Document, Lake, RunFence

COUNT = """
import sys
from seil.lake import Lake
lake = Lake.at(sys.argv[1], env="dev", project="seil")
for number in range(int(sys.argv[3])):
    lake.document("a/counted.json").change(
        lambda body: {**(body or {}), sys.argv[2]: (body or {}).get(sys.argv[2], 0) + 1}
    )
    print(number, flush=True)
"""


@pytest.fixture(params=["file", "memory"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    return Bucket(tmp_path.as_uri() if request.param == "file" else "memory:///")


def document(bucket: Bucket, fence: RunFence | None = None) -> Document:
    return Document(bucket, "a/doc.json", fence or RunFence(), cure="it comes back")


@pytest.fixture(params=["file", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    url = request.getfixturevalue("s3_url") if request.param == "s3" else tmp_path.as_uri()
    return Lake.at(url, env="dev", project="seil")


def test_a_conditional_write_needs_the_tag_of_what_is_there(bucket: Bucket) -> None:
    first = bucket.put_if("a/b", b"one", None)
    second = bucket.put_if("a/b", b"two", first)
    for tag in (None, first):
        with pytest.raises(ConflictError, match="changed by another writer"):
            bucket.put_if("a/b", b"three", tag)
    assert bucket.version("a/b") == (b"two", second)
    assert [entry.key for entry in bucket.list()] == ["a/b"]


def test_a_conditional_write_of_a_key_that_is_gone_is_refused(bucket: Bucket) -> None:
    tag = bucket.put_if("a", b"one", None)
    bucket.delete("a")
    with pytest.raises(ConflictError):
        bucket.put_if("a", b"two", tag)
    assert bucket.version("a") is None


def test_a_write_whose_answer_was_lost_may_be_repeated(bucket: Bucket) -> None:
    first = bucket.put_if("a", b"one", None)
    assert bucket.put_if("a", b"two", first) == bucket.put_if("a", b"two", first)


def test_one_of_many_conditional_writers_wins(bucket: Bucket) -> None:
    tag = bucket.put_if("a", b"0", None)

    def write(content: bytes) -> bool:
        try:
            bucket.put_if("a", content, tag)
        except ConflictError:
            return False
        return True

    for rounds in range(20):
        with ThreadPoolExecutor(4) as pool:
            contents = [b"%d of %d" % (number, rounds) for number in range(4)]
            assert sum(pool.map(write, contents)) == 1
        stored = bucket.version("a")
        assert stored is not None
        tag = stored.tag


def test_changes_of_different_fields_are_both_kept(bucket: Bucket) -> None:
    first, second = document(bucket), document(bucket)
    seen: list[object] = []

    def edit(body: dict[str, object] | None) -> dict[str, object]:
        if not seen:
            second.update(theirs=2)
        seen.append(body)
        return {**(body or {}), "ours": 1}

    assert first.change(edit) == {"theirs": 2, "ours": 1}
    assert seen == [None, {"theirs": 2}]
    assert second.read() == {"theirs": 2, "ours": 1}


def test_an_edit_of_nothing_writes_nothing(bucket: Bucket) -> None:
    document(bucket).change(lambda _: None)
    assert document(bucket).read() is None


def test_a_newer_token_refuses_an_older_one(bucket: Bucket) -> None:
    old, new = RunFence(), RunFence()
    with old.guard(Holder(1)), new.guard(Holder(2)):
        document(bucket, old).update(a=1)
        document(bucket, new).update(a=2)
        with pytest.raises(LeaseLostError, match="written under token 2, this run has 1"):
            document(bucket, old).update(a=1)
    assert document(bucket).read() == {"a": 2}


def test_a_writer_without_a_lock_keeps_the_token(bucket: Bucket) -> None:
    fence = RunFence()
    with fence.guard(Holder(7)):
        document(bucket, fence).update(a=1)
    document(bucket).update(b=2)
    assert json.loads(bucket.get("a/doc.json")) == {"a": 1, "b": 2, "fencing_token": 7}


def test_a_document_from_before_tokens_is_read_and_gets_one(bucket: Bucket) -> None:
    bucket.put("a/doc.json", b'{"a": 1}')
    fence = RunFence()
    with fence.guard(Holder(7)):
        assert document(bucket, fence).update(b=2) == {"a": 1, "b": 2}
    assert json.loads(bucket.get("a/doc.json"))["fencing_token"] == 7


def test_a_lost_lock_refuses_every_change_of_a_lake(lake: Lake) -> None:
    holder = Holder(1)
    lake.landing.put("in/a", b"x")
    holder.is_lost = True
    changes: list[Callable[[], object]] = [
        lambda: lake.landing.put("in/b", b"x"),
        lambda: lake.landing.move("in/a", "processed/a"),
        lambda: lake.landing.delete("in/a"),
        lambda: lake.document("a.json").update(a=1),
        lambda: write(lake.curated, "c"),
    ]
    with lake.fence.guard(holder):
        for change in changes:
            with pytest.raises(LeaseLostError, match=r"lost run\.lock: another run took it over"):
                change()
    files = [e.key for b in (lake.landing, lake.curated, lake.staging) for e in b.list()]
    assert files == ["in/a"]


def write(bucket: Bucket, key: str) -> None:
    with bucket.writer(key) as file:
        file.write(b"x")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null", b'"text"'])
def test_what_is_no_document_is_named_with_its_cure(bucket: Bucket, content: bytes) -> None:
    bucket.put("a/doc.json", content)
    with pytest.raises(
        LakeError,
        match=r"it is not a document .*Delete it with `(aws s3 )?rm .*a/doc.json`; it comes back",
    ):
        document(bucket).update(a=1)


def counting(lake: Lake, name: str, times: int) -> subprocess.Popen[str]:
    url = lake.staging.url.rpartition("/")[0]
    command = [sys.executable, "-c", COUNT, url, name, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_writers_in_several_processes_lose_no_change(lake: Lake) -> None:
    writers = [counting(lake, name, 50) for name in ("a", "b", "c")]
    assert [writer.communicate()[0].count("\n") for writer in writers] == [50, 50, 50]
    assert lake.document("a/counted.json").read() == {"a": 50, "b": 50, "c": 50}


def test_a_writer_that_is_killed_leaves_the_last_whole_change(lake: Lake) -> None:
    with counting(lake, "killed", 1_000_000) as killed, counting(lake, "other", 50) as other:
        assert killed.stdout is not None
        for _ in range(20):
            count = int(killed.stdout.readline())
        killed.kill()
        count = max(count, *(int(line) for line in killed.stdout.read().split()), 0)
        assert other.wait(HANGS) == 0
    body = lake.document("a/counted.json").read()
    assert body is not None
    assert body["other"] == 50
    # Of the change it was killed in, nobody knows.
    assert body["killed"] - (count + 1) in (0, 1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Bucket:
    return Bucket(tmp_path_factory.mktemp("shared").as_uri())


STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from("abc")))


@given(steps=STEPS)
def test_a_document_holds_the_changes_of_the_newest_tokens(
    shared: Bucket, steps: list[tuple[int, int, str]]
) -> None:
    """Whatever the order of writers with and without (0) a token: what is refused leaves no trace,
    and all else is kept, field by field.
    """
    shared.delete("a/doc.json")
    expected: dict[str, int] = {}
    newest = 0
    for token, value, name in steps:
        fence = RunFence()
        if token == 0:
            document(shared, fence).update(**{name: value})
            expected[name] = value
            continue
        with fence.guard(Holder(token)):
            if token < newest:
                with pytest.raises(LeaseLostError):
                    document(shared, fence).update(**{name: value})
            else:
                document(shared, fence).update(**{name: value})
                expected[name], newest = value, token
    assert (document(shared).read() or {}) == expected
