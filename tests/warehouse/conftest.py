from __future__ import annotations

from tests.engines import engine, engine_warnings, server, servers, warehouse

__all__ = ["engine", "engine_warnings", "server", "servers", "warehouse"]
