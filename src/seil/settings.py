"""Every setting, typed, with a default that works on one machine.

Looked up in this order: SEIL_* environment variables (`SEIL_SALESFORCE__CLIENT_ID` for
`[salesforce] client_id`), then seil.toml. A secret is a reference: `env:NAME`, `file:PATH`,
`aws:NAME` or `aws:NAME#KEY` for Secrets Manager, or `plain:TEXT` for the stand-in's well-known
ones.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from seil.durations import Duration
from seil.errors import ConfigurationError, Problem
from seil.ports import ADMANAGER_PORT, API_PORT, SANDBOX_PORT, TECHONE_PORT
from seil.secret import Secret

CONFIG_FILE = "seil.toml"
_PREFIX = "SEIL_"
# Read elsewhere: the file's name here, those of the kill tests there.
_OTHERS = frozenset({"SEIL_CONFIG", "SEIL_KILL_LIVES", "SEIL_KILL_SEED"})


def _listed(value: object) -> object:
    """A list, or in a variable its parts with commas between them."""
    if not isinstance(value, str):
        return value
    return [part for part in (text.strip() for text in value.split(",")) if part]


def _paired(value: object) -> object:
    """A table, or in a variable its `name=value` with commas between them."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in str(value).split(",") if part.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError("in a variable it is name=value, with commas between them")
    return {name.strip(): text.strip() for name, _, text in pairs}


def _filled(value: object) -> object:
    """Of a place: empty text would be the folder of the settings file."""
    if value == "":
        raise ValueError("is empty")
    return value


Place = Annotated[Path, BeforeValidator(_filled)]
PlaceUrl = Annotated[str, BeforeValidator(_filled)]


def _zone(value: str) -> str:
    # Looked up only where one is set: few commands need zones.
    from seil.time_zones import time_zone

    return time_zone(value)


def _zone_or_none(value: str) -> str:
    return _zone(value) if value else ""


System = Annotated[str, Field(pattern="^(gam|techone)$")]


class _Section(BaseModel):
    # Every command reads the settings, and none needs the validators of all sections.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class SalesforceSettings(_Section):
    """The org. The defaults are those of the stand-in: `seil sandbox salesforce`."""

    login_url: str = Field(
        f"http://127.0.0.1:{SANDBOX_PORT}",
        description="Your My Domain, a sandbox's too: https://YOUR-DOMAIN.my.salesforce.com.",
    )
    auth: Literal["jwt", "client_credentials", "refresh_token"] = Field(
        "client_credentials", description="How SEIL logs in: the OAuth 2.0 flow."
    )
    client_id: str = Field(
        "seil-sandbox", description="The consumer key of the External Client App, or connected app."
    )
    client_secret: Secret | None = Field(
        Secret("plain:sandbox-secret"),
        description="The consumer secret, for client_credentials and refresh_token.",
    )
    username: str = Field("", description="The integration user, for jwt.")
    private_key: Secret | None = Field(None, description="The PEM private key, for jwt.")
    refresh_token: Secret | None = Field(
        None, description="The token, for refresh_token: `seil login` gets one."
    )
    token_file: Place = Field(
        Path("seil-data/salesforce-token.json"),
        description="Where a refresh token that the org rotated is kept, readable by you alone.",
    )
    audience: str = Field(
        "", description="aud of the jwt assertion; default: login_url, else login or test."
    )
    api_version: str = Field("66.0", pattern=r"^\d{2}\.\d$", description="REST API version.")
    timeout: Duration = Field(timedelta(minutes=2), description="Longest silence on a connection.")
    attempts: int = Field(5, ge=1, description="Tries of one call before it counts as failed.")
    max_wait: Duration = Field(
        timedelta(minutes=5), description="Longest wait between two tries, Retry-After included."
    )
    reserve: int = Field(
        10, ge=0, le=100, description="Percent of the org's daily API calls left to others."
    )
    gzip: bool | None = Field(
        None, description="Ask for compressed answers; default: yes, but not on loopback."
    )


class ExtractSettings(_Section):
    """Salesforce to the landing zone."""

    flows: int = Field(4, ge=1, description="Objects read at once.")
    pages: int = Field(4, ge=1, description="Result pages downloaded at once, per object.")
    page_rows: int = Field(100_000, ge=1, description="Rows asked for in one result page.")
    poll: Duration = Field(timedelta(seconds=2), description="Longest wait between job polls.")
    job_timeout: Duration = Field(timedelta(hours=6), description="Give up on a job after this.")


class IngestSettings(_Section):
    """Landing zone to curated."""

    workers: int = Field(2, ge=1, description="Files taken in at once.")
    min_bytes: int = Field(12, ge=0, description="A smaller file is rejected as cut off.")


class LakeSettings(_Section):
    """Where the files are."""

    url: PlaceUrl = Field(
        "seil-data/lake", description="A folder, file:///... or s3://...: the buckets' parent."
    )


class WarehouseSettings(_Section):
    """Where the tables are."""

    url: str = Field(
        "duckdb:seil-data/warehouse.duckdb", description="duckdb:<file>; the tables live here."
    )
    memory: str = Field(
        "2GB", pattern=r"(?i)^[\d.]+ ?[KMGT]i?B$", description="DuckDB's memory limit."
    )
    threads: int | None = Field(None, ge=1, description="DuckDB's threads; default: one per core.")
    publish: bool = Field(
        default=True,
        description="Keep a read-only copy for readers beside it: <name>.read.duckdb.",
    )
    time_zone: Annotated[str, AfterValidator(_zone_or_none)] = Field(
        "", description="Where a day begins for `..._date` columns: IANA name; default: the org's."
    )


class EventSettings(_Section):
    """Where events are kept."""

    journal: Place = Field(
        Path("seil-data/journal.sqlite"), description="The embedded journal's file."
    )
    keep: Duration = Field(timedelta(days=14), description="Events are kept this long.")


def _state_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme != "sqlite" or not parts.path):
        raise ValueError("it is sqlite:<file>")
    return value


class StateSettings(_Section):
    """Runs, decisions and what else a rebuild cannot give back."""

    url: Annotated[str, AfterValidator(_state_url)] = Field(
        "",
        description="sqlite:<file>; default: state.sqlite beside the journal.",
    )
    keep: Duration = Field(timedelta(days=90), description="Runs' reports are kept this long.")
    keep_runs: int = Field(10_000, ge=1, description="The most runs whose reports are kept.")
    log_lines: int = Field(
        200, ge=0, description="Log lines kept of each attempt of a step: the last ones."
    )


class CatalogSettings(_Section):
    """Which objects are synced."""

    file: Annotated[Path | None, BeforeValidator(_filled)] = Field(
        None, description="Your own objects and rules; default: objects.toml where it exists."
    )


class ModelSettings(_Section):
    """Your own tables, as SQL files beside the packaged ones."""

    folder: Annotated[Path | None, BeforeValidator(_filled)] = Field(
        None, description="A folder of SQL models, each with its .yml; default: none."
    )


class FeedSettings(_Section):
    """The legacy CSV feed."""

    url: PlaceUrl = Field(
        "seil-data/feed", description="Where the legacy CSV files go: folder or s3://."
    )
    prefix: str = Field("Synth", description="First part of a feed file's name.")


class AdManagerSettings(_Section):
    """Google Ad Manager. The defaults are those of the stand-in: `seil sandbox admanager`."""

    network_code: str = Field("1234567", pattern=r"^\d+$", description="The network's code.")
    endpoint: str = Field(
        f"http://127.0.0.1:{ADMANAGER_PORT}",
        description="The REST API; Google's is https://admanager.googleapis.com.",
    )
    soap_endpoint: str = Field(
        f"http://127.0.0.1:{ADMANAGER_PORT}",
        description="The SOAP API, for proposals; Google's is https://ads.google.com.",
    )
    soap_version: str = Field("v202608", pattern=r"^v\d{6}$", description="The SOAP version.")
    application_name: str = Field("SEIL", description="What calls, as Ad Manager's logs name it.")
    service_account_key: Secret = Field(
        Secret("file:seil-data/sandbox/admanager/service-account.json"),
        description="The service account's JSON key. The stand-in writes one at this place.",
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "Australia/Sydney", description="The network's zone: date-times are given out in it."
    )
    timeout: Duration = Field(timedelta(seconds=20), description="Longest wait for one call.")
    attempts: int = Field(
        3, ge=1, description="Tries of a call that is safe to repeat, and of a concurrent change."
    )
    wsdl_cache: Place = Field(
        Path("seil-data/cache/wsdl"), description="Where SOAP's interface descriptions are kept."
    )
    wsdl_age: Duration = Field(
        timedelta(days=7), description="Age at which they are read again, in the background."
    )


class TechOneSettings(_Section):
    """TechOne. The defaults are those of the stand-in: `seil sandbox techone`."""

    base_url: str = Field(
        f"http://127.0.0.1:{TECHONE_PORT}", description="CiAnywhere's address; paths are below it."
    )
    token_url: str = Field(
        f"http://127.0.0.1:{TECHONE_PORT}/oauth2/token", description="Where tokens are given out."
    )
    client_id: str = Field("seil-sandbox", description="The OAuth client.")
    client_secret: Secret = Field(
        Secret("plain:sandbox-secret"), description="The OAuth client's secret."
    )
    rate_path: str = Field(
        "/Api/RaaS/v1/Reports/AUDUSD", description="The report of exchange rates."
    )
    credit_path: str = Field(
        "/Api/RaaS/v1/Functions/Execute", description="The function that tells a debtor's credit."
    )
    timeout: Duration = Field(timedelta(seconds=20), description="Longest wait for one call.")
    attempts: int = Field(3, ge=1, description="Tries of one call before it counts as failed.")
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "Australia/Sydney", description="The business's zone: a rate has to be valid today there."
    )


class ApiSettings(_Section):
    """The HTTP API: `seil serve`."""

    host: str = Field("127.0.0.1", description="The address to listen at.")
    port: int = Field(API_PORT, ge=0, le=65535, description="The port; 0: any that is free.")
    issuer: str = Field(
        "",
        description="The tokens' issuer, such as a Cognito user pool; `seil serve --sandbox` has a "
        "stand-in.",
    )
    token_url: str = Field(
        "",
        description="Its token endpoint, for the OpenAPI document; set it for Cognito. Default: "
        "<issuer>/oauth2/token.",
    )
    contact: str = Field(
        "",
        description="Whom callers may ask, for the OpenAPI document: an e-mail address, or the "
        "URL of a page.",
    )
    jwks_url: str = Field(
        "", description="The issuer's keys; default: <issuer>/.well-known/jwks.json."
    )
    clients: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (), description="Client ids that may call; default: every client of the issuer."
    )
    audience: str = Field(
        "", description="aud that a token has to have; default: none, as Cognito's have none."
    )
    keys_age: Duration = Field(
        timedelta(hours=1), description="The keys are read again after this."
    )
    client_id: str = Field("seil-demo", description="The stand-in issuer's client.")
    client_secret: Secret = Field(
        Secret("plain:demo-secret"), description="Its secret. Outside the local profile: your own."
    )
    token_lifetime: Duration = Field(
        timedelta(hours=1), description="Lifetime of the stand-in issuer's tokens."
    )
    token_rate: int = Field(
        120,
        ge=1,
        description="Token requests a minute at the stand-in issuer, per client and per address.",
    )
    token_failures: int = Field(
        10,
        ge=1,
        description="Wrong secrets a minute there, of one client from one address.",
    )
    state: Place = Field(
        Path("seil-data/api"),
        description="The Idempotency-Keys seen, and what `seil serve --sandbox` keeps.",
    )
    body_limit: int = Field(1 << 20, ge=1024, description="Longest request body, in bytes.")
    timeout: Duration = Field(timedelta(seconds=29), description="Longest wait for an answer.")
    service_timeout: Duration = Field(
        timedelta(seconds=25), description="Longest wait for a service; shorter than `timeout`."
    )
    rate: int = Field(600, ge=1, description="Requests a minute and caller.")
    workers: int = Field(40, ge=1, description="Calls to a downstream system at once.")
    connections: int | None = Field(
        None,
        ge=1,
        description="Connections at once; default: what `ulimit -n` leaves beside calls and files, "
        "10000 at most.",
    )
    breaker_failures: int = Field(
        5, ge=1, description="A downstream that failed so often in a row is not called."
    )
    breaker_pause: Duration = Field(
        timedelta(seconds=30), description="How long it is not called before the next try."
    )
    idempotency_age: Duration = Field(
        timedelta(hours=24),
        ge=timedelta(minutes=5),  # A key has to outlast its call.
        description="An Idempotency-Key is remembered this long: five minutes at least.",
    )
    functions: Annotated[dict[System, str], BeforeValidator(_paired)] = Field(
        {},
        description="On AWS: each system's client function, its name or ARN; in the variable "
        "`gam=<name>,techone=<name>`.",
    )
    requests_table: str = Field(
        "", description="On AWS: the DynamoDB table of the Idempotency-Keys seen."
    )


class TraceSettings(_Section):
    """OpenTelemetry."""

    endpoint: str = Field(
        "", description="An OTLP/HTTP collector, http://127.0.0.1:4318; default: no traces."
    )
    service: str = Field("seil", description="service.name of the spans.")
    sample: float = Field(1.0, ge=0, le=1, description="Share of traces that are kept.")


class LogSettings(_Section):
    """What is logged, to stderr."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severity. Commands that only read log warnings at most."
    )
    format: Literal["auto", "text", "json"] = Field(
        "auto", description="auto: text on a terminal, json elsewhere."
    )


class _Plain(_Section):
    """What stands outside of the sections."""

    env: str = Field("dev", pattern=r"^[a-z0-9]+$", description="Environment: part of every key.")
    project: str = Field(
        "seil", pattern=r"^[a-z0-9-]+$", description="Project prefix: first part of bucket names."
    )
    profile: Literal["local", "aws"] = Field("local", description="Where SEIL runs.")


class Settings(_Plain):
    """All settings of one environment."""

    salesforce: SalesforceSettings = Field(default_factory=SalesforceSettings.model_construct)
    extract: ExtractSettings = Field(default_factory=ExtractSettings.model_construct)
    ingest: IngestSettings = Field(default_factory=IngestSettings.model_construct)
    lake: LakeSettings = Field(default_factory=LakeSettings.model_construct)
    warehouse: WarehouseSettings = Field(default_factory=WarehouseSettings.model_construct)
    events: EventSettings = Field(default_factory=EventSettings.model_construct)
    state: StateSettings = Field(default_factory=StateSettings.model_construct)
    catalog: CatalogSettings = Field(default_factory=CatalogSettings.model_construct)
    models: ModelSettings = Field(default_factory=ModelSettings.model_construct)
    feed: FeedSettings = Field(default_factory=FeedSettings.model_construct)
    admanager: AdManagerSettings = Field(default_factory=AdManagerSettings.model_construct)
    techone: TechOneSettings = Field(default_factory=TechOneSettings.model_construct)
    api: ApiSettings = Field(default_factory=ApiSettings.model_construct)
    trace: TraceSettings = Field(default_factory=TraceSettings.model_construct)
    log: LogSettings = Field(default_factory=LogSettings.model_construct)


_SECTIONS: Mapping[str, type[_Section]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, _Section)
}


def config_file(path: Path | None = None) -> Path | None:
    """The file in force: `path`, else SEIL_CONFIG, else ./seil.toml where it exists."""
    if path or (path := Path(os.environ["SEIL_CONFIG"]) if "SEIL_CONFIG" in os.environ else None):
        return path
    default = Path(CONFIG_FILE)
    return default if default.exists() else None


def load_settings(path: Path | None = None) -> Settings:
    """Relative paths in the file are relative to the folder that holds it.

    Raises ConfigurationError with every wrong setting at once.
    """
    file = config_file(path)
    source = _Source(file, _text_of(file) if file else "", os.environ)
    settings = _validated(source)
    return _anchored(settings, (file.parent if file else Path()).resolve())


def unknown_variables(settings: Settings) -> list[Problem]:
    """SEIL_* variables that nothing reads: neither a setting's, nor one that keeps a secret."""
    kept = {
        value.place.removeprefix("env:")
        for _, section in settings
        if isinstance(section, _Section)
        for _, value in section
        if isinstance(value, Secret)
    }
    return [
        Problem(name, "is set, but is no setting's", _variable_meant(name))
        for name in sorted(os.environ)
        if name.startswith(_PREFIX) and not _place_of(name) and name not in {*kept, *_OTHERS}
    ]


@dataclass(frozen=True)
class _Source:
    """Where settings come from: the file's text, under the SEIL_* variables."""

    file: Path | None
    text: str
    variables: Mapping[str, str]

    def values(self) -> dict[str, Any]:
        """Raises ConfigurationError naming a variable that is meant for a setting there is not."""
        try:
            found: dict[str, Any] = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError([Problem(str(self.file), f"is not TOML: {error}")]) from error
        for variable, (section, *names) in self._places():
            below = found.get(section, {})
            if not names:
                found[section] = self.variables[variable]
            elif isinstance(below, dict):
                found[section] = {**below, names[0]: self.variables[variable]}
        return found

    def misspelt(self) -> list[Problem]:
        """Variables that are surely meant for a setting: with one underscore for two, or two."""
        return [
            Problem(name, "is set, but there is no such setting", meant)
            for name in sorted(self.variables)
            if name.startswith(_PREFIX) and not _place_of(name) and name not in _OTHERS
            if (meant := _variable_meant(name)) and ("__" in name or _is_flat(name))
        ]

    def name(self, place: Sequence[str | int]) -> str:
        """A setting, and where it is set: the variable, else the line of the file."""
        from seil.wrong_values import line_of

        dotted = ".".join(map(str, place))
        for variable, names in self._places():
            if list(place[: len(names)]) == names:
                return f"{dotted} ({variable})"
        line = line_of(self.text, place)
        return f"{dotted} ({self.file}, line {line})" if line else dotted

    def _places(self) -> Iterator[tuple[str, list[str]]]:
        for variable in self.variables:
            if variable.startswith(_PREFIX) and (place := _place_of(variable)):
                yield variable, place


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError as error:
        problem = Problem(str(file), "no such file", "create one with `seil init`")
        raise ConfigurationError([problem]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        reason = f"is not TOML: line {line} is not UTF-8"
        raise ConfigurationError([Problem(str(file), reason)]) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        cure = "name a settings file with --config; `seil init` writes one"
        raise ConfigurationError([Problem(repr(str(file)), reason, cure)]) from error


def _place_of(variable: str) -> list[str]:
    """The section and the setting that a variable is for; empty where its section is none."""
    section, separator, name = variable.removeprefix(_PREFIX).lower().partition("__")
    if section not in Settings.model_fields:
        return []
    return [section, name] if separator else [section]


def _variables() -> Iterator[str]:
    """The name of every setting's variable."""
    for name in _Plain.model_fields:
        yield f"{_PREFIX}{name}".upper()
    for section, part in _SECTIONS.items():
        yield from (f"{_PREFIX}{section}__{name}".upper() for name in part.model_fields)


def _is_flat(variable: str) -> bool:
    plain = variable.replace("_", "").upper()
    return any(name.replace("_", "") == plain for name in _variables())


def _variable_meant(variable: str) -> str:
    from seil.wrong_values import near

    known = {name.removeprefix(_PREFIX): name for name in _variables()}
    found = near(variable.removeprefix(_PREFIX).upper(), known, cutoff=0.8)
    return f"did you mean {known[found]}?" if found else ""


def _validated(source: _Source) -> Settings:
    """As `Settings.model_validate`, but section by section, and only those that are given.

    A validator of all the sections takes 25 ms to make, which every command would wait for.
    """
    made: dict[str, Any] = {}
    values = source.values()
    problems = source.misspelt()
    plain = {name: value for name, value in values.items() if name not in _SECTIONS}
    for name, part in _SECTIONS.items():
        if name in values:
            with _gathered(problems, source, part, name):
                made[name] = part.model_validate(values[name])
    with _gathered(problems, source, Settings):
        made |= dict(_Plain.model_validate(plain))
    if problems:
        searched = [*([str(source.file)] if source.file else []), "SEIL_* variables"]
        raise ConfigurationError(problems, searched=searched)
    return Settings.model_construct(**made)


@contextmanager
def _gathered(
    problems: list[Problem], source: _Source, model: type[BaseModel], *place: str
) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        from seil.wrong_values import problems_of

        problems += problems_of(error, lambda below: source.name((*place, *below)), model)


def _anchored(settings: Settings, base: Path) -> Settings:
    own = base / "objects.toml"
    catalog = settings.catalog.file or (own if own.exists() else None)
    kind, _, location = settings.warehouse.url.partition(":")
    warehouse = f"duckdb:{base / location}" if kind == "duckdb" else settings.warehouse.url
    journal = base / settings.events.journal

    def url(value: str) -> str:
        return value if "://" in value else (base / value).as_uri()

    def section(place: str, values: _Section) -> dict[str, Any]:
        secrets = {
            name: value.anchored(base, f"{place}.{name}")
            for name, value in values
            if isinstance(value, Secret)
        }
        return secrets | {name: base / value for name, value in values if isinstance(value, Path)}

    return settings.model_copy(
        update={
            **{
                name: values.model_copy(update=section(name, values))
                for name, values in settings
                if name in ("salesforce", "admanager", "techone", "api")
            },
            "lake": settings.lake.model_copy(update={"url": url(settings.lake.url)}),
            "feed": settings.feed.model_copy(update={"url": url(settings.feed.url)}),
            "warehouse": settings.warehouse.model_copy(update={"url": warehouse}),
            "events": settings.events.model_copy(update={"journal": journal}),
            "state": settings.state.model_copy(
                update={
                    **section("state", settings.state),
                    "url": _state_place(settings.state.url, base, journal),
                }
            ),
            "models": settings.models.model_copy(update=section("models", settings.models)),
            "catalog": settings.catalog.model_copy(
                update={"file": base / catalog if catalog else None}
            ),
        }
    )


def _state_place(url: str, base: Path, journal: Path) -> str:
    rest = url.partition(":")[2]
    file = base / rest.removeprefix("//") if rest else journal.with_name("state.sqlite")
    return f"sqlite:{file}"
