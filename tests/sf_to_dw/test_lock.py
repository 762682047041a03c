from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from seil.errors import AlreadyRunningError
from seil.lake import Bucket, Lake
from seil.sf_to_dw.lock import KEY, run_lock

HOLD = """
import sys, time
from seil.lake import Lake
from seil.sf_to_dw.lock import run_lock
with run_lock(Lake.at(sys.argv[1], env="dev", project="seil")):
    print("held", flush=True)
    time.sleep(60)
"""
HOLD_WRITING = """
import sys, time
from seil.lake import Lake
from seil.sf_to_dw.lock import run_lock
lake = Lake.at(sys.argv[1], env="dev", project="seil")
with run_lock(lake), lake.curated.writer("a/b"):
    print("held", flush=True)
    time.sleep(60)
"""


def lake_at(url: str) -> Lake:
    return Lake.at(url, env="dev", project="seil")


@pytest.fixture
def remote() -> Lake:
    """A bucket without files stands for S3: the lock is an object there."""
    bucket = Bucket("memory:///")
    return Lake("dev", bucket, bucket, bucket)


def test_lock_second_holder_is_told_the_first(tmp_path: Path) -> None:
    lake = lake_at(tmp_path.as_uri())
    with (
        run_lock(lake),
        pytest.raises(AlreadyRunningError, match=f'"pid": {os.getpid()}'),
        run_lock(lake),
    ):
        pass
    with run_lock(lake):
        pass


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    url = tmp_path.as_uri()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError), run_lock(lake_at(url)):
            pass
        process.kill()
    with run_lock(lake_at(url)):
        pass


def test_what_a_killed_holder_left_is_removed_by_the_next(tmp_path: Path) -> None:
    lake = lake_at(tmp_path.as_uri())
    command = [sys.executable, "-c", HOLD_WRITING, tmp_path.as_uri()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
    folder = lake.curated.path("a")
    assert folder is not None
    assert len(list(folder.iterdir())) == 1
    with run_lock(lake, brief=True):
        assert list(folder.iterdir()) == []


def test_a_brief_holder_is_waited_for(tmp_path: Path) -> None:
    lake = lake_at(tmp_path.as_uri())
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with run_lock(lake, brief=True):
            held.set()
            let_go.wait(20)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        held.wait(20)
        threading.Timer(0.3, let_go.set).start()
        with run_lock(lake):
            assert let_go.is_set()
        holding.result()


def test_locks_of_different_keys_are_apart(tmp_path: Path) -> None:
    lake = lake_at(tmp_path.as_uri())
    with run_lock(lake), run_lock(lake, key="other.lock"):
        pass


def test_object_lock_excludes_and_releases(remote: Lake) -> None:
    with run_lock(remote), pytest.raises(AlreadyRunningError), run_lock(remote):
        pass
    assert remote.staging.head(KEY) is None


def test_object_lock_of_a_dead_run_is_taken_over(remote: Lake) -> None:
    remote.staging.put(KEY, b'{"pid": 1}')
    time.sleep(0.05)
    with run_lock(remote, lease=timedelta(milliseconds=20)):
        assert str(os.getpid()).encode() in remote.staging.get(KEY)


def test_object_lock_is_renewed_while_held(remote: Lake) -> None:
    lease = timedelta(milliseconds=400)
    with run_lock(remote, lease=lease):
        time.sleep(0.8)
        with pytest.raises(AlreadyRunningError), run_lock(remote, lease=lease):
            pass
