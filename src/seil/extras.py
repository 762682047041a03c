"""Optional dependencies: the extras of pyproject.toml."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seil.errors import MissingExtraError

__all__ = ["requires"]


@contextmanager
def requires(extra: str) -> Iterator[None]:
    """Raises MissingExtraError if the block imports a package that is not installed.

    The base has no extra: its name is empty.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = error.name or ""
        if not (extra and module) or module.partition(".")[0] == "seil":
            raise
        raise MissingExtraError(extra, module) from error
