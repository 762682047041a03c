"""The view of merged records: which record was merged into which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.relational.versions_sql import version_stamp
from seil.warehouse.sql import Sql, SqlName, compose, join

if TYPE_CHECKING:
    from seil.warehouse.merges import MergeSource
    from seil.warehouse.relational.database import RelationalDatabase
    from seil.warehouse.tables import TableName

_NONE = Sql(
    "SELECT '' AS object, '' AS loser_id, '' AS winner_id, TIMESTAMPTZ '-infinity' AS merged_at"
    " WHERE false"
)


def show_merged_records(
    database: RelationalDatabase, view: TableName, sources: Sequence[MergeSource]
) -> None:
    database.create_view(
        view,
        compose(
            "WITH {recursive} merged AS ({merges}), {chains}",
            recursive=database.forms.recursive,
            merges=join(" UNION ALL ", (_NONE, *_merges(database, sources))),
            chains=database.forms.last_winners(),
        ),
    )


def _merges(database: RelationalDatabase, sources: Sequence[MergeSource]) -> Iterator[Sql]:
    for source in sources:
        columns = database.columns(source.table)
        if columns is None:
            continue
        yield compose(
            """
            SELECT {name} AS object, CAST(t.{key} AS VARCHAR) AS loser_id,
                   CAST(t.masterrecordid AS VARCHAR) AS winner_id, {stamp} AS merged_at
            FROM {table} AS t
            WHERE t.masterrecordid IS NOT NULL AND {deleted}""",
            name=source.object,
            key=SqlName(source.key),
            stamp=version_stamp(database.forms, columns, "t"),
            deleted=database.forms.try_cast(Sql("t.isdeleted"), pa.bool_()),
            table=source.table,
        )
