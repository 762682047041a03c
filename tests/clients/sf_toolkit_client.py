"""https://pypi.org/project/sf-toolkit/; it begins with userinfo and takes the newest version."""

from __future__ import annotations

import os

import httpx
import scenario
from sf_toolkit import SalesforceClient, SObject
from sf_toolkit.auth import client_credentials_flow_login
from sf_toolkit.data.fields import IdField, TextField
from sf_toolkit.io import delete, fetch, save, save_upsert, select


class Account(SObject):  # type: ignore[misc]
    Id = IdField()
    Name = TextField()


class Client(SObject, api_name="Account"):  # type: ignore[misc, call-arg]
    Id = IdField()
    Name = TextField()
    Ext__c = TextField()


def main() -> None:
    login = client_credentials_flow_login(scenario.CLIENT_ID, scenario.CLIENT_SECRET, scenario.HOST)
    # Its own transport knows no proxy.
    transport = httpx.HTTPTransport(proxy=os.environ["HTTPS_PROXY"])
    with SalesforceClient(login=login, transport=transport) as org:
        names = [record.Name for record in select(Account).order_by(Id="ASC").execute()]
        record = Account(Name="New")
        save(record)
        record.Name = "Changed"
        save(record)
        created, changed = record.Id, fetch(Account, record.Id).Name
        save_upsert(Client(Ext__c="A-1", Name="Acme"), "Ext__c")
        delete(record)
        scenario.Observations(
            names=names,
            created=created,
            changed=changed,
            left=len(select(Account).execute()),
            more={"user": org._userinfo.preferred_username},
        ).tell()


main()
