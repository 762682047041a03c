"""What every Lambda handler does before its own work: settings, logs, traces."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from seil.aws.limits import seconds_left
from seil.observe import logs, traces
from seil.settings import Settings, load_settings

__all__ = ["RESERVE", "flush_traces", "start"]

# Seconds that a function keeps of its time: for what is to be noted of a call, answer and spans.
RESERVE = 1.5
_FLUSH_SECONDS = 2.0
_FLUSH_RESERVE = 0.3


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


class _Flush:
    """Sends the spans in a thread, one at a time: the SDK does not keep to its own time limit.

    https://github.com/open-telemetry/opentelemetry-python/issues/4568
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def wait(self, send: Callable[[], Any], seconds: float) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=send, name="seil-spans", daemon=True)
            self._thread.start()
        self._thread.join(seconds)


_flush = _Flush()


def flush_traces(context: Any) -> None:
    """Sends the spans now: after an answer the function is frozen, and perhaps never thawed.

    An answer is worth more than its spans: they are given up on before the function is killed.
    """
    from opentelemetry import trace

    # The API's provider, where no traces are set, has nothing to send.
    send = getattr(trace.get_tracer_provider(), "force_flush", None)
    left = seconds_left(context, reserve=_FLUSH_RESERVE)
    seconds = _FLUSH_SECONDS if left is None else min(_FLUSH_SECONDS, left)
    if send and seconds:
        _flush.wait(send, seconds)


def _drop_own_handler() -> None:
    """Lambda's runtime writes every line, too: in another form, and without masking."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler).__module__.startswith("awslambdaric"):
            root.removeHandler(handler)
