"""All sections together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field

from seil.settings.admanager import AdManagerSettings
from seil.settings.api import ApiSettings
from seil.settings.billing import SfToT1Settings
from seil.settings.observe import LogSettings, TraceSettings
from seil.settings.publish import PublishSettings
from seil.settings.salesforce import SalesforceSettings, SubscribeSettings
from seil.settings.section import Section
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


class TopLevel(Section):
    """Settings outside of a section."""

    env: str = Field("dev", pattern=r"^[a-z0-9]+$", description="Environment: part of every key.")
    project: str = Field(
        "seil", pattern=r"^[a-z0-9-]+$", description="Project prefix: first part of bucket names."
    )
    profile: Literal["local", "aws"] = Field("local", description="Where SEIL runs.")


class Settings(TopLevel):
    """All settings of one environment."""

    salesforce: SalesforceSettings = Field(default_factory=SalesforceSettings.model_construct)
    extract: ExtractSettings = Field(default_factory=ExtractSettings.model_construct)
    ingest: IngestSettings = Field(default_factory=IngestSettings.model_construct)
    lake: LakeSettings = Field(default_factory=LakeSettings.model_construct)
    warehouse: WarehouseSettings = Field(default_factory=WarehouseSettings.model_construct)
    events: EventSettings = Field(default_factory=EventSettings.model_construct)
    state: StateSettings = Field(default_factory=StateSettings.model_construct)
    catalog: CatalogSettings = Field(default_factory=CatalogSettings.model_construct)
    models: ModelSettings = Field(default_factory=ModelSettings.model_construct)
    feed: FeedSettings = Field(default_factory=FeedSettings.model_construct)
    publish: PublishSettings = Field(default_factory=PublishSettings.model_construct)
    write: WriteSettings = Field(default_factory=WriteSettings.model_construct)
    push: PushSettings = Field(default_factory=PushSettings.model_construct)
    gam_to_sf: GamToSfSettings = Field(default_factory=GamToSfSettings.model_construct)
    sf_to_t1: SfToT1Settings = Field(default_factory=SfToT1Settings.model_construct)
    start: StartSettings = Field(default_factory=StartSettings.model_construct)
    admanager: AdManagerSettings = Field(default_factory=AdManagerSettings.model_construct)
    techone: TechOneSettings = Field(default_factory=TechOneSettings.model_construct)
    api: ApiSettings = Field(default_factory=ApiSettings.model_construct)
    subscribe: SubscribeSettings = Field(default_factory=SubscribeSettings.model_construct)
    trace: TraceSettings = Field(default_factory=TraceSettings.model_construct)
    log: LogSettings = Field(default_factory=LogSettings.model_construct)


def sections_in(model: type[BaseModel]) -> Mapping[str, type[Section]]:
    """Its fields that are sections themselves."""
    return {
        name: field.annotation
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


SECTIONS = sections_in(Settings)
