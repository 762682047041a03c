"""A push, declared in a TOML file: a query, an object, and who owns each field."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from seil.durations import Duration
from seil.errors import ConfigurationError, Problem
from seil.salesforce.writes.batch import WriteOperation, WriteTarget
from seil.wrong_values import problems_of

Owner: TypeAlias = Literal["ours", "theirs", "if_empty"]

SUFFIX = ".toml"


class PushField(BaseModel):
    """A field and the query's column for it.

    `owner` decides whether a differing value is written: always (ours), only to new records
    (theirs), or only where the org has no value (if_empty).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str = Field(min_length=1)
    owner: Owner = "ours"


def _field(value: object) -> object:
    """A bare column name is short for a field with owner `ours`."""
    return {"column": value} if isinstance(value, str) else value


class Brakes(BaseModel):
    """Limits above which `apply` needs a confirmation. `share` is of the object's records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    changes: int = Field(10_000, ge=0)
    deletes: int = Field(0, ge=0)
    share: float = Field(0.2, ge=0, le=1)
    calls: int = Field(1_000, ge=0)


class Retry(BaseModel):
    """When a record that Salesforce rejected is sent again: at each run; after a pause; or when its
    row or the record changes, after the pause at the latest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Literal["each_run", "pause", "changed"] = "changed"
    pause: Duration = Field(timedelta(days=1), gt=timedelta(0))


class PushDefinition(BaseModel):
    """`key` is Id to update or delete, an external id to upsert, a field with unique values to
    insert. `parent` is the query's column with the Id of the record that Salesforce locks per row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    object: str = Field(min_length=1)
    key: str = Field("Id", min_length=1)
    key_column: str = ""
    operation: WriteOperation = "update"
    query: str = Field(min_length=1)
    parent: str = ""
    nulls: Literal["leave", "clear"] = "leave"
    fields: dict[str, Annotated[PushField, BeforeValidator(_field)]] = Field(default_factory=dict)
    brakes: Brakes = Field(default_factory=Brakes)
    retry: Retry = Field(default_factory=Retry)

    @property
    def target(self) -> WriteTarget:
        return WriteTarget(self.object, self.operation, self.key)

    @property
    def flow(self) -> str:
        return flow_of(self.name)

    @property
    def source_key(self) -> str:
        """The query's column that holds the key."""
        return self.key_column or self.key

    @property
    def fingerprint(self) -> str:
        """A hash of what a plan writes; brakes and retries do not count."""
        content = self.model_dump_json(exclude={"brakes", "retry"})
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def flow_of(name: str) -> str:
    """The flow of a push in the outcomes."""
    return f"push:{name}"


def definitions(folder: Path | None) -> list[str]:
    """The names of the pushes in `folder`, sorted."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))


def load_definition(folder: Path | None, name: str) -> PushDefinition:
    """Raises ConfigurationError with every problem of the file."""
    names = definitions(folder)
    if folder is None or name not in names:
        place = str(folder or "[push] folder")
        raise ConfigurationError([Problem(place, f"has no push {name!r}", _next(folder, name))])
    path = folder / f"{name}{SUFFIX}"
    definition = _parse(path, _content(path))
    if problems := _problems(path, definition):
        raise ConfigurationError(problems)
    return definition.model_copy(update={"name": name})


def _next(folder: Path | None, name: str) -> str:
    """What to do about a push that does not exist."""
    names = definitions(folder)
    if folder is None:
        return f"set folder in [push] of seil.toml, and write {name}{SUFFIX} into it"
    if closest := get_close_matches(name, names, n=1):
        return f"did you mean `seil push plan {closest[0]}`?"
    choices = f"there are {', '.join(names)}: try `seil push plan {names[0]}`, or " if names else ""
    return f"{choices}write {folder / f'{name}{SUFFIX}'}"


def _content(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        if isinstance(content.get("query"), Mapping):
            file = path.parent / str(content["query"].get("file", ""))
            content["query"] = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError([Problem(str(path), f"cannot be read: {error}")]) from error
    return content


def _parse(path: Path, content: dict[str, Any]) -> PushDefinition:
    try:
        return PushDefinition.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(
            problems_of(error, partial(_place, path), PushDefinition)
        ) from error


def _place(path: Path, keys: tuple[str | int, ...]) -> str:
    return f"{path}: {'.'.join(map(str, keys))}"


def _problems(path: Path, definition: PushDefinition) -> list[Problem]:
    problems = []
    lower = [name.lower() for name in definition.fields]
    if definition.key.lower() in lower:
        reason = "the key is also mapped as a field"
        problems.append(Problem(f"{path}: fields.{definition.key}", reason, "leave it out"))
    twice = sorted({name for name in lower if lower.count(name) > 1})
    problems += [Problem(f"{path}: fields.{name}", "is mapped twice") for name in twice]
    if definition.operation == "delete" and definition.fields:
        problems.append(Problem(f"{path}: fields", "a deletion writes no fields"))
    if definition.operation != "delete" and not definition.fields:
        problems.append(Problem(f"{path}: fields", "is missing", "FIELD = 'column' for each"))
    return problems
