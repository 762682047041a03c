"""Batches of curated files, each small enough for one commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seil.sf_to_dw.load.files import CuratedFile


@dataclass(frozen=True)
class BatchLimits:
    """Of one commit, so that a backlog commits step by step. Sizes are in bytes.

    Objects share a commit only up to the size `shared`: its rows take memory until it ends, and
    if it fails, all of them are loaded again.
    """

    files: int = 200
    size: int = 1 << 30
    shared: int = 16 << 20


def batches(files: Iterable[CuratedFile], limits: BatchLimits) -> Iterator[list[CuratedFile]]:
    batch: list[CuratedFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) >= limits.files or size + file.size > limits.size):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch
