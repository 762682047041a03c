"""The Java that Spark runs on, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from seil.errors import ConfigurationError
from seil.warehouse.spark.java import require_java


def java_home(tmp_path: Path, answer: str) -> Path:
    program = tmp_path / "bin/java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("version", ["11.0.26", "17.0.15", "21.0.8", "23-ea"])
def test_a_java_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    home = java_home(tmp_path, f'openjdk version "{version}" 2025-04-15')
    monkeypatch.setenv("JAVA_HOME", str(home))
    require_java()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('java version "1.8.0_442"', "is Java 8: Spark needs Java 11 to 23"),
        ('openjdk version "25.0.2"', "is Java 25: Spark needs Java 11 to 23"),
        ("Segmentation fault", "does not say its version: Spark needs Java 11 to 23"),
    ],
    ids=["old", "new", "broken"],
)
def test_a_java_that_does_not_fit_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, reason: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path, answer)))
    with pytest.raises(ConfigurationError) as caught:
        require_java()
    (problem,) = caught.value.problems
    assert (problem.place, problem.reason) == ("warehouse.url", f"{tmp_path}/bin/java {reason}")
    assert "install Java 17" in problem.cure


@pytest.mark.parametrize("variable", ["JAVA_HOME", "PATH"])
def test_no_java_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(ConfigurationError, match="Spark needs Java: none found") as caught:
        require_java()
    assert "JAVA_HOME" in str(caught.value)
