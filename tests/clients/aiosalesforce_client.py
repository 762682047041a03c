"""https://pypi.org/project/aiosalesforce/"""

from __future__ import annotations

import asyncio

import httpx
import scenario
from aiosalesforce import ClientCredentialsFlow, Salesforce


async def main() -> None:
    auth = ClientCredentialsFlow(scenario.CLIENT_ID, scenario.CLIENT_SECRET)
    async with httpx.AsyncClient() as http:
        # It insists on the form of an org's own address.
        org = Salesforce(http, "https://acme.my.salesforce.com", auth)
        names = [record["Name"] async for record in org.query(scenario.NAMES)]
        created = await org.sobject.create("Account", {"Name": "New"})
        await org.sobject.update("Account", created, {"Name": "Changed"})
        changed = (await org.sobject.get("Account", created))["Name"]
        upserted = await org.sobject.upsert("Account", "A-1", "Ext__c", {"Name": "Acme"})
        await org.sobject.delete("Account", created)
        rows = await org.bulk_v2.insert("Account", [{"Name": "Bulk one"}, {"Name": "Bulk two"}])
        scenario.Observations(
            names=names,
            created=created,
            changed=changed,
            left=len([record async for record in org.query(scenario.NAMES)]),
            more={"created by upsert": upserted.created, "bulk": len(rows.successful_results)},
        ).tell()


asyncio.run(main())
