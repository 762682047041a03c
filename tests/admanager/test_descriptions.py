"""The folder of SOAP's descriptions: shared by processes, filled, spoilt, held up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.admanager.test_soap import counted, descriptions, prospect
from tests.limits import HANGS, HELD, SOON, until

from seil.admanager.client import AdManager
from seil.admanager.models import GetProposal
from seil.admanager.soap.wsdl import WsdlFolder
from seil.deadline import deadline
from seil.errors import RequestRejectedError, TooSlowError
from seil.sandbox.admanager.faults import AdManagerFault
from seil.sandbox.admanager.server import AdManagerServer
from seil.settings import AdManagerSettings

__all__ = ["counted"]

NOBODY = GetProposal(proposal_id=1)

# A process of its own that asks for a forecast: the numbers, or the error.
_ASK = """
import json, sys
from pathlib import Path
from seil.admanager.client import AdManager
from seil.admanager.models import GetForecast
from seil.settings import AdManagerSettings
gam = AdManager(AdManagerSettings.model_validate_json(sys.argv[1]))
sys.stdin.readline()
print(gam.forecast(GetForecast.model_validate_json(sys.argv[2])).matched_units)
"""
_ASK_ON_A_FULL_DISK = (
    "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + _ASK
)
_WRITE_FOR_EVER = """
import sys
from datetime import timedelta
from pathlib import Path
from seil.admanager.soap.wsdl import WsdlFolder
folder = WsdlFolder(Path(sys.argv[1]), timedelta(days=1))
for number in range(10**9):
    folder.keep("url", str(number % 10).encode() * 10_000_000)
"""


@pytest.fixture
def slow_descriptions(stand_in: AdManagerServer) -> AdManagerServer:
    """Whose descriptions of proposals come when a test says so."""
    stand_in.faults.add(AdManagerFault(path=r"ProposalService\?wsdl", delay=HELD))
    return stand_in


def asking(far_end: AdManagerServer, folder: Path, code: str = _ASK) -> subprocess.Popen[str]:
    values = {
        "network_code": far_end.network_code,
        "endpoint": far_end.url,
        "soap_endpoint": far_end.url,
        "service_account_key": f"file:{far_end.service_account_key}",
        "wsdl_cache": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(values), prospect().model_dump_json(by_alias=True)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answers(*processes: subprocess.Popen[str]) -> list[tuple[bool, str]]:
    """Whether each gave numbers, and what it wrote to stderr; all begin at once."""
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=HANGS) for process in processes]
    return [(output.strip().isdecimal(), errors) for output, errors in ended]


def age(file: Path, days: int) -> None:
    then = time.time() - days * 86400
    os.utime(file, (then, then))


def test_two_processes_fill_an_empty_folder_at_once(
    stand_in: AdManagerServer, tmp_path: Path
) -> None:
    replies = answers(asking(stand_in, tmp_path), asking(stand_in, tmp_path))
    assert [answer for answer, _ in replies] == [True, True], replies
    assert len(list(tmp_path.iterdir())) == 1
    url = f"{stand_in.url}/apis/ads/publisher/v202608/ForecastService?wsdl"
    assert WsdlFolder(tmp_path, timedelta(days=1)).fresh(url)


def test_process_killed_while_it_writes_leaves_the_file_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITE_FOR_EVER, str(tmp_path)]
    folder = WsdlFolder(tmp_path, timedelta(days=1))
    with subprocess.Popen(command) as process:
        until(lambda: folder.any_age("url") and list(tmp_path.glob("*.part")))
        process.send_signal(signal.SIGKILL)
    content = folder.any_age("url")
    assert content is not None
    assert len(content) == 10_000_000
    for part in tmp_path.glob("*.part"):
        age(part, days=1)
    folder.keep("other", b"content")
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("folder", "code"),
    [("/proc/seil-wsdl", _ASK), ("wsdl", _ASK_ON_A_FULL_DISK)],
    ids=["read-only", "full"],
)
def test_folder_that_takes_nothing_is_no_obstacle(
    stand_in: AdManagerServer, tmp_path: Path, folder: str, code: str
) -> None:
    place = tmp_path / folder
    ((answer, errors),) = answers(asking(stand_in, place, code))
    assert answer, errors
    assert "The WSDL of Forecast cannot be cached" in errors
    assert not place.exists() or not list(place.iterdir())


def test_description_that_is_held_up_holds_up_nobody_else(
    settings: AdManagerSettings, slow_descriptions: AdManagerServer
) -> None:
    gam = AdManager(settings)
    gam.forecast(prospect())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gam.get_proposal, NOBODY)
        until(lambda: slow_descriptions.faults.entries()[0]["seen"])
        gam.forecast(prospect())
        assert not waiting.done()
        slow_descriptions.faults.clear()
        with pytest.raises(RequestRejectedError):
            waiting.result()


def ask_with(gam: AdManager, *, seconds: float) -> None:
    with deadline(seconds):
        gam.get_proposal(NOBODY)


def test_description_that_came_too_late_for_one_is_there_for_the_next(
    settings: AdManagerSettings, slow_descriptions: AdManagerServer
) -> None:
    """It is fetched once, whoever has given up on it meanwhile."""
    gam = AdManager(settings)
    gam.forecast(prospect())
    for _ in range(3):
        with pytest.raises(TooSlowError) as caught:
            ask_with(gam, seconds=SOON)
        assert not caught.value.reached
    assert descriptions(slow_descriptions) == 1
    slow_descriptions.faults.clear()
    slow_descriptions.faults.add(AdManagerFault(path=r"\?wsdl", after=10**6))
    with pytest.raises(RequestRejectedError):
        gam.get_proposal(NOBODY)
    assert descriptions(slow_descriptions) == 0


def test_old_description_is_used_while_a_new_one_is_held_up(
    settings: AdManagerSettings, stand_in: AdManagerServer
) -> None:
    AdManager(settings).forecast(prospect())
    (file,) = settings.wsdl_cache.iterdir()
    age(file, days=30)
    before = file.stat().st_mtime
    stand_in.faults.add(AdManagerFault(path=r"\?wsdl", delay=HELD))
    gam = AdManager(settings)
    gam.forecast(prospect())
    assert file.stat().st_mtime == before
    until(lambda: descriptions(stand_in))
    stand_in.faults.clear()
    stand_in.faults.add(AdManagerFault(path=r"\?wsdl", after=10**6))
    until(lambda: file.stat().st_mtime != before)
    assert gam.forecast(prospect()).matched_units > 0
    assert descriptions(stand_in) == 0


def test_threads_that_wait_for_a_description_see_its_failure_each(
    settings: AdManagerSettings, stand_in: AdManagerServer
) -> None:
    stand_in.faults.add(AdManagerFault(path=r"\?wsdl", status=404, html="<html>", delay=0.2))
    gam = AdManager(settings.model_copy(update={"attempts": 1}))
    failed = threading.Barrier(4, timeout=HANGS)

    def ask() -> str:
        failed.wait()
        try:
            gam.forecast(prospect())
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
        return ""

    with ThreadPoolExecutor(4) as pool:
        failures = {future.result() for future in [pool.submit(ask) for _ in range(4)]}
    assert failures == {"UnavailableError"}
    stand_in.faults.clear()
    assert gam.forecast(prospect()).matched_units > 0
