"""Every command that SEIL's own texts and pages name can be typed, as it stands there."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from seil.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = sorted((ROOT / "src" / "seil").rglob("*.py"))
_CLI: Any = typer.main.get_command(app)
_COMMANDS = "|".join(sorted(_CLI.commands))
_UsageError: Any = typer.BadParameter.__mro__[1]
_SPAN = re.compile(r"`(seil\s[^`]+)`")
_BARE = re.compile(rf"(?<![`\w./-])seil ({_COMMANDS})\b(?![^`]*`(?!s))")
_LINE = re.compile(r"^ *(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(seil .+?)(?:  +.*)?$")
# A text that is nothing but commands, to be put between backticks elsewhere.
_WHOLE = rf"seil ({_COMMANDS})\b[^:;]*(?<!\.)"
# What stands for a value: <key>, {name}, `object[.column]`, and the dots of `--as ...`.
_PLACE = re.compile(r"<[^>]*>|\{[^}]*\}|\.\.\.|…")


def strings(source: Path) -> Iterator[tuple[int, str]]:
    """Texts of a module, f-strings with {} for their values; no docstrings."""
    tree = ast.parse(source.read_text("utf-8"))
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield (
                node.lineno,
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{}"
                    for part in node.values
                ),
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped
        ):
            yield node.lineno, node.value


def commands_of_source(source: Path) -> Iterator[tuple[str, str]]:
    for number, text in strings(source):
        parts = text.split(", ") if re.fullmatch(_WHOLE, text) else []
        whole = [part for part in parts if part.startswith("seil ")]
        for command in (span for span in (*_SPAN.findall(text), *whole) if span != "seil {}"):
            yield f"{source.relative_to(ROOT)}:{number}", command


def commands_of_page(page: Path) -> Iterator[tuple[str, str]]:
    in_block = False
    text = page.read_text("utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            in_block = not in_block
        elif (in_block or line.startswith("    ")) and (match := _LINE.match(line)):
            yield f"{page.name}:{number}", match[1]
    for command in _SPAN.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        yield page.name, command


def problem(command: str) -> str:
    """Why it cannot be typed. A command with nothing but flags, or with an option last that wants a
    value, may be meant as a name.
    """
    words = shlex.split(_PLACE.sub("1", command).split(" | ")[0].split(" > ")[0])[1:]
    current: Any = _CLI
    context: Any = None
    try:
        while hasattr(current, "resolve_command"):
            context = current.make_context("seil", list(words), parent=context)
            _, current, words = current.resolve_command(
                context, [*context._protected_args, *context.args]
            )
        current.make_context("seil", list(words), parent=context)
    except typer.Exit:
        return ""  # --help, --version
    except _UsageError as error:
        kind = type(error).__name__
        is_name = all(word.startswith("--") for word in words) and (
            kind in ("MissingParameter", "NoArgsIsHelpError")
        )
        is_option = kind == "BadOptionUsage" and words[-1:] == [f"--{command.rpartition('--')[2]}"]
        return "" if is_name or is_option else error.format_message()
    except IndexError:
        return ""  # A group of commands, named without one of them.
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_can_be_typed(page: Path) -> None:
    wrong = {(at, c): why for at, c in commands_of_page(page) if (why := problem(c))}
    assert wrong == {}


def test_commands_in_messages_and_hints_can_be_typed() -> None:
    commands = [command for source in SOURCES for command in commands_of_source(source)]
    assert len(commands) > 40
    assert {(at, c): why for at, c in commands if (why := problem(c))} == {}


def test_commands_in_messages_stand_in_backticks() -> None:
    bare = [
        f"{source.relative_to(ROOT)}:{number}: {text}"
        for source in SOURCES
        for number, text in strings(source)
        if _BARE.search(_SPAN.sub("", text)) and not re.fullmatch(_WHOLE, text)
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("seil files list --state error", ""),
        ("seil files why <key>", ""),
        ("seil frobnicate", "No such command 'frobnicate'"),
        ("seil files list --colour", "No such option: --colour"),
        ("seil query --limit few 1", "should be a valid integer"),
        ("seil schema accept --as text", "Missing argument"),
    ],
)
def test_the_check_itself(command: str, why: str) -> None:
    assert why in problem(command)
    assert bool(problem(command)) == bool(why)
