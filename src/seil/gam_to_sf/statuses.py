"""Ad Manager's statuses on Salesforce's records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, TypeVar

from seil.admanager.calls import SERVICE as AD_MANAGER
from seil.errors import ConfigurationError, Problem
from seil.gam_to_sf.changes import Recipient
from seil.gam_to_sf.ids import checked_id
from seil.gam_to_sf.results import RecordChange, StepName, StepResult
from seil.salesforce.faults import SERVICE as SALESFORCE
from seil.salesforce.org import Org
from seil.salesforce.soql import select
from seil.salesforce.writes.rules import FieldRule, ObjectRules

PAGE = 1_000

FindStatuses = Callable[[Iterable[int]], Mapping[int, str]]
Item = TypeVar("Item")


@dataclass(frozen=True)
class StatusStep:
    """Writes the status of what `id_field` names to `status_field`, where it differs.

    `find` gives statuses by id. `hint` is for a field that the org does not have.
    """

    name: StepName
    object: str
    id_field: str
    status_field: str
    where: str
    find: FindStatuses
    hint: str = ""
    needs: ClassVar = (SALESFORCE, AD_MANAGER)

    @property
    def soql(self) -> str:
        fields = ["Id", self.id_field, self.status_field]
        return select(fields, self.object, f"{self.where} AND IsDeleted = FALSE")

    def run(self, org: Org, recipient: Recipient, result: StepResult) -> None:
        result.object = self.object
        rules = org.write_rules(self.object)
        self._rule(rules, self.id_field)
        status = self._rule(rules, self.status_field)
        recipient.prepare()
        changes = self._changes(org, status, result)
        recipient.take(changes, [self.status_field], result)

    def _rule(self, rules: ObjectRules, name: str) -> FieldRule:
        if rule := rules.get(name):
            return rule
        reason = "is no field that this user can see"
        raise ConfigurationError([Problem(f"object {self.object}: {name}", reason, self.hint)])

    def _changes(
        self, org: Org, status: FieldRule, result: StepResult
    ) -> Iterator[list[RecordChange]]:
        for records in pages(org.query(self.soql), PAGE):
            result.add_read(len(records))
            ids = {
                str(record["Id"]): number
                for record in records
                if (number := checked_id(record["Id"], record.get(self.id_field), result))
            }
            statuses = self.find(ids.values())
            changes = []
            for record in records:
                number = ids.get(str(record["Id"]))
                if number and number not in statuses:
                    result.add_gap("not_in_ad_manager", f"{record['Id']}: {number}")
                elif number and (change := self._change(record, statuses[number], status)):
                    changes.append(change)
            yield changes

    def _change(
        self, record: Mapping[str, Any], current: str, status: FieldRule
    ) -> RecordChange | None:
        """None where they differ in case only."""
        old = record.get(self.status_field)
        if old is not None and str(old).casefold() == current.casefold():
            return None
        before = {self.status_field: None if old is None else str(old)}
        after = {self.status_field: _spelling(current, status.values)}
        return RecordChange(str(record["Id"]), before, after)


def pages(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    remaining = iter(items)
    while page := list(islice(remaining, size)):
        yield page


def _spelling(status: str, values: Sequence[str] | None) -> str:
    """A restricted picklist's own spelling of the status, if it has one."""
    same = (value for value in values or () if value.casefold() == status.casefold())
    return next(same, status)
