"""Iceberg's tables through its Java interface: what SQL does not say, or says more slowly.

https://iceberg.apache.org/javadoc/1.10.0/
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException

from seil.warehouse.spark.columns import TIME_COLUMNS, table_columns
from seil.warehouse.spark.errors import is_missing
from seil.warehouse.spark.jvm import java, java_session
from seil.warehouse.spark.layout import TableLayout, field_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

MAIN = "main"
_ENVIRONMENT = threading.Lock()


@dataclass(frozen=True)
class IcebergTable:
    """As it was when it was loaded."""

    session: SparkSession
    java: Any

    def columns(self) -> pa.Schema:
        times = json.loads(self.properties().get(TIME_COLUMNS, "[]"))
        return table_columns(self._schema_json(), times)

    def properties(self) -> Mapping[str, str]:
        return dict(self.java.properties())

    def refs(self) -> frozenset[str]:
        """Names of its branches and tags."""
        return frozenset(self.java.refs().keySet())

    def summary(self, ref: str = MAIN) -> Mapping[str, str]:
        """Of the snapshot that a branch or tag leads to; empty where there is none."""
        reference = self.java.refs().get(ref)
        return dict(self.java.snapshot(reference.snapshotId()).summary()) if reference else {}

    def head(self) -> int | None:
        """The current snapshot's id; None before the first."""
        snapshot = self.java.currentSnapshot()
        return None if snapshot is None else int(snapshot.snapshotId())

    def layout(self) -> TableLayout:
        schema = self.java.schema()
        partitions = [
            field_of(str(field.transform().toString()), schema.findColumnName(field.sourceId()))
            for field in self.java.spec().fields()
        ]
        order = [
            schema.findColumnName(field.sourceId())
            + (" desc" if str(field.direction().name()) == "DESC" else "")
            for field in self.java.sortOrder().fields()
        ]
        return TableLayout(partitions, order)

    def comment(self, text: str, columns: Mapping[str, str]) -> None:
        """Changes nothing where it has these descriptions already."""
        fields = json.loads(self._schema_json())["fields"]
        stored = {field["name"]: field.get("doc", "") for field in fields}
        changed = {n: doc for n, doc in columns.items() if stored.get(n, doc) != doc}
        change = self.java.newTransaction()
        if self.properties().get("comment") != text:
            change.updateProperties().set("comment", text).commit()
        if changed:
            update = change.updateSchema()
            for name, doc in changed.items():
                update.updateColumnDoc(name, doc)
            update.commit()
        change.commitTransaction()

    def _schema_json(self) -> str:
        parser = java(self.session).org.apache.iceberg.SchemaParser
        return str(parser.toJson(self.java.schema()))


def load_table(session: SparkSession, identifier: str) -> IcebergTable | None:
    """None where there is no such table."""
    utility = java(session).org.apache.iceberg.spark.Spark3Util
    try:
        return IcebergTable(session, utility.loadIcebergTable(java_session(session), identifier))
    except (AnalysisException, Py4JJavaError) as error:
        if is_missing(error):
            return None
        raise


@contextmanager
def stamped(session: SparkSession, summary: Mapping[str, str]) -> Iterator[None]:
    """Snapshots that statements write in the block have these values in their summaries. Iceberg
    keeps them for the whole JVM: commits of other threads wait meanwhile. Blocks do not nest.
    """
    environment = java(session).org.apache.iceberg.EnvironmentContext
    with _ENVIRONMENT:
        for name, value in summary.items():
            environment.put(name, value)
        try:
            yield
        finally:
            for name in summary:
                environment.remove(name)
