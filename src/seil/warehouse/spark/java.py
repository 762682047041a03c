"""The Java that Spark runs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from seil.errors import ConfigurationError, Problem

# Iceberg 1.10 is compiled for 11; Spark 3.5 calls what 24 removed (JDK-8338625).
_OLDEST, _NEWEST = 11, 23
_CURE = (
    "install Java 17, such as Debian's openjdk-17-jre-headless; where PATH leads to another one, "
    "set JAVA_HOME"
)


def require_java() -> None:
    """Raises ConfigurationError unless there is a Java that Spark 3.5 runs on."""
    program = _program()
    if program is None:
        raise ConfigurationError([Problem("warehouse.url", "Spark needs Java: none found", _CURE)])
    version = _version(program)
    if version is None or not _OLDEST <= version <= _NEWEST:
        is_ = f"is Java {version}" if version else "does not say its version"
        reason = f"{program} {is_}: Spark needs Java {_OLDEST} to {_NEWEST}"
        raise ConfigurationError([Problem("warehouse.url", reason, _CURE)])


def _program() -> Path | None:
    """As Spark's own scripts choose it."""
    if home := os.environ.get("JAVA_HOME"):
        program = Path(home) / "bin/java"
        return program if program.is_file() else None
    first = shutil.which("java")
    return Path(first) if first else None


def _version(program: Path) -> int | None:
    """The feature release: 8 for 1.8.0_442, 17 for 17.0.15."""
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(match[1]) if match else None
