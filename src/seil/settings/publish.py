"""The Iceberg tables that others read."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from seil.durations import Duration
from seil.secret import Secret
from seil.settings.section import NameList, Section, split_pairs

CATALOGS = ("file", "http", "https", "glue", "sql")


def require_catalog(url: str) -> str:
    """Raises ValueError."""
    scheme, colon, rest = url.partition(":")
    if colon and scheme not in CATALOGS:
        raise ValueError(f"{scheme!r} is no catalog: a folder, https:, glue: or sql: is")
    parts = urlsplit(rest if scheme == "sql" else url)
    if parts.password is not None:
        raise ValueError("holds a password: set [publish] password to a reference instead")
    return url


class PublishSettings(Section):
    """Iceberg tables that others read: Spark, Athena, Snowflake, DuckDB."""

    catalog: Annotated[str, AfterValidator(require_catalog)] = Field(
        "",
        description="Where the tables are published after each build: a folder, https://... (a "
        "REST catalog), glue:<region>, or sql:<SQLAlchemy URL>; empty: nowhere.",
    )
    warehouse: str = Field(
        "",
        description="The catalog's warehouse: a name or ARN of a REST catalog; s3://... of glue "
        "and sql.",
    )
    namespace: str = Field(
        "seil",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Namespace (Glue: database) of the models' tables; raw tables are in "
        "<namespace>_salesforce.",
    )
    tables: NameList = Field(
        (),
        description="What is published, as sales_orders or salesforce.account; empty: all models.",
    )
    after_build: bool = Field(default=True, description="Publish after each build.")
    password: Secret | None = Field(None, description="The database's, of a sql: catalog.")
    token: Secret | None = Field(None, description="Bearer token of a REST catalog.")
    credential: Secret | None = Field(
        None, description="A REST catalog's OAuth2 client credentials, as id:secret."
    )
    signing: str = Field(
        "", description="Sign a REST catalog's requests with SigV4: s3tables or glue."
    )
    region: str = Field("", description="The region that requests are signed for.")
    s3_secret_access_key: Secret | None = Field(
        None, description="Of an S3 store outside AWS; on AWS the usual chain of credentials."
    )
    options: Annotated[dict[str, str], BeforeValidator(split_pairs)] = Field(
        {},
        description="Further properties of pyiceberg, as s3.endpoint or s3.access-key-id.",
    )
    compact_after: int = Field(
        50, ge=1, description="Rewrite a table's files once it has so many delete files."
    )
    keep_snapshots: Duration = Field(
        timedelta(days=7), description="Older snapshots are expired; readers can go back so far."
    )
    keep_orphans: Duration = Field(
        timedelta(days=3),
        ge=timedelta(hours=1),
        description="Files that no snapshot has are removed when they are older.",
    )
    memory: str = Field(
        "1GB", pattern=r"(?i)^[\d.]+ ?[KMGT]i?B$", description="DuckDB's memory limit meanwhile."
    )
