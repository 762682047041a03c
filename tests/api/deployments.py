"""The API twice, behind one interface: in one process, and as it is on AWS.

One process, under uvicorn, with the stand-in issuer. AWS, on ministack: a Cognito pool, an
HTTP API with a JWT authorizer, for each system a router function that invokes a client function,
secrets in Secrets Manager and a DynamoDB table. Both call the same stand-ins over HTTP.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.ministack import Ministack, ministack

from seil.api.serving.server import HttpServer
from seil.sandbox.beside_api import build_with_issuer
from seil.secret import Secret
from seil.settings import AdManagerSettings, ApiSettings, Settings, TechOneSettings

NAMES = ("one-process", "aws")
READ = "seil-dev-oauth-rs/get"
WRITE = "seil-dev-oauth-rs/post"
SCOPES = (READ, WRITE)

_PROJECT, _ENV = "seil", "dev"
# Of the deployments: how long each stand-in may take until it counts as too slow.
ADMANAGER_SECONDS = 20
TECHONE_SECONDS = 5
_MANY = 1_000_000
# Of the functions' roles; beside these they need to write their logs, as every function does.
_SECRET = ["secretsmanager:GetSecretValue"]
_KEYS = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
_HEALTH = {
    "version": "2.0",
    "rawQueryString": "",
    "headers": {"host": "localhost"},
    "requestContext": {"http": {"method": "GET", "path": "/healthz", "sourceIp": "127.0.0.1"}},
    "isBase64Encoded": False,
}
_SECONDS = 60.0


@dataclass(frozen=True)
class StandIns:
    """Where they listen."""

    admanager: str
    techone: str
    key_file: Path
    network_code: str

    @property
    def admanager_control(self) -> str:
        """Its levers: /faults, /clock, /summary ..."""
        return f"{self.admanager}/sandbox"

    @property
    def techone_control(self) -> str:
        """Its levers: /faults, /debtors, /summary ..."""
        return f"{self.techone}/control"


@dataclass
class Deployment:
    """`url` is what paths are put behind; `issuer` the `iss` of its tokens.

    `function_logs` are on AWS the lines that each function has written, by its name. What one
    writes after its answer comes with its next call.
    """

    name: str
    url: str
    issuer: str
    jwks_url: str
    stand_ins: StandIns
    ask: Callable[[Sequence[str]], str]
    client_secret: str
    headers: Mapping[str, str] = field(default_factory=dict)
    function_logs: Callable[[], Mapping[str, list[str]]] = dict
    ministack: Ministack | None = None
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=_SECONDS))

    def token(self, scopes: Sequence[str] = SCOPES) -> str:
        return self.ask(scopes)

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """As it is told: without a token unless `headers` has one. `options` are httpx's."""
        sent = {**self.headers, **(headers or {})}
        return self.http.request(method, self.url + path, headers=sent, **options)

    def call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """With a token for everything."""
        sent = {"Authorization": f"Bearer {self._all()}", **(headers or {})}
        return self.request(method, path, headers=sent, **options)

    def _all(self) -> str:
        if not hasattr(self, "_token"):
            self._token = self.token()
        return self._token


@contextmanager
def stand_ins(folder: Path) -> Iterator[StandIns]:
    from seil.sandbox.admanager.server import AdManagerServer
    from seil.sandbox.techone.server import TechOneServer

    with (
        AdManagerServer(folder / "admanager") as admanager,
        TechOneServer(folder / "techone") as techone,
    ):
        yield StandIns(
            admanager.url, techone.url, admanager.service_account_key, admanager.network_code
        )


@contextmanager
def deployed(name: str, folder: Path, far_ends: StandIns) -> Iterator[Deployment]:
    """`name` is one of NAMES."""
    start = {"one-process": _one_process, "aws": _on_aws}[name]
    with start(folder, far_ends) as deployment, deployment.http:
        yield deployment


def local_settings(folder: Path, far_ends: StandIns, **api: Any) -> Settings:
    return Settings(
        admanager=AdManagerSettings(
            endpoint=far_ends.admanager,
            soap_endpoint=far_ends.admanager,
            network_code=far_ends.network_code,
            service_account_key=Secret(f"file:{far_ends.key_file}"),
            wsdl_cache=folder / "wsdl",
            timeout=timedelta(seconds=ADMANAGER_SECONDS),
        ),
        techone=TechOneSettings(
            base_url=far_ends.techone,
            token_url=f"{far_ends.techone}/oauth2/token",
            timeout=timedelta(seconds=TECHONE_SECONDS),
        ),
        api=ApiSettings(state=folder / "api", **api),
    )


@contextmanager
def served(settings: Settings, *, grace: int = 10) -> Iterator[str]:
    """The API of these settings in a thread; where it is.

    `grace` is how many seconds requests have to end in when it stops.
    """
    # With its protocol named asyncio sets TCP_NODELAY, without it answers wait 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    listens = threading.Event()
    server = HttpServer(
        build_with_issuer(settings, url), bound, connections=1000, announce=listens.set, grace=grace
    )
    thread = threading.Thread(target=server.run, name="api")
    thread.start()
    try:
        while not listens.wait(0.05):
            if not thread.is_alive():
                raise RuntimeError("the API does not start")
        yield url
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


@contextmanager
def _one_process(folder: Path, far_ends: StandIns) -> Iterator[Deployment]:
    settings = local_settings(
        folder, far_ends, rate=_MANY, token_rate=_MANY, breaker_failures=_MANY
    )
    client = (settings.api.client_id, settings.api.client_secret.reveal())
    with served(settings) as url:
        yield Deployment(
            "one-process",
            url,
            url,
            f"{url}/.well-known/jwks.json",
            far_ends,
            lambda scopes: _token(f"{url}/oauth2/token", client, scopes),
            client[1],
        )


@contextmanager
def _on_aws(folder: Path, far_ends: StandIns) -> Iterator[Deployment]:
    with ministack(folder / "ministack", policies=True) as aws:
        pool = _pool(aws)
        routers = _functions(aws, far_ends, pool, folder)
        api = _http_api(aws, routers, pool)
        _warm(aws, routers)
        yield Deployment(
            "aws",
            aws.url,
            pool.issuer,
            pool.jwks_url,
            far_ends,
            lambda scopes: _token(f"{aws.url}/oauth2/token", pool.client, scopes),
            pool.client[1],
            {"Host": f"{api}.execute-api.127.0.0.1:{aws.url.rpartition(':')[2]}"},
            lambda: _function_logs(aws),
            aws,
        )


@dataclass(frozen=True)
class _Pool:
    issuer: str
    jwks_url: str
    client: tuple[str, str]


def _pool(aws: Ministack) -> _Pool:
    cognito = aws.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName=f"{_ENV}-api")["UserPool"]["Id"]
    cognito.create_resource_server(
        UserPoolId=pool,
        Identifier=f"{_PROJECT}-{_ENV}-oauth-rs",
        Name="api",
        Scopes=[{"ScopeName": n, "ScopeDescription": n} for n in ("get", "post")],
    )
    app = cognito.create_user_pool_client(
        UserPoolId=pool,
        ClientName="salesforce",
        GenerateSecret=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=list(SCOPES),
    )["UserPoolClient"]
    region = pool.partition("_")[0]
    return _Pool(
        f"https://cognito-idp.{region}.amazonaws.com/{pool}",
        f"{aws.url}/{pool}/.well-known/jwks.json",
        (app["ClientId"], app["ClientSecret"]),
    )


def _functions(aws: Ministack, far_ends: StandIns, pool: _Pool, folder: Path) -> dict[str, str]:
    """A router for each system, by ARN."""
    secrets = aws.client("secretsmanager")
    key, client = f"{_ENV}/gam/service_account_key", f"{_ENV}/tech1/client_credentials"
    key_arn = secrets.create_secret(Name=key, SecretString=far_ends.key_file.read_text())["ARN"]
    own = {"client_id": "seil-sandbox", "client_secret": "sandbox-secret"}
    client_arn = secrets.create_secret(Name=client, SecretString=json.dumps(own))["ARN"]
    table = aws.table(f"{_ENV}-apiRequests")
    common = {"SEIL_PROJECT": _PROJECT, "SEIL_ENV": _ENV, "SEIL_PROFILE": "aws"}
    common["SEIL_LOG__LEVEL"] = "DEBUG"
    common |= {name: aws.environment[name] for name in ("AWS_REGION", "AWS_DEFAULT_REGION")}
    store = {"SEIL_API__REQUESTS_TABLE": f"{_ENV}-apiRequests"}
    clients = {
        "gam": aws.function(
            f"{_ENV}-gamClient",
            "seil.aws.gam_client",
            {
                **common,
                **store,
                "SEIL_ADMANAGER__ENDPOINT": far_ends.admanager,
                "SEIL_ADMANAGER__SOAP_ENDPOINT": far_ends.admanager,
                "SEIL_ADMANAGER__NETWORK_CODE": far_ends.network_code,
                "SEIL_ADMANAGER__SERVICE_ACCOUNT_KEY": f"aws:{key}",
                "SEIL_ADMANAGER__TIMEOUT": f"{ADMANAGER_SECONDS}s",
                "SEIL_ADMANAGER__WSDL_CACHE": str(folder / "wsdl"),
            },
            role=aws.role(f"{_ENV}-gamClient", {key_arn: _SECRET, table: _KEYS}),
        ),
        "techone": aws.function(
            f"{_ENV}-tech1Client",
            "seil.aws.tech1_client",
            {
                **common,
                **store,
                "SEIL_TECHONE__BASE_URL": far_ends.techone,
                "SEIL_TECHONE__TOKEN_URL": f"{far_ends.techone}/oauth2/token",
                "SEIL_TECHONE__TIMEOUT": f"{TECHONE_SECONDS}s",
                "SEIL_TECHONE__CLIENT_ID": own["client_id"],
                "SEIL_TECHONE__CLIENT_SECRET": f"aws:{client}#client_secret",
            },
            role=aws.role(f"{_ENV}-tech1Client", {client_arn: _SECRET, table: _KEYS}),
        ),
    }
    routing = {
        **common,
        "SEIL_API__ISSUER": pool.issuer,
        "SEIL_API__JWKS_URL": pool.jwks_url,
        "SEIL_API__CLIENTS": pool.client[0],
        "SEIL_API__RATE": str(_MANY),
        "SEIL_API__BREAKER_FAILURES": str(_MANY),
        "SEIL_API__FUNCTIONS": ",".join(f"{n}={arn}" for n, arn in clients.items()),
    }
    modules = {"gam": "gam_router", "techone": "tech1_router"}
    return {
        system: aws.function(
            f"{_ENV}-{module}",
            f"seil.aws.{module}",
            routing,
            role=aws.role(f"{_ENV}-{module}", {clients[system]: ["lambda:InvokeFunction"]}),
        )
        for system, module in modules.items()
    }


def _warm(aws: Ministack, routers: Mapping[str, str]) -> None:
    """Starts the functions at once: on a busy machine one after the other is more than 29 s."""
    read = {
        "gam": {"operation": "gam.get-order", "request": {"orderId": 1}},
        "techone": {"operation": "techone.rate", "request": {}},
    }
    names = {"gam": f"{_ENV}-gamClient", "techone": f"{_ENV}-tech1Client"}
    events: dict[str, Mapping[str, Any]] = {
        names[system]: {**call, "correlation_id": "start"} for system, call in read.items()
    }
    events |= dict.fromkeys(routers.values(), _HEALTH)

    def invoke(name: str) -> None:
        answer = aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(events[name]))
        if "FunctionError" in answer:
            raise RuntimeError(f"{name} does not start: {answer['Payload'].read()!r}")

    with ThreadPoolExecutor(len(events)) as pool:
        list(pool.map(invoke, events))


def _function_logs(aws: Ministack) -> dict[str, list[str]]:
    logs = aws.client("logs")
    lines: dict[str, list[str]] = {}
    for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
        name = group["logGroupName"]
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name)
        events = [event for page in pages for event in page["events"]]
        lines[name.rpartition("/")[2]] = [event["message"] for event in events]
    return lines


def _http_api(aws: Ministack, routers: Mapping[str, str], pool: _Pool) -> str:
    gateway = aws.client("apigatewayv2")
    api = gateway.create_api(Name=f"{_ENV}-api", ProtocolType="HTTP")["ApiId"]
    authorizer = gateway.create_authorizer(
        ApiId=api,
        Name="cognito",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": pool.issuer, "Audience": [pool.client[0]]},
    )["AuthorizerId"]
    guard = {"AuthorizationType": "JWT", "AuthorizerId": authorizer}
    scopes = {"GET": READ, "POST": WRITE, "PUT": WRITE, "PATCH": WRITE}
    targets = {
        system: "integrations/"
        + gateway.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=arn,
            PayloadFormatVersion="2.0",
        )["IntegrationId"]
        for system, arn in routers.items()
    }
    for system, target in targets.items():
        for method, scope in scopes.items():
            gateway.create_route(
                ApiId=api,
                RouteKey=f"{method} /v1/{system}/{{proxy+}}",
                Target=target,
                AuthorizationScopes=[scope],
                **guard,
            )
    for path in ("/healthz", "/readyz", "/openapi.json"):
        gateway.create_route(ApiId=api, RouteKey=f"GET {path}", Target=targets["gam"])
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    return str(api)


def _token(url: str, client: tuple[str, str], scopes: Sequence[str]) -> str:
    basic = base64.b64encode(":".join(client).encode()).decode()
    answer = httpx.post(
        url,
        data={"grant_type": "client_credentials", "scope": " ".join(scopes)},
        headers={"Authorization": f"Basic {basic}"},
        timeout=_SECONDS,
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])


@pytest.fixture(scope="session")
def running_stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIns]:
    with stand_ins(tmp_path_factory.mktemp("stand-ins")) as far_ends:
        yield far_ends
