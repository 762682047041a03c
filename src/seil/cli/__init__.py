"""The `seil` command: parses, calls, prints."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

_INTERRUPTED = 130


def main() -> None:
    try:
        # Asking every installed package whether it has a plugin takes pydantic 25 ms, a tenth of
        # `seil status`: https://docs.pydantic.dev/latest/concepts/plugins/
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        _prepare_streams()
        from seil.cli.app import app

        app()
    except KeyboardInterrupt:
        # Before a command is under way, or behind its end.
        sys.stderr.write("interrupted\n")
        sys.exit(_INTERRUPTED)
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
