"""Salesforce ETL Integration Layer: its Python API, docs/python.md.

Names are imported when they are first used: `import seil` alone loads no package and configures
nothing. Their types are in __init__.pyi.
"""

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "Event",
    "SeilError",
    "Site",
    "__version__",
    "open_site",
    "publish",
    "query",
    "run",
    "status",
]

_HOMES = {
    "Event": ("seil.events.envelope", "Event"),
    "SeilError": ("seil.errors", "SeilError"),
    "Site": ("seil.app.site", "Site"),
    "open_site": ("seil.app.site", "open_site"),
    "publish": ("seil.app.events", "publish"),
    "query": ("seil.app.queries", "query"),
    "run": ("seil.app.steps", "run"),
    "status": ("seil.app.status", "site_status"),
}

# pyarrow's Parquet writer always takes this pool, whatever `set_memory_pool` says, and asks for its
# name when it is imported first. mimalloc, the default, holds on to 60 MB more while a file of 153
# columns is written. glibc: builds for other C libraries have no jemalloc.
if "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {}):
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seil' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
