"""Why a billing file is not imported."""

from __future__ import annotations

from seil.errors import RejectError

REPLACED = "replaced"
"""The check that a file failed whose earlier content TechOne has."""


class BillingFileError(RejectError):
    """A billing file cannot be imported as it is. `check` names what it failed."""

    cure = (
        "Correct the file and give it a new id, or correct [sf_to_t1]; then the same command "
        "again: docs/sf-to-t1.md."
    )

    def __init__(self, file_id: str, check: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{file_id}: {reason}", hint=hint)
        self.file_id = file_id
        self.check = check
        self.reason = reason


class BatchInDoubtError(RejectError):
    """Whether TechOne has a batch cannot be told from its table: a person decides."""

    cure = (
        "Look the rows up in TechOne, then `seil sync sf-to-t1 --decide FILE:BATCH=committed` or "
        "`=missing`; `FILE:all=...` decides on all batches in doubt of the file."
    )

    def __init__(self, file_id: str, number: int, reason: str) -> None:
        super().__init__(
            f"{file_id}: whether TechOne has batch {number} is not known: {reason}",
            hint="Look its rows up in TechOne, then run `seil sync sf-to-t1 --decide "
            f"{file_id}:{number}=committed` or `=missing`; `{file_id}:all=...` decides on all in "
            "doubt of the file, which `--dry-run` lists",
        )
        self.file_id = file_id
        self.number = number
        self.reason = reason
