"""https://pypi.org/project/salesforcerestapi/"""

from __future__ import annotations

import scenario
from SalesforceRESTAPI import SalesforceRESTAPI

# It reads deleted records too.
_LIVE = scenario.NAMES.replace(" ORDER", " WHERE IsDeleted = false ORDER")


def main() -> None:
    SalesforceRESTAPI.authenticate(
        scenario.CLIENT_ID, scenario.CLIENT_SECRET, f"https://{scenario.HOST}"
    )
    org = SalesforceRESTAPI()
    names = [record["Name"] for record in org.query_all(_LIVE)["records"]]
    created = org.create_record("Account", Name="New")
    org.update_record("Account", created, Name="Changed")
    changed = org.get_record("Account", created)["Name"]
    org.delete_record("Account", created)
    rows = org.bulk_insert_records("Account", [{"Name": "Bulk one"}, {"Name": "Bulk two"}])
    scenario.Observations(
        names=names,
        created=created,
        changed=changed,
        left=org.query_all(_LIVE)["totalSize"],
        more={"bulk": rows["records_processed"]},
    ).tell()
    org.revoke()


main()
