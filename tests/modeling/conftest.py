"""The engine is tested with the packaged models, over a lake and a warehouse of theirs."""

from __future__ import annotations

from tests.engines import servers, whole_engine
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
