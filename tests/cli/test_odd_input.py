"""Whatever is typed, and wherever it is printed: one clear line, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.limits import HANGS

Seil = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]

ODD = ["", " ", ".", "..", "../../etc/passwd", "a\x00b", "🦘", "-", "\udcff", "x" * 5_000, "9" * 30]
ODD += ["\x1b[31m\u202e"]
HUGE = "9" * 30

# Every command that takes a word, with the place for it.
WORDS = [
    ["plan", "{}"],
    ["run", "{}"],
    ["run", "--every", "{}"],
    ["extract", "{}"],
    ["ingest", "{}"],
    ["ingest", "--from", "{}"],
    ["ingest", "--from", "folder", "--object", "{}"],
    ["load", "{}"],
    ["load", "--as-text", "{}"],
    ["build", "{}"],
    ["listen", "--once", "--sweep", "{}"],
    ["reconcile", "{}"],
    ["status", "{}"],
    ["files", "why", "{}"],
    ["files", "retry", "{}"],
    ["files", "--object", "{}"],
    ["files", "--state", "{}"],
    ["files", "--limit", "{}"],
    ["schema", "diff", "{}"],
    ["schema", "accept", "{}"],
    ["schema", "accept", "Account", "--as", "{}"],
    ["events", "--since", "{}"],
    ["events", "--until", "{}"],
    ["events", "--object", "{}"],
    ["events", "--text", "{}"],
    ["events", "--type", "{}"],
    ["events", "--limit", "{}"],
    ["events", "redeliver", "{}"],
    ["events", "dead", "--subscriber", "{}"],
    ["query", "{}"],
    ["query", "SELECT 1", "--limit", "{}"],
    ["lineage", "{}"],
    ["lineage", "--down", "{}"],
    ["export", "feed", "{}"],
    ["export", "feed", "--to", "file/{}"],
    ["init", "--config", "file/{}"],
    ["--config", "{}", "status"],
    ["--config", "file/{}", "doctor"],
    ["sandbox", "tick", "--state", "{}"],
    ["sandbox", "tick", "--url", "{}"],
    ["sandbox", "reset", "--yes", "--state", "{}"],
    ["sandbox", "salesforce", "--state", "file/{}"],
    ["sandbox", "salesforce", "--port", "{}"],
    ["sandbox", "admanager", "--state", "file/{}"],
    ["sandbox", "techone", "--state", "file/{}"],
    ["login", "--no-browser", "--wait", "1s", "--port", "{}"],
    ["serve", "--sandbox", "--port", "{}", "--host", "256.0.0.1"],
    ["demo", "--folder", "file/{}"],
    ["demo", "--folder", "file", "--orders", "{}"],
    ["{}"],
]


@pytest.fixture
def site(home: Path, unused_port: int) -> Path:
    """A warehouse without a table, an org that is down, a file and a folder."""
    (home / "seil.toml").write_text(
        f'[salesforce]\nlogin_url = "http://127.0.0.1:{unused_port}"\nattempts = 1\n'
    )
    (home / "file").write_text("a file")
    (home / "folder").mkdir()
    (home / "seil-data").mkdir()
    duckdb.connect(str(home / "seil-data" / "warehouse.duckdb")).close()
    return home


# Each command with a quarter of the texts, each text with a quarter of the commands.
SOME = [pytest.param(line, ODD[n % 4 :: 4], id=" ".join(line)) for n, line in enumerate(WORDS)]
ALL = [
    pytest.param(line, ODD, marks=pytest.mark.matrix, id=f"{' '.join(line)}, every text")
    for line in WORDS
]


@pytest.mark.parametrize(("line", "texts"), SOME + ALL)
def test_no_word_ends_in_a_traceback(
    seil: Seil, site: Path, line: list[str], texts: list[str]
) -> None:
    for odd in texts:
        # The fixture raises what the command did not expect.
        ran = seil(*(part.replace("{}", odd) for part in line))
        assert ran.code in range(7), (odd, ran)
        assert not {"\x1b", "\u202e"} & {*ran.out, *ran.err}, odd
        if ran.code >= 2:
            assert ran.err.strip(), odd
            assert "Input should be" not in ran.err
            assert "Value error" not in ran.err


@pytest.mark.parametrize(
    "number", ["-1", HUGE, "1.5", "one"], ids=["negative", "huge", "fraction", "word"]
)
@pytest.mark.parametrize(
    "line", [["events", "--limit"], ["files", "--limit"], ["query", "SELECT 1", "--limit"]]
)
def test_no_number_ends_in_a_traceback(
    seil: Seil, site: Path, line: list[str], number: str
) -> None:
    ran = seil(*line, number)
    assert ran.code == (0 if number == HUGE else 2)
    assert "Input should be" not in ran.err


@pytest.mark.parametrize("config", ["folder", "file/seil.toml", "none.toml", "a\x00b"])
@pytest.mark.parametrize("command", ["status", "doctor", "run"])
def test_settings_that_cannot_be_read(seil: Seil, site: Path, command: str, config: str) -> None:
    ran = seil("--config", config, command)
    assert ran.code == (1 if command == "doctor" and "\0" not in config else 2)


def _shell(home: Path, line: str) -> tuple[int, str]:
    """What it answers on stderr; `$SEIL` is the command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SEIL")}
    ran = subprocess.run(
        ["sh", "-c", line],
        check=False,
        capture_output=True,
        text=True,
        cwd=home,
        env={**clean, "SEIL": f"{sys.executable} -m seil"},
        timeout=HANGS,
    )
    return ran.returncode, ran.stderr


@pytest.mark.parametrize(
    ("line", "codes", "words"),
    [
        ("$SEIL status >&-", {0}, ""),
        pytest.param("$SEIL status --json >&-", {0}, "", marks=pytest.mark.matrix),
        ("$SEIL status >&- 2>&-", {0}, ""),
        ("$SEIL status >/dev/full", {3}, "error: the answer cannot be written: No space left"),
        pytest.param(
            "$SEIL --json status >/dev/full",
            {3},
            "error: the answer cannot be written: No space",
            marks=pytest.mark.matrix,
        ),
        ("PYTHONIOENCODING=ascii $SEIL status 🦘", {2}, "is not an object of the catalog"),
        ("$SEIL files why $(printf '\\377') --json", {1}, ""),
    ],
)
def test_no_stream_ends_in_a_traceback(site: Path, line: str, codes: set[int], words: str) -> None:
    code, err = _shell(site, line)
    assert code in codes, err
    assert words in err
    assert "Traceback" not in err
    assert "Error:" not in err


@pytest.mark.parametrize("url", ["duckdb:mine", "duckdb:/", "duckdb:..", "duckdb::memory:", "x"])
@pytest.mark.parametrize(
    "line", [["status"], ["query", "SELECT 1"], ["load"], ["rebuild"]], ids=str
)
def test_what_is_no_warehouse_file_is_refused(
    home: Path, seil: Seil, line: list[str], url: str
) -> None:
    """A rebuild moves no folder of the user's away as a broken warehouse."""
    (home / "mine").mkdir()
    (home / "mine" / "kept").touch()
    (home / "seil.toml").write_text(f"[warehouse]\nurl = '{url}'\n")
    ran = seil(*line)
    assert ran.code == (0 if ran.out.startswith("Nothing has been read yet") else 2)
    assert line == ["status"] or "warehouse.url: " in ran.err
    assert (home / "mine" / "kept").exists()


# Before that, a signal meets the interpreter and not SEIL.
_SAYS_WHEN_MAIN_IMPORTS = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "seil.cli.app":
            print("up", flush=True)

sys.meta_path.insert(0, Finder())
from seil.cli import main
main()
"""


@pytest.mark.parametrize("after", [0.0, 0.05, 0.15, 0.4, 1.0])
@pytest.mark.parametrize(
    "line", [["sandbox", "salesforce", "--state", "org", "--orders", "300", "--port", "0"]]
)
def test_ctrl_c_at_any_moment(home: Path, line: list[str], after: float) -> None:
    """Also while typer is imported, and while the org is made."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SEIL")}
    with subprocess.Popen(
        [sys.executable, "-c", _SAYS_WHEN_MAIN_IMPORTS, *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env=clean,
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == "up\n"
        time.sleep(after)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=HANGS)
    assert "Traceback" not in err, err
    assert running.returncode in (0, 130), err
