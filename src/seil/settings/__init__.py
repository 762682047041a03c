"""Every setting, typed, with a default that works on one machine.

Sources, the first wins: SEIL_* environment variables (`SEIL_SALESFORCE__CLIENT_ID` for
`[salesforce] client_id`), then seil.toml. A secret is a reference: `env:NAME`, `file:PATH`,
`aws:NAME` or `aws:NAME#KEY` for Secrets Manager, or `plain:TEXT` for the stand-ins' published
ones.
"""

from seil.settings.admanager import AdManagerSettings
from seil.settings.api import ApiSettings
from seil.settings.billing import BillingTableSettings, SfToT1Settings
from seil.settings.load import CONFIG_FILE, config_file, load_settings, unknown_variables
from seil.settings.observe import LogSettings, TraceSettings
from seil.settings.publish import PublishSettings
from seil.settings.root import Settings
from seil.settings.salesforce import SalesforceSettings, SubscribeSettings
from seil.settings.spark import SparkSettings
from seil.settings.start import StartSettings
from seil.settings.storage import EventSettings, LakeSettings, StateSettings, WarehouseSettings
from seil.settings.sync import (
    CatalogSettings,
    ExtractSettings,
    FeedSettings,
    GamToSfSettings,
    IngestSettings,
    ModelSettings,
    PushSettings,
    WriteSettings,
)
from seil.settings.techone import TechOneSettings

__all__ = [
    "CONFIG_FILE",
    "AdManagerSettings",
    "ApiSettings",
    "BillingTableSettings",
    "CatalogSettings",
    "EventSettings",
    "ExtractSettings",
    "FeedSettings",
    "GamToSfSettings",
    "IngestSettings",
    "LakeSettings",
    "LogSettings",
    "ModelSettings",
    "PublishSettings",
    "PushSettings",
    "SalesforceSettings",
    "Settings",
    "SfToT1Settings",
    "SparkSettings",
    "StartSettings",
    "StateSettings",
    "SubscribeSettings",
    "TechOneSettings",
    "TraceSettings",
    "WarehouseSettings",
    "WriteSettings",
    "config_file",
    "load_settings",
    "unknown_variables",
]
