"""https://pypi.org/project/salesforce-api/"""

from __future__ import annotations

import scenario
from salesforce_api import Salesforce, config


def main() -> None:
    config.BULK_SLEEP_SECONDS = 0.05
    org = Salesforce(
        domain=scenario.HOST, client_id=scenario.CLIENT_ID, client_secret=scenario.CLIENT_SECRET
    )
    names = [record["Name"] for record in org.sobjects.query(scenario.NAMES)]
    created = org.sobjects.Account.insert({"Name": "New"})["id"]
    org.sobjects.Account.update(created, {"Name": "Changed"})
    changed = org.sobjects.Account.get(created)["Name"]
    org.sobjects.Account.upsert("Ext__c", "A-1", {"Name": "Acme upserted"})
    org.sobjects.Account.delete(created)
    rows = org.bulk_v2.insert("Account", [{"Name": "Bulk one"}, {"Name": "Bulk two"}])
    org.bulk_v2.delete("Account", [row.record_id for row in rows])
    scenario.Observations(
        names=names,
        created=created,
        changed=changed,
        left=len(org.sobjects.query(scenario.NAMES)),
        more={"bulk": len(rows)},
    ).tell()


main()
