"""What a warehouse has to pass, whichever engine serves it: `make conformance ENGINE=<name>`."""

from __future__ import annotations

from tests.engines import engine, servers, warehouse, whole_engine

__all__ = ["engine", "servers", "warehouse", "whole_engine"]
