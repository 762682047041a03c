"""The Iceberg tables that others read."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from seil.durations import Duration
from seil.secret import Secret
from seil.settings.section import NameList, Section, split_pairs

# https://py.iceberg.apache.org/configuration/
_SECRET_OPTION = re.compile(
    r"(?i)(?:.*[.-])?(?:token|credential|secret|password|secret-access-key|account-key"
    r"|connection-string)|header\..*(?:authorization|key|token|secret).*"
)
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


def _require_no_secrets(options: dict[str, str]) -> dict[str, str]:
    for name in options:
        if _SECRET_OPTION.fullmatch(name):
            raise ValueError(f"{name} is a secret, set it in [publish.secrets] as a reference")
    return options


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
    options: Annotated[
        dict[str, str], BeforeValidator(split_pairs), AfterValidator(_require_no_secrets)
    ] = Field(
        {},
        description="Further properties of pyiceberg, as s3.endpoint or s3.access-key-id.",
    )
    secrets: Annotated[dict[str, Secret], BeforeValidator(split_pairs)] = Field(
        {},
        description="Properties that are secret, as s3.session-token or adls.account-key: "
        "references.",
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

    def resolve_secrets(self, base: Path) -> dict[str, Secret]:
        """Relative paths are meant from `base`."""
        return {n: s.resolve(base, f"publish.secrets.{n}") for n, s in self.secrets.items()}
