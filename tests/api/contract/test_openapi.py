"""The OpenAPI document: complete, valid, and true of what the API answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.definitions import OPENAPI_31
from tests.api.contract.booking import Body, Caller
from tests.api.deployments import READ, WRITE, Deployment
from tests.examples import examples
from tests.limits import HANGS

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
ERRORS = {"400", "401", "403", "404", "408", "409", "413", "429", "500", "502", "503", "504"}
EXAMPLES = examples(4, many=40)
# Each takes a tenth of a second to make.
EXAMPLES_OF_LINE_ITEMS = examples(2, many=12)


def _operations(document: Body) -> Iterator[tuple[str, str, Body]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _examples(media: Body) -> list[Any]:
    if "example" in media:
        return [media["example"]]
    return [entry["value"] for entry in media["examples"].values()]


def _bodies(operation: Body) -> Iterator[tuple[str, Body]]:
    for kind in operation.get("requestBody", {}).get("content", {}).values():
        yield "request", kind
    for status, response in operation["responses"].items():
        for kind in response["content"].values():
            yield status, kind


def _validator(document: Body, schema: Body) -> Any:
    whole = {**schema, "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def test_the_document_is_valid(document: Body) -> None:
    assert document["openapi"].startswith("3.1")
    jsonschema_rs.validator_for(OPENAPI_31).validate(document)
    for schema in document["components"]["schemas"].values():
        _validator(document, schema)


def test_every_operation_is_described(document: Body) -> None:
    names = [operation["operationId"] for _, _, operation in _operations(document)]
    assert len(names) == len(set(names)) == 21
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    for path, method, operation in _operations(document):
        assert operation["operationId"].isidentifier(), path
        assert operation["summary"], path
        assert operation["description"], path
        assert set(operation["tags"]) <= tags, path
        assert operation.get("requestBody", {"description": "none"})["description"], path
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, parameter)
            assert parameter["example"] is not None, (path, parameter)
        for status, response in operation["responses"].items():
            assert response["description"], (path, method, status)
            assert "X-Correlation-Id" in response["headers"]
            for media in response["content"].values():
                assert media["schema"], (path, method, status)


def test_every_route_of_the_contract_says_who_may_call_and_what_goes_wrong(document: Body) -> None:
    scheme = document["components"]["securitySchemes"]["oauth2"]
    assert set(scheme["flows"]["clientCredentials"]["scopes"]) == {READ, WRITE}
    routes = [one for one in _operations(document) if one[0].startswith("/v1/")]
    assert len(routes) == 16
    for path, method, operation in routes:
        assert operation["security"] == [{"oauth2": [READ if method == "get" else WRITE]}]
        errors = ERRORS - {"409"} if method == "get" else ERRORS
        assert {"200", *errors} == set(operation["responses"]), path
        headers = {p["name"] for p in operation["parameters"] if p["in"] == "header"}
        always = {"X-Correlation-Id", "X-Application-Label"}
        assert headers == always | ({"Idempotency-Key"} if _changes(path, method) else set())


def _changes(path: str, method: str) -> bool:
    return method != "get" and not path.endswith("forecast")


def test_a_schema_has_one_name_and_no_other_has_it(document: Body) -> None:
    """Generators take the title as the class's name; of two with one name the second is lost."""
    schemas = document["components"]["schemas"]

    assert {name: schema["title"] for name, schema in schemas.items()} == {n: n for n in schemas}
    assert all(name.isidentifier() for name in schemas)
    assert {"Targeting", "TargetingInput", "OrderSuccess"} <= set(schemas)


def test_what_may_be_left_out_is_not_null(document: Body) -> None:
    for path, method, operation in _operations(document):
        media = operation.get("requestBody", {}).get("content", {}).values()
        for place in (*operation.get("parameters", ()), *media):
            assert "null" not in json.dumps(place["schema"]), (path, method)


def test_every_example_is_as_its_schema_says(document: Body) -> None:
    seen = 0
    for path, method, operation in _operations(document):
        for parameter in operation.get("parameters", []):
            _validator(document, parameter["schema"]).validate(parameter["example"])
        for what, media in _bodies(operation):
            for example in _examples(media):
                assert example not in ({}, []), (path, method, what)
                _validator(document, media["schema"]).validate(example)
                seen += 1
    assert seen > 200


def test_parameters_have_examples_of_their_own(document: Body) -> None:
    parameters = {
        (path, parameter["name"]): parameter["example"]
        for path, _, operation in _operations(document)
        for parameter in operation.get("parameters", [])
    }

    assert "text" not in parameters.values()
    orders = {e for (_, name), e in parameters.items() if name == "orderid"}
    proposals = {e for (_, name), e in parameters.items() if name == "proposalid"}
    assert orders.isdisjoint(proposals | {parameters["/v1/gam/lineitem", "lineitemid"]})
    answer = document["paths"]["/v1/gam/proposal/{proposalid}"]["get"]["responses"]["200"]
    example = answer["content"]["application/json"]["example"]
    assert {example["path"]} == {f"/v1/gam/proposal/{number}" for number in proposals}
    assert example["data"]["id"] in proposals


def test_every_field_is_described(document: Body) -> None:
    plain = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, about in schema.get("properties", {}).items()
        if not about.get("description")
    ]

    assert plain == []


def test_limits_of_64_bits_are_exact(document: Body) -> None:
    amount = document["components"]["schemas"]["MoneyInput"]["properties"]["microAmount"]

    assert (amount["minimum"], amount["maximum"]) == (0, 2**63 - 1)


BOUNDS = {
    "array": {"maxItems"},
    "string": {"maxLength", "pattern", "enum", "const"},
    "integer": {"maximum"},
}


def _parts(document: Body, schema: Body, place: str, seen: set[str]) -> Iterator[tuple[str, Body]]:
    """The schemas that a schema is made of, each with its place; a model once."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        if name not in seen:
            seen.add(name)
            yield from _parts(document, document["components"]["schemas"][name], name, seen)
        return
    yield place, schema
    inner = [(f"{place}.{name}", part) for name, part in schema.get("properties", {}).items()]
    inner += [(f"{place}[]", schema["items"])] if "items" in schema else []
    inner += [(place, kind) for key in ("anyOf", "oneOf") for kind in schema.get(key, [])]
    for inside, part in inner:
        yield from _parts(document, part, inside, seen)


def test_all_that_a_caller_sends_is_bounded(document: Body) -> None:
    seen: set[str] = set()
    bodies = [
        media["schema"]
        for path, operations in document["paths"].items()
        if path.startswith("/v1/")
        for operation in operations.values()
        for media in operation.get("requestBody", {}).get("content", {}).values()
    ]
    unbounded = [
        place
        for body in bodies
        for place, part in _parts(document, body, "", seen)
        if (kind := part.get("type")) in BOUNDS and not BOUNDS[kind] & part.keys()
    ]

    assert len(seen) > 60
    assert unbounded == []


@pytest.mark.matrix
def test_the_document_is_the_same_both_ways(document: Body, aws: Deployment) -> None:
    theirs = aws.request("GET", "/openapi.json").json()

    own = {p for p in theirs["paths"] if p.startswith("/v1/gam/")}
    assert len(own) > 5
    assert {p: theirs["paths"][p] for p in own} == {p: document["paths"][p] for p in own}


def test_docs_page_is_served(one_process: Deployment) -> None:
    page = one_process.request("GET", "/docs")
    assert page.status_code == 200
    assert "text/html" in page.headers["Content-Type"]
    assert one_process.request("GET", "/static-offline-docs/swagger-ui-bundle.js").is_success


@pytest.mark.matrix
def test_docs_page_is_not_served_on_aws(aws: Deployment) -> None:
    assert aws.request("GET", "/docs").status_code == 404


PATHS = [
    ("post", "/v1/gam/order"),
    ("get", "/v1/gam/order/{orderid}"),
    ("put", "/v1/gam/order/{orderid}"),
    ("post", "/v1/gam/forecast"),
    ("post", "/v1/gam/lineitem"),
    ("put", "/v1/gam/lineitem"),
    ("get", "/v1/gam/lineitem"),
    ("put", "/v1/gam/lineitem/action"),
    ("post", "/v1/gam/proposal"),
    ("get", "/v1/gam/proposal/{proposalid}"),
    ("put", "/v1/gam/proposal/{proposalid}"),
    ("post", "/v1/gam/proposallineitem"),
    ("put", "/v1/gam/proposallineitem"),
    ("get", "/v1/gam/proposallineitem/{proposalid}"),
    ("get", "/v1/techone/foreign-exchange-rate/aud-usd"),
    ("get", "/v1/techone/debtor/{debtor_number}/remaining-credit-limit"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("post", "/oauth2/token"),
    ("get", "/.well-known/jwks.json"),
    ("get", "/.well-known/openid-configuration"),
]
LINE_ITEMS = [
    (method, path)
    for method in ("post", "put")
    for path in ("/v1/gam/lineitem", "/v1/gam/proposallineitem")
]


def test_every_operation_is_tried_below(document: Body) -> None:
    assert {(method, path) for path, method, _ in _operations(document)} == set(PATHS)


@pytest.fixture(scope="session")
def schema(document: Body) -> Any:
    statuses = {"expected-statuses": ["400", "404", "405", "413"]}
    config = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": statuses}})
    return schemathesis.openapi.from_dict(document, config=config)


@pytest.fixture(scope="session")
def token(local: Caller) -> str:
    return local.deployment.token()


def _cases() -> Iterator[Any]:
    """Wrong line items take seconds to generate; wrong orders and actions are refused likewise."""
    for mode in GenerationMode:
        for method, path in PATHS:
            is_long = mode is GenerationMode.NEGATIVE and (method, path) in LINE_ITEMS
            marks = [pytest.mark.matrix] if is_long else []
            yield pytest.param(method, path, mode, marks=marks, id=f"{method}-{path}-{mode.value}")


@pytest.mark.hypothesis
@pytest.mark.parametrize(("method", "path", "mode"), list(_cases()))
def test_answers_are_as_the_document_says(
    schema: Any, local: Caller, token: str, method: str, path: str, mode: GenerationMode
) -> None:
    operation = schema[path][method.upper()]
    headers = {"Authorization": f"Bearer {token}"} if path.startswith("/v1/") else {}

    large = method == "post" and path.endswith(("lineitem", "forecast"))

    @settings(
        max_examples=EXAMPLES_OF_LINE_ITEMS if large else EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def call_case(case: Any) -> None:
        case.call_and_validate(
            base_url=local.deployment.url, headers=headers, checks=CHECKS, timeout=HANGS
        )

    try:
        call_case()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # Nothing can be wrong in it.
