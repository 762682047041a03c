"""Checks of a push before its values: object, key, fields and the query's columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seil.dw_to_sf.definition import PushDefinition
from seil.errors import ConfigurationError, Problem
from seil.salesforce.writes.rules import FieldRule, ObjectRules
from seil.wrong_values import suggest


def checked_rules(
    definition: PushDefinition, rules: ObjectRules, columns: Sequence[str]
) -> dict[str, FieldRule]:
    """Field rules by their name in the definition. `columns` are the query's.

    Raises ConfigurationError with every problem.
    """
    problems = [
        *_object_problems(definition, rules),
        *_key_problems(definition, rules, columns),
        *_field_problems(definition, rules, columns),
    ]
    if problems:
        raise ConfigurationError(problems)
    return {name: rule for name in definition.fields if (rule := rules.get(name))}


def _object_problems(definition: PushDefinition, rules: ObjectRules) -> Iterator[Problem]:
    allowed = {
        "insert": rules.createable,
        "update": rules.updateable,
        "upsert": rules.createable and rules.updateable,
        "delete": rules.deletable,
    }
    if not allowed[definition.operation]:
        reason = f"this user may not {definition.operation} its records"
        yield Problem(f"push {definition.name}: object {definition.object}", reason)
    if definition.operation in ("insert", "upsert"):
        mapped = {name.lower() for name in (*definition.fields, definition.key)}
        for name in rules.required:
            if name.lower() not in mapped:
                place = f"push {definition.name}: fields.{name}"
                yield Problem(place, "is required for a new record but not mapped")


def _key_problems(
    definition: PushDefinition, rules: ObjectRules, columns: Sequence[str]
) -> Iterator[Problem]:
    place = f"push {definition.name}: key {definition.key}"
    rule = rules.get(definition.key)
    if rule is None:
        yield _unknown(place, definition.key, rules)
    elif definition.key != rule.name:
        yield Problem(place, "differs from the field's name in case", f"write {rule.name}")
    elif definition.operation in ("update", "delete") and definition.key != "Id":
        yield Problem(place, f"{definition.operation} is by Id", "use upsert for an external id")
    elif definition.operation == "upsert" and not rule.is_external_id:
        keys = ", ".join(field.name for field in rules.fields if field.is_external_id) or "none"
        yield Problem(place, "is no external id of the object", f"its external ids: {keys}")
    elif definition.operation == "insert" and definition.key == "Id":
        yield Problem(place, "a new record has no Id yet", "name a field with unique values")
    for column in (definition.source_key, *([definition.parent] if definition.parent else [])):
        if column not in columns:
            yield _no_column(definition, column, columns)


def _field_problems(
    definition: PushDefinition, rules: ObjectRules, columns: Sequence[str]
) -> Iterator[Problem]:
    for name, field in definition.fields.items():
        place = f"push {definition.name}: fields.{name}"
        rule = rules.get(name)
        if rule is None:
            yield _unknown(place, name, rules)
        elif definition.operation == "insert" and not rule.createable:
            yield Problem(place, "cannot be set on a new record by this user")
        elif definition.operation in ("update", "upsert") and not rule.updateable:
            yield Problem(place, "cannot be updated by this user")
        if field.column not in columns:
            yield _no_column(definition, field.column, columns)


def _unknown(place: str, name: str, rules: ObjectRules) -> Problem:
    hint = suggest(name, [rule.name for rule in rules.fields])
    return Problem(place, f"is no field of {rules.name} visible to this user", hint)


def _no_column(definition: PushDefinition, column: str, columns: Sequence[str]) -> Problem:
    hint = suggest(column, columns) or f"it returns {', '.join(columns)}"
    return Problem(f"push {definition.name}: query", f"gives no column {column}", hint)
