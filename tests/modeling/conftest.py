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

# Each takes ten seconds on Spark.
ON_SPARK = (
    "test_broken_tests_name_the_rows[spark-unique: [n, kind]",
    "test_incremental_builds_are_full_builds_on_every_engine[spark-some]",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    spare_spark(items, Path(__file__).parent, ON_SPARK)
