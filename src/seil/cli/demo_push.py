"""The demo's push: a plan of what the warehouse would write on the account that orders most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from seil.app.pushes import PlannedValue, plan_push, planned_values
from seil.cli import push
from seil.cli.output import line

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.dw_to_sf.plan import Plan

NAME = "orders"


def write_push(folder: Path) -> None:
    """Writes the push's definition into `folder`."""
    folder.mkdir(exist_ok=True)
    definition = files("seil.cli") / "demo_push.toml"
    (folder / f"{NAME}.toml").write_text(definition.read_text("utf-8"))


@dataclass(frozen=True)
class PushPlan:
    """A stored plan and its first values."""

    plan: Plan
    values: Sequence[PlannedValue]


def make_plan(site: Site) -> PushPlan:
    """Asks the org for its describe."""
    plan = plan_push(site, NAME)
    return PushPlan(plan, planned_values(plan, limit=5))


def show_plan(planned: PushPlan) -> None:
    line("\nWhat the warehouse would write back, planned and not applied:", style="bold")
    push.show_plan(planned.plan, planned.values)
