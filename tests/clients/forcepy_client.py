"""https://pypi.org/project/forcepy/; it logs in by JWT."""

from __future__ import annotations

from pathlib import Path

import scenario
from forcepy import Salesforce


def main() -> None:
    org = Salesforce(base_url=f"https://{scenario.HOST}", version="62.0")
    key = str(Path.home() / "jwt.key")
    org.login_with_jwt(scenario.CLIENT_ID, key, scenario.USER)
    names = [record["Name"] for page in org.iterquery(scenario.NAMES) for record in page]
    created = org.sobjects.Account.post(Name="New")["id"]
    org.sobjects.Account[created].patch(Name="Changed")
    changed = org.sobjects.Account[created].get()["Name"]
    org.sobjects.Account[created].delete()
    scenario.Observations(
        names=names,
        created=created,
        changed=changed,
        left=sum(len(page) for page in org.iterquery(scenario.NAMES)),
        more={"limits": "DailyApiRequests" in org.get_limits()},
    ).tell()


main()
