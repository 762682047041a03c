"""The `seil` command: parses, calls, prints."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from seil.interruption import TerminatedError, raised_signals

_INTERRUPTED = 130


def main() -> None:
    try:
        # Asking every installed package whether it has a plugin takes pydantic 25 ms, a tenth of
        # `seil status`: https://docs.pydantic.dev/latest/concepts/plugins/
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        _prepare_streams()
        with raised_signals():
            from seil.cli.app import app

            app()
    # Before a command is under way, or behind its end.
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(_INTERRUPTED)
    except TerminatedError as error:
        sys.stderr.write("terminated\n")
        sys.exit(error.exit_code)
    finally:
        # Another Ctrl-C, while threads are waited for, ends the process without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _prepare_streams() -> None:
    """They may be closed (`>&-`), and what is printed need not fit their encoding."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Open until the process ends.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        getattr(sys, name).reconfigure(errors="backslashreplace")
