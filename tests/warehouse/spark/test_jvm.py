"""The Java of a process: started anew once it has ended, out of reach of signals to its group, and
there until the process ends.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.limits import HANGS, until
from tests.spark import has_ended, require_spark

pytestmark = [pytest.mark.matrix, pytest.mark.spark]

# In a process of its own: other tests share the Java of this one.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from pyspark import SparkContext
from tests.spark import spark_settings
from seil.errors import WarehouseError
from seil.warehouse import open_warehouse

settings = spark_settings(Path(sys.argv[1]))
handler = signal.getsignal(signal.SIGINT)
for number in range(2):
    with open_warehouse(settings) as warehouse:
        assert signal.getsignal(signal.SIGINT) is handler
        java = SparkContext._gateway.proc.pid
        assert os.getpgid(java) != os.getpgid(0)
        assert warehouse.query("SELECT 1 AS n")["n"].to_pylist() == [1]
        os.kill(java, signal.SIGKILL)
        try:
            warehouse.query("SELECT 1 AS n")
        except WarehouseError as error:
            print(error.reason)
with open_warehouse(settings):
    java = SparkContext._gateway.proc
assert java.poll() is None
with open_warehouse(settings) as warehouse:
    assert warehouse.query("SELECT 1 AS n")["n"].to_pylist() == [1]
    assert SparkContext._gateway.proc is java
print(java.pid)
"""


def test_java_is_started_anew_if_it_was_killed_and_ends_with_its_process(tmp_path: Path) -> None:
    require_spark()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    *killed, java = done.stdout.splitlines()
    assert killed == ["Spark ended (signal 9)"] * 2, done.stderr[-4000:]
    until(lambda: has_ended(int(java)))
