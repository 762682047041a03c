"""`seil init`: a seil.toml with every setting in it, explained."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated, Literal

import typer

from seil.cli import output
from seil.cli.frame import Call, command
from seil.errors import ConfigurationError, Problem

LoginMethod = Literal["sandbox", "jwt", "client_credentials", "refresh_token"]

# What is written uncommented under [salesforce], to be filled in.
_YOURS: dict[LoginMethod, dict[str, str]] = {
    "sandbox": {},
    "jwt": {
        "login_url": "https://YOUR-DOMAIN.my.salesforce.com",
        "auth": "jwt",
        "client_id": "the consumer key",
        "username": "the integration user's username",
        "private_key": "file:seil.key",
    },
    "client_credentials": {
        "login_url": "https://YOUR-DOMAIN.my.salesforce.com",
        "auth": "client_credentials",
        "client_id": "the consumer key",
        "client_secret": "env:SEIL_CLIENT_SECRET",
    },
    "refresh_token": {
        "login_url": "https://YOUR-DOMAIN.my.salesforce.com",
        "auth": "refresh_token",
        "client_id": "the consumer key",
        "client_secret": "env:SEIL_CLIENT_SECRET",
        "refresh_token": "file:seil-data/refresh-token",
    },
}

_HEAD = """\
# SEIL's settings. What is commented out is the default.
# docs/configuration.md explains all of it, docs/connect-an-org.md how to get the org's side ready.
"""


def register(app: typer.Typer) -> None:
    command(app)(init)


def init(
    call: Call,
    org: Annotated[
        LoginMethod,
        typer.Option(help="What to log in to: the stand-in org, or your own by this flow."),
    ] = "sandbox",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a commented seil.toml."""
    from seil.settings import CONFIG_FILE

    file = call.config or Path(CONFIG_FILE)
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(config_text(org))
    except FileExistsError as error:
        problem = Problem(str(file), "is already there", "--force overwrites it")
        raise ConfigurationError([problem]) from error
    except OSError as error:
        problem = Problem(str(file), error.strerror or str(error), "choose another with --config")
        raise ConfigurationError([problem]) from error
    if call.json:
        from seil.app.documents.site import InitDocument

        call.answer(InitDocument(str(file)))
        return
    output.line(f"Wrote {file}.")
    if org == "sandbox":
        output.line("Next: `seil sandbox salesforce` in another terminal, then `seil doctor`.")
    else:
        login = "`seil login` and " if org == "refresh_token" else ""
        output.line(f"Next: fill in [salesforce] in {file}, then {login}`seil doctor`.")


def config_text(org: LoginMethod) -> str:
    from seil.cli.reference import sections

    parts = [_HEAD]
    for name, _, settings in sections():
        yours = _YOURS[org] if name == "salesforce" else {}
        lines = [f"[{name}]"] if name else []
        for setting in settings:
            comment = setting.description
            if "`" in setting.kind:
                comment += f" One of {setting.kind.replace('`', '')}."
            lines += textwrap.wrap(comment, 98, initial_indent="# ", subsequent_indent="# ")
            if setting.name in yours:
                lines.append(f'{setting.name} = "{yours[setting.name]}"')
            else:
                empty = _EXAMPLES.get((name, setting.name)) or _EMPTY.get(setting.kind)
                lines.append(f"# {setting.name} = {setting.default or empty}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


_EXAMPLES = {
    ("catalog", "file"): '"objects.toml"',
    ("models", "folder"): '"models"',
    ("push", "folder"): '"pushes"',
    ("subscribe", "ca"): '"ca.pem"',
    ("warehouse.spark", "jars"): '["iceberg-spark-runtime-3.5_2.12-1.10.2.jar"]',
    ("warehouse.spark", "options"): '{ "spark.executor.memory" = "8g" }',
    ("warehouse.spark", "partition_by"): '{ "salesforce.orderitem" = "bucket(16, id)" }',
    ("warehouse.spark", "sort_by"): '{ sales_orders = "account_id, id desc" }',
}
# Settings without a default are shown with the shape of a value.
_EMPTY = {
    "text": '""',
    "number": "4",
    "list of text": '["one", "two"]',
    "table of text": '{ gam = "one", techone = "two" }',
    "table of durations": '{ run = "10m", feed = "1d" }',
    "secret": '"env:NAME"',
    "table of secrets": '{ "spark.sql.catalog.lakehouse.token" = "env:NAME" }',
    "true or false": "true",
    "duration": '"1h"',
    "table of tables": '{ ledger = { warehouse = "SALESFORCE", table = "GLDATA" } }',
}
