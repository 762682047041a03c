"""Log lines: their two shapes, and that no credential gets into either."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from seil.masking import mask
from seil.observe.logs import configure

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIzTVZHOSJ9.c2lnbmF0dXJl-_x"
SESSION = "00D5g000004XyZ1!AQcAQH0.dMHZfz972Szmpkb58urFRkgeBGsxL_QJWwYMfAbUeeG7c1E6"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc\n-----END RSA PRIVATE KEY-----"

logger = logging.getLogger("seil.test")


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, logging.getLogger("seil").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("seil").setLevel(own)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Bearer {SESSION}", SESSION),
        ("authorization: bearer abcdef123456", "abcdef123456"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        (f"token {JWT} refused", JWT),
        (f"sid is {SESSION}", SESSION),
        ("GET /x?access_token=s3cr3t&y=1", "s3cr3t"),
        ('{"access_token": "s3cr3t", "scope": "api"}', "s3cr3t"),
        ('"{\\"client_secret\\": \\"s3cr3t\\"}"', "s3cr3t"),
        ("{'refresh_token': 's3cr3t'}", "s3cr3t"),
        ("client_secret=s3cr3t", "s3cr3t"),
        ("password = s3cr3t", "s3cr3t"),
        ("password: s3cr3t", "s3cr3t"),
        ("client_secret=letters", "letters"),
        ("grant_type=x&assertion=s3cr3t", "s3cr3t"),
        ("<sessionId>s3cr3t</sessionId>", "s3cr3t"),
        ("<urn:password>s3cr3t</urn:password>", "s3cr3t"),
        (f"key:\n{PEM}\nend", "MIIEpAIBAAKCAQEA"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEcut", "MIIEcut"),
        ("postgresql://etl:s3cr3t@db/dw", "s3cr3t"),
    ],
)
def test_mask_hides(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in mask(text)
    assert "****" in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "extract Order: 1,234 rows in 2.0 s",
        "in/dev-Salesforce-Order/20261123T100000Z-0a1b2c3d/x-00001.parquet",
        "http://127.0.0.1:8733/services/data/v62.0/limits answered 200",
        "private_key: file:server.key: no such file",
        "client_secret = env:SF_SECRET",
        "the token was refused; a new session begins",
        "Set a password policy",
        "salesforce.private_key: is missing (auth = jwt needs it)",
        "session_id: unknown",
    ],
)
def test_mask_leaves_the_rest(text: str) -> None:
    assert mask(text) == text


def test_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "auto")
    logger.info("read %s", "Straße", extra={"object": "Order", "rows": 3})
    line = json.loads(capsys.readouterr().err)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "seil.test",
        "message": "read Straße",
        "object": "Order",
        "rows": 3,
    }


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@dataclass(frozen=True)
class Pair:
    name: str
    text: str = field(repr=False)


class Model(BaseModel):
    name: str
    text: str = Field(repr=False)


ITSELF: list[Any] = []
ITSELF.append(ITSELF)
ODD: list[Any] = [
    pytest.param("half a \ud83d", "half a \ud83d", id="half a character"),
    pytest.param({"half a \ud83d": {(1, 2): 3}}, {"half a \ud83d": {"(1, 2)": 3}}, id="keys"),
    pytest.param(b"\xff", "b'\\xff'", id="bytes"),
    pytest.param(Path("a/b"), "a/b", id="path"),
    pytest.param([float("nan"), float("inf"), 1.5], ["nan", "inf", 1.5], id="no numbers"),
    pytest.param(ValueError("bad"), "bad", id="exception"),
    pytest.param({1: ("x", None)}, {"1": ["x", None]}, id="nested"),
    pytest.param({"one": {"x"}}, {"one": ["x"]}, id="set"),
    pytest.param(Unspeakable(), "<Unspeakable>", id="unspeakable"),
    pytest.param(Pair("a", "hush"), "Pair(name='a')", id="dataclass"),
    pytest.param(Model(name="a", text="hush"), "name='a'", id="model"),
]


@pytest.mark.parametrize(("value", "expected"), ODD)
def test_json_line_has_a_place_for_any_value(
    value: object, expected: object, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO", "json")
    logger.info("odd", extra={"value": value})
    assert json.loads(capsys.readouterr().err)["value"] == expected


def test_json_line_writes_a_cyclic_list_as_far_as_it_goes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("INFO", "json")
    logger.info("odd", extra={"value": ITSELF})
    assert '"..."' in json.dumps(json.loads(capsys.readouterr().err)["value"])


SECRETS: list[Any] = [
    pytest.param({"password": 'hush, "hush" hush'}, {"password": "****"}, id="quotes"),
    pytest.param({"password": 4711}, {"password": "****"}, id="number"),
    pytest.param({"password": None}, {"password": None}, id="none"),
    pytest.param({"secret": {"a": "hush"}, "b": 1}, {"secret": "****", "b": 1}, id="object"),
    pytest.param([{"api_key": ["hush"]}], [{"api_key": "****"}], id="list"),
    pytest.param({"secret": "env:HUSH"}, {"secret": "env:HUSH"}, id="reference"),
    pytest.param("-----BEGIN PRIVATE KEY-----\nhush", "****", id="half a key"),
    pytest.param(b"client_secret=hush", "b'client_secret=****'", id="bytes"),
    pytest.param({"\ud83d": "client_secret=hush"}, {"\ud83d": "client_secret=****"}, id="fallback"),
    pytest.param({Pair("Bearer hush-hush", ""): 1}, {"Pair(name='Bearer ****')": 1}, id="key"),
]


@pytest.mark.parametrize(("value", "expected"), SECRETS)
def test_json_line_stays_one_when_a_secret_is_taken_out(
    value: object, expected: object, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO", "json")
    logger.info("odd", extra={"value": value, "after": 1})
    line = json.loads(capsys.readouterr().err)
    assert (line["value"], line["after"]) == (expected, 1)


def test_threads_that_log_at_once_write_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    def tell(thread: int) -> None:
        for number in range(100):
            logger.info("%d", number + thread * 100)

    configure("INFO", "json")
    with ThreadPoolExecutor(4) as threads:
        threads.map(tell, range(4))
    lines = capsys.readouterr().err.splitlines()
    assert sorted(int(json.loads(line)["message"]) for line in lines) == list(range(400))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET /a\n12:00:00 ERROR   seil: forged", "GET /a\n  12:00:00 ERROR   seil: forged"),
        ("\x1b[2Jgone\r\x9b\x7f", r"\x1b[2Jgone\x0d\x9b\x7f"),
        ("tab\tand Stra\u00dfe \u20ac", "tab\tand Stra\u00dfe \u20ac"),
    ],
    ids=["line", "terminal", "text"],
)
def test_text_line_cannot_be_forged(
    text: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO", "text")
    logger.warning("%s", text)
    assert capsys.readouterr().err.endswith(f" WARNING seil.test: {expected}\n")


def test_text_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "text")
    logger.warning("slow")
    assert capsys.readouterr().err.endswith(" WARNING seil.test: slow\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_stays_out_of_arguments_extras_and_tracebacks(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO", "text" if form == "text" else "json")
    try:
        raise ValueError(f"Bearer {SESSION}")
    except ValueError:
        logger.exception("%s", {"access_token": JWT}, extra={"body": f"client_secret={PEM}"})
    err = capsys.readouterr().err
    assert "Traceback" in err
    for secret in (SESSION, JWT, "MIIEpAIBAAKCAQEA"):
        assert secret not in err


def test_libraries_only_warn(capsys: pytest.CaptureFixture[str]) -> None:
    configure("DEBUG", "text")
    logging.getLogger("httpx").info("chatter")
    logger.debug("detail")
    assert "detail" in (err := capsys.readouterr().err)
    assert "chatter" not in err


def test_configure_twice_logs_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "text")
    configure("WARNING", "text")
    logger.info("quiet")
    logger.warning("once")
    assert capsys.readouterr().err.count("\n") == 1
