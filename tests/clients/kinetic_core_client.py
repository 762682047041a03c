"""https://pypi.org/project/kinetic-core/; it logs in with a password."""

from __future__ import annotations

import scenario
from kinetic_core import OAuthAuthenticator, SalesforceClient


def main() -> None:
    session = OAuthAuthenticator(
        scenario.CLIENT_ID,
        scenario.CLIENT_SECRET,
        scenario.USER,
        scenario.PASSWORD,
        scenario.SECURITY_TOKEN,
        login_url=f"https://{scenario.HOST}",
    ).authenticate()
    org = SalesforceClient(session)
    names = [record["Name"] for record in org.query(scenario.NAMES)]
    created = org.create("Account", {"Name": "New"})
    org.update("Account", created, {"Name": "Changed"})
    changed = org.get("Account", created)["Name"]
    org.delete("Account", created)
    rows = org.bulk.query(scenario.NAMES)
    scenario.Observations(
        names=names,
        created=created,
        changed=changed,
        left=org.count("Account"),
        more={"bulk": len(rows.records), "fields": len(org.describe("Account")["fields"]) > 20},
    ).tell()


main()
