"""Events of the stand-in, all the way to the tables."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest
from tests.limits import HANGS, until
from tests.sf_to_dw.events.conftest import (
    ACME,
    TOPIC,
    StreamingSite,
    forget_places,
    lose_places,
    subscribing,
)

from seil.app.site import Site
from seil.app.subscribe import subscriber
from seil.errors import AlreadyRunningError
from seil.sandbox.salesforce.fault_kinds import STREAM_KINDS
from seil.sandbox.salesforce.options import PubSubOptions
from seil.sf_to_dw.lock import lock_holder
from seil.sf_to_dw.streams import Streams
from seil.sf_to_dw.subscriber import LOCK_KEY, EventSubscriber
from seil.state.runs import RunFilter


def test_changed_created_and_deleted_records_arrive(site: StreamingSite) -> None:
    with site.serve(), subscribing(site) as running:
        running.wait_until_settled()
        site.rename(ACME, "On the event")
        running.wait_for(site, ACME, "On the event")
        account = site.add_account("New")
        running.wait_for(site, account, "New")
        site.write("DELETE", f"Account/{account}")
        running.wait_for(site, account, None)
        site.purge("0015g0000000004AAA")
        running.wait_for(site, "0015g0000000004AAA", None)
    assert [outcome.problem for outcome in running.outcomes] == [""] * len(running.outcomes)


def test_events_of_the_time_without_a_subscriber_arrive(site: StreamingSite) -> None:
    """Also after a restart of the org: they are kept in its database."""
    with site.serve():
        site.rename(ACME, "Meanwhile")
    with site.serve(), subscribing(site) as running:
        running.wait_for(site, ACME, "Meanwhile")
    assert not any(outcome.gaps for outcome in running.outcomes)


LOSING = {"replay-corrupted", "replay-refused", "event-overflow"}
# Other words of a refusal, or of a loss, that another kind has as well.
ALIKE = {"replay-corrupted", "stream-auth-refresh", "stream-unavailable", "client-limit"}
KINDS = [
    pytest.param(name, marks=[pytest.mark.matrix] if name in ALIKE else [])
    for name in STREAM_KINDS
    if name != "stream-silent"
]


@pytest.mark.parametrize("name", KINDS)
def test_the_record_arrives_despite_a_fault(name: str, site: StreamingSite) -> None:
    """Where the stream cannot tell what changed, by the object's window."""
    with site.serve() as server:
        server.faults.add(*STREAM_KINDS[name].faults)
        with subscribing(site) as running:
            if name not in LOSING:
                running.wait_until_settled()
            site.rename(ACME, name)
            running.wait_for(site, ACME, name)
            running.wait_until_settled()
    assert any(outcome.gaps for outcome in running.outcomes) is (name in LOSING)


def test_silent_stream_is_opened_again(site: StreamingSite) -> None:
    site.settings = "silence = 1"
    site.options = PubSubOptions(keepalive=0.2)
    with site.serve(), subscribing(site) as running:
        running.wait_until_settled()
        site.fault(path="/deliver$", stream="silence", times=1)
        site.rename(ACME, "After the silence")
        running.wait_for(site, ACME, "After the silence")


def test_stream_that_wanted_nothing_for_too_long_is_opened_again(site: StreamingSite) -> None:
    site.options = PubSubOptions(idle_close=0.1)
    with site.serve(), subscribing(site) as running:
        for number in range(3):
            site.rename(ACME, f"Name {number}")
            running.wait_for(site, ACME, f"Name {number}")


def test_added_field_is_taken_up_by_a_window(site: StreamingSite) -> None:
    with site.serve(), subscribing(site) as running:
        running.wait_until_settled()
        _add_field(site, "Colour__c")
        site.write("PATCH", f"Account/{ACME}", {"Name": "Red", "Colour__c": "red"})
        running.wait_for(site, ACME, "Red")
    assert site.records()[ACME]["colour__c"] == "red"
    assert any(outcome.gaps for outcome in running.outcomes)


def test_describe_is_read_once_for_all_events_of_a_schema(site: StreamingSite) -> None:
    with site.serve(), subscribing(site) as running:
        site.rename(ACME, "First")
        running.wait_for(site, ACME, "First")
        site.fault(path="/describe$", status=503)
        site.rename(ACME, "Second")
        running.wait_for(site, ACME, "Second")


def _add_field(site: StreamingSite, name: str) -> None:
    body = {"object": "Account", "action": "add", "field": name, "type": "string"}
    answer = httpx.post(
        f"{site.server.url}/sandbox/schema", content=json.dumps(body), timeout=HANGS
    )
    answer.raise_for_status()


def test_second_subscriber_is_refused(site: StreamingSite) -> None:
    with site.serve(), subscribing(site) as running, site.open() as context:
        running.wait(lambda: bool(lock_holder(context.lake, LOCK_KEY)))
        with pytest.raises(AlreadyRunningError):
            subscriber(context).run()


def test_clock_runs_go_on_beside_it(site: StreamingSite) -> None:
    with site.serve(), subscribing(site) as running:
        running.wait_until_settled()
        for number in range(3):
            site.rename(ACME, f"Both {number}")
            assert site.run().ok
        running.wait_for(site, ACME, "Both 2")


def test_lost_place_is_a_gap_and_never_a_silent_start_from_now(site: StreamingSite) -> None:
    with site.serve():
        site.rename(ACME, "In the gap")
        lose_places(site)
        with subscribing(site) as running:
            running.wait_for(site, ACME, "In the gap")
            running.wait_until_settled()
    assert any(outcome.gaps for outcome in running.outcomes)


def test_each_batch_is_a_run_in_the_report(site: StreamingSite) -> None:
    with site.serve(), subscribing(site) as running:
        running.wait_until_settled()
        site.rename(ACME, "Reported")
        running.wait_for(site, ACME, "Reported")
    with site.open() as context:
        last = context.state.runs.last()
    assert last is not None
    assert (last.command, last.outcome, last.counts["rows"]) == ("subscribe", "success", 1)
    assert TOPIC in running.subscriber.topics


def test_platform_event_is_published_once_and_waits_where_it_cannot_be_handled(
    site: StreamingSite,
) -> None:
    """Billing is not set up: the event waits, and accounts go on streaming."""
    site.settings = 'platform_events = ["BillingExtractReady__e"]'
    with site.serve(), subscribing(site) as running:
        running.wait(lambda: len(site.positions()) == 2)
        values = {"FileIds__c": '["069000000000001"]', "IntegrationJobId__c": ACME}
        site.write("POST", "BillingExtractReady__e", values)
        running.wait(lambda: site.published("platform-event") == ["BillingExtractReady__e"])
        site.rename(ACME, "Meanwhile")
        running.wait_for(site, ACME, "Meanwhile")


def test_platform_event_that_can_never_be_handled_is_a_problem(site: StreamingSite) -> None:
    site.settings = 'platform_events = ["BillingExtractReady__e"]'
    with site.serve(), subscribing(site) as running:
        running.wait(lambda: len(site.positions()) == 2)
        site.write("POST", "BillingExtractReady__e", {"FileIds__c": "nonsense"})
        running.wait(lambda: any(outcome.problem for outcome in running.outcomes))
    assert "FileIds__c is not a JSON list" in running.outcomes[-1].problem


BILLING = 'platform_events = ["BillingExtractReady__e"]'
BILLING_TOPIC = "/event/BillingExtractReady__e"
UNREADABLE = {"FileIds__c": "nonsense"}


def test_platform_events_of_the_time_without_a_subscriber_arrive(site: StreamingSite) -> None:
    """Also where the first one ended before an event or a keepalive gave it a place."""
    site.settings, site.options = BILLING, PubSubOptions(keepalive=3600)
    with site.serve():
        site.ahead = -3600
        site.write("POST", "BillingExtractReady__e", UNREADABLE)
        site.ahead = 0
        with subscribing(site) as running:
            running.wait(lambda: BILLING_TOPIC in site.positions())
        assert not site.positions()[BILLING_TOPIC].replay_id
        site.write("POST", "BillingExtractReady__e", UNREADABLE)
        with subscribing(site) as running:
            running.wait(lambda: bool(site.positions()[BILLING_TOPIC].replay_id))
    assert len(site.published("platform-event")) == 1, "not the one before the first start"


def test_platform_event_arrives_though_it_is_read_late(
    site: StreamingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first window may take hours, while the stream is open."""
    site.settings = BILLING
    receive = EventSubscriber._receive

    def receive_late(self: EventSubscriber, streams: Streams) -> None:
        if not site.ahead:
            until(lambda: any(d.topic == BILLING_TOPIC for d in list(streams.inbox.queue)))
            site.write("POST", "BillingExtractReady__e", UNREADABLE)
            site.ahead = 3600
        receive(self, streams)

    monkeypatch.setattr(EventSubscriber, "_receive", receive_late)
    with site.serve(), subscribing(site) as running:
        running.wait(lambda: bool(site.published("platform-event")))


def test_status_has_no_stop_once_the_stream_is_open_again(site: StreamingSite) -> None:
    with site.serve(), site.open() as context, subscribing(site) as running:
        running.wait_until_settled()
        site.fault(path="/Subscribe/", stream="unavailable")
        site.fault(path="/deliver$", stream="reset", times=1)
        site.rename(ACME, "During the outage")
        running.wait(lambda: bool(context.state.troubles.all()))
        site.server.faults.clear()
        running.wait(lambda: not context.state.troubles.all())
    assert site.records()[ACME]["name"] == "During the outage"


def test_events_after_a_keepalive_arrive(site: StreamingSite) -> None:
    """The first place of a stream is stored without an event."""
    site.settings = BILLING
    with site.serve():
        with subscribing(site) as running:
            running.wait_until_settled()
        site.options = PubSubOptions(keepalive=3600)
        site.write("POST", "BillingExtractReady__e", UNREADABLE)
        with subscribing(site) as running:
            running.wait(lambda: bool(site.published("platform-event")))


def test_billing_takes_up_waiting_jobs_where_events_are_lost(
    site: StreamingSite,
) -> None:
    """As often as it takes, and the events that are kept still arrive."""
    site.settings = f'{BILLING}\n[techone]\nwarehouse_url = "http://127.0.0.1:1"\nattempts = 1'
    with site.serve():
        with subscribing(site) as running:
            running.wait_until_settled()
        site.write("POST", "BillingExtractReady__e", UNREADABLE)
        lose_places(site)
        with subscribing(site) as running:
            running.wait(lambda: bool(site.published("platform-event")))
            with site.open() as context:
                running.wait(lambda: _billing_runs(context) == ["error", "error"])
    assert site.positions()[BILLING_TOPIC].gap


def _billing_runs(context: Site) -> list[str]:
    runs = context.state.runs.find(RunFilter("sync sf-to-t1"), limit=2)
    return [run.outcome for run in runs]


@pytest.mark.parametrize(
    ("ahead", "set_back"),
    [(0, 0), (-18_000, 0), (0, 48)],
    ids=["same-clock", "host-5h-ahead", "host-set-back-48h"],
)
def test_lost_place_of_a_platform_event_loses_none_that_is_kept(
    ahead: int, set_back: int, site: StreamingSite
) -> None:
    """Those before the first start stay unread."""
    site.settings = BILLING
    with site.serve():
        site.ahead = ahead - 600
        site.write("POST", "BillingExtractReady__e", UNREADABLE)
        site.ahead = ahead
        with subscribing(site) as running:
            running.wait_until_settled()
        site.write("POST", "BillingExtractReady__e", UNREADABLE)
        lose_places(site, set_back=timedelta(hours=set_back))
        with subscribing(site) as running:
            running.wait(lambda: bool(site.published("platform-event")))
            running.wait_until_settled()
    assert len(site.published("platform-event")) == 1


def test_first_start_without_the_orgs_clock_leaves_no_gap(
    site: StreamingSite,
) -> None:
    """The stream opens once; what was before it has to be read all the same."""
    with site.serve():
        forget_places(site)
        site.rename(ACME, "Before the first start")
        site.fault(path="/limits$", status=503, times=4)
        with subscribing(site) as running:
            running.wait_until_settled()
    assert site.records()[ACME]["name"] == "Before the first start"


def test_refused_stream_closes_no_gap(site: StreamingSite) -> None:
    """A refusal that is read late looks like an opened stream: its window is one more, no place."""
    with site.serve(), site.open() as context:
        forget_places(site)
        site.fault(path="/Subscribe/", stream="limit")
        with subscribing(site) as running:
            running.wait(lambda: bool(context.state.troubles.all()))
            site.rename(ACME, "While it is refused")
            site.server.faults.clear()
            running.wait_until_settled()
            running.wait(lambda: not context.state.troubles.all())
    assert site.records()[ACME]["name"] == "While it is refused"
