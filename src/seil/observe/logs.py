"""Log lines: text on a terminal, one JSON object per line elsewhere, never with a secret."""

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
_SCALARS = frozenset({str, int, bool, type(None)})
_MAX_DEPTH = 20
# A caller's path may contain control characters, which would reach the terminal.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


def _plain(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """A JSON value. Anything but scalars, lists and mappings becomes its str(), which hides what
    a model or dataclass excludes from its repr; a serializer would not.
    """
    kind = type(value)
    if kind in _SCALARS or (kind is float and isfinite(value)):
        return value
    if not depth:
        return "..."
    if isinstance(value, Mapping):
        return {_text(name): _plain(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth - 1) for item in value]
    return _text(value)


def _text(value: Any) -> str:
    try:
        return repr(value) if isinstance(value, bytes | bytearray) else str(value)
    except Exception:  # noqa: BLE001 - one bad value must not lose the line
        return f"<{type(value).__name__}>"


def _json(line: dict[str, Any]) -> str:
    try:
        return to_json(line).decode()
    except ValueError:  # A lone surrogate.
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    @override
    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record)).translate(_CONTROLS)

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        # Indented, so that no part of a message looks like a log line.
        return super().formatMessage(record).replace("\n", "\n  ")


class JsonFormatter(logging.Formatter):
    """Values of `extra` become top-level keys."""

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
    """Writes to the current sys.stderr, which a progress display replaces."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _stream: TextIO) -> None: ...


def configure(level: str, form: Literal["auto", "text", "json"]) -> None:
    """Sends every log line to stderr; calling it again replaces the earlier configuration."""
    unconfigure()
    handler = _StandardError()
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    # On the handler: a run's recorder lowers the logger's level to INFO.
    handler.setLevel(level)
    handler.addFilter(CorrelationFilter())
    handler.addFilter(FieldsFilter())
    logging.getLogger().addHandler(handler)
    # Other libraries keep the root's level, WARNING.
    logging.getLogger("seil").setLevel(level)


def unconfigure() -> None:
    """Undoes `configure`."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _StandardError)]:
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("seil").setLevel(logging.NOTSET)
