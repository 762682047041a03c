"""Salesforce ETL Integration Layer."""

import os

__version__ = "0.1.0"

# pyarrow's Parquet writer always takes this pool, whatever `set_memory_pool` says, and asks for its
# name when it is imported first. mimalloc, the default, holds on to 60 MB more while a file of 153
# columns is written. glibc: builds for other C libraries have no jemalloc.
if "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {}):
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
