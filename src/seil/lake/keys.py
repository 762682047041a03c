"""The keys of files in the lake, relative to their bucket.

landing    in/<env>-Salesforce-<landing name>/<flow run id>/<file>
processed  processed/Salesforce-<landing name>/<yyyy>/<mm>/<dd>/<hh>/<flow run id>/<file>
error      error/Salesforce-<landing name>/<yyyy>/<mm>/<dd>/<hh>/<flow run id>/<file>
curated    Salesforce-<landing name>/<yyyy>/<mm>/<dd>/<hh>/curated_<file>.parquet
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

LANDING_PREFIX = "in/"
PROCESSED_PREFIX = "processed/"
ERROR_PREFIX = "error/"
# In landing: files from in/ whose key does not have that form.
UNRECOGNISED_PREFIX = "error/unrecognised/"
# In curated: records that a rule set aside.
EXCEPTIONS_PREFIX = "exceptions/"

_LANDED = re.compile(r"in/(?P<env>[^/]+?)-Salesforce-(?P<name>[^/]+)/(?P<run>[^/]+)/(?P<file>.+)")
_ARCHIVED = re.compile(
    r"(?P<state>processed|error)/Salesforce-(?P<name>[^/]+)/"
    r"(?P<hour>\d{4}/\d{2}/\d{2}/\d{2})/(?P<run>[^/]+)/(?P<file>.+)"
)


@dataclass(frozen=True)
class LandedFile:
    """A file below in/, with the environment and the flow run that landed it."""

    env: str
    landing_name: str
    flow_run_id: str
    file: str

    @property
    def key(self) -> str:
        return f"in/{self.env}-Salesforce-{self.landing_name}/{self.flow_run_id}/{self.file}"

    def archive_key(self, state: Literal["processed", "error"], at: datetime) -> str:
        """Its key below processed/ or error/, in the UTC hour of `at`."""
        name = f"Salesforce-{self.landing_name}"
        return f"{state}/{name}/{hour(at)}/{self.flow_run_id}/{self.file}"

    def curated_key(self, at: datetime) -> str:
        """The key of its clean copy, in the UTC hour of `at`."""
        stem = self.file.replace("/", "-").removesuffix(".parquet")
        return f"Salesforce-{self.landing_name}/{hour(at)}/curated_{stem}.parquet"


@dataclass(frozen=True)
class ArchivedFile:
    """A file below processed/ or error/."""

    state: str
    landing_name: str
    hour: str
    flow_run_id: str
    file: str

    @property
    def key(self) -> str:
        name = f"Salesforce-{self.landing_name}"
        return f"{self.state}/{name}/{self.hour}/{self.flow_run_id}/{self.file}"

    def landed_file(self, env: str) -> LandedFile:
        return LandedFile(env, self.landing_name, self.flow_run_id, self.file)


def landed_file(key: str) -> LandedFile | None:
    """Parses a landing key; None if it does not have that form."""
    match = _LANDED.fullmatch(key)
    return LandedFile(match["env"], match["name"], match["run"], match["file"]) if match else None


def archived_file(key: str) -> ArchivedFile | None:
    match = _ARCHIVED.fullmatch(key)
    if not match:
        return None
    return ArchivedFile(match["state"], match["name"], match["hour"], match["run"], match["file"])


def hour(at: datetime) -> str:
    """`<yyyy>/<mm>/<dd>/<hh>`, in UTC."""
    return at.astimezone(UTC).strftime("%Y/%m/%d/%H")
