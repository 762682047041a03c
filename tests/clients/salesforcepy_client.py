"""https://pypi.org/project/salesforcepy/; it logs in with a password."""

from __future__ import annotations

import SalesforcePy
import scenario


def main() -> None:
    org = SalesforcePy.client(
        scenario.USER,
        scenario.PASSWORD + scenario.SECURITY_TOKEN,
        scenario.CLIENT_ID,
        scenario.CLIENT_SECRET,
        login_url=scenario.HOST,
        version="62.0",
    )
    org.login()
    pages = org.query_more(scenario.NAMES)[0]
    names = [record["Name"] for page in pages for record in page["records"]]
    created = org.sobjects(object_type="Account").insert({"Name": "New"})[0]["id"]
    org.sobjects(id=created, object_type="Account").update({"Name": "Changed"})
    changed = org.sobjects(id=created, object_type="Account").query()[0]["Name"]
    org.sobjects(id=created, object_type="Account").delete()
    scenario.Observations(
        names=names,
        created=created,
        changed=changed,
        left=org.query(scenario.NAMES)[0]["totalSize"],
        more={"fields": len(org.sobjects(object_type="Account").describe()[0]) > 0},
    ).tell()
    org.logout()


main()
