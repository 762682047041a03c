"""What is kept where: files, tables, events and state."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field

from seil.durations import Duration
from seil.secret import Secret
from seil.settings.section import NonEmptyPath, NonEmptyUrl, OptionalTimeZone, Section
from seil.settings.spark import SparkSettings

POSTGRES = ("postgresql", "postgres")
_OWN_SCHEMAS = r"salesforce(_history)?|seil|seil_.*"


def _has_password(url: str) -> bool:
    parts = urlsplit(url)
    options = {name for name, _ in parse_qsl(parts.query)}
    is_postgres = parts.scheme in POSTGRES
    return is_postgres and bool(parts.password or options & {"password", "sslpassword"})


def _require_state_url(url: str) -> str:
    parts = urlsplit(url)
    if _has_password(url):
        raise ValueError("holds a password: set [state] password to a reference instead")
    if url and parts.scheme not in POSTGRES and (parts.scheme != "sqlite" or not parts.path):
        raise ValueError("is neither sqlite:<file> nor postgresql://user@host:5432/database")
    return url


def _require_warehouse_url(url: str) -> str:
    if _has_password(url):
        raise ValueError("holds a password: set [warehouse] password to a reference instead")
    scheme, _, catalog = url.partition(":")
    if scheme == "spark" and not re.fullmatch(r"//[a-z][a-z0-9_]*", catalog):
        cure = "a Spark master is [warehouse.spark] master"
        raise ValueError(f"is not spark://<catalog>, a name such as lakehouse; {cure}")
    if scheme == "spark" and re.fullmatch(_OWN_SCHEMAS, catalog.removeprefix("//")):
        # Spark reads seil.loads as the table loads of a catalog seil, where there is one.
        raise ValueError("SEIL has a namespace of that name: choose another for the catalog")
    return url


class LakeSettings(Section):
    """Where the files are."""

    url: NonEmptyUrl = Field(
        "seil-data/lake", description="A folder, file:///... or s3://...: the buckets' parent."
    )


def _refuse_taken_schema(name: str) -> str:
    if name == "public":
        raise ValueError("a rebuild replaces it whole; public holds other programs' tables")
    if re.fullmatch(rf"{_OWN_SCHEMAS}|pg_.*|information_schema", name):
        raise ValueError("SEIL or PostgreSQL has schemas of such names itself")
    return name


class WarehouseSettings(Section):
    """Where the tables are."""

    url: Annotated[str, AfterValidator(_require_warehouse_url)] = Field(
        "duckdb:seil-data/warehouse.duckdb",
        description="Where the tables live: duckdb:<file>, postgresql://user@host:5432/database "
        "with libpq's options, or spark://<catalog>, a name such as lakehouse.",
    )
    password: Secret | None = Field(
        None, description="PostgreSQL's password; default: what libpq finds, as in ~/.pgpass."
    )
    schema_name: Annotated[str, AfterValidator(_refuse_taken_schema)] = Field(
        "analytics",
        pattern=r"^[a-z_][a-z0-9_]{0,40}$",
        description="PostgreSQL, Spark: the schema of the models' tables; a rebuild replaces it "
        "whole.",
    )
    memory: str = Field(
        "2GB",
        pattern=r"(?i)^[\d.]+ ?[KMGT]i?B$",
        description="Memory limit of DuckDB, or of Spark on this machine.",
    )
    threads: int | None = Field(
        None, ge=1, description="Threads of DuckDB, or of Spark here; default: one per core."
    )
    publish: bool = Field(
        default=True,
        description="Keep a read-only copy for readers beside it: <name>.read.duckdb.",
    )
    time_zone: OptionalTimeZone = Field(
        "", description="Where a day begins for `..._date` columns: IANA name; default: the org's."
    )
    spark: SparkSettings = Field(
        default_factory=SparkSettings.model_construct, description="Spark and Iceberg's catalog."
    )

    def resolve_spark(self, base: Path) -> dict[str, Any]:
        return {"spark": self.spark.resolve(base)}


class EventSettings(Section):
    """Where events go, and are kept."""

    bus: str = Field(
        "",
        pattern=r"^([A-Za-z0-9._/-]{1,256}|arn:aws[a-z-]*:events:[a-z0-9-]+:\d{12}:event-bus/[A-Za-z0-9._/-]{1,256})?$",
        description="EventBridge's bus, by name or ARN; its events are then kept in the state. "
        "Default: the journal.",
    )
    journal: NonEmptyPath = Field(
        Path("seil-data/journal.sqlite"), description="The embedded journal's file."
    )
    keep: Duration = Field(timedelta(days=14), description="Events are kept this long.")


class StateSettings(Section):
    """Runs, decisions and all else that a rebuild cannot restore."""

    url: Annotated[str, AfterValidator(_require_state_url)] = Field(
        "",
        description="sqlite:<file>, or postgresql://user@host:5432/database with libpq's options; "
        "default: state.sqlite beside the journal.",
    )
    password: Secret | None = Field(
        None, description="PostgreSQL's password; default: what libpq finds, as in ~/.pgpass."
    )
    keep: Duration = Field(timedelta(days=90), description="Runs' reports are kept this long.")
    keep_outcomes: Duration = Field(
        timedelta(days=400),
        ge=timedelta(days=1),
        description="Settled outcomes of writes into Salesforce are kept this long; what a push "
        "wrote, for good.",
    )
    keep_runs: int = Field(10_000, ge=1, description="Reports of at most so many runs are kept.")
    log_lines: int = Field(200, ge=0, description="Last log lines kept per attempt of a step.")
