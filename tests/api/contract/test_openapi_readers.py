"""The OpenAPI document, as others read it: a linter, a generator, and the client that it makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.contract.booking import (
    Body,
    new_line_item,
    new_order,
    new_proposal,
    new_proposal_line_item,
)
from tests.api.contract.readers import Generated, findings, generate, import_package
from tests.api.deployments import Deployment
from tests.aws import events

from seil.api.calls import Answer, DownstreamDownError, ServiceCall
from seil.api.edge.routes_gam import gam_router
from seil.api.edge.routes_techone import techone_router
from seil.aws.router import Router

LONG_LABEL = "x" * 101


class _Nobody:
    async def call(self, call: ServiceCall) -> Answer:
        raise DownstreamDownError(call.operation)


def _on_aws(system: str) -> str:
    routes = {"gam": gam_router, "techone": techone_router}[system]
    router = Router(system, routes, invoke=lambda _settings: _Nobody())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEIL_API__ISSUER", "https://issuer.test")
        patch.setenv("SEIL_API__FUNCTIONS", f"{system}=client")
        body: str = router(events.http_api("GET", "/openapi.json"), None)["body"]
    router.close()
    return body


@pytest.fixture(
    params=[
        "one-process",
        *(pytest.param(system, marks=pytest.mark.matrix) for system in ("gam", "techone")),
    ]
)
def file(request: pytest.FixtureRequest, tmp_path: Path, document: Body) -> Path:
    """The document of the whole API, and those of the routers on AWS."""
    path = tmp_path / f"{request.param}.json"
    text = json.dumps(document) if request.param == "one-process" else _on_aws(request.param)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.timeout(600)
def test_spectral_finds_nothing(file: Path) -> None:
    assert findings(file) == []


@pytest.mark.timeout(600)
def test_a_client_is_generated_without_warnings(file: Path, tmp_path: Path) -> None:
    assert generate(file, tmp_path / "client") == ""


@pytest.fixture(scope="module")
def generated(document: Body, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(document), "utf-8")
    generate(folder / "openapi.json", folder / "generated_client")
    with import_package(folder / "generated_client") as package:
        yield Generated(package, document)


class Journey:
    """Asks through the generated client: without a token, wrongly, and as it should be."""

    def __init__(self, generated: Generated, stranger: Any, caller: Any) -> None:
        self._generated = generated
        self._stranger = stranger
        self._caller = caller
        self.models = generated.models

    def data(self, operation: str, kind: str, **arguments: Any) -> Any:
        """What the answer of this kind has in it."""
        self._refusal(operation, 401, "Refusal", self._stranger, arguments)
        wrong = {**arguments, "x_application_label": LONG_LABEL}
        failure = self._refusal(operation, 400, "Failure", self._caller, wrong)
        assert [fault.code for fault in failure.errors] == ["EC40004"]
        return self.answer(operation, kind, **arguments).data

    def answer(self, operation: str, kind: str, **arguments: Any) -> Any:
        answer = self._generated.ask(self._caller, operation, **arguments)
        assert answer.status_code == 200, answer.content
        assert type(answer.parsed).__name__ == kind
        sent, read = json.loads(answer.content), answer.parsed.to_dict()
        assert {**read, "time": None} == {**sent, "time": None}
        return answer.parsed

    def refusal(self, operation: str, status: int, kind: str, **arguments: Any) -> Any:
        return self._refusal(operation, status, kind, self._caller, arguments)

    def _refusal(
        self, operation: str, status: int, kind: str, client: Any, arguments: dict[str, Any]
    ) -> Any:
        answer = self._generated.ask(client, operation, **arguments)
        assert (answer.status_code, type(answer.parsed).__name__) == (status, kind), answer.content
        return answer.parsed

    def model(self, name: str, body: Body) -> Any:
        return getattr(self.models, name).from_dict(body)


@pytest.fixture
def journey(generated: Generated, one_process: Deployment) -> Iterator[Journey]:
    url, token = one_process.url, one_process.token()
    with generated.client(url) as stranger, generated.client(url, token) as caller:
        yield Journey(generated, stranger, caller)


@pytest.mark.timeout(600)
def test_every_route_answers_the_generated_client(
    journey: Journey, generated: Generated, one_process: Deployment
) -> None:
    generated.seen.clear()
    _order_and_line_items(journey)
    _proposal_and_line_items(journey)
    _techone(journey)
    _without_token(journey, one_process)

    assert generated.seen == generated.operations


def _order_and_line_items(journey: Journey) -> None:
    data, model, words = journey.data, journey.model, journey.models
    body = model("CreateOrder", {"orders": [new_order()]})
    order = data("createOrder", "CreatedOrderSuccess", body=body)
    assert order.status == "DRAFT"
    item = new_line_item(order.id)
    body = model("GetForecast", {"lineItems": [{"lineItem": item}]})
    assert data("forecast", "ForecastSuccess", body=body).order_id == order.id
    body = model("CreateLineItems", {"lineItems": [item]})
    (created,) = data("createLineItems", "CreatedLineItemsSuccess", body=body).line_items
    change = {"id": created.id, "orderId": order.id, "priority": 6}
    body = model("UpdateLineItems", {"lineItems": [change]})
    assert data("updateLineItems", "NumUpdatedSuccess", body=body).num_updated == 1
    (read,) = data("getLineItems", "LineItemsSuccess", orderid=order.id).line_items
    assert (read.id, read.priority) == (created.id, 6)
    approve = words.ActOnOrderAction("approve")
    acted = data("actOnOrder", "NumChangesSuccess", orderid=order.id, action=approve)
    assert acted.num_changes == 1
    assert data("getOrder", "OrderSuccess", orderid=str(order.id)).status == "APPROVED"
    body = model("ActOnLineItems", {"ids": [created.id], "action": "archive"})
    assert data("actOnLineItems", "NumChangesSuccess", body=body).num_changes == 1


def _proposal_and_line_items(journey: Journey) -> None:
    data, model, words = journey.data, journey.model, journey.models
    body = model("CreateProposal", {"proposals": [new_proposal()]})
    number = data("createProposal", "ProposalSuccess", body=body).id
    body = model("ProposalBody", {"internalNotes": "Agreed by phone"})
    changed = data("updateProposal", "ProposalSuccess", proposalid=number, body=body)
    assert changed.internal_notes == "Agreed by phone"
    lines = {"proposalLineitems": [new_proposal_line_item(number)]}
    body = model("CreateProposalLineItems", lines)
    created = data("createProposalLineItems", "ProposalLineItemsSuccess", body=body)
    (line,) = created.proposal_lineitems
    change = {"proposalLineitems": [{"id": line.id, "name": "Renamed"}]}
    body = model("ProposalLineItemsBody", change)
    changed = data("updateProposalLineItems", "ProposalLineItemsSuccess", body=body)
    assert [one.name for one in changed.proposal_lineitems] == ["Renamed"]
    body = model("ProposalLineItemsBody", {"proposalLineItemIds": [line.id]})
    archive = words.UpdateProposalLineItemsAction("archive")
    acted = data("updateProposalLineItems", "NumChangesSuccess", body=body, action=archive)
    assert acted.num_changes == 1
    read = data("getProposalLineItems", "ProposalLineItemsSuccess", proposalid=number)
    assert [one.is_archived for one in read.proposal_lineitems] == [True]
    archive = words.UpdateProposalAction("archive")
    acted = data("updateProposal", "NumChangesSuccess", proposalid=number, action=archive)
    assert acted.num_changes == 1
    assert data("getProposal", "ProposalSuccess", proposalid=number).is_archived is True


def _techone(journey: Journey) -> None:
    assert journey.data("getExchangeRate", "RateSuccess").major_ccy_code == "AUD"
    credit = journey.data("getRemainingCreditLimit", "CreditSuccess", debtor_number="D10042")
    assert credit.remaining_credit_limit == 1597.14


def _without_token(journey: Journey, deployment: Deployment) -> None:
    assert journey.answer("healthz", "Health").status == "ok"
    assert journey.answer("readyz", "Health").status == "ok"
    assert journey.answer("jwks", "Keys").keys[0].alg == "RS256"
    assert journey.answer("discovery", "Discovery").issuer == deployment.issuer
    form = {"grant_type": "client_credentials", "client_id": "seil-demo"}
    good = journey.model("TokenBody", {**form, "client_secret": deployment.client_secret})
    assert journey.answer("token", "Token", body=good).token_type == "Bearer"
    bad = journey.model("TokenBody", {**form, "client_secret": "wrong"})
    assert journey.refusal("token", 401, "TokenError", body=bad).error == "invalid_client"


@pytest.mark.timeout(600)
def test_reasons_are_read_through_the_generated_client(journey: Journey) -> None:
    missing = journey.refusal("getOrder", 404, "Failure", orderid=1)
    assert [fault.code for fault in missing.errors] == ["EC40402"]
    body = journey.model("CreateOrder", {"orders": [{**new_order(), "name": ""}]})
    wrong = journey.refusal("createOrder", 400, "Failure", body=body)
    assert [fault.code for fault in wrong.errors] == ["EC40001"]
    assert "orders[0].name" in wrong.errors[0].message
