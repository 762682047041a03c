"""The command line of one bench, or of several."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

Options = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], None]


def shared_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--work", type=_folder, help="where to put files; default: a new folder")
    parser.add_argument("--write", action="store_true", help="keep results in docs/benchmarks.md")


def _folder(name: str) -> Path:
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_alone(options: Options, run: Run) -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    options(parser)
    shared_options(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seil-bench-", dir=args.work) as work:
        args.work = Path(work)
        run(args)
