"""`seil sandbox`: a stand-in for the org, so that everything can be tried without one."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seil.app.documents.servers import (
    SalesforceSandboxDocument,
    SandboxResetDocument,
    SandboxTickDocument,
)
from seil.cli import output, sandbox_admanager, sandbox_faults, sandbox_techone
from seil.cli.context import shown_progress
from seil.cli.frame import Call, command, group
from seil.cli.stand_in import FaultTexts, Host, Port, faults_of, set_up_logging
from seil.errors import ConfigurationError, Problem, UnavailableError
from seil.ports import PUBSUB_PORT, PUBSUB_TLS_PORT, SANDBOX_PORT
from seil.sandbox.salesforce.options import Audience
from seil.sandbox.salesforce.record_ids import ORG_ID

if TYPE_CHECKING:
    from seil.sandbox.salesforce.options import OrgOptions
    from seil.sandbox.salesforce.server import OrgServer

app = group("A stand-in for Salesforce on this machine, with an org's data in it.")

PORT = SANDBOX_PORT
_START = "start one with `seil sandbox salesforce`, or name its folder with --state"
# A run stays a minute behind the org's clock (`lag` of the catalog).
_AGO = timedelta(seconds=65)
_STATE = Path("seil-data/sandbox/salesforce")
_HELD = (
    "org.duckdb*",
    "service.sqlite*",
    "jobs",
    "queries",
    "files",
    "spill",
    "jwt.*",
    "tls.*",
    "pubsub-*",
)

StateFolder = Annotated[Path, typer.Option(help="The folder that holds the org.")]


def register(root: typer.Typer) -> None:
    sandbox_admanager.register(app)
    sandbox_techone.register(app)
    sandbox_faults.register(app)
    root.add_typer(app, name="sandbox")


@command(app, extra="sandbox")
def salesforce(
    call: Call,
    *,
    port: Port = PORT,
    host: Host = "127.0.0.1",
    state: StateFolder = _STATE,
    orders: Annotated[int, typer.Option(min=1, help="Size of a new org.")] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same org.")] = 1,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day a new org's three years end."),
    ] = None,
    objects: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            metavar="DESCRIBE.json[:ROWS]",
            help="A describe answer: a new org has that object as it says. May be repeated.",
        ),
    ] = None,
    daily_requests: Annotated[int, typer.Option(min=0, help="API requests a day.")] = 100_000,
    daily_query_jobs: Annotated[int, typer.Option(min=0, help="Query jobs a day.")] = 10_000,
    token_lifetime: Annotated[float, typer.Option(min=0, help="Seconds a session lasts.")] = 7200,
    rotate_refresh_tokens: Annotated[
        bool, typer.Option("--rotate-refresh-tokens", help="Each is good for one login.")
    ] = False,
    public_key: Annotated[
        Path | None, typer.Option(help="Verifies JWT logins; default: a pair made in --state.")
    ] = None,
    job_delay: Annotated[
        float, typer.Option(min=0, help="Seconds a bulk job stays in each state.")
    ] = 0,
    page_rows: Annotated[
        int, typer.Option(min=1, help="Rows of a bulk result page, where none are asked for.")
    ] = 100_000,
    app_name: Annotated[str, typer.Option(help="Adds the per-app part to Sforce-Limit-Info.")] = "",
    audience: Annotated[
        Audience, typer.Option(help="The form of a JWT's aud that is taken.")
    ] = "any",
    org_id: Annotated[
        str, typer.Option(help="The org's id; with another one it plays another org.")
    ] = ORG_ID,
    tls: Annotated[
        bool, typer.Option("--tls", help="HTTPS, with a certificate made here.")
    ] = False,
    pubsub: Annotated[
        bool, typer.Option("--pubsub", help="Serve the Pub/Sub API, too: events over gRPC.")
    ] = False,
    pubsub_port: Port = PUBSUB_PORT,
    pubsub_tls_port: Port = PUBSUB_TLS_PORT,
    change_events: Annotated[
        list[str] | None,
        typer.Option("--change-events", help="An object with change events; default: all."),
    ] = None,
    faults: FaultTexts = None,
) -> None:
    """Serve a stand-in org; its first start makes a new one. Ctrl-C stops it."""
    from seil.sandbox.base.listening import check_address, serve
    from seil.sandbox.salesforce.fault_kinds import KINDS
    from seil.sandbox.salesforce.options import OrgOptions, PubSubOptions, Quotas
    from seil.sandbox.salesforce.server import OrgServer

    set_up_logging(call)
    options = OrgOptions(
        quotas=Quotas(api_requests=daily_requests, query_jobs=daily_query_jobs),
        token_lifetime=token_lifetime,
        rotate_refresh_tokens=rotate_refresh_tokens,
        public_key=public_key,
        job_delay=job_delay,
        result_page_rows=page_rows,
        audience=audience,
        org_id=org_id,
        app_name=app_name,
        tls=tls,
        pubsub=PubSubOptions(pubsub_port, pubsub_tls_port, objects=tuple(change_events or ()))
        if pubsub
        else None,
    )
    _check_key(options)
    parsed = faults_of(faults, KINDS)
    check_address(host, port)
    is_new = _ensure_org(call, state, orders=orders, seed=seed, as_of=as_of, extra=objects or [])
    server = OrgServer(state, host=host, port=port, options=options, faults=parsed)
    serve(server, started=lambda: _announce(call, server, is_new=is_new))
    if not call.json:
        output.line("The stand-in org has stopped; the next start goes on where it was.")


@command(app, extra="sandbox")
def tick(
    call: Call,
    *,
    share: Annotated[float, typer.Option(min=0, max=1, help="How much of the org changes.")] = 0.01,
    url: Annotated[str, typer.Option(help="Where it is served.")] = f"http://127.0.0.1:{PORT}",
    state: StateFolder = _STATE,
) -> None:
    """Change the org: records are updated, added, deleted and undeleted. Served or not.

    The changes are dated a minute back, so that the next run, which stays that far behind the
    clock, reads them.
    """
    wishes = {"share": share, "now": (datetime.now(UTC) - _AGO).isoformat()}
    changes = _tick_served(url, wishes)
    if changes is None:
        changes = _tick_folder(state, wishes)
    if call.json:
        call.answer(SandboxTickDocument(changes))
        return
    names = list(dict.fromkeys(name for counts in changes.values() for name in counts))
    rows = [[*(counts.get(n) for n in names), name] for name, counts in changes.items()]
    output.table([*names, "object"], [row for row in rows if any(row[:-1])])


@command(app, extra="sandbox")
def reset(
    call: Call,
    *,
    state: StateFolder = _STATE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete the org, with its keys and jobs; the next start makes a new one."""
    from seil.sandbox.salesforce.store import FILE_NAME

    if not (state / FILE_NAME).exists():
        raise ConfigurationError([Problem(str(state), "there is no stand-in org here", _START)])
    _unfinished(state)  # raises ConflictError while it is served
    if not yes:
        typer.confirm(f"Delete the org in {state}?", abort=True)
    for pattern in _HELD:
        for path in state.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if call.json:
        call.answer(SandboxResetDocument(str(state)))
    else:
        output.line(f"Removed the org in {state}.")


def _ensure_org(
    call: Call,
    state: Path,
    *,
    orders: int,
    seed: int,
    as_of: datetime | None,
    extra: list[str],
) -> bool:
    """Makes the org where there is none yet; whether it did."""
    from seil.sandbox.salesforce.generator import generate
    from seil.sandbox.salesforce.store import FILE_NAME

    if (state / FILE_NAME).exists() and not _unfinished(state):
        return False
    with shown_progress(call) as progress:
        generate(
            state,
            orders=orders,
            seed=seed,
            as_of=as_of.date() if as_of else None,
            extra=[_extra(text) for text in extra],
            progress=progress,
        ).close()
    return True


def _unfinished(state: Path) -> bool:
    """Whether making the org was cut short; it is made anew then."""
    from seil.sandbox.salesforce.store import OrgStore

    try:
        OrgStore.open(state).close()
    except ConfigurationError as error:
        return "cut short" in str(error)
    return False


def _extra(text: str) -> Path | tuple[Path, int]:
    path, _, rows = text.rpartition(":")
    return (Path(path), int(rows)) if path and rows.isdecimal() else Path(text)


def _check_key(options: OrgOptions) -> None:
    from seil.sandbox.salesforce.auth import verifying_key

    if options.public_key is None:
        return
    try:
        verifying_key(options.public_key)
    except (OSError, ValueError) as error:
        problem = Problem(str(options.public_key), f"is no PEM public key or certificate: {error}")
        raise ConfigurationError([problem]) from error


def _announce(call: Call, server: OrgServer, *, is_new: bool) -> None:
    credentials, events = server.options.credentials, server.options.pubsub is not None
    if call.json:
        answer = SalesforceSandboxDocument(
            url=server.url,
            state=str(server.folder),
            made=is_new,
            client_id=credentials.client_id,
            username=credentials.username,
            jwt_key=str(server.jwt_key),
            pubsub=server.pubsub_address if events else "",
            pubsub_tls=server.pubsub_tls_address if events else "",
            pubsub_ca=str(server.pubsub_ca) if events else "",
        )
        call.answer_line(answer)
        return
    output.line(f"The stand-in org in {server.folder} listens at {server.url}; Ctrl-C stops it.")
    if server.url == f"http://127.0.0.1:{PORT}":
        output.line("SEIL looks there by default: try `seil doctor`, then `seil run`.")
    else:
        output.line(f'Point SEIL at it in seil.toml: [salesforce] login_url = "{server.url}"')
    if events:
        tls = f"{server.pubsub_tls_address} with TLS, the CA in {server.pubsub_ca}"
        output.line(f"Pub/Sub API at {server.pubsub_address} in plaintext, at {tls}.")
    output.line(
        f"Client {credentials.client_id}, user {credentials.username}; for JWT: {server.jwt_key}."
    )


def _tick_served(url: str, wishes: dict[str, Any]) -> dict[str, Any] | None:
    """None when nobody listens there."""
    import httpx

    try:
        answer = httpx.post(f"{url}/sandbox/tick", json=wishes, timeout=300)
    except httpx.ConnectError:
        return None
    except httpx.InvalidURL as error:
        raise ConfigurationError([Problem(repr(url[:100]), f"is no URL: {error}")]) from error
    except httpx.HTTPError as error:
        raise UnavailableError(f"The stand-in org at {url}", str(error)) from error
    if answer.is_error:
        raise ConfigurationError(
            [Problem(url, f"no stand-in org answers here: {answer.text[:200]}")]
        )
    changes: dict[str, Any] = answer.json()
    return changes


def _tick_folder(state: Path, wishes: dict[str, Any]) -> dict[str, Any]:
    from seil.sandbox.salesforce.control import run_tick
    from seil.sandbox.salesforce.store import OrgStore

    with OrgStore.open(state) as store:
        return run_tick(store, wishes)
