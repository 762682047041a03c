"""DuckDB's SQL for reading Parquet files and for merging their rows by key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from seil.salesforce.ids import CHECK, ID_LETTERS
from seil.warehouse.merges import StagedFile
from seil.warehouse.sql import Sql, SqlName, compose, join, literal
from seil.warehouse.types import TEXT, sql_type, stored_type

if TYPE_CHECKING:
    from seil.warehouse.duckdb.change_log import ChangeLog
    from seil.warehouse.types import Column


def local_path(url: str) -> Path | None:
    """None where the file is not on this machine."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def column_list(columns: pa.Schema) -> Sql:
    """A table's column list."""
    return join(
        ", ", (compose("{name} {type}", name=SqlName(c.name), type=_type(c.type)) for c in columns)
    )


def cast(column: Column, target: pa.DataType) -> Sql:
    """The column cast to a type; empty text becomes null."""
    value = compose("{name}", name=SqlName(column.name))
    if stored_type(column.type) == TEXT:
        # Curated files of earlier versions contain empty texts.
        template = "nullif({value}, '')" if target == TEXT else "nullif(trim({value}::VARCHAR), '')"
        value = compose(template, value=value)
    return compose("CAST({value} AS {type})", value=value, type=_type(target))


def projection(file: StagedFile, columns: pa.Schema) -> Sql:
    """The file's values cast to the types of `columns`, null where the file lacks one."""
    values = (
        compose("{value} AS {name}", value=_value(file, column), name=SqlName(column.name))
        for column in columns
    )
    return join(", ", values)


def _value(file: StagedFile, column: Column) -> Sql:
    if column.name not in file.columns:
        return compose("CAST(NULL AS {type})", type=_type(column.type))
    value = cast(file.columns[column.name], column.type)
    return _full_id(value) if column.name in file.ids and column.type == TEXT else value


def _full_id(value: Sql) -> Sql:
    """Adds the checksum to an Id of 15 characters: see seil.salesforce.ids."""
    checks = (
        compose(
            "substr({letters}, 1 + {upper}, 1)",
            letters=CHECK,
            upper=join(
                " + ",
                (
                    compose(
                        "CASE WHEN substr({value}, {place}, 1) BETWEEN 'A' AND 'Z' "
                        "THEN {bit} ELSE 0 END",
                        value=value,
                        place=start + number,
                        bit=2**number,
                    )
                    for number in range(5)
                ),
            ),
        )
        for start in (1, 6, 11)
    )
    return compose(
        "CASE WHEN length({value}) = 15 AND regexp_matches({value}, {letters}) "
        "THEN {value} || {checks} ELSE {value} END",
        value=value,
        letters=ID_LETTERS,
        checks=join(" || ", checks),
    )


def rows_of(files: Sequence[tuple[int, StagedFile]], columns: pa.Schema) -> Sql:
    """Rows of local files of one schema, with the file's number and the row's position."""
    first = files[0][1]
    if len(files) == 1:
        return compose(
            """
            SELECT {projection}, {origin}, file_row_number AS _seil_row
            FROM read_parquet({path}, file_row_number = true, hive_partitioning = false)""",
            projection=projection(first, columns),
            origin=_origin(*files[0]),
            path=str(local_path(first.url)),
        )
    return compose(
        """
        SELECT p.* EXCLUDE (_seil_path, _seil_row), f._file, f._extracted_at,
               f._seil_file, p._seil_row
        FROM (
            SELECT {projection}, _seil_path, file_row_number AS _seil_row
            FROM read_parquet([{paths}], filename = '_seil_path', file_row_number = true,
                              hive_partitioning = false)
        ) AS p JOIN ({origins}) AS f ON f._seil_path = p._seil_path""",
        projection=projection(first, columns),
        paths=join(", ", (literal(str(local_path(file.url))) for _, file in files)),
        origins=join(
            " UNION ALL ",
            (
                compose(
                    "SELECT {path} AS _seil_path, {origin}",
                    path=str(local_path(file.url)),
                    origin=_origin(n, file),
                )
                for n, file in files
            ),
        ),
    )


def _origin(number: int, file: StagedFile) -> Sql:
    """The columns whose values are the same in all rows of a file."""
    return compose(
        "{file} AS _file, {at}::TIMESTAMPTZ AS _extracted_at, {number}::BIGINT AS _seil_file",
        file=file.file,
        at=file.extracted_at.isoformat(),
        number=number,
    )


def staging_table(columns: pa.Schema) -> Sql:
    return compose(
        "CREATE OR REPLACE TEMP TABLE _seil_staged ({columns}, _file VARCHAR, "
        "_extracted_at TIMESTAMPTZ, _seil_file BIGINT, _seil_row BIGINT)",
        columns=column_list(columns),
    )


def copy_batches(number: int, file: StagedFile, columns: pa.Schema) -> Sql:
    return compose(
        """
        INSERT INTO temp.main._seil_staged
        SELECT {projection}, {origin}, _seil_row FROM _seil_batches""",
        projection=projection(file, columns),
        origin=_origin(number, file),
    )


def first_rows(staged: Sql, key: str, columns: pa.Schema) -> Sql:
    """Per file, the counts if the table is empty; `_keys` is the number of keys in all files."""
    return compose(
        """
        WITH staged AS (
            SELECT _seil_file, nullif({key}::VARCHAR, '') AS key, {deleted} AS deleted
            FROM ({staged})
        )
        SELECT _seil_file, count(*) FILTER (NOT deleted) AS inserted,
               count(*) FILTER (deleted) AS deleted,
               (SELECT count(DISTINCT key) FROM staged) AS _keys
        FROM staged GROUP BY _seil_file""",
        staged=staged,
        key=_key(key),
        deleted=_is_deleted(columns),
    )


def rank(staged: Sql, target: Sql, key: str, columns: pa.Schema) -> Sql:
    """One row per staged row: whether it wins its key against the others and the table's row."""
    return compose(
        """
        CREATE OR REPLACE TEMP TABLE _seil_ranked AS
        WITH staged AS (
            SELECT _seil_file, _seil_row, nullif({key}::VARCHAR, '') AS key,
                   {deleted} AS deleted, {stamps}, _extracted_at, _file
            FROM ({staged})
        ), placed AS (
            SELECT *, row_number() OVER (
                PARTITION BY key
                ORDER BY stamp DESC, modified DESC, _extracted_at DESC, _file DESC,
                         _seil_file DESC, _seil_row DESC
            ) AS place
            FROM staged
        ), existing AS (
            SELECT {key}::VARCHAR AS key, {deleted} AS deleted, {stamps}, _extracted_at, _file
            FROM {target}
        )
        SELECT p._seil_file, p._seil_row, p.key, k.key IS NOT NULL AS in_table,
               p.key IS NOT NULL AND p.place = 1 AND (
                   k.key IS NULL
                   OR row(p.stamp, p.modified, p._extracted_at, p._file)
                      > row(k.stamp, k.modified, k._extracted_at, k._file)
               ) AS wins,
               k.stamp = p.stamp AND k.modified = p.modified AS same_version,
               p.deleted AND NOT coalesce(k.deleted, false) AS newly_deleted
        FROM placed AS p LEFT JOIN existing AS k ON k.key = p.key""",
        staged=staged,
        target=target,
        key=_key(key),
        deleted=_is_deleted(columns),
        stamps=_stamps(columns),
    )


def log_changes(target: Sql, staged: Sql, key: str, log: tuple[Sql, ChangeLog]) -> Sql:
    """Logs the records that are about to be replaced and their replacements; identical pairs cancel
    each other out.
    """
    table, change_log = log
    return compose(
        """
        INSERT INTO {log} BY NAME
        SELECT {sequence}::BIGINT AS _sequence, bool_or(_is_old) AS _is_old, {columns} FROM (
            SELECT true AS _is_old, {columns} FROM {target} AS t
            WHERE t.{key}::VARCHAR IN (
                SELECT key FROM temp.main._seil_ranked WHERE wins AND in_table)
            UNION ALL
            SELECT false, {columns} FROM ({staged}) AS s
            SEMI JOIN (SELECT * FROM temp.main._seil_ranked WHERE wins) AS r
            ON r._seil_file = s._seil_file AND r._seil_row = s._seil_row
        ) GROUP BY ALL HAVING count(*) = 1""",
        log=table,
        sequence=change_log.sequence,
        columns=join(", ", (compose("{name}", name=SqlName(name)) for name in change_log.columns)),
        target=target,
        key=SqlName(key),
        staged=staged,
    )


def delete_replaced(target: Sql, key: str) -> Sql:
    return compose(
        "DELETE FROM {target} WHERE {key}::VARCHAR IN "
        "(SELECT key FROM temp.main._seil_ranked WHERE wins AND in_table)",
        target=target,
        key=_key(key),
    )


def version_key(key: str, columns: pa.Schema) -> Sql:
    """Identifies a version of a record: its key and its stamp."""
    stamps = [
        compose("TRY_CAST({name} AS TIMESTAMPTZ)", name=SqlName(name))
        for name in ("systemmodstamp", "lastmodifieddate")
        if name in columns.names
    ]
    return compose(
        "(nullif({key}::VARCHAR, '') || ' ' "
        "|| coalesce(epoch_us(coalesce({stamps}))::VARCHAR, ''))",
        key=SqlName(key),
        stamps=join(", ", [*stamps, Sql("CAST(NULL AS TIMESTAMPTZ)")]),
    )


def _key(key: str) -> str:
    return key if isinstance(key, Sql) else SqlName(key)


def insert_winners(target: Sql, staged: Sql, *, all_win: bool) -> Sql:
    winners = """
        SEMI JOIN (SELECT * FROM temp.main._seil_ranked WHERE wins) AS r
        ON r._seil_file = s._seil_file AND r._seil_row = s._seil_row"""
    return compose(
        "INSERT INTO {target} BY NAME "
        "SELECT s.* EXCLUDE (_seil_file, _seil_row) FROM ({staged}) AS s {winners}",
        target=target,
        staged=staged,
        winners=Sql("" if all_win else winners),
    )


OUTCOMES = """
    SELECT _seil_file, count(*) FILTER (wins AND in_table) AS _replaced,
           count(*) FILTER (wins) AS _won,
           count(*) FILTER (key IS NULL) AS without_key,
           count(*) FILTER (key IS NOT NULL AND NOT wins) AS superseded,
           count(*) FILTER (wins AND newly_deleted) AS deleted,
           count(*) FILTER (wins AND NOT newly_deleted AND NOT in_table) AS inserted,
           count(*) FILTER (wins AND NOT newly_deleted AND in_table AND same_version) AS unchanged,
           count(*) FILTER (wins AND NOT newly_deleted AND in_table AND NOT same_version) AS updated
    FROM temp.main._seil_ranked GROUP BY _seil_file"""


def _stamps(columns: pa.Schema) -> Sql:
    """Both stamps, -infinity where they are missing, so that they compare."""
    values = {
        name: compose("TRY_CAST({name} AS TIMESTAMPTZ)", name=SqlName(name))
        for name in ("systemmodstamp", "lastmodifieddate")
        if name in columns.names
    }
    oldest = Sql("TIMESTAMPTZ '-infinity'")
    return compose(
        "coalesce({stamps}) AS stamp, coalesce({modified}, {oldest}) AS modified",
        stamps=join(", ", [*values.values(), oldest]),
        modified=values.get("lastmodifieddate", oldest),
        oldest=oldest,
    )


def _is_deleted(columns: pa.Schema) -> Sql:
    has_flag = "isdeleted" in columns.names
    return Sql("coalesce(TRY_CAST(isdeleted AS BOOLEAN), false)" if has_flag else "false")


def misfits(relation: Sql, column: str, target: pa.DataType) -> Sql:
    """Counts texts that cannot be cast to a type without loss; null and empty text can."""
    text = compose("nullif(trim({name}), '')", name=SqlName(column))
    return compose(
        """
        SELECT count(*) AS number, min({name}) AS example FROM {relation}
        WHERE {text} IS NOT NULL AND (
            TRY_CAST({text} AS {type}) IS NULL
            OR TRY_CAST({text} AS {type}) IS DISTINCT FROM TRY_CAST({text} AS {lossless}))""",
        name=SqlName(column),
        relation=relation,
        text=text,
        type=_type(target),
        lossless=_lossless(target),
    )


def _lossless(target: pa.DataType) -> Sql:
    """A type that keeps the digits that a cast of text to the target would round away."""
    if isinstance(target, pa.Decimal128Type):
        return Sql(f"DECIMAL(38,{38 - (target.precision - target.scale)})")
    if pa.types.is_integer(target):
        return Sql("DECIMAL(38,18)")
    return Sql("TIMESTAMP") if pa.types.is_date(target) else _type(target)


def _type(target: pa.DataType) -> Sql:
    return Sql(sql_type(target))
