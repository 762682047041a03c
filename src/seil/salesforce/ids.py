"""Record Ids of 15 and of 18 characters.

Salesforce's own Ids have 15 and are case-sensitive. Those of 18 end in a checksum of the first
fifteen's case, so that they stay unique where case is ignored:
https://help.salesforce.com/s/articleView?id=000385008&type=1
"""

from __future__ import annotations

# Indexed by a number whose bits mark which of five characters are upper case.
CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
# Requires a digit, as a word of fifteen letters is not an Id.
ID_LETTERS = "^[A-Za-z0-9]*[0-9][A-Za-z0-9]*$"
_SHORT, _LONG = 15, 18
_ID_TYPES = ("id", "reference")


def id18(record_id: str) -> str:
    """The 18-character form of a case-sensitive Id of 15 or 18; recomputes the checksum."""
    if len(record_id) not in (_SHORT, _LONG):
        raise ValueError(
            f"{record_id!r} is not a Salesforce Id: it has {len(record_id)} characters"
        )
    case_sensitive = record_id[:_SHORT]
    return case_sensitive + "".join(_checksum(case_sensitive[i : i + 5]) for i in (0, 5, 10))


def full_id(text: str) -> str | None:
    """The 18-character form; None for what cannot be an Id."""
    well_formed = len(text) in (_SHORT, _LONG) and text.isascii() and text.isalnum()
    return id18(text) if well_formed else None


def holds_ids(name: str, kind: str, key: str) -> bool:
    """Whether a column has Ids, by its type.

    Without a type, the object's key and names like AccountId and account_id count; custom fields
    do not, as External_Id__c is usually text.
    """
    if kind:
        return kind in _ID_TYPES
    lower = name.lower()
    return not lower.endswith("__c") and (lower == key.lower() or lower.endswith("id"))


def _checksum(five: str) -> str:
    return CHECK[sum(1 << bit for bit, char in enumerate(five) if "A" <= char <= "Z")]
