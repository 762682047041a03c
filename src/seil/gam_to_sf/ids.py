"""Ad Manager's ids, as Salesforce's text fields hold them."""

from __future__ import annotations

from seil.gam_to_sf.results import StepResult

_LARGEST = 2**63 - 1
_MOST_DIGITS = 19


def parse_id(text: str) -> int | None:
    """None for anything but the digits of an id, so that nothing else reaches a query."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        return None
    number = int(text)
    return number if 0 < number <= _LARGEST else None


def checked_id(record_id: str, value: object, result: StepResult) -> int | None:
    """The id that a record holds; without one, the record is a gap of the result."""
    text = "" if value is None else str(value)
    if not text:
        result.add_gap("without_id", record_id)
        return None
    number = parse_id(text)
    if number is None:
        result.add_gap("refused_id", f"{record_id}: {text!r:.80}")
    return number
