"""https://pypi.org/project/aio-sf/; it asks after each login when the token ends."""

from __future__ import annotations

import asyncio

import scenario
from aio_sf import ClientCredentialsAuth, SalesforceClient, bulk_query


async def main() -> None:
    auth = ClientCredentialsAuth(
        f"https://{scenario.HOST}", scenario.CLIENT_ID, scenario.CLIENT_SECRET
    )
    async with SalesforceClient(auth_strategy=auth, version="v62.0") as org:
        answer = await org.query.soql(scenario.NAMES)
        names = [record["Name"] for record in await answer.collect_all()]
        inserted = await org.collections.insert([{"Name": "New"}], "Account")
        created = inserted[0]["id"]
        await org.collections.update([{"Id": created, "Name": "Changed"}], "Account")
        one = await org.query.soql(f"SELECT Name FROM Account WHERE Id = '{created}'")
        changed = (await one.collect_all())[0]["Name"]
        upserted = await org.collections.upsert(
            [{"Ext__c": "A-1", "Name": "Acme"}], "Ext__c", "Account"
        )
        await org.collections.delete([created])
        rows = await bulk_query(org, scenario.NAMES, poll_interval=0)
        remaining = [record async for record in rows]
        scenario.Observations(
            names=names,
            created=created,
            changed=changed,
            left=len(remaining),
            more={
                "created by upsert": upserted[0]["created"],
                "token's end is known": auth.expires_at is not None,
            },
        ).tell()


asyncio.run(main())
