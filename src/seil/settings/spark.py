"""The warehouse in Iceberg tables: Spark and its catalog."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from seil.durations import Duration
from seil.secret import Secret
from seil.settings.section import EndpointUrl, NameList, Section, split_pairs

_LAYOUT_FIELD = (
    r"\w+|(?:years|months|days|hours)\(\w+\)|(?:bucket|truncate)\(\d+, *\w+\)|\w+ +(?:asc|desc)"
)


def _require_fields(tables: dict[str, str]) -> dict[str, str]:
    for table, text in tables.items():
        if not re.fullmatch(rf"(?:(?:{_LAYOUT_FIELD})(?: *, *|$))*", text.strip(), re.IGNORECASE):
            raise ValueError(f"{table}: {text!r} is no list such as months(day), bucket(16, id)")
    return tables


LayoutTable = Annotated[
    dict[str, str], BeforeValidator(split_pairs), AfterValidator(_require_fields)
]


class SparkSettings(Section):
    """Spark with Iceberg, for `[warehouse] url = "spark://<catalog>"`."""

    catalog: Literal["hadoop", "rest", "glue"] = Field(
        "hadoop", description="Iceberg's catalog: a folder, a REST catalog or AWS Glue."
    )
    location: str = Field(
        "",
        description="hadoop, glue: the tables' folder, file:///... or s3://...; rest: the "
        "warehouse's name there. Default: seil-data/iceberg for hadoop.",
    )
    uri: EndpointUrl = Field("", description="rest: the catalog's address.")
    master: str = Field(
        "",
        description="Spark's master; default: this machine, with `threads` and `memory` of "
        "[warehouse]. A session that exists, as in a Glue job, stays as it is.",
    )
    jars: NameList = Field(
        (), description="Jars for a session on this machine: Iceberg's runtime, a storage's."
    )
    options: Annotated[dict[str, str], BeforeValidator(split_pairs)] = Field(
        {}, description="Further settings, by Spark's own names."
    )
    secrets: Annotated[dict[str, Secret], BeforeValidator(split_pairs)] = Field(
        {}, description="The same, as references to secrets."
    )
    partition_by: LayoutTable = Field(
        {},
        description="Hidden partitions by table: columns or transforms. Others: as they are.",
    )
    sort_by: LayoutTable = Field(
        {}, description="Sort order of files by table: columns, each with `desc` where it falls."
    )
    file_mb: int = Field(512, ge=1, description="Size of data files that writes and upkeep aim at.")

    upkeep_every: Duration = Field(
        timedelta(days=1), description="`seil run --every` and `seil start` do upkeep this often."
    )
    keep_snapshots: Duration = Field(
        timedelta(days=7), description="Older snapshots are expired; readers can go back so far."
    )
    keep_orphans: Duration = Field(
        timedelta(days=3),
        ge=timedelta(days=1),
        description="Files that no snapshot has are removed when they are older.",
    )

    def resolve(self, base: Path) -> SparkSettings:
        """Relative paths are meant from `base`."""
        setting = "warehouse.spark.secrets"
        secrets = {n: s.resolve(base, f"{setting}.{n}") for n, s in self.secrets.items()}
        jars = tuple(jar if "://" in jar else str(base / jar) for jar in self.jars)
        update: dict[str, Any] = {"jars": jars, "secrets": secrets}
        if self.catalog == "hadoop":
            location = self.location or "seil-data/iceberg"
            update["location"] = location if "://" in location else (base / location).as_uri()
        return self.model_copy(update=update)

    @model_validator(mode="after")
    def _require_place(self) -> Self:
        if self.catalog == "rest" and not self.uri:
            raise ValueError("catalog is rest: set uri to its address")
        if self.catalog == "glue" and not self.location.startswith("s3://"):
            raise ValueError("catalog is glue: set location to an s3:// URL")
        if self.catalog == "hadoop" and self.location.startswith("s3"):
            # https://iceberg.apache.org/docs/1.10.0/java-api-quickstart/#using-a-hadoop-catalog
            raise ValueError("catalog is hadoop: S3 has no atomic rename; use glue or rest")
        return self
