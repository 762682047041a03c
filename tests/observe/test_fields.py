"""What lines of a piece of work carry, in its threads, too."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from seil.observe.correlation import correlation
from seil.observe.fields import add_log_fields, log_fields
from seil.observe.logs import configure
from seil.observe.workers import Workers

logger = logging.getLogger("seil.test")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_carries_the_fields_of_the_work_around_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("INFO", "json")
    with log_fields(run_id="r1"), log_fields(object="Account"):
        logger.info("in", extra={"rows": 3})
        add_log_fields(flow_run_id="f1")
        logger.info("further in", extra={"object": "said by the line"})
    logger.info("out")
    inner, further, outer = lines(capsys)
    assert (inner["run_id"], inner["object"], inner["rows"]) == ("r1", "Account", 3)
    assert (further["flow_run_id"], further["object"]) == ("f1", "said by the line")
    assert "run_id" not in outer


def test_threads_carry_them_each_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json")

    def work(name: str) -> None:
        with log_fields(file=name):
            logger.info("work")

    with correlation("c1"), log_fields(object="Account"), Workers(4, "test") as pool:
        for name in "abcdefgh":
            pool.submit(work, name)
    entries = lines(capsys)
    assert sorted(line["file"] for line in entries) == list("abcdefgh")
    assert {(line["object"], line["correlation_id"]) for line in entries} == {("Account", "c1")}
