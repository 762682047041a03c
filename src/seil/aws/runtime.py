"""What every Lambda handler does before its own work: settings, logs, traces."""

from __future__ import annotations

import logging

from seil.observe import logs, traces
from seil.settings import Settings, load_settings

__all__ = ["flush_traces", "start"]

_FLUSH_MILLISECONDS = 2000


def start() -> Settings:
    """The settings, from SEIL_* variables; logs and traces as they say.

    A function is never on somebody's own machine, so that the profile is `aws` whatever they say.
    Raises ConfigurationError.
    """
    _drop_own_handler()
    logs.configure("INFO", "json")  # For what is wrong with the settings.
    settings = load_settings().model_copy(update={"profile": "aws"})
    logs.configure(settings.log.level, "text" if settings.log.format == "text" else "json")
    traces.configure(settings.trace)
    return settings


def flush_traces() -> None:
    """Sends the spans now: after an answer the function is frozen, and perhaps never thawed."""
    from opentelemetry import trace

    # The API's provider, where no traces are set, has nothing to send.
    if send := getattr(trace.get_tracer_provider(), "force_flush", None):
        send(_FLUSH_MILLISECONDS)


def _drop_own_handler() -> None:
    """Lambda's runtime writes every line, too: in another form, and without masking."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler).__module__.startswith("awslambdaric"):
            root.removeHandler(handler)
