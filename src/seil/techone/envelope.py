"""SOAP 1.1 messages of TechOne's warehouse: requests as text, answers parsed as they arrive.

The elements are those of the service's WSDL; tests compare requests with those that zeep makes of
it. An answer can be a whole table, so that it is never held as a document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from seil.errors import UnexpectedAnswerError
from seil.techone.wire import SERVICE

__all__ = [
    "NAMESPACE",
    "AnswerPart",
    "WarehouseAuth",
    "WarehouseTable",
    "import_request",
    "parts",
    "read_request",
]

NAMESPACE = "http://TechnologyOneCorp.com/Public/Services"
_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_HEAD = (
    f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_ENVELOPE}"><s:Body>'
    f'<{{operation}} xmlns="{NAMESPACE}"><request {{attributes}}>'
)
_TAIL = "</request></{operation}></s:Body></s:Envelope>"
# A parser turns a carriage return into a line feed, except where it is a reference (XML 1.0, 2.11).
_RETURN = {"\r": "&#13;"}


@dataclass(frozen=True)
class WarehouseTable:
    warehouse: str
    name: str

    def __str__(self) -> str:
        return f"{self.warehouse}/{self.name}"


@dataclass(frozen=True)
class WarehouseAuth:
    """The element Auth, as attributes."""

    user: str
    password: str
    config: str
    function: str

    def __repr__(self) -> str:
        return f"WarehouseAuth(user={self.user!r}, function={self.function!r})"

    @property
    def element(self) -> str:
        values = {
            "UserId": self.user,
            "Password": self.password,
            "Config": self.config,
            "FunctionName": self.function,
        }
        return f"<Auth {_attributes(values)}/>"


@dataclass(frozen=True)
class AnswerPart:
    """`kind`: result, error, column, row, or fault. `name` is an error's code or a column's name,
    `text` the rest.
    """

    kind: str
    text: str = ""
    name: str = ""


def import_request(
    table: WarehouseTable, columns: Sequence[str], rows: Iterable[str], auth: WarehouseAuth
) -> bytes:
    """`rows` are lines of CSV without their line ends."""
    attributes = {
        "WarehouseName": table.warehouse,
        "WarehouseTableName": table.name,
        "ImportMode": "InsertMode",
    }
    names = "".join(f"<ColumnInfo {_attributes({'Name': name})}/>" for name in columns)
    lines = "".join(f"<Row>{escape(row, _RETURN)}</Row>" for row in rows)
    inside = f"{auth.element}<Columns>{names}</Columns><Rows>{lines}</Rows>"
    return _message("Warehouse_DoImport", attributes, inside)


def read_request(
    table: WarehouseTable, criteria: Mapping[str, str], auth: WarehouseAuth, *, equals: str = "="
) -> bytes:
    """Of the rows that have all values of `criteria`."""
    attributes = {
        "WarehouseName": table.warehouse,
        "WarehouseTableName": table.name,
        "RetrieveColumns": "true",
    }
    values = (
        {"PropertyName": name, "OperatorCode": equals, "Value": value}
        for name, value in criteria.items()
    )
    entries = "".join(f"<Criterion {_attributes(entry)}/>" for entry in values)
    inside = auth.element + (f"<Criteria>{entries}</Criteria>" if entries else "")
    return _message("Warehouse_DoRead", attributes, inside)


def parts(chunks: Iterable[bytes]) -> Iterator[AnswerPart]:
    """The parts of an answer, in its order.

    Raises UnexpectedAnswerError for what is no answer of the service, or a truncated one: then
    whether a request was carried out is unknown.
    """
    reader = _Reader()
    try:
        for chunk in chunks:
            yield from reader.feed(chunk)
        yield from reader.feed(b"", is_last=True)
    except expat.ExpatError as error:
        reason = expat.errors.messages[error.code]
        raise UnexpectedAnswerError(SERVICE, f"it is not whole XML ({reason})") from error
    if not reader.is_answer:
        raise UnexpectedAnswerError(SERVICE, "it is no answer of the warehouse")


def _message(operation: str, attributes: Mapping[str, str], inside: str) -> bytes:
    head = _HEAD.format(operation=operation, attributes=_attributes(attributes))
    return (head + inside + _TAIL.format(operation=operation)).encode()


def _attributes(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}={quoteattr(value)}" for name, value in values.items())


class _Reader:
    """Keeps the text of one element at a time."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add_text
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._text: list[str] = []
        self._parts: list[AnswerPart] = []
        self._fault_code = ""
        self.is_answer = False

    def feed(self, chunk: bytes, *, is_last: bool = False) -> list[AnswerPart]:
        self._parser.Parse(chunk, is_last)
        read, self._parts = self._parts, []
        return read

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._text.clear()
        local = name.rpartition(" ")[2]
        if local == "Errors":
            self.is_answer = True
            flags = {
                attributes.get("IsError", ""): "error",
                attributes.get("IsWarning", ""): "warning",
            }
            state = flags.get("true") or flags.get("1") or ""
            self._parts.append(AnswerPart("result", state))
        elif local == "ErrorItem":
            text = attributes.get("Description") or attributes.get("ShortDescription") or ""
            self._parts.append(AnswerPart("error", text, attributes.get("ErrorCode", "")))
        elif local == "ColumnInfo":
            self._parts.append(AnswerPart("column", name=attributes.get("Name", "")))

    def _end(self, name: str) -> None:
        namespace, _, local = name.rpartition(" ")
        text = "".join(self._text)
        if local == "Row":
            self._parts.append(AnswerPart("row", text))
        elif local == "faultcode":
            self._fault_code = text
        elif local == "faultstring" or (local == "Fault" and namespace != _ENVELOPE):
            self.is_answer = True
            self._parts.append(AnswerPart("fault", text, self._fault_code))
        self._text.clear()

    def _add_text(self, text: str) -> None:
        self._text.append(text)

    def _refuse(self, *_: object) -> None:
        raise UnexpectedAnswerError(SERVICE, "it declares a document type")
