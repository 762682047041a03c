"""The `seil` command: parses, calls, prints."""

from __future__ import annotations


def main() -> None:
    from seil.cli.app import app

    app()
