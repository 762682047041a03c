"""The API on a local AWS: gateway, routers, client functions, secrets and table, all for real."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.api.contract.booking import new_order
from tests.api.deployments import READ, WRITE, Deployment, StandIns, deployed
from tests.limits import HANGS
from tests.ministack import REGION, Ministack

from seil.api.keys import RemoteKeys
from seil.api.tokens import Expected, InvalidTokenError, Verifier

RATE = "/v1/techone/foreign-exchange-rate/aud-usd"


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory, running_stand_ins: StandIns
) -> Iterator[Deployment]:
    with deployed("aws", tmp_path_factory.mktemp("api"), running_stand_ins) as api:
        yield api


def judged(deployment: Deployment, token: str) -> frozenset[str]:
    async def judge() -> frozenset[str]:
        async with httpx.AsyncClient(timeout=HANGS) as client:
            keys = RemoteKeys(deployment.jwks_url, client)
            claims = await Verifier(Expected(deployment.issuer), keys).verify(token)
            return claims.scopes

    return asyncio.run(judge())


def tampered(token: str) -> str:
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["scope"] = f"{READ} {WRITE} admin"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{forged}.{signature}"


def test_cognitos_token_is_verified_with_the_keys_of_its_pool(deployment: Deployment) -> None:
    assert judged(deployment, deployment.token([READ])) == {READ}
    with pytest.raises(InvalidTokenError):
        judged(deployment, tampered(deployment.token([READ])))


def test_call_passes_gateway_router_and_client_function(deployment: Deployment) -> None:
    identity = str(uuid.uuid4())
    answer = deployment.call("GET", RATE, headers={"X-Correlation-Id": identity})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["data"]["major_ccy_code"], body["correlationId"]) == ("AUD", identity)
    assert answer.headers["x-correlation-id"] == identity
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_refusal_of_the_downstream_comes_through(deployment: Deployment) -> None:
    answer = deployment.call("GET", "/v1/gam/order/999999999")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "EC40402"


def test_request_that_does_not_validate_is_refused_by_the_router(deployment: Deployment) -> None:
    answer = deployment.call("POST", "/v1/gam/order", json={"orders": [{"nme": "x"}]})
    assert answer.status_code == 400
    assert any("nme" in fault["message"] for fault in answer.json()["errors"])


def test_body_in_utf8_arrives_whole(deployment: Deployment) -> None:
    body = {"orders": [{"name": "Füße 🎈", "advertiserId": "x", "traffickerId": 2}]}
    answer = deployment.call("POST", "/v1/gam/order", json=body)
    assert answer.status_code == 400
    assert "advertiserId" in answer.text


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c"])
def test_no_or_a_bad_token_is_401(deployment: Deployment, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = deployment.request("GET", RATE, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


def test_tampered_token_is_401(deployment: Deployment) -> None:
    headers = {"Authorization": f"Bearer {tampered(deployment.token([READ]))}"}
    answer = deployment.request("POST", "/v1/gam/order", json={}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


def test_token_without_the_scope_is_403(deployment: Deployment) -> None:
    headers = {"Authorization": f"Bearer {deployment.token([READ])}"}
    answer = deployment.request("POST", "/v1/gam/order", json={}, headers=headers)
    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})


def test_repeated_order_is_created_once(deployment: Deployment) -> None:
    body, headers = {"orders": [new_order()]}, {"Idempotency-Key": uuid.uuid4().hex}

    def post() -> httpx.Response:
        return deployment.call("POST", "/v1/gam/order", json=body, headers=headers)

    with ThreadPoolExecutor(2) as pool:
        at_once = [pool.submit(post), pool.submit(post)]
        answers = [future.result() for future in at_once]
    orders = [answer.json()["data"] for answer in answers if answer.status_code == 200]
    assert orders, [answer.text for answer in answers]
    assert all(data == orders[0] for data in orders)
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert post().json()["data"] == orders[0]
    other = {"orders": [new_order()]}
    refused = deployment.call("POST", "/v1/gam/order", json=other, headers=headers)
    assert refused.json()["errors"][0]["code"] == "EC40904"


def test_load_balancer_reaches_the_router(deployment: Deployment) -> None:
    """As on AWS, where it stands between the gateway and the router."""
    aws = Ministack(deployment.url)
    balancer = aws.client("elbv2")
    created = balancer.create_load_balancer(Name="api", Scheme="internal", Subnets=["subnet-1"])
    group = balancer.create_target_group(Name="gam-router", TargetType="lambda")
    target = group["TargetGroups"][0]["TargetGroupArn"]
    router = aws.client("lambda").get_function(FunctionName="dev-gam_router")
    balancer.register_targets(
        TargetGroupArn=target, Targets=[{"Id": router["Configuration"]["FunctionArn"]}]
    )
    balancer.create_listener(
        LoadBalancerArn=created["LoadBalancers"][0]["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target}],
    )
    url = f"{deployment.url}/_alb/api"
    headers = {"Authorization": f"Bearer {deployment.token()}"}
    assert httpx.get(f"{url}/healthz", timeout=HANGS).json()["status"] == "ok"
    answer = httpx.get(f"{url}/v1/gam/lineitem?orderid=999999", headers=headers, timeout=HANGS)
    assert answer.json()["path"] == "/v1/gam/lineitem", answer.text
    body = {"orders": [new_order()]}
    answer = httpx.post(f"{url}/v1/gam/order", headers=headers, json=body, timeout=HANGS)
    assert answer.status_code == 200, answer.text
    assert httpx.get(f"{url}/v1/gam/order/1", timeout=HANGS).json() == {"message": "Unauthorized"}


def test_stages_of_gateways_and_function_urls_reach_the_router(deployment: Deployment) -> None:
    aws = deployment.ministack
    assert aws is not None
    (api,) = aws.client("apigatewayv2").get_apis()["Items"]
    aws.client("apigatewayv2").create_stage(ApiId=api["ApiId"], StageName="dev", AutoDeploy=True)
    router = aws.client("lambda").get_function(FunctionName="dev-tech1_router")
    arn = router["Configuration"]["FunctionArn"]
    function_url = aws.client("lambda").create_function_url_config(
        FunctionName="dev-tech1_router", AuthType="NONE"
    )["FunctionUrl"]
    port = deployment.url.rpartition(":")[2]
    rest = {"Host": f"{_rest_api(aws, arn, stage='sit')}.execute-api.127.0.0.1:{port}"}
    for path, headers in [
        (f"/dev{RATE}", {}),
        (f"/sit{RATE}", rest),
        (RATE, {"Host": httpx.URL(function_url).host}),
    ]:
        answer = deployment.call("GET", path, headers=headers)
        assert (answer.status_code, answer.json()["path"]) == (200, RATE), answer.text


def _rest_api(aws: Ministack, function: str, *, stage: str) -> str:
    """The id of one whose every path goes to the function."""
    gateway = aws.client("apigateway")
    api = {"restApiId": gateway.create_rest_api(name="rest")["id"]}
    (root,) = gateway.get_resources(**api)["items"]
    proxy = gateway.create_resource(**api, parentId=root["id"], pathPart="{proxy+}")["id"]
    method = {**api, "resourceId": proxy, "httpMethod": "ANY"}
    gateway.put_method(**method, authorizationType="NONE")
    gateway.put_integration(
        **method,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations",
    )
    gateway.create_deployment(**api, stageName=stage)
    return str(api["restApiId"])


# Tries what the event says with the credentials that the function has.
_PROBE = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    found = []
    for service, method, arguments in event:
        try:
            getattr(boto3.client(service), method)(**arguments)
            found.append("ok")
        except ClientError as error:
            found.append(error.response["Error"]["Code"])
    return found
"""
_CREDENTIALS = "dev/tech1/client_credentials"
_KEY = "dev/gam/service_account_key"
_TABLE = "dev-apiRequests"
_ITEM = {"key": {"S": "probe"}}
Try = tuple[str, str, dict[str, object]]


def _tried(deployment: Deployment, function: str, tries: list[Try]) -> list[str]:
    """What becomes of it with the role of a function."""
    aws = deployment.ministack
    assert aws is not None
    client = aws.client("lambda")
    role = client.get_function_configuration(FunctionName=function)["Role"]
    name = f"probe-{function}"
    aws.code(name, _PROBE, {"AWS_DEFAULT_REGION": REGION}, role=role)
    answer = client.invoke(FunctionName=name, Payload=json.dumps(tries))
    codes: list[str] = json.loads(answer["Payload"].read())
    return codes


def test_client_function_may_read_its_secret_and_keep_its_keys_only(deployment: Deployment) -> None:
    allowed: list[Try] = [
        ("secretsmanager", "get_secret_value", {"SecretId": _CREDENTIALS}),
        ("dynamodb", "put_item", {"TableName": _TABLE, "Item": _ITEM}),
        ("dynamodb", "delete_item", {"TableName": _TABLE, "Key": _ITEM}),
    ]
    denied: list[Try] = [
        ("secretsmanager", "get_secret_value", {"SecretId": _KEY}),
        ("secretsmanager", "put_secret_value", {"SecretId": _CREDENTIALS, "SecretString": "x"}),
        ("dynamodb", "scan", {"TableName": _TABLE}),
        ("dynamodb", "get_item", {"TableName": _TABLE, "Key": _ITEM}),
        ("lambda", "invoke", {"FunctionName": "dev-gamClient", "Payload": "{}"}),
    ]
    codes = _tried(deployment, "dev-tech1Client", allowed + denied)
    assert codes[: len(allowed)] == ["ok"] * len(allowed)
    assert {code.removesuffix("Exception") for code in codes[len(allowed) :]} == {"AccessDenied"}


def test_router_may_invoke_its_client_function_only(deployment: Deployment) -> None:
    tries: list[Try] = [
        ("lambda", "invoke", {"FunctionName": "dev-gamClient", "Payload": "{}"}),
        ("lambda", "invoke", {"FunctionName": "dev-tech1Client", "Payload": "{}"}),
        ("secretsmanager", "get_secret_value", {"SecretId": _KEY}),
        ("dynamodb", "put_item", {"TableName": _TABLE, "Item": _ITEM}),
    ]
    first, *others = _tried(deployment, "dev-gam_router", tries)
    assert first == "ok"
    assert {code.removesuffix("Exception") for code in others} == {"AccessDenied"}
