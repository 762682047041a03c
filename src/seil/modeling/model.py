"""Models: one SQL file per table, with a .yml that states grain, key, columns and tests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from graphlib import CycleError, TopologicalSorter
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from seil.errors import ConfigurationError, Problem
from seil.modeling.business_date import BusinessZone, check_calls, cut_columns
from seil.modeling.names import is_table, name_problem, near_names, scope_relations, table_name
from seil.modeling.needs import ColumnNeed, columns_of_models, unmet_needs
from seil.modeling.outside import expression_reads, outside_reads
from seil.modeling.sources import Sources
from seil.modeling.volatile import volatile_parts
from seil.warehouse.dialect import WRITTEN_IN, parse_select
from seil.warehouse.tables import RESERVED_NAMES, TableName

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
Level = Literal["error", "warning"]
_SUFFIXES = (".sql", ".yml")
_KINDS = ("unique", "not_null", "accepted_values", "relationships", "expression")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_text(value: object) -> object:
    """As the warehouse casts it to text: YAML parses true and 1."""
    return value if isinstance(value, str) else json.dumps(value)


class _Values(_Entry):
    values: tuple[Annotated[str, BeforeValidator(_as_text)], ...]


class _Target(_Entry):
    to: str
    field: str


class ModelTest(_Entry):
    """One test of a column or, with its columns named or as an expression, of the table.

    In the .yml, a test without arguments is its name alone. unique: `columns` together; of a
    single column, nulls are ignored. accepted_values, relationships, expression: null passes.
    """

    level: Level = "error"
    unique: tuple[str, ...] = ()
    not_null: tuple[str, ...] = ()
    accepted_values: _Values | None = None
    relationships: _Target | None = None
    expression: str = ""

    @model_validator(mode="before")
    @classmethod
    def _normalize(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {data: ()}
        kinds = [kind for kind in _KINDS if kind in data] if isinstance(data, dict) else []
        if len(kinds) != 1:
            raise ValueError(f"a test is one of {', '.join(_KINDS)}")
        return data

    @property
    def kind(self) -> str:
        return next(kind for kind in _KINDS if kind in self.model_fields_set)


class ModelColumn(_Entry):
    name: str
    type: str = ""
    description: str = ""
    tests: tuple[ModelTest, ...] = ()


class ModelDescription(_Entry):
    """The .yml's content. `driving` is the source table whose records give the rows."""

    name: str
    description: str = ""
    grain: str = ""
    key: tuple[str, ...] = ()
    driving: str = ""
    columns: tuple[ModelColumn, ...] = ()
    tests: tuple[ModelTest, ...] = ()


@dataclass(frozen=True)
class Model:
    """One table: its SELECT, its description, and the SQL file's name for messages."""

    name: str
    sql: str
    described: ModelDescription
    file: str = ""

    @property
    def table(self) -> TableName:
        return TableName("", self.name)

    @property
    def key(self) -> tuple[str, ...]:
        return self.described.key

    @property
    def certain_key(self) -> tuple[str, ...]:
        """The key, if tests of level error hold it unique and not null; else ()."""
        guarantees: dict[str, set[tuple[str, ...]]] = {"unique": set(), "not_null": set()}
        for column, test in self._tests:
            if test.level == "error" and test.kind in guarantees:
                guarantees[test.kind].add(tuple(sorted(test.unique or test.not_null or (column,))))
        never_null = {name for names in guarantees["not_null"] for name in names}
        is_unique = tuple(sorted(self.key)) in guarantees["unique"]
        return self.key if is_unique and never_null.issuperset(self.key) else ()

    @property
    def _tests(self) -> Iterator[tuple[str, ModelTest]]:
        """With the column, empty for those of the table."""
        yield from (("", test) for test in self.described.tests)
        for column in self.described.columns:
            yield from ((column.name, test) for test in column.tests)

    @property
    def references(self) -> Iterator[tuple[str, str, str]]:
        """(own column, model, its column) of the relationship tests."""
        for column in self.described.columns:
            for test in column.tests:
                if target := test.relationships:
                    yield column.name, target.to, target.field

    @property
    def query(self) -> exp.Query:
        """A copy that the caller may modify."""
        return self.parsed.copy()

    @property
    def parsed(self) -> exp.Query:
        """Shared: do not modify."""
        return parse_model(self.sql)

    @property
    def columns_of_models(self) -> tuple[tuple[str, str], ...]:
        """(model, column) that its SELECT reads of other models."""
        return _columns_of_models(self.sql)

    @property
    def cut_columns(self) -> frozenset[str]:
        """Names of the columns that business dates are cut from."""
        return _cut_columns(self.sql)

    @property
    def reads(self) -> frozenset[TableName]:
        """The tables it reads, lower-case; those without schema are models."""
        return _reads(self.sql)


class Models(Mapping[str, Model]):
    """Models by table name, each after those it reads.

    `sources` are the other tables that models may read, `needs` columns that others than models
    need; `zone` is called at each build for the time zone in force. Raises ConfigurationError
    naming every name clash, unknown table and missing column, or a cycle.
    """

    def __init__(
        self,
        models: Iterable[Model],
        sources: Sources,
        *,
        needs: Iterable[ColumnNeed] = (),
        zone: Callable[[], BusinessZone] = BusinessZone,
    ) -> None:
        self._models = {model.name: model for model in models}
        self.sources = sources
        self.zone = zone
        _raise(
            problem
            for model in self._models.values()
            for problem in (*_name_problems(model, sources), *self._unknown_tables(model))
        )
        self._order = self._sort()
        _raise(unmet_needs(self._models, needs))

    def __getitem__(self, name: str) -> Model:
        return self._models[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def upstream(self, name: str) -> frozenset[str]:
        """The models that it reads directly."""
        return frozenset(table.name for table in self[name].reads if not table.schema)

    def select(self, names: Iterable[str]) -> list[Model]:
        """The models by name, all if `names` is empty, in build order.

        Includes the tables that their rows reference: otherwise new rows would reference rows that
        those tables lack.
        """
        roots = [name.lower() for name in names]
        _raise(name_problem(name, "a table that is built", self) for name in roots)
        closure = set(roots)
        while more := {to for name in closure for to in self._parents(self[name])} - closure:
            closure |= more
        return [self[name] for name in self if name in closure or not roots]

    def _sort(self) -> tuple[str, ...]:
        upstream = {name: self.upstream(name) for name in sorted(self._models)}
        try:
            return tuple(TopologicalSorter(upstream).static_order())
        except CycleError as error:
            cycle = " reads ".join(reversed(error.args[1]))
            problem = Problem(self[error.args[1][0]].file, f"reads itself: {cycle}")
            raise ConfigurationError([problem]) from error

    def _parents(self, model: Model) -> Iterator[str]:
        """The models that its relationship tests reference."""
        yield from (table for _, table, _ in model.references if table in self)

    def _unknown_tables(self, model: Model) -> Iterator[Problem]:
        for table in sorted(model.reads):
            names = map(str, self.sources) if table.schema else self._models
            if problem := name_problem(str(table), "a table", names, at=model.file):
                yield problem
        for column, to, _ in model.references:
            if to.lower() not in {*self._models, *map(str, self.sources)}:
                reason = f"{to}, in the relationships test of {model.name}.{column},"
                yield Problem(model.file, f"{reason} is not a table", near_names(to, self._models))


def load_models(
    folders: Iterable[tuple[str, Path | Traversable]],
    sources: Sources,
    *,
    needs: Iterable[ColumnNeed] = (),
    zone: Callable[[], BusinessZone] = BusinessZone,
) -> Models:
    """The models of several folders, each with a label for messages. A file overrides one of the
    same name in an earlier folder.

    Raises ConfigurationError naming every problem.
    """
    files: dict[tuple[str, str], _File] = {}
    for label, folder in folders:
        files |= _read_files(label, folder)
    problems: list[Problem] = []
    models: list[Model] = []
    for name in sorted({stem for stem, _ in files}):
        try:
            sql, yml = (files.get((name, suffix)) for suffix in _SUFFIXES)
            models.append(_model(name, sql, yml))
        except ConfigurationError as error:
            problems += error.problems
    _raise(problems)
    return Models(models, sources, needs=needs, zone=zone)


def _raise(problems: Iterable[Problem | None]) -> None:
    if actual := [problem for problem in problems if problem]:
        raise ConfigurationError(actual)


def _name_problems(model: Model, sources: Sources) -> Iterator[Problem]:
    if not _NAME.fullmatch(model.name):
        reason = f"{model.name!r} is no name for a table"
        cure = "use lower-case letters, digits and single underscores, a letter first"
        yield Problem(model.file, reason, cure)
    if model.name in RESERVED_NAMES or model.name.startswith("seil_"):
        reason = f"{model.name!r} is a name that the warehouse or SEIL uses itself"
        yield Problem(model.file, reason, "rename the file")
    elif clashes := [str(t) for t in sources if model.name in (t.name, t.schema)]:
        yield Problem(model.file, f"is called like {clashes[0]}, a source", "rename the file")


@cache
def parse_model(sql: str) -> exp.Query:
    """Shared: do not modify. Names of tables and CTEs are lower-case: the dialect ignores case.

    Raises SqlglotError.
    """
    query = parse_select(sql)
    for node in query.find_all(exp.Table, exp.CTE):
        names = node.parts if isinstance(node, exp.Table) else [node.args["alias"].this]
        for name in names:
            if isinstance(name, exp.Identifier):
                name.set("this", name.name.lower())
    return query


@cache
def parse_expression(sql: str) -> exp.Expr:
    """Parses a test's expression. Shared: do not modify. Raises SqlglotError."""
    return exp.condition(sql, dialect=WRITTEN_IN, copy=False)


@cache
def _cut_columns(sql: str) -> frozenset[str]:
    return cut_columns(parse_model(sql))


@cache
def _columns_of_models(sql: str) -> tuple[tuple[str, str], ...]:
    return tuple(columns_of_models(parse_model(sql)))


@cache
def _reads(sql: str) -> frozenset[TableName]:
    return frozenset(table_name(table) for table in tables_of(parse_model(sql)))


def tables_of(query: exp.Query) -> list[exp.Table]:
    """Every place where a query reads a table, without CTEs and table functions."""
    tables = [
        source
        for scope in traverse_scope(query)
        for source in scope_relations(scope).values()
        if is_table(source)
    ]
    return list({id(table): table for table in tables}.values())


@dataclass(frozen=True)
class _File:
    content: bytes
    label: str

    @property
    def text(self) -> str:
        """Raises ConfigurationError."""
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            reason = f"is not UTF-8 (byte {error.start + 1:,})"
            raise self.refusal(reason, "save it as UTF-8") from error

    def refusal(self, reason: str, cure: str = "") -> ConfigurationError:
        return ConfigurationError([Problem(self.label, reason, cure)])


def _read_files(label: str, folder: Path | Traversable) -> dict[tuple[str, str], _File]:
    """By table name and suffix. Raises ConfigurationError."""
    files: dict[tuple[str, str], _File] = {}
    for entry in folder.iterdir():
        stem, suffix = Path(entry.name).stem, Path(entry.name).suffix
        if entry.name.startswith(".") or suffix.lower() not in (*_SUFFIXES, ".yaml"):
            continue
        place = f"{label}/{entry.name}"
        if suffix not in _SUFFIXES:
            right = ".sql" if suffix.lower() == ".sql" else ".yml"
            raise _File(b"", place).refusal("is not read", f"rename it to {stem}{right}")
        try:
            files[stem, suffix] = _File(entry.read_bytes(), place)
        except OSError as error:
            raise _File(b"", place).refusal(f"cannot be read: {error.strerror}") from error
    return files


@lru_cache(512)
def _model(name: str, sql: _File | None, yml: _File | None) -> Model:
    """Cached: a site is opened for each event, and checking its models takes as long as a build.

    Raises ConfigurationError.
    """
    if sql is None:
        raise (yml or _File(b"", name)).refusal(f"there is no {name}.sql beside it")
    _check_sql(sql)
    described = _description(name, yml) if yml else ModelDescription(name=name)
    return Model(name, sql.text, described, sql.label)


def _check_sql(file: _File) -> None:
    """Raises ConfigurationError."""
    try:
        query = parse_model(file.text)
        check_calls(query)
        reasons = [*outside_reads(query), *volatile_parts(query)]
    except (ValueError, SqlglotError) as error:
        raise file.refusal(_first_line(error)) from error
    _raise(Problem(file.label, reason) for reason in dict.fromkeys(reasons))


def _description(name: str, file: _File) -> ModelDescription:
    """Raises ConfigurationError."""
    body = _yaml(file)
    if not isinstance(body, dict | None):
        raise file.refusal("is not a list of keys with values", "write lines like `key: [id]`")
    try:
        described = ModelDescription.model_validate({"name": name, **(body or {})})
    except ValidationError as error:
        from seil.wrong_values import problems_of

        places = problems_of(error, lambda at: f"{file.label}: {'.'.join(map(str, at))}")
        raise ConfigurationError(places) from error
    if described.name != name:
        raise file.refusal(f"is named {described.name!r} inside")
    of_columns = (test for column in described.columns for test in column.tests)
    for test in filter(lambda test: test.expression, (*described.tests, *of_columns)):
        _check_expression(test.expression, file)
    return described


def _check_expression(sql: str, file: _File) -> None:
    """Raises ConfigurationError."""
    try:
        expression = parse_expression(sql)
        reasons = [*expression_reads(expression), *volatile_parts(expression)]
    except SqlglotError as error:
        raise file.refusal(f"{sql!r}: {_first_line(error)}") from error
    _raise(Problem(file.label, reason) for reason in dict.fromkeys(reasons))


def _yaml(file: _File) -> Any:
    """Like yaml.safe_load, which does not use libyaml and takes six times as long.

    Raises ConfigurationError.
    """
    text = file.text
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise file.refusal(f"is not YAML: {line}{error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise file.refusal(f"is not YAML: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
