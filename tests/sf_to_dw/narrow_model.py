"""A model that builds quickly: packaged ones of accounts read orders first, and many columns."""

from __future__ import annotations

from seil.catalog import Catalog
from seil.modeling.model import Model, ModelColumn, ModelDescription, Models
from seil.sf_to_dw.site_models import catalog_sources

CONTACTS = Model(
    "contacts_of_accounts",
    """
    SELECT contact.id, contact.name, account.id AS account_id, account.name AS account_name
    FROM salesforce.contact
    LEFT JOIN salesforce.account
        ON contact.accountid = account.id AND account.isdeleted IS NOT TRUE
    WHERE contact.isdeleted IS NOT TRUE
    """,
    ModelDescription(
        name="contacts_of_accounts",
        grain="One row per contact.",
        key=("id",),
        driving="contact",
        columns=tuple(
            ModelColumn(name=name, type="text")
            for name in ("id", "name", "account_id", "account_name")
        ),
    ),
)


def narrow_models(catalog: Catalog) -> Models:
    return Models([CONTACTS], catalog_sources(catalog))
