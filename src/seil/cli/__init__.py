"""The `seil` command: parses, calls, prints."""

from __future__ import annotations

import os


def main() -> None:
    # Asking every installed package whether it has a plugin takes pydantic 25 ms, a tenth of
    # `seil status`: https://docs.pydantic.dev/latest/concepts/plugins/
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from seil.cli.app import app

    app()
