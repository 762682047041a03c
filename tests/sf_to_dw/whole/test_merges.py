"""Merged accounts: the loser is deleted and leads to the winner, however often that lost itself."""

from __future__ import annotations

import httpx
from tests.limits import HANGS
from tests.sites import Site

MERGED = "SELECT object, loser_id, winner_id FROM salesforce.merged_records ORDER BY ALL"


def merge(site: Site, winner: str, *losers: str) -> int:
    body = {"object": "Account", "winner": winner, "losers": list(losers)}
    answer = httpx.post(f"{site.url}/sandbox/merge", json=body, timeout=HANGS)
    site.pass_a_second()
    return answer.status_code


def test_merged_accounts_lead_to_the_winner(site: Site) -> None:
    assert site.query(MERGED) == []
    before = site.records("account")
    one, two, three, last = sorted(i for i, row in before.items() if not row["isdeleted"])[:4]
    children = {i for i, row in site.records("contact").items() if row["accountid"] == one}
    with site.serve('compare_ids = "off"'):
        assert merge(site, two, one) == 200
        assert merge(site, last, two, three) == 200
        assert merge(site, one, last) == 400
        assert site.run().problems == []
        expected = [
            {"object": "Account", "loser_id": loser, "winner_id": last}
            for loser in (one, two, three)
        ]
        assert site.query(MERGED) == expected
        accounts, contacts = site.records("account"), site.records("contact")
        assert {accounts[loser]["isdeleted"] for loser in (one, two, three)} == {True}
        assert {contacts[child]["accountid"] for child in children} <= {last}
        assert site.rebuild().ok
    assert site.query(MERGED) == expected


def test_a_restored_loser_is_merged_no_more(site: Site) -> None:
    one, two = sorted(i for i, row in site.records("account").items() if not row["isdeleted"])[:2]
    with site.serve('compare_ids = "off"'):
        merge(site, two, one)
        site.run()
        assert len(site.query(MERGED)) == 1
    site.change_org(
        'UPDATE main."Account" SET IsDeleted = false, MasterRecordId = NULL,'
        f" SystemModstamp = now() AT TIME ZONE 'UTC' WHERE Id = '{one}'"
    )
    with site.serve('compare_ids = "off"'):
        site.pass_a_second()
        site.run()
    assert site.query(MERGED) == []
