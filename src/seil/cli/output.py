"""What commands print: tables that fit a terminal, plain columns elsewhere, JSON on request."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from seil.app.documents.base import to_json
from seil.app.wording import duration, moment, printable

if TYPE_CHECKING:
    from rich.console import Console

    from seil.app.documents.error import ErrorPart

_GAP = "  "


@dataclass(frozen=True)
class Bad:
    """A value that somebody should look at: red on a terminal."""

    value: Any


def console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def line(text: str = "", *, style: str = "") -> None:
    """One line on stdout. `style` is rich's (`red`, `dim`, `bold`), and only for terminals."""
    text = printable(text, lines=True)
    if style and sys.stdout.isatty():
        console().print(text, style=style)
    else:
        print(text)


def shortened(name: str, width: int) -> str:
    """Without its middle where it is longer: many API names begin with one package's prefix."""
    if len(name) <= width:
        return name
    head = width // 6
    return f"{name[:head]}..{name[head + 2 - width :]}"


def paragraph(content: str, *, label: str = "", width: int = 0, style: str = "") -> None:
    """Broken into lines of a terminal's width, indented behind a label of `width` characters."""
    indent = " " * (width + 3 if label else 4)
    head = f"  {label.ljust(width)} " if label else "  "
    columns = shutil.get_terminal_size((80, 24)).columns
    wrapped = textwrap.wrap(
        text(content),
        max(columns - len(indent), 40),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for number, part in enumerate(wrapped):
        line(f"{indent if number else head}{part}", style=style)


def emit_error(error: ErrorPart) -> None:
    """In one line, so that it ends a stream of documents as well as it stands for one."""
    from seil.app.documents.error import ErrorDocument
    from seil.masking import mask

    masked = replace(error, message=mask(error.message), hint=mask(error.hint))
    emit_line(ErrorDocument(masked))


def age(as_of: datetime | None) -> None:
    """Of what was just printed, where it comes from the readers' copy. On stderr, so that it never
    is part of an answer that a program reads.
    """
    if as_of:
        old = duration(datetime.now(UTC) - as_of)
        console(stderr=True).print(
            f"As of {text(as_of)}, {old} ago.", style="dim", highlight=False, soft_wrap=True
        )


def emit(value: Any) -> None:
    """One JSON document on stdout."""
    print(to_json(value, indent=2))


def emit_line(value: Any) -> None:
    """One JSON document in one line, out at once: for streams of them."""
    print(to_json(value), flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, exact: bool = False) -> None:
    """Numbers stand right, with thousands separators unless they have to be `exact`."""
    values = [list(row) for row in rows]
    texts = [[text(value, exact=exact) for value in row] for row in values]
    right = [
        bool(values) and all(_is_number(row[n]) or row[n] is None for row in values)
        for n in range(len(columns))
    ]
    if sys.stdout.isatty():
        _draw(columns, values, texts, right)
        return
    widths = [max(len(t) for t in column) for column in zip(columns, *texts, strict=True)]
    for row in [list(columns), *texts]:
        cells = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        print(_GAP.join(cells).rstrip())


def records(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Wide rows, a line a value."""
    width = max(len(name) for name in names)
    for number, row in enumerate(rows, 1):
        line(f"row {number:,}", style="bold")
        for name, value in zip(names, row, strict=True):
            print(f"  {name.ljust(width)}  {text(value, exact=True)}".rstrip())


def text(value: Any, *, exact: bool = False) -> str:
    """A value as people read it, in one line."""
    content = value.value if isinstance(value, Bad) else value
    match content:
        case None:
            words = ""
        case bool():
            words = "yes" if content else "no"
        case int() if not exact:
            words = f"{content:,}"
        case datetime():
            words = moment(content, exact=exact)
        case timedelta():
            words = duration(content)
        case _:
            words = str(content)
    return printable(words)


def _draw(
    columns: Sequence[str], table_values: list[list[Any]], texts: list[list[str]], right: list[bool]
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for n, (name, is_right) in enumerate(zip(columns, right, strict=True), 1):
        # Only the last column, where long texts stand, is broken into lines.
        drawn.add_column(
            Text(name),
            justify="right" if is_right else "left",
            no_wrap=n < len(columns),
            overflow="fold" if n == len(columns) else "ellipsis",
        )
    for values, row in zip(table_values, texts, strict=True):
        pairs = zip(values, row, strict=True)
        drawn.add_row(*(Text(t, style="red" if isinstance(v, Bad) else "") for v, t in pairs))
    console().print(drawn)


def _is_number(value: Any) -> bool:
    from decimal import Decimal

    if isinstance(value, Bad):
        return _is_number(value.value)
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
