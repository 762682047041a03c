"""Log lines: their two shapes, and that no credential gets into either."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from seil.observe.logs import configure, mask

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


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("half a \ud83d", "half a \ud83d"),
        (b"\xff", "b'\\xff'"),
        (Path("a/b"), "a/b"),
        (float("nan"), float("nan")),
        (ValueError("bad"), "bad"),
        ({1: ("x", None)}, {"1": ["x", None]}),
    ],
    ids=repr,
)
def test_json_line_has_a_place_for_any_value(
    value: object, told: object, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO", "json")
    logger.info("odd", extra={"value": value})
    assert repr(json.loads(capsys.readouterr().err)["value"]) == repr(told)


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
