"""https://pypi.org/project/sfq/; it batches queries, and cannot create."""

from __future__ import annotations

import scenario
from sfq import SFAuth


def main() -> None:
    org = SFAuth(
        instance_url=f"https://{scenario.HOST}",
        client_id=scenario.CLIENT_ID,
        client_secret=scenario.CLIENT_SECRET,
        refresh_token=scenario.REFRESH_TOKEN,
        api_version="v62.0",
    )
    names = [record["Name"] for record in org.query(scenario.NAMES)["records"]]
    batch = org.cquery({"accounts": scenario.NAMES, "contacts": "SELECT Id FROM Contact"})
    first = org.query(scenario.NAMES)["records"][0]["Id"]
    org._cupdate({first: {"Name": "Changed"}})
    changed = org.query(f"SELECT Name FROM Account WHERE Id = '{first}'")["records"][0]["Name"]
    deleted = org.cdelete([org.query(scenario.NAMES)["records"][-1]["Id"]])
    scenario.Observations(
        names=names,
        created="",
        changed=changed,
        left=org.query(scenario.NAMES)["totalSize"],
        more={
            "contacts": batch["contacts"]["totalSize"],
            "deleted": len(deleted) if deleted else 0,
            "prefix": org.get_sobject_prefixes()["001"],
        },
    ).tell()


main()
