"""What `seil move` answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from seil.app.documents.base import JsonDocument
from seil.app.move import MoveResult
from seil.sf_to_dw.move import MovePlan
from seil.warehouse.equality import ComparedTable


@dataclass(frozen=True)
class DifferencePart:
    """`column` is empty where one warehouse lacks the row or table, `key` where columns differ."""

    key: Mapping[str, str]
    column: str
    current: str
    new: str


@dataclass(frozen=True)
class ComparedPart:
    """`rows` were equal; `difference` is the first one, by key."""

    table: str
    rows: int
    difference: DifferencePart | None

    @classmethod
    def of(cls, compared: ComparedTable) -> Self:
        first = compared.difference
        part = DifferencePart(first.key, first.column, first.one, first.other) if first else None
        return cls(str(compared.table), compared.rows, part)


@dataclass(frozen=True)
class MoveDocument(JsonDocument, schema="seil.move/1", command="seil move"):
    source: str
    target: str
    already_there: bool
    resumed: bool
    equal: bool
    switched: bool
    setting: str
    line: str
    files: int
    rows: int
    tables: Sequence[ComparedPart]
    refused: Sequence[str]
    left_behind: Sequence[str]

    @classmethod
    def of(cls, result: MoveResult) -> Self:
        report = result.report
        return cls(
            source=report.plan.source,
            target=report.plan.target,
            already_there=report.plan.is_current,
            resumed=report.plan.is_begun,
            equal=report.is_equal,
            switched=result.is_switched,
            setting=result.setting,
            line=result.line,
            files=report.files,
            rows=report.rows,
            tables=[ComparedPart.of(table) for table in report.compared],
            refused=report.refused,
            left_behind=report.plan.left_behind,
        )


@dataclass(frozen=True)
class MovePlanDocument(JsonDocument, schema="seil.move-plan/1", command="seil move --dry-run"):
    source: str
    target: str
    already_there: bool
    resumed: bool
    files: int
    tables: Sequence[str]
    left_behind: Sequence[str]

    @classmethod
    def of(cls, plan: MovePlan) -> Self:
        return cls(
            source=plan.source,
            target=plan.target,
            already_there=plan.is_current,
            resumed=plan.is_begun,
            files=plan.files,
            tables=plan.tables,
            left_behind=plan.left_behind,
        )
