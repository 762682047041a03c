"""The error tree: what it says, what it keeps, and which exit code it stands for."""

from __future__ import annotations

import inspect
import re

import pytest

from seil import errors
from seil.errors import (
    AbortError,
    AlreadyRunningError,
    ConfigurationError,
    FileRejectedError,
    JournalError,
    LakeError,
    LoginError,
    ObjectRejectedError,
    Problem,
    QuotaExhaustedError,
    RejectError,
    RequestRejectedError,
    RetryError,
    SeilError,
    UnavailableError,
    WarehouseError,
)


@pytest.mark.parametrize(
    ("error", "message", "exit_code", "kind"),
    [
        (
            UnavailableError("Salesforce", "down for maintenance", status=503, retry_after=2.0),
            "Salesforce answered 503: down for maintenance. Run the same command",
            3,
            RetryError,
        ),
        (UnavailableError("Salesforce", "no route"), "Salesforce: no route.", 3, RetryError),
        (
            FileRejectedError("in/a.parquet", "whole", "is cut off", hint="Send it again"),
            "in/a.parquet: is cut off. Send it again",
            1,
            RejectError,
        ),
        (ObjectRejectedError("Lead", "cannot be read"), "Lead: cannot be read", 1, RejectError),
        (
            RequestRejectedError("Salesforce", "MALFORMED_QUERY", "unexpected token", status=400),
            "Salesforce refused the request: MALFORMED_QUERY: unexpected token",
            1,
            RejectError,
        ),
        (
            LoginError("https://test.salesforce.com", "invalid_grant", ""),
            "Login at https://test.salesforce.com failed: invalid_grant: no description given",
            3,
            AbortError,
        ),
        (
            QuotaExhaustedError("Salesforce API", "0 of 5,000 left"),
            "Salesforce API allowance is used up: 0 of 5,000 left.",
            4,
            AbortError,
        ),
        (
            LakeError("file:///lake", "write", "No space left on device", hint="Free some"),
            "Cannot write file:///lake: No space left on device. Free some",
            3,
            AbortError,
        ),
        (WarehouseError("duckdb:w", "is locked"), "Warehouse duckdb:w: is locked", 3, AbortError),
        (
            JournalError("j.sqlite", "open", "no database"),
            "Cannot open the journal j.sqlite: no database",
            3,
            AbortError,
        ),
        (
            AlreadyRunningError("run.lock", "pid 7"),
            "Another run holds run.lock (pid 7). Wait for it to end",
            5,
            AbortError,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, SeilError) else "",
)
def test_error(error: SeilError, message: str, exit_code: int, kind: type[SeilError]) -> None:
    assert str(error).startswith(message)
    assert error.exit_code == exit_code
    assert isinstance(error, kind)


def test_configuration_error_lists_every_problem_and_place() -> None:
    error = ConfigurationError(
        [Problem("extract.flows", "is 0", "1 or more"), Problem("env:KEY", "is not set")],
        searched=["seil.toml", "SEIL_* variables"],
    )
    assert str(error).splitlines() == [
        "2 problems in the configuration",
        "  extract.flows: is 0 (1 or more)",
        "  env:KEY: is not set",
        "  searched: seil.toml, SEIL_* variables",
    ]
    assert error.exit_code == 2


def test_what_was_typed_wrong_is_not_called_a_problem_of_the_configuration() -> None:
    typed = Problem("Leed", "is not an object of the catalog", "did you mean Lead?")
    one, two = ConfigurationError([typed]), ConfigurationError([typed, Problem("", "is no table")])
    assert str(one) == "Leed: is not an object of the catalog (did you mean Lead?)"
    assert str(two).splitlines()[0] == "2 problems"


def test_errors_keep_their_facts() -> None:
    error = UnavailableError("Salesforce", "slow", status=429, retry_after=1.5)
    assert (error.service, error.reason, error.status, error.retry_after) == (
        "Salesforce",
        "slow",
        429,
        1.5,
    )
    rejected = FileRejectedError("in/a", "size", "too small")
    assert (rejected.key, rejected.check, rejected.reason) == ("in/a", "size", "too small")


def test_the_tree_at_the_top_of_the_module_is_complete() -> None:
    tree = inspect.getdoc(errors) or ""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, SeilError):
            assert re.search(rf"\b{name}\b", tree), name


def test_a_message_that_ends_in_a_full_stop_gets_no_second_one() -> None:
    error = SeilError("It ran for too long.", hint="Run `seil doctor`")
    assert str(error) == "It ran for too long. Run `seil doctor`"
