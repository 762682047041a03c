"""Record Ids of 15 and of 18 characters.

Salesforce's own Id has 15, and tells upper from lower case. The one of 18 ends in a checksum that
encodes which of the first fifteen are upper case, so that Ids stay unique where case is lost:
https://help.salesforce.com/s/articleView?id=000385008&type=1
"""

from __future__ import annotations

# What stands for the number whose bits say which of five characters are upper case.
CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
# With a digit: a word of fifteen letters is no Id.
ID_LETTERS = "^[A-Za-z0-9]*[0-9][A-Za-z0-9]*$"
_SHORT, _LONG = 15, 18
_ID_TYPES = ("id", "reference")


def id18(record_id: str) -> str:
    """The 18-character form of a case-sensitive Id of 15; one of 18 is returned corrected."""
    if len(record_id) not in (_SHORT, _LONG):
        raise ValueError(
            f"{record_id!r} is not a Salesforce Id: it has {len(record_id)} characters"
        )
    case_sensitive = record_id[:_SHORT]
    return case_sensitive + "".join(_checksum(case_sensitive[i : i + 5]) for i in (0, 5, 10))


def full_id(text: str) -> str | None:
    """The 18-character form of what may be an Id; None when it cannot be one."""
    well_formed = len(text) in (_SHORT, _LONG) and text.isascii() and text.isalnum()
    return id18(text) if well_formed else None


def holds_ids(name: str, kind: str, key: str) -> bool:
    """Whether a column has Ids, by the type that describes it.

    Where none does, the object's key and names like AccountId and account_id tell; a custom field's
    name tells nothing, External_Id__c is text as a rule.
    """
    if kind:
        return kind in _ID_TYPES
    plain = name.lower()
    return not plain.endswith("__c") and (plain == key.lower() or plain.endswith("id"))


def _checksum(five: str) -> str:
    return CHECK[sum(1 << bit for bit, char in enumerate(five) if "A" <= char <= "Z")]
