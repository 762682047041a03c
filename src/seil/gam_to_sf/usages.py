"""The day's usage records, by the SOQL that the org's own Apex service gives for a date."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from seil.errors import UnexpectedAnswerError
from seil.gam_to_sf.statuses import pages
from seil.salesforce.faults import SERVICE
from seil.salesforce.org import Org
from seil.salesforce.writes.retrieve import MOST_RETRIEVED

OBJECT = "Usage__c"
LINE_ITEM = "GAM_LineItemID__c"
IMPRESSIONS, CLICKS = "Ad_Impression__c", "Ad_Clicks__c"
FIGURES = (IMPRESSIONS, CLICKS)

_SERVICE_PATH = "UsageSummary/fetchUsages/"
# A field list without subqueries or functions; conditions may have both.
_SELECT = re.compile(
    rf"\s*SELECT\s+(?P<fields>[\w.]+(?:\s*,\s*[\w.]+)*)\s+FROM\s+{OBJECT}(?:\s+(?P<rest>.*))?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
# FOR UPDATE locks the records, FOR VIEW and FOR REFERENCE write who looked at them.
_EFFECT = re.compile(
    r"\b(?:FOR\s+(?:UPDATE|VIEW|REFERENCE)|UPDATE\s+(?:TRACKING|VIEWSTAT))\b", re.IGNORECASE
)
_TEXT = re.compile(r"'(?:\\.|[^'\\])*'")

UsageRecord = Mapping[str, Any]


def usages_of(org: Org, day: date) -> Iterator[list[UsageRecord]]:
    """The records of a day, page by page, with Id, LINE_ITEM and both FIGURES.

    Raises UnexpectedAnswerError where the service gives anything but a SELECT on Usage__c.
    """
    soql = checked_soql(org.read_apex(_SERVICE_PATH, {"usageDate": day.isoformat()}))
    records: Iterator[UsageRecord] = org.query(soql)
    for page in pages(records, MOST_RETRIEVED):
        yield page if all(name in page[0] for name in FIGURES) else _complete(org, page)


def checked_soql(answer: object) -> str:
    """Raises UnexpectedAnswerError."""
    match = _SELECT.fullmatch(answer) if isinstance(answer, str) else None
    if match is None:
        raise _refusal(f"a SELECT on {OBJECT} was expected, the answer is {str(answer)!r:.80}")
    if _EFFECT.search(_TEXT.sub("''", match["rest"] or "")):
        raise _refusal(f"the SELECT has an effect: {match['rest']!r:.80}")
    fields = {name.strip().lower() for name in match["fields"].split(",")}
    if missing := [name for name in ("Id", LINE_ITEM) if name.lower() not in fields]:
        raise _refusal(f"the SELECT lacks {', '.join(missing)}")
    return match[0].strip()


def _complete(org: Org, page: Sequence[UsageRecord]) -> list[UsageRecord]:
    """With the figures, which the service's SELECT left out."""
    values = org.retrieve(OBJECT, [usage["Id"] for usage in page], FIGURES)
    return [{**usage, **values[usage["Id"]]} for usage in page if usage["Id"] in values]


def _refusal(reason: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(f"{SERVICE}'s {_SERVICE_PATH}", reason)
