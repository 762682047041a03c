"""What commands share: an opened site, logging, progress."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from seil.app.site import Site
    from seil.cli.frame import Call
    from seil.observe.progress import Progress
    from seil.settings import Settings

logger = logging.getLogger(__name__)


@contextmanager
def opened(call: Call) -> Iterator[Site]:
    """The site of one command, with logging set up as its options say."""
    from seil.app.site import Site
    from seil.settings import load_settings, unknown_variables

    settings = load_settings(call.config)
    _set_up_logging(call, settings)
    for problem in unknown_variables(settings):
        logger.warning("%s", problem)
    with Site(settings) as site:
        yield site


def _set_up_logging(call: Call, settings: Settings) -> None:
    from seil.observe import logs

    level = settings.log.level
    if call.verbose:
        level = "DEBUG"
    elif call.quiet or not call.narrated or sys.stderr.isatty():
        # Where bars tell what happens, and where nothing happens, only what is wrong is logged.
        level = "ERROR" if level == "ERROR" else "WARNING"
    logs.configure(level, settings.log.format)
    logging.captureWarnings(capture=True)


@contextmanager
def shown_progress(call: Call) -> Iterator[Progress]:
    """Bars on a terminal, log lines elsewhere, nothing on --quiet."""
    from seil.observe.progress import SILENT
    from seil.observe.terminal import LogProgress, bars

    if call.quiet:
        yield SILENT
    elif sys.stderr.isatty() and not call.verbose:
        from seil.cli.output import console

        with bars(console(stderr=True)) as progress:
            yield progress
    else:
        yield LogProgress()


def announcement(call: Call) -> Callable[[timedelta], None]:
    """Tells a person how long a repeated command waits."""

    def announce(wait: timedelta) -> None:
        if not (call.json or call.quiet):
            from seil.app import wording

            print(f"Next run in {wording.duration(wait)}; Ctrl-C ends it.", flush=True)

    return announce
