"""From the org to tables: extract, ingest, the objects, the models and the CSV feed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from seil.durations import Duration
from seil.settings.section import NonEmptyPath, NonEmptyUrl, OptionalPath, Section

# An API name, or nothing.
FieldName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z][A-Za-z0-9_]*)?$")]


class ExtractSettings(Section):
    """Salesforce to the landing zone."""

    flows: int = Field(4, ge=1, description="Objects extracted at once.")
    pages: int = Field(4, ge=1, description="Result pages downloaded at once, per object.")
    page_rows: int = Field(100_000, ge=1, description="Rows requested per result page.")
    poll: Duration = Field(
        timedelta(seconds=2), description="Longest wait between two polls of a job."
    )
    job_timeout: Duration = Field(
        timedelta(hours=6), description="A job that runs longer is given up."
    )


class IngestSettings(Section):
    """Landing zone to curated."""

    workers: int = Field(2, ge=1, description="Files ingested at once.")
    min_bytes: int = Field(12, ge=0, description="A smaller file is rejected as truncated.")


class CatalogSettings(Section):
    """Which objects are synced."""

    file: OptionalPath = Field(
        None, description="Your own objects and rules; default: objects.toml where it exists."
    )


class ModelSettings(Section):
    """Your own tables, as SQL files beside the packaged ones."""

    folder: OptionalPath = Field(
        None, description="A folder of SQL models, each with its .yml; default: none."
    )


class FeedSettings(Section):
    """The legacy CSV feed."""

    url: NonEmptyUrl = Field(
        "seil-data/feed", description="Where the legacy CSV files are written: a folder or s3://."
    )
    prefix: str = Field("Synth", description="First part of a feed file's name.")


class WriteSettings(Section):
    """Into Salesforce: every flow that writes records."""

    crossover: int = Field(
        2_000,
        ge=0,
        description="Up to so many rows go by sObject Collections, more by Bulk API 2.0.",
    )
    job_rows: int = Field(10_000, ge=1, le=150_000_000, description="Rows of one ingest job.")
    jobs: int = Field(4, ge=1, description="Ingest jobs at once.")
    attempts: int = Field(
        3, ge=1, description="Attempts per row that met a lock, a limit or a broken server."
    )
    pause: Duration = Field(
        timedelta(seconds=5), description="Wait before such a row's next attempt."
    )
    poll: Duration = Field(
        timedelta(seconds=5), description="Longest wait between two polls of a job."
    )
    job_timeout: Duration = Field(
        timedelta(hours=3), description="A job that runs longer is given up."
    )


class PushSettings(Section):
    """Warehouse to Salesforce: `seil push`."""

    folder: OptionalPath = Field(
        None, description="A folder with a TOML file for each push; default: none."
    )
    plans: NonEmptyPath = Field(Path("seil-data/plans"), description="Where plans are kept.")


class GamToSfSettings(Section):
    """Delivery of Google Ad Manager into Salesforce: `seil sync gam-to-sf`."""

    proposal_id_field: FieldName = Field(
        "SWM_GAMProposalId__c",
        description="Order's field with the id of its Ad Manager proposal; empty: no proposals.",
    )
    proposal_status_field: FieldName = Field(
        "SWM_GAMProposalStatus__c", description="Order's field for that proposal's status."
    )
    calls_per_second: float = Field(
        8.0,
        gt=0,
        description="Most calls to Ad Manager: Google takes 8 for Ad Manager 360, else 2.",
    )
    report_timeout: Duration = Field(
        timedelta(minutes=5), description="A report that takes longer is given up."
    )
