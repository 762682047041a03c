"""python -m benchmarks [NAME ...]: the named benches, all when none is named."""

from __future__ import annotations

import argparse
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.command import shared_options

BENCHES = (
    "extract",
    "ingest",
    "models",
    "warehouses",
    "growth",
    "end_to_end",
    "idle",
    "push",
    "delivery",
    "events",
    "publishing",
    "iceberg",
    "startup",
    "api",
    "bodies",
)


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Each bench has sizes of its own: python -m benchmarks.extract --help",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    shared_options(parser)
    args = parser.parse_args()
    if unknown := set(args.names) - set(BENCHES):
        parser.error(f"no bench is called {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="seil-bench-", dir=args.work) as work:
        for name in args.names or BENCHES:
            module = import_module(f"benchmarks.{name}")
            sizes = argparse.ArgumentParser()
            module.options(sizes)
            shared = argparse.Namespace(work=Path(work), write=args.write)
            module.run(sizes.parse_args([], shared))


if __name__ == "__main__":
    _main()
