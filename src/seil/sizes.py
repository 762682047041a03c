"""Bytes as people read and write them."""

from __future__ import annotations

import re


def size(count: int) -> str:
    """`12 B`, `1.5 KB`, `3.0 TB`."""
    amount = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1_000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1_000
    return f"{amount:.1f} TB"


def doubled(amount: str) -> str:
    """`1.5 GB` -> `3GB`."""
    number, unit = re.split(r" ?(?=[A-Za-z])", amount, maxsplit=1)
    return f"{2 * float(number):g}{unit}"
