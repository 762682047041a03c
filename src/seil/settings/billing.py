"""Billing: from the org into TechOne."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from seil.durations import Duration
from seil.settings.section import Section


class BillingTableSettings(Section):
    """A table of TechOne's warehouse, and the CSV files that go into it."""

    warehouse: str = Field("SALESFORCE", pattern=r"^[^/]+$", description="TechOne's warehouse.")
    table: str = Field("ARDATA", pattern=r"^[^/]+$", description="The table in it.")
    batch_column: str = Field(
        "",
        description="A column of the table, of 40 characters or more, that SEIL fills with the "
        "batch: then a lost answer is decided exactly, and nothing is read before.",
    )
    read_by: str = Field(
        "",
        description="A column of the files with few values, such as a month: reads of the table "
        "are limited to the batch's values of it.",
    )
    encoding: Literal["utf-8", "utf-16", "cp1252"] = Field(
        "utf-8", description="The files' encoding; with or without a byte order mark."
    )
    delimiter: str = Field(
        ",", min_length=1, max_length=1, description="Between the values of a row of the files."
    )


def _tables(value: object) -> object:
    """A variable holds them as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError('is no JSON, such as {"ledger": {"table": "GLDATA"}}') from error


class SfToT1Settings(BillingTableSettings):
    """Billing files to TechOne: `seil sync sf-to-t1`."""

    tables: Annotated[dict[str, BillingTableSettings], BeforeValidator(_tables)] = Field(
        default={},
        description="Other tables by a name for `--table`, each with the settings above; in a "
        "variable as JSON.",
    )
    batch_rows: int = Field(5_000, ge=1, description="Rows of one import.")
    attempts: int = Field(3, ge=1, description="Attempts per batch in one run.")
    pause: Duration = Field(timedelta(seconds=2), description="Wait before a batch's next attempt.")
    quiet: Duration = Field(
        timedelta(minutes=1),
        description="For so long after a batch whose answer was lost was sent, TechOne may still "
        "commit it: only then it is sent again.",
    )
    waiting: str = Field(
        "Status__c = 'New' AND Job_Type__c = 'Billing Extract'",
        description="SOQL condition on Integration_Job__c: jobs that a run without arguments "
        'takes up; "" for none.',
    )
    files_field: str = Field(
        "File_Ids__c",
        description="Field of Integration_Job__c with the job's file ids, a JSON list.",
    )
