"""The engine is tested with the packaged models, over a lake and a warehouse of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engines import servers, spare_spark, whole_engine
from tests.sf_to_dw.tables.conftest import bus, catalog, curator, lake, settings, warehouse

__all__ = [
    "bus",
    "catalog",
    "curator",
    "lake",
    "servers",
    "settings",
    "warehouse",
    "whole_engine",
]

# Each takes ten seconds on Spark: incremental builds, the tests of models, a model that fails.
ON_SPARK = (
    "test_a_day_begins_at_midnight_in_the_zone[spark-Asia/Kathmandu]",
    "test_a_model_that_cannot_run_fails_alone[spark-value]",
    "test_a_warning_is_reported_and_the_table_is_built[spark-accepted_values",
    "test_broken_tests_name_the_rows[spark-unique: [n, kind]",
    "test_incremental_builds_are_full_builds_on_every_engine",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    spare_spark(items, Path(__file__).parent, ON_SPARK)
