"""The arguments of a job on Glue or by spark-submit."""

from __future__ import annotations

from pathlib import Path

import pytest

from seil.aws.spark_job import job_arguments
from seil.errors import ConfigurationError


def test_a_job_without_arguments_loads_and_builds() -> None:
    arguments = job_arguments([])
    assert (arguments.steps, arguments.config, arguments.variables) == (["load", "build"], None, {})


def test_arguments_of_glue_are_left_alone() -> None:
    words = (
        "--JOB_NAME nightly --seil-steps build --job-bookmark-option job-bookmark-disable --flag "
        "--seil-config=seil.toml --SEIL_LAKE__URL s3://lake --SEIL_WAREHOUSE__URL=spark://lakehouse"
    )
    arguments = job_arguments(words.split())
    assert (arguments.steps, arguments.config) == (["build"], Path("seil.toml"))
    expected = {"SEIL_LAKE__URL": "s3://lake", "SEIL_WAREHOUSE__URL": "spark://lakehouse"}
    assert arguments.variables == expected


def test_an_unknown_step_names_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no step 'extract' \(there are load, build"):
        job_arguments(["--seil-steps", "load,extract"])
