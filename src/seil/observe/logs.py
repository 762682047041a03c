"""Log lines: readable on a terminal, one JSON object a line elsewhere, never with a secret."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal, TextIO

from pydantic_core import to_json
from typing_extensions import override

from seil.masking import looks_secret, mask, mask_values
from seil.observe.correlation import CorrelationFilter
from seil.observe.fields import FieldsFilter

__all__ = ["configure", "unconfigure"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_DEEPEST = 20
# A caller's path may hold any character: none may move a terminal's cursor.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


def _plain(value: Any, depth: int = _DEEPEST) -> Any:
    """As JSON has it. What is neither a list nor an object is its text: that hides what a model or
    a dataclass hides, and a serializer would not.
    """
    kind = type(value)
    if kind in _AS_THEY_ARE or (kind is float and isfinite(value)):
        return value
    if not depth:
        return "..."
    if isinstance(value, Mapping):
        return {_text(name): _plain(held, depth - 1) for name, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(held, depth - 1) for held in value]
    return _text(value)


def _text(value: Any) -> str:
    try:
        return repr(value) if isinstance(value, bytes | bytearray) else str(value)
    except Exception:  # noqa: BLE001 - a line is worth more than one of its values
        return f"<{type(value).__name__}>"


def _json(line: dict[str, Any]) -> str:
    try:
        return to_json(line).decode()
    except ValueError:  # Half of a surrogate pair.
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    @override
    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record)).translate(_CONTROLS)

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        # Indented: a second line cannot pass for a line of its own.
        return super().formatMessage(record).replace("\n", "\n  ")


class JsonFormatter(logging.Formatter):
    """Values given as `extra` become keys of their own."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{n: _plain(value) for n, value in vars(record).items() if n not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = _json(line)
        return _json(mask_values(line)) if looks_secret(text) else text


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is now: a progress display replaces it while it is up."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _stream: TextIO) -> None: ...


def configure(level: str, form: Literal["auto", "text", "json"]) -> None:
    """Sends every log line to stderr; calling it again replaces what was set up before."""
    unconfigure()
    handler = _StandardError()
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    # A run's recorder lets the logger pass INFO on, whatever is shown.
    handler.setLevel(level)
    handler.addFilter(CorrelationFilter())
    handler.addFilter(FieldsFilter())
    logging.getLogger().addHandler(handler)
    # Libraries get to say only what is wrong.
    logging.getLogger("seil").setLevel(level)


def unconfigure() -> None:
    """Undoes what `configure` did."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _StandardError)]:
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("seil").setLevel(logging.NOTSET)
