"""References to secrets: where each is kept, never what it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from seil.errors import ConfigurationError, Problem

_SCHEMES = ("env", "file", "aws", "plain")
_CURES = {
    "salesforce.refresh_token": "`seil login` gets one",
    "salesforce.private_key": "docs/connect-an-org.md tells how to make the key",
}


class Secret:
    """A reference to a secret. Its repr shows where the secret is kept, never what it is.

    `setting` is the one that holds it, for errors.
    """

    def __init__(self, reference: str, setting: str = "") -> None:
        self._reference = reference
        self._setting = setting

    def __repr__(self) -> str:
        return f"Secret({self.place})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._reference == self._reference

    def __hash__(self) -> int:
        return hash(self._reference)

    @property
    def file(self) -> Path | None:
        """Where a `file:` reference points."""
        scheme, _, rest = self._reference.partition(":")
        return Path(rest).expanduser() if scheme == "file" else None

    @property
    def place(self) -> str:
        scheme, _, rest = self._reference.partition(":")
        return f"{scheme}:****" if scheme == "plain" else f"{scheme}:{rest}"

    def reveal(self) -> str:
        """Raises ConfigurationError naming the place when there is nothing there.

        UnavailableError where Secrets Manager cannot be asked now.
        """
        scheme, _, rest = self._reference.partition(":")
        if scheme == "plain":
            return rest
        if scheme == "env":
            if value := os.environ.get(rest):
                return value
            raise self._nothing("this variable is not set")
        if scheme == "aws":
            from seil.secrets_manager import secret

            return secret(rest)
        try:
            return Path(rest).expanduser().read_text("utf-8").strip()
        except OSError as error:
            raise self._nothing(error.strerror or str(error)) from error

    def _nothing(self, reason: str) -> ConfigurationError:
        if not self._setting:
            return ConfigurationError([Problem(self.place, reason)])
        cure = _CURES.get(self._setting, "put the secret there, or name another place")
        return ConfigurationError([Problem(self._setting, f"{self.place}: {reason}", cure)])

    def anchored(self, base: Path, setting: str = "") -> Secret:
        """The same place, when a relative `file:` is meant from `base`."""
        scheme, _, rest = self._reference.partition(":")
        place = f"file:{base / Path(rest).expanduser()}" if scheme == "file" else self._reference
        return Secret(place, setting)

    @classmethod
    def parse(cls, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str) and value.partition(":")[0] in _SCHEMES:
            return cls(value)
        raise ValueError(
            "a secret is a reference: env:NAME, file:PATH or aws:NAME, not the secret itself"
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )
