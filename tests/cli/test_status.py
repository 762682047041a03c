"""What a person sees of a site's status: the sentence first, then what is behind it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.limits import HELD
from tests.served import served_site

from seil.app.site import Site
from seil.errors import LakeError, LoginError, SeilError, UnavailableError
from seil.settings import load_settings

Seil = Callable[..., Any]


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        pytest.param(LakeError("file:///l", "write", "full"), "Broken", 6, id="a person's"),
        pytest.param(UnavailableError("Salesforce", "slow"), "Behind", 0, id="heals by itself"),
    ],
)
def test_the_first_line_is_the_verdict_and_the_exit_code_who_is_needed(
    seil: Seil, home: Path, error: SeilError, state: str, code: int
) -> None:
    with Site(load_settings()) as site, pytest.raises(type(error)), site.runs.run("run"):
        raise error
    ran = seil("status")
    first, finding, next_command = ran.out.splitlines()[:3]
    assert (ran.code, first.startswith(f"{state} since 20")) == (code, True)
    assert finding.startswith("  failed since 20")
    assert next_command.startswith("    -> ")
    answer = seil("status", "--json")
    assert (answer.code, answer.json["sentence"]) == (code, first)
    assert answer.json["person_needed"] is (code == 6)
    problem = answer.json["error"]
    assert problem is None if code == 0 else problem["message"] == first


def test_healthy_flows_are_one_line(seil: Seil, generated: Path, home: Path) -> None:
    with served_site(generated, home):
        assert seil("run", "Account").code == 0
    ran = seil("status")
    assert ran.out.startswith("In step: 1 flow is read until 20")
    assert ran.code == 0
    assert len(ran.out.splitlines()) < 8


def test_a_login_that_works_again_shows_before_the_run_ends(
    seil: Seil, generated: Path, home: Path, seil_process: Callable[..., subprocess.Popen[str]]
) -> None:
    with served_site(generated, home, job_delay=HELD), Site(load_settings()) as context:
        troubles = context.state.troubles
        troubles.note_stop("run", LoginError("https://acme.example", "invalid_grant", "expired"))
        with seil_process("run", "Account") as running:
            while troubles.all():
                assert running.poll() is None
            running.send_signal(signal.SIGKILL)
    assert seil("status").out.startswith("Behind since 20")


def test_a_typing_mistake_breaks_nothing(seil: Seil) -> None:
    assert seil("load", "Leed").code == 2
    assert seil("run", "Leed").code == 2
    assert seil("status").code == 0


def test_a_run_that_was_killed_is_seen(
    seil: Seil, generated: Path, home: Path, seil_process: Callable[..., subprocess.Popen[str]]
) -> None:
    with (
        served_site(generated, home, job_delay=HELD),
        seil_process("run", "Account") as running,
    ):
        while not (under_way := seil("status", "--json").json["under_way"]):
            assert running.poll() is None
        assert (under_way[0]["pid"], under_way[0]["is_alive"]) == (running.pid, True)
        assert seil("status").out.splitlines()[-2].startswith("  under way: `seil run`")
        running.send_signal(signal.SIGKILL)
    first = seil("status").out.splitlines()[0]
    assert first.startswith("Behind since 20")
    assert f"`seil run` died before it ended (process {running.pid} " in first
