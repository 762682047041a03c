"""EventBridge's event patterns, which select a subscriber's events.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
Supported: literal values, `prefix`, `suffix`, `anything-but` (values or a prefix), `exists`, at
any depth. Any other operator is refused, so that no condition is silently ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from seil.errors import ConfigurationError, Problem
from seil.events.envelope import Event

_ABSENT = object()
_Test = Callable[[Any], bool]


class Pattern:
    """Keys are ANDed, the alternatives of a key ORed; comparisons are case-sensitive.

    Raises ConfigurationError with every part that is not supported.
    """

    def __init__(self, pattern: Mapping[str, Any]) -> None:
        problems: list[Problem] = []
        self._tests = list(_compile(pattern, (), problems))
        if not self._tests and not problems:
            problems.append(Problem("event pattern", "is empty", "name at least one field"))
        if problems:
            raise ConfigurationError(problems)

    def matches(self, event: Event) -> bool:
        body = event.to_dict()
        return all(
            any(test(value) for test in tests for value in _values(body, path))
            for path, tests in self._tests
        )


def _compile(
    pattern: Mapping[str, Any], path: tuple[str, ...], problems: list[Problem]
) -> Iterator[tuple[tuple[str, ...], list[_Test]]]:
    for name, condition in pattern.items():
        here = (*path, name)
        if isinstance(condition, Mapping):
            yield from _compile(condition, here, problems)
        elif isinstance(condition, list) and condition:
            try:
                yield here, [_test(alternative) for alternative in condition]
            except ValueError as error:
                problems.append(Problem("event pattern " + ".".join(here), str(error)))
        else:
            reason = "needs a list of alternatives"
            problems.append(Problem("event pattern " + ".".join(here), reason))


def _test(alternative: object) -> _Test:
    if not isinstance(alternative, Mapping):
        return lambda value: _is_equal(value, alternative)
    if len(alternative) != 1:
        raise ValueError(f"one operator at a time, not {sorted(alternative)}")
    [(operator, operand)] = alternative.items()
    if operator not in _OPERATORS:
        names = ", ".join(sorted(_OPERATORS))
        raise ValueError(f"operator {operator!r} is not supported (supported: {names})")
    return _OPERATORS[operator](operand)


def _prefix(operand: object) -> _Test:
    text = _text(operand)
    return lambda value: isinstance(value, str) and value.startswith(text)


def _suffix(operand: object) -> _Test:
    text = _text(operand)
    return lambda value: isinstance(value, str) and value.endswith(text)


def _exists(operand: object) -> _Test:
    if not isinstance(operand, bool):
        raise ValueError(f"exists is true or false, not {operand!r}")
    return lambda value: (value is not _ABSENT) is operand


def _anything_but(operand: object) -> _Test:
    if isinstance(operand, Mapping):
        if list(operand) != ["prefix"]:
            raise ValueError(f"anything-but takes values or a prefix, not {sorted(operand)}")
        tests = [_prefix(operand["prefix"])]
    else:
        values = operand if isinstance(operand, list) else [operand]
        tests = [_test(value) for value in values]
    return lambda value: value is not _ABSENT and not any(test(value) for test in tests)


_OPERATORS: dict[str, Callable[[object], _Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "exists": _exists,
    "anything-but": _anything_but,
}


def _text(operand: object) -> str:
    if not isinstance(operand, str):
        raise ValueError(f"needs a text, not {operand!r}")
    return operand


def _is_equal(value: object, literal: object) -> bool:
    # In JSON true is not 1, in Python it is.
    return isinstance(value, bool) is isinstance(literal, bool) and value == literal


def _values(body: object, path: Sequence[str]) -> list[object]:
    """The values at `path`, of every element of an array; `[_ABSENT]` if there is none."""
    if isinstance(body, list | tuple):
        values = [value for element in body for value in _values(element, path)]
        return [value for value in values if value is not _ABSENT] or [_ABSENT]
    if not path:
        return [body]
    if isinstance(body, Mapping) and path[0] in body:
        return _values(body[path[0]], path[1:])
    return [_ABSENT]
