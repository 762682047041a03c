"""DuckDB's SQL for reading Parquet files and for merging their rows by key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from seil.salesforce.ids import CHECK, ID_LETTERS
from seil.warehouse.merges import StagedFile
from seil.warehouse.sql import Sql, SqlName, compose, join, literal, quote
from seil.warehouse.types import TEXT, sql_type, stored_type

if TYPE_CHECKING:
    from seil.warehouse.types import Column

# Each checking character, and which of five characters are upper case then: "A,00000,B,10000,...".
_CODES = "".join(
    f"{check},{''.join(str(number >> place & 1) for place in range(5))},"
    for number, check in enumerate(CHECK)
)


def local_path(url: str) -> Path | None:
    """None where the file is not on this machine."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def column_list(columns: pa.Schema) -> Sql:
    """A table's column list."""
    return join(
        ", ", (compose("{name} {type}", name=SqlName(c.name), type=_type(c.type)) for c in columns)
    )


def names(columns: pa.Schema) -> Sql:
    return join(", ", map(quote, columns.names))


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
    return cast(file.columns[column.name], column.type)


def _with_full_ids(file: StagedFile, columns: pa.Schema) -> Sql:
    """What is selected from a projection. A level of its own: an Id is named eight times, and
    DuckDB plans a name in a fraction of the time of a cast.
    """
    ids = [
        compose("{id} AS {name}", id=full_id(quote(column.name)), name=SqlName(column.name))
        for column in columns
        if column.name in file.ids & file.columns.keys() and column.type == TEXT
    ]
    return compose("* REPLACE ({ids})", ids=join(", ", ids)) if ids else Sql("*")


def full_id(value: Sql) -> Sql:
    """Adds the checksum to an Id of 15 characters: see seil.salesforce.ids."""
    checks = (
        compose(
            "substr({codes}, strpos({codes}, substr(translate({value}, {letters}, {cases}), "
            "{start}, 5)) - 2, 1)",
            codes=_CODES,
            value=value,
            letters=f"{ascii_uppercase}{ascii_lowercase}{digits}",
            cases="1" * len(ascii_uppercase) + "0" * len(ascii_lowercase + digits),
            start=start,
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
            SELECT {with_ids} FROM (
                SELECT {projection}, {origin}, file_row_number AS _seil_row
                FROM read_parquet({path}, file_row_number = true, hive_partitioning = false)
            ) AS p""",
            with_ids=_with_full_ids(first, columns),
            projection=projection(first, columns),
            origin=_origin(*files[0]),
            path=str(local_path(first.url)),
        )
    return compose(
        """
        SELECT {with_ids} FROM (
            SELECT p.* EXCLUDE (_seil_path, _seil_row), f._file, f._extracted_at,
                   f._seil_file, p._seil_row
            FROM (
                SELECT {projection}, _seil_path, file_row_number AS _seil_row
                FROM read_parquet([{paths}], filename = '_seil_path', file_row_number = true,
                                  hive_partitioning = false)
            ) AS p JOIN ({origins}) AS f ON f._seil_path = p._seil_path
        ) AS r""",
        with_ids=_with_full_ids(first, columns),
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
        SELECT {with_ids} FROM (
            SELECT {projection}, {origin}, _seil_row FROM _seil_batches
        ) AS p""",
        with_ids=_with_full_ids(file, columns),
        projection=projection(file, columns),
        origin=_origin(number, file),
    )


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
