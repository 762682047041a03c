"""A job on AWS Glue, or by spark-submit: loads what curated has, builds the tables.

The script is one line: `from seil.aws.spark_job import main; main()`.
Arguments come as Glue passes them, `--name value`, and those that are not of this job are left
alone: `--seil-config seil.toml` (Glue: by `--extra-files`), `--seil-steps load,build`, and settings
by their variables' names, as in `--SEIL_LAKE__URL s3://lake`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seil.app import steps
from seil.app.site import Site
from seil.errors import ConfigurationError, Problem
from seil.observe import logs
from seil.settings import load_settings

_DEFAULT_STEPS = "load,build"
_VARIABLE = "SEIL_"


@dataclass(frozen=True)
class JobArguments:
    """`variables` are settings; `config` is None where the usual places are searched."""

    steps: Sequence[str]
    config: Path | None
    variables: Mapping[str, str]


def job_arguments(words: Sequence[str]) -> JobArguments:
    """Raises ConfigurationError for a step that does not exist."""
    values = dict(_pairs(words))
    names = [name.strip() for name in values.get("seil-steps", _DEFAULT_STEPS).split(",")]
    if wrong := [name for name in names if name not in _STEPS]:
        cure = f"there are {', '.join(_STEPS)}"
        raise ConfigurationError([Problem("--seil-steps", f"no step {wrong[0]!r}", cure)])
    config = values.get("seil-config")
    variables = {name: value for name, value in values.items() if name.startswith(_VARIABLE)}
    return JobArguments(names, Path(config) if config else None, variables)


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    """`--name value` and `--name=value`; a name without a value is left out."""
    pairs = []
    for word, following in zip(words, [*words, "--"][1:], strict=True):
        name, equals, value = word.partition("=")
        if name.startswith("--") and (equals or not following.startswith("--")):
            pairs.append((name.removeprefix("--"), value if equals else following))
    return pairs


def main(words: Sequence[str] | None = None) -> None:
    """Raises SystemExit(1), by which a job has failed, where a step has left something undone."""
    arguments = job_arguments(sys.argv[1:] if words is None else words)
    os.environ.update(arguments.variables)
    logs.configure("INFO", "json")  # For errors in the settings.
    settings = load_settings(arguments.config)
    logs.configure(settings.log.level, settings.log.format)
    with Site(settings) as site:
        done = [_STEPS[name](site) for name in arguments.steps]
    if not all(done):
        raise SystemExit(1)


def _load(site: Site) -> bool:
    report, copy = steps.load(site)
    return report.ok and copy.ok


def _build(site: Site) -> bool:
    report, copy = steps.build(site)
    return report.ok and copy.ok


_STEPS: Mapping[str, Callable[[Site], bool]] = {"load": _load, "build": _build}
