from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.limits import HANGS

from seil.errors import AlreadyRunningError, LeaseLostError
from seil.lake import Lake
from seil.lake.lease import LeaseRecord
from seil.sf_to_dw.lock import KEY, lock_holder, run_lock

HOLD = """
import sys, time
from seil.lake import Lake
from seil.lake.lease import LeaseRecord
from seil.sf_to_dw.lock import run_lock
with run_lock(Lake.at(sys.argv[1], env="dev", project="seil")):
    print("held", flush=True)
    time.sleep(60)
"""
HOLD_WRITING = """
import sys, time
from seil.lake import Lake
from seil.lake.lease import LeaseRecord
from seil.sf_to_dw.lock import run_lock
lake = Lake.at(sys.argv[1], env="dev", project="seil")
with run_lock(lake), lake.curated.writer("a/b"):
    print("held", flush=True)
    time.sleep(60)
"""
DIE_STORING = """
import os, signal, sys
from pathlib import Path
from seil.lake import Lake
from seil.sf_to_dw.lock import run_lock
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with run_lock(Lake.at(sys.argv[1], env="dev", project="seil")):
    pass
"""


def lake_at(url: str) -> Lake:
    return Lake.at(url, env="dev", project="seil")


def test_a_second_holder_gets_the_name_of_the_first(tmp_path: Path) -> None:
    lake = lake_at(tmp_path.as_uri())
    with (
        run_lock(lake),
        pytest.raises(AlreadyRunningError, match=rf"\(process {os.getpid()} on .*, since .* UTC\)"),
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
    killed = LeaseRecord.of(lake_at(url).staging.version("run.lease"))
    assert killed.holder is not None
    assert killed.holder.pid == process.pid
    with run_lock(lake_at(url)) as lock:
        assert lock.token > killed.token


def test_lock_of_an_earlier_version_names_its_holder(tmp_path: Path) -> None:
    """It wrote the holder into the file that it locked."""
    lake = lake_at(tmp_path.as_uri())
    path = lake.staging.path(KEY)
    assert path is not None
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write('{"host": "old", "pid": 7, "since": "2026-11-29T10:00:00+00:00"}')
        file.flush()
        with pytest.raises(AlreadyRunningError, match="process 7 on old, since"), run_lock(lake):
            pass
    with run_lock(lake) as lock:
        assert lock.was_killed
    assert path.read_text() == ""


def test_a_run_whose_lock_file_was_removed_stops(tmp_path: Path) -> None:
    lake, other = lake_at(tmp_path.as_uri()), lake_at(tmp_path.as_uri())
    path = lake.staging.path(KEY)
    assert path is not None
    with pytest.raises(LeaseLostError, match="its file was deleted"), run_lock(lake):
        path.unlink()
        with run_lock(other):
            with pytest.raises(LeaseLostError):
                lake.document("a.json").update(a=1)
            other.document("a.json").update(a=2)
    assert lake.document("a.json").read() == {"a": 2}


def test_the_holder_can_be_read(tmp_path: Path) -> None:
    lake = lake_at(tmp_path.as_uri())
    assert lock_holder(lake) is None
    with run_lock(lake):
        holder = lock_holder(lake_at(tmp_path.as_uri()))
        assert holder is not None
        assert holder.pid == os.getpid()
    assert lock_holder(lake) is None


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


def test_what_is_left_by_a_kill_before_it_is_the_holder_is_removed(tmp_path: Path) -> None:
    lake = lake_at(tmp_path.as_uri())
    with run_lock(lake):
        pass
    command = [sys.executable, "-c", DIE_STORING, tmp_path.as_uri()]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert LeaseRecord.of(lake.staging.version("run.lease")).holder is None
    [remains] = tmp_path.rglob("run.lease#*")
    with run_lock(lake) as lock:
        assert lock.was_killed
        assert not remains.exists()


def test_a_brief_holder_is_waited_for(tmp_path: Path) -> None:
    lake = lake_at(tmp_path.as_uri())
    acquired, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with run_lock(lake, brief=True):
            acquired.set()
            let_go.wait(HANGS)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        acquired.wait(HANGS)
        threading.Timer(0.3, let_go.set).start()
        with run_lock(lake):
            assert let_go.is_set()
        holding.result()


def test_locks_of_different_keys_are_apart(tmp_path: Path) -> None:
    lake = lake_at(tmp_path.as_uri())
    with run_lock(lake), run_lock(lake, key="other.lock"):
        pass
