"""How much memory pyarrow takes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def use_frugal_pool() -> None:
    """Use jemalloc in this process. Batches are allocated in one thread and freed in another: in
    that case jemalloc retains about 40 MB less than the default pool.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())


def without_read_ahead(rows: pa.Table | pa.RecordBatchReader) -> object:
    """What to register with DuckDB. DuckDB reads a reader through pyarrow's scanner, which holds
    up to 1 GiB that it read ahead; it takes the batches of a C stream one by one. Readable once.
    """
    if not isinstance(rows, pa.RecordBatchReader):
        return rows
    reader: Any = rows  # Its stub has no types here.
    return reader.__arrow_c_stream__()
