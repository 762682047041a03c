"""A rebuild."""

from __future__ import annotations


class SparkReplacement:
    def __init__(self, *arguments: object) -> None: ...
