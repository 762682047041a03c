"""The connection to a warehouse in Iceberg tables: statements, commits, tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from sqlglot import exp

from seil.errors import StatementError, WarehouseError
from seil.warehouse.merges import FILE
from seil.warehouse.relational.row_merge import append_staged
from seil.warehouse.spark import rows as spark_rows
from seil.warehouse.spark.columns import (
    TIME,
    TIME_COLUMNS,
    column_list,
    is_widened,
    name_of,
    spark_type,
    stored_columns,
    stored_name,
    time_columns,
    unquoted,
)
from seil.warehouse.spark.commit_log import COMMIT_ID, CREATED_ON, CommitLog
from seil.warehouse.spark.commits import OpenCommit, Publisher
from seil.warehouse.spark.errors import is_missing, translated_errors
from seil.warehouse.spark.files_sql import cast
from seil.warehouse.spark.forms import SparkForms
from seil.warehouse.spark.iceberg import IcebergTable, load_table, stamped
from seil.warehouse.spark.layout import TableLayout, TableLayouts
from seil.warehouse.spark.properties import FILE_BYTES, TABLE_PROPERTIES, clause
from seil.warehouse.spark.reachable import reachable_files
from seil.warehouse.spark.staging import SparkStaging
from seil.warehouse.spark.statements import (
    NamedPlaces,
    Statement,
    resolve_select,
    tables_of,
    translate,
)
from seil.warehouse.spark.views import StoredViews
from seil.warehouse.sql import Sql, SqlName, compose, join, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import MergeOutcome, Misfits, OpenUrl, StagedFile
    from seil.warehouse.relational.merge_sql import RowKey
    from seil.warehouse.types import Column

_WAP_BRANCH = "spark.wap.branch"
_ROWS = "_seil_rows"
_NEXT = "__next"


class SparkConnection:
    """Tables without a schema are in the namespace `schema`. `suffix` is that of the namespaces of
    a warehouse beside another. `open_url` opens files that Spark cannot reach, where it runs in
    this process alone.
    """

    forms = SparkForms()

    def __init__(
        self,
        session: SparkSession,
        url: str,
        *,
        schema: str,
        suffix: str = "",
        read_only: bool = False,
        fence: Fence | None = None,
        open_url: OpenUrl | None = None,
        layouts: TableLayouts,
    ) -> None:
        self.session = session
        self.url = url
        self.schema = schema
        self.suffix = suffix
        self.read_only = read_only
        self.log = CommitLog(self)
        self.views = StoredViews(self)
        self._catalog = session.catalog.currentCatalog()
        self._fence = fence
        self._open_url = open_url
        self._layouts = layouts
        self.file_bytes = str(layouts.file_bytes)
        self._publisher = Publisher(self, self.log)
        self._staging = SparkStaging(self)
        self._commit: OpenCommit | None = None
        self._frames: dict[str, list[DataFrame]] = {}
        self._use_schema()

    def close(self) -> None:
        for name in list(self._frames):
            self.drop_temporary(name)

    def errors(self) -> AbstractContextManager[None]:
        return translated_errors(self.url)

    # Commits

    @contextmanager
    def transaction(self, commit_id: str = "prepare") -> Iterator[None]:
        commit = self._begin(commit_id)
        try:
            if self._fence and self._fence.token is not None:
                commit.token = self._fence.admit(self.url, self.log.token() or 0)
            yield
            self._end(commit)
        except BaseException:
            self.views.invalidate()
            if not commit.is_decided:
                self._leave()
                self._publisher.roll_back(commit)
            raise
        finally:
            self._leave()

    def recover(self) -> None:
        """Finishes or undoes what a killed commit left."""
        with self.errors():
            self.log.prepare()
            self._publisher.recover()

    def remove_dead_branches(self, table: TableName) -> int:
        """Of killed commits; no commit may be open. Returns how many."""
        return self._publisher.remove_branches(table)

    def _begin(self, commit_id: str) -> OpenCommit:
        if self.read_only:
            raise WarehouseError(self.url, "was opened for reading")
        if self._commit:
            raise RuntimeError("commits do not nest")
        with self.errors():
            self.recover()
            commit = OpenCommit(commit_id, self.log.prepare())
            self.session.conf.set(_WAP_BRANCH, commit.branch)
        self._commit = commit
        return commit

    def _end(self, commit: OpenCommit) -> None:
        if self._fence:
            self._fence.check()
        self._leave()
        with self.errors():
            try:
                self._publisher.publish(commit)
            except WarehouseError:
                if self._fence and self._fence.token is not None and not commit.is_decided:
                    # Of a later run, which has committed meanwhile.
                    self._fence.admit(self.url, self.log.token() or 0)
                raise

    def _leave(self) -> None:
        self._commit = None
        with self.errors():
            self.session.conf.unset(_WAP_BRANCH)

    def stamped(self, commit_id: str) -> AbstractContextManager[None]:
        """Snapshots written in the block are of that commit."""
        return stamped(self.session, {COMMIT_ID: commit_id})

    def _own_stamp(self) -> AbstractContextManager[None]:
        return self.stamped(self._commit.id) if self._commit else nullcontext()

    # Statements

    def execute(self, sql: str) -> None:
        statement = self._translate(sql)
        self.run(statement.sql)
        if statement.target:
            self._note_write(statement.target)

    def query(self, sql: str) -> pa.Table:
        return self.collect(self.frame(sql))

    @contextmanager
    def stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        with self.stream_frame(self.frame(sql)) as rows:
            yield rows

    def frame(self, sql: str) -> DataFrame:
        """Of a SELECT in SEIL's own dialect."""
        statement = self._translate(sql)
        with self.errors():
            return self.session.sql(statement.sql)

    def native_frame(self, select: str) -> DataFrame:
        """Of a SELECT in Spark's dialect."""
        is_placed = self.suffix or (self._commit and self._commit.places)
        if is_placed or FILE in select.lower() or self.views.occur_in(select):
            select = resolve_select(select, self._names)
        with self.errors():
            return self.session.sql(select)

    def collect(self, frame: DataFrame) -> pa.Table:
        with self.errors():
            rows = spark_rows.collect(frame)
        return rows.rename_columns(spark_rows.named_schema(rows.schema).names)

    @contextmanager
    def stream_frame(self, frame: DataFrame) -> Iterator[pa.RecordBatchReader]:
        schema = spark_rows.named_schema(spark_rows.result_schema(frame))

        def batches() -> Iterator[pa.RecordBatch]:
            with self.errors():
                for batch in spark_rows.stream(frame):
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

        yield pa.RecordBatchReader.from_batches(schema, batches())

    def _translate(self, sql: str) -> Statement:
        return translate(sql, self._names)

    @property
    def _names(self) -> NamedPlaces:
        return NamedPlaces(
            self._node,
            lambda table: self.existing_columns(table).names,
            self.views.selects(),
        )

    # NamedPlaces

    def place(self, table: TableName) -> str:
        """Its identifier in Spark's dialect."""
        if self._commit:
            table = self._commit.places.get(table, table)
        namespace = self._namespace(table.schema)
        return ".".join(map(name_of, (self._catalog, namespace, table.name)))

    def _namespace(self, schema: str) -> str:
        return f"{schema or self.schema}{self.suffix}"

    def _node(self, table: TableName) -> exp.Table:
        if self._commit:
            table = self._commit.places.get(table, table)
        return exp.table_(
            table.name, db=self._namespace(table.schema), catalog=self._catalog, quoted=True
        )

    def load(self, table: TableName) -> IcebergTable | None:
        """None where there is no such table."""
        with self.errors():
            return load_table(self.session, self.place(table))

    # Tables

    def tables(self, schema: str = "") -> list[str]:
        place = f"{name_of(self._catalog)}.{name_of(self._namespace(schema))}"
        with self.errors():
            try:
                entries = spark_rows.collect(self.session.sql(f"SHOW TABLES IN {place}"))
            except (AnalysisException, Py4JJavaError) as error:
                if is_missing(error):
                    return []
                raise
        names = {str(row["tableName"]) for row in entries.to_pylist() if not row["isTemporary"]}
        if self._commit:
            names -= {t.name for t in self._commit.dropped if t.schema == schema}
            names -= {t.name for t in self._commit.places.values() if t.schema == schema}
        return sorted(names)

    def columns(self, table: TableName) -> pa.Schema | None:
        if self._commit and table in self._commit.dropped:
            return None
        if view := self.views.selects().get(table):
            return self._view_columns(view)
        loaded = self.load(table)
        return loaded.columns() if loaded else None

    def _view_columns(self, select: str) -> pa.Schema:
        """Times of the day are those that the tables have which it reads."""
        sources = [self.columns(table) for table in tables_of(select)]
        times = {name for source in sources if source for name in time_columns(source)}
        columns = spark_rows.named_schema(spark_rows.result_schema(self.frame(select)))
        return pa.schema([c.with_type(TIME) if c.name in times else c for c in columns])

    def existing_columns(self, table: TableName) -> pa.Schema:
        """Raises StatementError if there is no such table."""
        columns = self.columns(table)
        if columns is None:
            raise StatementError(self.url, f"there is no table {table}")
        return columns

    def create_table(self, table: TableName, columns: pa.Schema, *, key: str = "") -> None:
        commit = self._commit
        if commit and table in commit.dropped:
            commit.dropped.remove(table)
            if columns.equals(self.existing_columns(table)):
                self.empty(table)
                return
            beside = TableName(table.schema, f"{table.name}{_NEXT}")
            self._create_in_commit(beside, columns, instead_of=table)
            commit.places[table] = beside
        elif self.load(table) is None:
            self._create_in_commit(table, columns)

    def _create_in_commit(
        self, table: TableName, columns: pa.Schema, *, instead_of: TableName | None = None
    ) -> None:
        if self._commit:
            self._commit.created.append(table)
            with self.errors():
                self.log.open(self._commit.branch, self._commit.created)
        layout = self.layout(instead_of or table).of_columns(list(map(stored_name, columns.names)))
        branch = self._commit.branch if self._commit else ""
        self.create_bare(table, columns, branch=branch, layout=layout)

    def create_bare(
        self,
        table: TableName,
        columns: pa.Schema,
        *,
        branch: str = "",
        layout: TableLayout | None = None,
    ) -> None:
        """At once, whether in a commit or not; with its branch in one."""
        layout = layout or TableLayout()
        properties = self._properties() | ({CREATED_ON: branch} if branch else {})
        if times := time_columns(columns):
            properties[TIME_COLUMNS] = json.dumps(times)
        self._create_namespace(table.schema)
        statement = compose(
            "CREATE TABLE IF NOT EXISTS {place} ({columns}) USING iceberg {partitions} "
            "TBLPROPERTIES ({properties})",
            place=Sql(self.place(table)),
            columns=column_list(columns),
            partitions=Sql(layout.partition_clause()),
            properties=clause(properties),
        )
        self.run(statement)
        self._sort(table, layout)

    def layout(self, table: TableName) -> TableLayout:
        """That of the settings, else that which the table has."""
        loaded = self.load(table)
        return self._layouts.layout(table, loaded.layout() if loaded else TableLayout())

    def _sort(self, table: TableName, layout: TableLayout) -> None:
        if layout.order:
            self.run(f"ALTER TABLE {self.place(table)} {layout.order_clause()}")

    def _properties(self) -> dict[str, str]:
        return TABLE_PROPERTIES | {FILE_BYTES: self.file_bytes}

    def _create_namespace(self, schema: str) -> None:
        place = f"{name_of(self._catalog)}.{name_of(self._namespace(schema))}"
        self.run(f"CREATE NAMESPACE IF NOT EXISTS {place}")
        if not schema or schema == self.schema:
            self._use_schema()

    def drop_namespace(self, schema: str) -> None:
        """Does nothing if there is none. It has to be empty."""
        place = f"{name_of(self._catalog)}.{name_of(self._namespace(schema))}"
        self.run(f"DROP NAMESPACE IF EXISTS {place}")

    def _use_schema(self) -> None:
        """So that names without a schema lead to its tables."""
        place = f"{name_of(self._catalog)}.{name_of(self._namespace(''))}"
        try:
            self.session.sql(f"USE {place}")
        except (AnalysisException, Py4JJavaError) as error:
            if not is_missing(error):
                raise

    @contextmanager
    def replaced_table(
        self, table: TableName, columns: pa.Schema, *, key: str = ""
    ) -> Iterator[None]:
        self.drop(table)
        self.create_table(table, columns, key=key)
        yield

    def replace_content(self, table: TableName, relation: str) -> None:
        """Makes the rows of a temporary table the whole table, with their columns and types."""
        with self.errors():
            frame = self.session.table(name_of(relation))
        columns = stored_columns(spark_rows.result_schema(frame))
        with self.replaced_table(table, columns):
            self.insert_frame(table, frame, columns.names)

    def empty(self, table: TableName) -> None:
        self.run(compose("DELETE FROM {place}", place=Sql(self.place(table))))
        self._note_write(table)

    def add_column(self, table: TableName, column: Column) -> None:
        if self._commit:
            if self._fence:
                self._fence.check()
            self._publisher.publish_shape(self._commit)
            self._commit.added.append((table, column.name))
        place = self.place(table)
        self.run(f"ALTER TABLE {place} ADD COLUMN {column_list(pa.schema([column]))}")
        loaded = self.load(table)
        if time_columns(pa.schema([column])) and loaded:
            times = json.loads(loaded.properties().get(TIME_COLUMNS, "[]"))
            text = clause({TIME_COLUMNS: json.dumps([*times, column.name])})
            self.run(f"ALTER TABLE {place} SET TBLPROPERTIES ({text})")

    def drop_column(self, table: TableName, column: str) -> None:
        if self.load(table) is not None:
            self.run(f"ALTER TABLE {self.place(table)} DROP COLUMN {name_of(stored_name(column))}")

    def change_type(self, table: TableName, column: Column) -> None:
        """Iceberg widens few types: the others take a copy of the table."""
        columns = self.existing_columns(table)
        current = columns.field(column.name)
        if is_widened(current.type, column.type):
            self.run(
                f"ALTER TABLE {self.place(table)} ALTER COLUMN {name_of(column.name)} "
                f"TYPE {spark_type(column.type)}"
            )
            return
        values = (
            compose("{value} AS {name}", value=cast(current, column.type), name=SqlName(field.name))
            if field.name == column.name
            else quote(field.name)
            for field in columns
        )
        select = compose("SELECT {values} FROM {table}", values=join(", ", values), table=table)
        content = self.frame(select)
        changed = pa.schema([column if c.name == column.name else c for c in columns])
        self._replace_by(table, changed, content)

    def _replace_by(self, table: TableName, columns: pa.Schema, content: DataFrame) -> None:
        if self._commit is None:
            raise RuntimeError("a table is replaced in a commit only")
        beside = TableName(table.schema, f"{table.name}{_NEXT}")
        if table in self._commit.places:
            beside = TableName(table.schema, f"{self._commit.places[table].name}_")
        self._create_in_commit(beside, columns, instead_of=table)
        self.insert_frame(beside, content, columns.names)
        self._commit.places[table] = beside

    def replace_bare(self, table: TableName, source: TableName) -> None:
        """Makes a table what another is, in one step."""
        loaded = self.load(source)
        layout = loaded.layout() if loaded else TableLayout()
        properties = self._properties()
        if loaded and (times := loaded.properties().get(TIME_COLUMNS)):
            properties[TIME_COLUMNS] = times
        replace = """
            CREATE OR REPLACE TABLE {place} USING iceberg {partitions}
            TBLPROPERTIES ({properties}) AS SELECT * FROM {source}"""
        self.run(
            compose(
                replace,
                place=Sql(self.place(table)),
                partitions=Sql(layout.partition_clause()),
                properties=clause(properties),
                source=Sql(self.place(source)),
            )
        )

        self._sort(table, layout)

    def drop(self, table: TableName) -> None:
        if self.columns(table) is None:
            return
        if self._commit is None:
            self.drop_bare(table)
        elif table in self._commit.created:
            self._commit.created.remove(table)
            self._commit.written.discard(table)
            self.drop_bare(table)
        else:
            self._commit.dropped.add(table)

    def drop_bare(self, table: TableName) -> None:
        """At once, with its files."""
        self.run(f"DROP TABLE IF EXISTS {self.place(table)} PURGE")

    def append(self, table: TableName | Sql, rows: pa.Table | pa.RecordBatchReader) -> None:
        batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
        if isinstance(table, Sql):
            self._append_temporary(unquoted(table), batches, rows.schema)
            return
        columns = self.existing_columns(table)
        schema = pa.schema([columns.field(name) for name in rows.schema.names])
        with self.errors():
            frame = spark_rows.frame_of(self.session, batches, schema)
        self.insert_frame(table, frame, columns.names)

    def insert_frame(self, table: TableName, frame: DataFrame, columns: Sequence[str]) -> None:
        """Matches columns by name; missing ones are null."""
        present = set(frame.columns)
        names = [stored_name(name) for name in columns]
        values = (name_of(n) if n in present else Sql(f"NULL AS {name_of(n)}") for n in names)
        insert = compose(
            "INSERT INTO {place} SELECT {values} FROM {rows}",
            place=Sql(self.place(table)),
            values=join(", ", values),
            rows=Sql(_ROWS),
        )
        with self.errors():
            frame.createOrReplaceTempView(_ROWS)
            try:
                self.run(insert)
            finally:
                self.session.catalog.dropTempView(_ROWS)
        self._note_write(table)

    def run(self, statement: str) -> None:
        """In Spark's dialect."""
        with self.errors(), self._own_stamp():
            self.session.sql(statement)

    def _note_write(self, table: TableName) -> None:
        if self._commit and table.schema + table.name and not self._is_temporary(table):
            self._commit.written.add(self._commit.places.get(table, table))

    def _is_temporary(self, table: TableName) -> bool:
        return not table.schema and table.name in self._frames

    # Temporary tables

    def create_temporary(self, name: str, content: Sql | pa.Schema) -> None:
        if isinstance(content, Sql):
            self.hold(name, self.frame(content))
            return
        with self.errors():
            self.show(name, spark_rows.frame_of(self.session, [], content))

    def hold(self, name: str, frame: DataFrame) -> None:
        """The rows as they are now, whatever becomes of the tables that they come from."""
        with self.errors():
            self.show(name, frame.localCheckpoint(eager=True))

    def show(self, name: str, frame: DataFrame) -> None:
        """A temporary table whose rows are computed when it is read."""
        with self.errors():
            frame.createOrReplaceTempView(name_of(name))
        self._frames[name] = [frame]

    def _append_temporary(
        self,
        name: str,
        batches: Sequence[pa.RecordBatch] | pa.RecordBatchReader,
        columns: pa.Schema,
    ) -> None:
        frames = self._frames[name]
        with self.errors():
            stored = spark_rows.result_schema(frames[0])
            schema = pa.schema([stored.field(stored_name(n)).with_name(n) for n in columns.names])
            part = spark_rows.frame_of(self.session, batches, schema)
            frames.append(part)
            whole = reduce(spark_rows.union, frames[1:], frames[0])
            whole.createOrReplaceTempView(name_of(name))

    def drop_temporary(self, name: str) -> None:
        self._frames.pop(name, None)
        with self.errors():
            self.session.catalog.dropTempView(name)

    # Views, descriptions, files

    def create_view(self, view: TableName, select: Sql) -> None:
        self.views.create(view, select)

    def drop_view(self, view: TableName) -> None:
        self.views.drop(view)

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None:
        """A view has no place for them."""
        loaded = self.load(table)
        if loaded:
            docs = {stored_name(name): doc for name, doc in columns.items()}
            with self.errors():
                loaded.comment(text, docs)

    def staged_rows(
        self, files: Sequence[StagedFile], columns: pa.Schema
    ) -> AbstractContextManager[Sql]:
        return self._staging.rows(files, columns)

    def append_new(
        self, table: TableName, files: Sequence[StagedFile], columns: pa.Schema, *, key: RowKey
    ) -> Mapping[int, MergeOutcome]:
        return append_staged(self, table, files, columns, key=key)

    def misfits(self, source: TableName | StagedFile, column: str, target: pa.DataType) -> Misfits:
        return self._staging.misfits(source, column, target)

    def reachable(
        self, files: Sequence[StagedFile]
    ) -> AbstractContextManager[Sequence[StagedFile]]:
        return reachable_files(self.session, self.url, files, self._open_url)
