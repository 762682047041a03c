"""Answers with status 200 that are not what was promised: none may count as an empty result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from tests.admanager.conftest import Wire
from tests.limits import HANGS

from seil.admanager.client import AdManager
from seil.admanager.models import (
    ActOnLineItems,
    ActOnOrder,
    GetLineItems,
    GetProposalLineItems,
    UpdateLineItems,
)
from seil.errors import (
    RequestRejectedError,
    SeilError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.sandbox.admanager.server import AdManagerServer
from seil.settings import AdManagerSettings

NETWORK = "networks/1234567"
ORDER = {"name": f"{NETWORK}/orders/7", "displayName": "Acme", "status": "DRAFT"}
ITEM = {"name": f"{NETWORK}/lineItems/9", "order": ORDER["name"]}
DAYS = (date(2026, 11, 1), date(2026, 11, 2))
CHANGES = {"lineItems": [{"id": 9, "orderId": 7, "name": "new"}]}

LISTS: dict[str, Callable[[AdManager], Any]] = {
    "order action": lambda gam: gam.act_on_order(ActOnOrder(order_id=7, action="approve")),
    "line items": lambda gam: gam.get_line_items(GetLineItems(order_id=7)),
    "action": lambda gam: gam.act_on_line_items(ActOnLineItems(ids=[9], action="pause")),
    "update": lambda gam: gam.update_line_items(UpdateLineItems.model_validate(CHANGES)),
    "buyers": lambda gam: gam._buyers.account(5),
    "report": lambda gam: list(gam.report(["DATE"], ["AD_SERVER_CLICKS"], DAYS)),
}
LIES = {
    "page": b"<html><title>Sign in</title></html>",
    "nothing": b"",
    "list": b"[]",
    "text": b'"orders"',
    "other": b'{"unexpected": 1}',
    "texts": b'{"orders": ["a"], "lineItems": ["a"], "programmaticBuyers": ["a"], "name": 1}',
    "unnamed": b'{"orders": [{}], "lineItems": [{}], "programmaticBuyers": [{}]}',
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("operation", LISTS)
def test_answer_that_is_none_is_no_empty_result(
    wire: Wire, wired: AdManager, operation: str, lie: str
) -> None:
    wire.reply(LIES[lie])
    with pytest.raises(UnexpectedAnswerError):
        LISTS[operation](wired)
    assert len(wire.requests) == 1


def test_honest_empty_list_is_one(wire: Wire, wired: AdManager) -> None:
    wire.reply({})
    wire.reply(ORDER)
    assert wired.get_line_items(GetLineItems(order_id=7)).line_items == []


def test_field_that_is_new_is_no_lie(wire: Wire, wired: AdManager) -> None:
    wire.reply({"orders": [{**ORDER, "newField": [1]}], "newToo": {}})
    wire.reply({"newWord": "of a batch"})
    wire.reply({"orders": [{**ORDER, "status": "APPROVED"}]})
    done = wired.act_on_order(ActOnOrder(order_id=7, action="approve"))
    assert done.num_changes == 1


@pytest.mark.parametrize("content", [b"<html>", b"[]", b""], ids=["page", "list", "nothing"])
def test_deletion_that_is_answered_by_somebody_else(
    wire: Wire, wired: AdManager, content: bytes
) -> None:
    wire.reply({"lineItems": [ITEM]})
    wire.reply(content)
    with pytest.raises(UnexpectedAnswerError):
        wired.act_on_line_items(ActOnLineItems(ids=[9], action="delete"))


def test_update_that_answers_for_fewer_is_unexpected(wire: Wire, wired: AdManager) -> None:
    wire.reply({"lineItems": [ITEM]})
    wire.reply({})
    with pytest.raises(UnexpectedAnswerError, match="0 line items for 1"):
        wired.update_line_items(UpdateLineItems.model_validate(CHANGES))


def test_pages_that_go_in_a_circle_end(wire: Wire, wired: AdManager) -> None:
    wire.reply({"lineItems": [ITEM], "nextPageToken": "again"})
    with pytest.raises(UnexpectedAnswerError, match="has its own token as the next"):
        wired.get_line_items(GetLineItems(order_id=7))
    assert len(wire.requests) == 2


NAMESPACE = "https://www.google.com/apis/ads/publisher/v202608"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


def envelope(body: str) -> bytes:
    return f'<e:Envelope xmlns:e="{ENVELOPE}"><e:Body>{body}</e:Body></e:Envelope>'.encode()


def page(inner: str) -> bytes:
    name = "getProposalLineItemsByStatementResponse"
    return envelope(f'<{name} xmlns="{NAMESPACE}">{inner}</{name}>')


ONE = "<totalResultSetSize>1</totalResultSetSize><startIndex>0</startIndex>"
SOAP_LIES = {
    "page": b"<html><body>Sign in</body></html>",
    "cut": envelope("")[:-9],
    "no body": envelope("").replace(b"Body", b"Head"),
    "nothing": envelope(""),
    "another answer": envelope("<other/>"),
    "no page": page(""),
    "empty page": page("<rval/>"),
    "text": page("<rval>hello</rval>"),
    "other": page("<rval><unexpected>1</unexpected></rval>"),
    "no number": page("<rval><totalResultSetSize>many</totalResultSetSize></rval>"),
    "fewer": page(f"<rval>{ONE}</rval>"),
    "empty result": page(f"<rval>{ONE}<results/></rval>"),
    "unnamed result": page(f"<rval>{ONE}<results><name>x</name></results></rval>"),
}


@pytest.fixture(scope="module")
def proposals(
    far_end: AdManagerServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[AdManager, Wire]]:
    """A client that has read the stand-in's interface description, and whom it asks since."""
    url = f"{far_end.url}/apis/ads/publisher/v202608/ProposalLineItemService?wsdl"
    wire = Wire()
    wire.reply(
        httpx.get(url, timeout=HANGS).content.replace(far_end.url.encode(), wire.url.encode())
    )
    settings = AdManagerSettings(
        soap_endpoint=wire.url, wsdl_cache=tmp_path_factory.mktemp("wsdl"), attempts=1
    )
    client = AdManager(settings, AnonymousCredentials())
    assert client._soap._services.get("ProposalLineItem")
    yield client, wire
    wire.stop()


@pytest.mark.parametrize("lie", SOAP_LIES)
def test_soap_answer_that_is_none_is_no_empty_result(
    proposals: tuple[AdManager, Wire], lie: str
) -> None:
    client, wire = proposals
    wire.replies.clear()
    wire.reply(SOAP_LIES[lie], Content_Type="text/xml")
    with pytest.raises(UnexpectedAnswerError):
        client.get_proposal_line_items(GetProposalLineItems(proposal_id=7))


@pytest.mark.parametrize(
    ("code", "error"),
    [("e:Server", UnavailableError), ("e:Client", RequestRejectedError)],
    ids=["server", "client"],
)
def test_fault_without_ad_managers_reasons(
    proposals: tuple[AdManager, Wire], code: str, error: type[SeilError]
) -> None:
    """Only the client's fault is the caller's."""
    client, wire = proposals
    wire.replies.clear()
    fault = f"<faultcode>{code}</faultcode><faultstring>cannot be read</faultstring>"
    wire.reply(envelope(f"<e:Fault>{fault}</e:Fault>"), 500, Content_Type="text/xml")
    with pytest.raises(error, match="cannot be read"):
        client.get_proposal_line_items(GetProposalLineItems(proposal_id=7))
