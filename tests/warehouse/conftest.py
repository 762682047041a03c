from __future__ import annotations

from tests.engines import engine, server, servers, warehouse

__all__ = ["engine", "server", "servers", "warehouse"]
