"""What the catalog says of an object. Its fields come from the org's describe."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from seil.durations import Duration, Interval


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class FlowSettings(_Entry):
    """How an object is extracted.

    incremental: after a first full load, records whose cursor lies in
    `[previous upper bound - lookback, now - lag)`. full: every record, every time.

    Changes that do not move the cursor are extracted separately. deletions: hard deletes, after
    each run. compare_ids: how often all Ids are compared with the warehouse's, in case that list
    had a gap. refresh_formulas: how often the calculated fields of all records are compared.

    streams: `seil subscribe` reads the object's records as change events name them.
    """

    mode: Literal["incremental", "full"] = "incremental"
    cursor: str = "SystemModstamp"
    lookback: Duration = timedelta(minutes=10)
    lag: Duration = timedelta(minutes=1)
    schedule: Duration = timedelta(hours=1)
    allow_empty: bool = True
    deletions: bool = True
    compare_ids: Interval = timedelta(days=7)
    refresh_formulas: Interval = None
    streams: bool = False


class Validation(_Entry):
    """A rule on one column.

    re: `rule` must match the whole value as text; nulls pass. sql: `rule` is a boolean DuckDB
    expression over the record's columns; null passes, as in an SQL CHECK.
    """

    type: Literal["re", "sql"]
    rule: str
    message: str = ""
    level: Literal["error", "reject", "warning"] = "reject"

    @model_validator(mode="after")
    def _compiles(self) -> Validation:
        try:
            if self.type == "re":
                re.compile(self.rule)
        except re.error as error:
            raise ValueError(f"{self.rule!r} is not a regular expression: {error}") from error
        return self


class CatalogColumn(_Entry):
    name: str
    validations: tuple[Validation, ...] = ()


class Mapping(_Entry):
    """A target column: a source column cast to `type`, or an expression in `sql`."""

    target: str
    source: str = ""
    sql: str = ""
    type: str = ""

    @model_validator(mode="after")
    def _has_one_origin(self) -> Mapping:
        if bool(self.source) == bool(self.sql):
            raise ValueError(f"mapping to {self.target!r} needs either source or sql")
        if self.source and not self.type:
            raise ValueError(f"mapping to {self.target!r} from a source column needs a type")
        return self


class SyncedObject(_Entry):
    """One object of the catalog.

    `table` is its current-record table in the warehouse's schema `salesforce`; a landed file that
    lacks one of the `required` columns is rejected.
    drift: review stops the object at any change of its fields until it is accepted.
    history: keeps every version, beside the current records.
    """

    api_name: str
    display_name: str = ""
    landing_name: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]*$")
    table: str = Field(default="", pattern=r"^[a-z0-9_]*$")
    enabled: bool = True
    flow: FlowSettings = Field(default_factory=FlowSettings)
    key: str = Field(default="Id", min_length=1)
    required: tuple[str, ...] = ("Id",)
    exclude: tuple[str, ...] = ()
    columns: tuple[CatalogColumn, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    drift: Literal["accept", "review"] = "accept"
    history: bool = False

    @model_validator(mode="before")
    @classmethod
    def _names(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("api_name"):
            return data
        local_name = str(data["api_name"]).removesuffix("__c").split("__")[-1]
        parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", local_name).split("_")
        words = [part for part in parts if part]
        return {
            "display_name": " ".join(words),
            "landing_name": "-".join(words),
            "table": "_".join(words).lower(),
            **data,
        }

    @property
    def curated_table(self) -> str:
        return f"salesforce_{self.table}"
