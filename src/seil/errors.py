"""The errors that SEIL raises, by what the caller should do.

SeilError
├── RetryError            the same call may succeed later
│   ├── UnavailableError      the far end is down, slow or throttling (retry_after in seconds)
│   │   ├── TooSlowError           no answer in time: whether it acted is unknown
│   │   └── ThrottledError         refused by its rate limit: nothing was done
│   ├── UnexpectedAnswerError  the answer lacks its documented shape
│   └── ConflictError         another writer holds the document or key
├── RejectError           skip this one item, continue with the rest
│   ├── FileRejectedError     a landed file that fails a check
│   ├── ObjectRejectedError   a Salesforce object that cannot be synced as it is
│   ├── RequestRejectedError  the far end refused the request for its content
│   ├── OutcomeUnknownError   the answer was lost, and the request is not idempotent
│   ├── NotSentError          a request that it depends on failed
│   ├── PartialOutcomeError   some items of a batch were done, others not
│   └── UncountedError        done, but the number of changed items is unknown
└── AbortError            stop: a person has to change something
    ├── ConfigurationError    settings, catalog or arguments; lists every problem
    ├── MissingExtraError     a package of an extra is not installed
    ├── LoginError            the org refuses these credentials
    ├── OtherOrgError         the login is for another org than the site
    ├── NewerSiteError        a later version wrote this site
    ├── QuotaExhaustedError   the org's API allowance is used up
    ├── LakeError             the lake cannot be read or written
    ├── WarehouseError        the warehouse cannot be read or written
    │   ├── StatementError        it refused a statement for its content
    │   ├── TableInUseError       another transaction holds a table that has to change
    │   └── LostReasonError       a statement failed without a reason
    ├── IcebergError          the published tables cannot be read or written
    ├── JournalError          the event journal cannot be read or written
    ├── StateError            the durable state cannot be read or written
    │   ├── StateLostError        the connection broke before the commit
    │   ├── MissingStateError     the site has a state, but not at this place
    │   └── OtherStateError       it belongs to another site
    ├── AlreadyRunningError   another run holds the lock
    └── LeaseLostError        this run lost the lock
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


class SeilError(Exception):
    """Root of the tree; `hint` is the reader's next step."""

    exit_code = 1
    cure: ClassVar[str] = ""
    """For the reference page of errors."""
    is_lasting: ClassVar[bool] = False
    """Whether every later attempt fails, too, until a person has changed something."""
    reached: bool = False
    """False if the request was certainly not carried out."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        # A far end's message may already end in a full stop.
        super().__init__(f"{message.removesuffix('.')}. {hint}" if hint else message)
        self.message = message
        self.hint = hint

    @property
    def in_doubt(self) -> bool:
        """Whether the request may have been carried out despite the error."""
        return self.reached

    def without(self, name: str) -> str:
        """The text without a leading `<name>: `, for lines that begin with the name."""
        return str(self).removeprefix(f"{name}: ")


def error_type(error: SeilError | type[SeilError]) -> str:
    """The class name in snake case: `quota_exhausted` for QuotaExhaustedError."""
    kind = error if isinstance(error, type) else type(error)
    return _WORD.sub("_", kind.__name__.removesuffix("Error")).lower()


class RetryError(SeilError):
    """The same call may succeed later."""

    exit_code = 3
    reached = True


class UnavailableError(RetryError):
    """The far end is down, slow or throttling.

    `retry_after` is in seconds, None when it did not say.
    """

    cure = "Run the same command again later; `seil doctor` shows which far end answers."

    def __init__(
        self,
        service: str,
        reason: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        reached: bool = True,
    ) -> None:
        answered = f" answered {status}" if status else ""
        super().__init__(
            f"{service}{answered}: {reason}",
            hint="Run the same command later, or check with `seil doctor`",
        )
        self.service = service
        self.reason = reason
        self.status = status
        self.retry_after = retry_after
        self.reached = reached


class TooSlowError(UnavailableError):
    """The far end did not answer within `seconds`: whether it acted is unknown."""

    cure = "Run the same command again; a request that changes something says how to look first."

    def __init__(self, service: str, seconds: float) -> None:
        super().__init__(service, f"no answer within {seconds:g} seconds")
        self.seconds = seconds


class ThrottledError(UnavailableError):
    """The far end refused the call because of its rate limit: nothing was done."""

    cure = "Wait as long as it says, then run the same command again."

    def __init__(
        self,
        service: str,
        reason: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(service, reason, status=status, retry_after=retry_after, reached=False)


class UnexpectedAnswerError(RetryError):
    """The far end's answer lacks its documented shape. `reason` names the part, without values."""

    cure = "`seil doctor`, then the same command again; if it stays, the far end changed its API."

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(
            f"{service} sent an unexpected answer: {reason}",
            hint="Run `seil doctor`, then the same command again",
        )
        self.service = service
        self.reason = reason


class ConflictError(RetryError):
    """Another writer holds the document or key."""

    cure = "Run the same command again when the other writer is done."

    reached = False


class RejectError(SeilError):
    """Skip this one item and continue with the rest."""


class FileRejectedError(RejectError):
    """A landed file failed the sanity check `check`."""

    cure = (
        "`seil files why FILE` gives the reason; `seil files retry FILE` ingests it "
        "again once its cause is removed."
    )

    def __init__(self, key: str, check: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{key}: {reason}", hint=hint)
        self.key = key
        self.check = check
        self.reason = reason


class ObjectRejectedError(RejectError):
    """A Salesforce object cannot be synced as it is: missing, not readable, or with changed
    fields.
    """

    cure = (
        "The hint names the command: mostly `seil schema diff`, `seil schema accept`, or "
        "permissions in the org."
    )

    def __init__(self, object_name: str, reason: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(f"{object_name}: {reason}", hint=hint)
        self.object_name = object_name
        self.reason = reason
        self.code = code


class RequestRejectedError(RejectError):
    """The far end refused a request for its content.

    `code` is its error code, `status` its HTTP status.
    """

    cure = "Correct the request; the code is documented by the far end."

    def __init__(
        self, service: str, code: str, reason: str, *, status: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(f"{service} refused the request: {code}: {reason}", hint=hint)
        self.service = service
        self.code = code
        self.reason = reason
        self.status = status


class OutcomeUnknownError(RejectError):
    """A request that is not idempotent was sent and its answer was lost.

    `sent` is the request, `look` says how to check.
    """

    cure = "Look whether it was done before sending it again."

    def __init__(self, service: str, sent: str, reason: str, *, look: str) -> None:
        super().__init__(
            f"{service}: the outcome of {sent} is unknown: {reason}",
            hint=f"It was not sent again. {look}",
        )
        self.service = service
        self.sent = sent
        self.reason = reason
        self.look = look

    @property
    def in_doubt(self) -> bool:
        return True


class NotSentError(RejectError):
    """A request was not sent, because one that it depends on failed."""

    cure = "Send it again once the one before it is settled."

    def __init__(self, service: str) -> None:
        super().__init__(f"{service}: not sent, because the request before it failed")


@dataclass(frozen=True)
class Undone:
    """Items of a request that failed or whose outcome is unknown, with the error."""

    ids: tuple[int, ...]
    error: SeilError


class PartialOutcomeError(RejectError):
    """Some items of a batch were done: `done` are their ids, `undone` the others with their
    errors.
    """

    cure = "Send only the rest again."

    def __init__(self, service: str, done: Sequence[int], undone: Sequence[Undone]) -> None:
        rest = sum(len(part.ids) for part in undone)
        super().__init__(
            f"{service}: done for {len(done)} of {len(done) + rest}: {undone[0].error.message}",
            hint="Send only the rest again",
        )
        self.service = service
        self.done = tuple(done)
        self.undone = tuple(undone)


class UncountedError(RejectError):
    """The request was carried out, but the number of changed items could not be read.

    `done` are the ids.
    """

    cure = "Nothing to do: do not send it again."

    def __init__(self, service: str, done: Sequence[int], reason: str) -> None:
        super().__init__(
            f"{service}: done, but the number of changed items could not be read: {reason}",
            hint="Do not send it again",
        )
        self.service = service
        self.done = tuple(done)
        self.reason = reason


class AbortError(SeilError):
    """Stop: a person has to change something first."""

    exit_code = 3


@dataclass(frozen=True)
class Problem:
    """One configuration error: the setting or file, what is wrong, how to correct it."""

    place: str
    reason: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.place or repr('')}: {self.reason}" + (f" ({self.cure})" if self.cure else "")


class ConfigurationError(AbortError):
    """Settings, catalog or arguments are wrong; every problem is listed.

    `searched` is where settings were looked for.
    """

    cure = "Correct each named place; `seil init` writes a file with every setting."

    exit_code = 2
    is_lasting = True

    def __init__(self, problems: Sequence[Problem], *, searched: Sequence[str] = ()) -> None:
        lines = [str(problem) for problem in problems]
        if len(lines) > 1 or searched:
            count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
            title = f"{count} in the configuration" if searched else count
            lines = [title, *(f"  {line}" for line in lines)]
        if searched:
            lines.append("  searched: " + ", ".join(searched))
        super().__init__("\n".join(lines))
        self.problems = tuple(problems)
        self.searched = tuple(searched)


class LoginError(AbortError):
    """The org refused the credentials.

    `code` is the OAuth error (RFC 6749, section 5.2) or Salesforce's own.
    """

    cure = "Check [salesforce] in seil.toml, then run `seil doctor`."

    is_lasting = True

    def __init__(self, login_url: str, code: str, description: str, *, hint: str = "") -> None:
        super().__init__(
            f"Login at {login_url} failed: {code}: {description or 'no description given'}",
            hint=hint or "Check [salesforce] in seil.toml, then run `seil doctor`",
        )
        self.login_url = login_url
        self.code = code
        self.description = description


class OtherOrgError(AbortError):
    """The login leads to another org (`login_org`) than the one this site was read from
    (`site_org`).
    """

    cure = "Correct login_url in [salesforce]; `seil org` shows both orgs and what can be done."

    exit_code = 2
    is_lasting = True

    def __init__(self, login_url: str, *, site_org: str, login_org: str) -> None:
        super().__init__(
            f"The login at {login_url} leads to org {login_org},"
            f" this site was read from org {site_org}: nothing was written",
            hint="Correct login_url in [salesforce]; `seil org` shows both orgs and the options",
        )
        self.login_url = login_url
        self.site_org = site_org
        self.login_org = login_org


class MissingExtraError(AbortError):
    """A command needs `module`, which only the `extra` of the package installs."""

    cure = "Install the extra that the message names: `pip install 'seil[api]'`."

    exit_code = 2
    is_lasting = True

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(
            f"{module} is not installed: it comes with the extra `{extra}`",
            hint=f"Install it with `pip install 'seil[{extra}]'`, then run the same command again",
        )
        self.extra = extra
        self.module = module


class NewerSiteError(AbortError):
    """The site's layout is newer than `known`, the last this version understands."""

    cure = "Install the version that wrote it, or a later one."

    exit_code = 2
    is_lasting = True

    def __init__(self, place: str, layout: int, newest: int, written_by: str) -> None:
        super().__init__(
            f"{place}: this site has layout {layout}, written by SEIL {written_by or '(newer)'};"
            f" this version knows layouts up to {newest}, and has changed nothing",
            hint="Install that version or a later one; docs/upgrade.md has the layouts",
        )
        self.place = place
        self.layout = layout
        self.newest = newest
        self.written_by = written_by


class QuotaExhaustedError(AbortError):
    """The org's API allowance is used up."""

    cure = "`seil plan` shows what is left; run again once it is renewed."

    exit_code = 4

    def __init__(self, service: str, reason: str, *, hint: str = "") -> None:
        super().__init__(
            f"{service} allowance is used up: {reason}",
            hint=hint
            or "Nothing was committed for objects not read yet. `seil plan` shows what is left; "
            "`seil run` continues once it is renewed",
        )
        self.service = service
        self.reason = reason


class LakeError(AbortError):
    """The lake cannot be read or written."""

    cure = "Check `[lake] url`, rights and free space; `seil doctor` tries each bucket."

    def __init__(self, url: str, operation: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"Cannot {operation} {url}: {reason}", hint=hint)
        self.url = url
        self.operation = operation
        self.reason = reason


class WarehouseError(AbortError):
    """The warehouse cannot be read or written."""

    cure = "Check `[warehouse] url`, rights, free space and who else has it open."

    def __init__(self, url: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"Warehouse {url}: {reason}", hint=hint)
        self.url = url
        self.reason = reason


class IcebergError(AbortError):
    """A published table or its catalog cannot be read or written. The warehouse is not affected:
    the next publication brings the tables up to date.
    """

    cure = "Do what the message says; the next run publishes again, or `seil publish iceberg`."

    def __init__(self, place: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{place}: {reason}", hint=hint)
        self.place = place
        self.reason = reason


class JournalError(AbortError):
    """The event journal cannot be read or written."""

    cure = "Check `[events] journal`, rights and free space."

    def __init__(self, path: str, operation: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"Cannot {operation} the journal {path}: {reason}", hint=hint)
        self.path = path
        self.operation = operation
        self.reason = reason


class StateError(AbortError):
    """The durable state cannot be read or written.

    `place` is the file, or the URL without its password.
    """

    cure = "Check `[state] url`, rights and free space."

    def __init__(self, place: str, operation: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"Cannot {operation} the state {place}: {reason}", hint=hint)
        self.place = place
        self.operation = operation
        self.reason = reason


class StateLostError(StateError):
    """The connection to the state broke before a commit: nothing was stored."""

    cure = "Run the same command again; `seil doctor` tries the connection."


class MissingStateError(StateError):
    """The site has a state, but there is none at `place`."""

    cure = (
        "Correct `[state] url`, or put a backup back with `seil state restore FILE`; `seil state "
        "new` starts with an empty one."
    )

    exit_code = 2
    is_lasting = True


class OtherStateError(StateError):
    """The state at `place`, or a backup, belongs to another site."""

    cure = "Point `[state] url` at this site's own; docs/state.md says how a site takes it over."

    exit_code = 2
    is_lasting = True


class StatementError(WarehouseError):
    """The warehouse refused a statement for its content."""

    cure = (
        "The message quotes the engine; for a model, correct its SQL, for a file see `seil files`."
    )


class TableInUseError(WarehouseError):
    """Another transaction holds a table that has to change."""

    cure = "Nothing is lost: wait until that transaction ends, then run the same command again."


class LostReasonError(WarehouseError):
    """A statement failed and the engine gave no reason; repeating it mostly gives one."""

    cure = "Run the same command again."


class AlreadyRunningError(AbortError):
    """Another run holds the lock of this site."""

    cure = "Wait for it to end; `seil status` shows which it is."

    exit_code = 5

    def __init__(self, lock: str, holder: str, *, hint: str = "") -> None:
        super().__init__(
            f"Another run holds {lock} ({holder})",
            hint=hint or "Wait for it to end; nothing was changed here",
        )
        self.lock = lock
        self.holder = holder


class LeaseLostError(AbortError):
    """The run lost `lock`: a later run took over, or the lease ran out.

    Its writes are refused from then on.
    """

    cure = "Run the same command again to continue; committed work stays."

    exit_code = 5

    def __init__(self, lock: str, reason: str) -> None:
        super().__init__(
            f"This run lost {lock}: {reason}",
            hint="It stopped; committed work stays. Run the same command again to continue",
        )
        self.lock = lock
        self.reason = reason
