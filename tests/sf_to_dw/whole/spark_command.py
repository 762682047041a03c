"""A command of a site on Spark in a process of its own, which ends where its first argument says.

`-` is nowhere; `SIGINT build 1` is at the first of these moments, by that signal. Its moments are a
line of stdout each, as in `before decide load-...`; Java's process id is one, too.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import Any

from pyspark import SparkContext
from tests.sf_to_dw.narrow_model import narrow_models

import seil.app.site
from seil.cli.app import app
from seil.warehouse.spark.builds import SparkBuilder
from seil.warehouse.spark.commit_log import CommitLog, Intent
from seil.warehouse.spark.commits import Publisher

WATCHED = ((CommitLog, "decide"), (Publisher, "_publish"), (CommitLog, "finish"))

_counts: Counter[str] = Counter()
_commit = ""


def moment(name: str, end: tuple[str, ...]) -> None:
    kind = name if "stage" in name else f"{name} {_commit.partition('-')[0]}"
    _counts[kind] += 1
    sys.stdout.write(f"{kind} {_counts[kind]}\n")
    sys.stdout.flush()
    if end and (kind, str(_counts[kind])) == (" ".join(end[1:-1]), end[-1]):
        java = SparkContext._gateway.proc  # type: ignore[union-attr]
        sys.stdout.write(f"java {java.pid}\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.Signals[end[0]])


def watch(owner: type, name: str, end: tuple[str, ...]) -> None:
    call: Callable[..., Any] = getattr(owner, name)

    def watched(self: Any, *args: Any, **options: Any) -> Any:
        global _commit  # noqa: PLW0603
        if args and isinstance(args[0], Intent):
            _commit = args[0].commit_id
        moment(f"before {name}", end)
        result = call(self, *args, **options)
        moment(f"after {name}", end)
        return result

    setattr(owner, name, watched)


def main(where: str, *words: str) -> None:
    end = () if where == "-" else tuple(where.split())
    for owner, name in (*WATCHED, (SparkBuilder, "stage_table"), (SparkBuilder, "stage_change")):
        watch(owner, name, end)
    models = cached_property(lambda site: narrow_models(site.catalog))
    models.__set_name__(seil.app.site.Site, "models")
    seil.app.site.Site.models = models  # type: ignore[assignment]
    app(list(words))


if __name__ == "__main__":
    main(*sys.argv[1:])
