"""What the Lambda handlers share: settings, logs and traces."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from seil.aws.limits import seconds_left
from seil.observe import logs, traces
from seil.settings import Settings, load_settings

__all__ = ["RESERVE", "flush_traces", "start"]

# Seconds that a function reserves for recording the outcome, answering and sending spans.
RESERVE = 1.5
_FLUSH_SECONDS = 2.0
_FLUSH_RESERVE = 0.3


def start() -> Settings:
    """Loads the settings from SEIL_* variables, and configures logs and traces.

    The profile is `aws`, whatever is set. Raises ConfigurationError.
    """
    _drop_lambda_handler()
    logs.configure("INFO", "json")  # For errors in the settings.
    settings = load_settings().model_copy(update={"profile": "aws"})
    logs.configure(settings.log.level, "text" if settings.log.format == "text" else "json")
    traces.configure(settings.trace)
    return settings


class _Flush:
    """Sends the spans in one thread at a time, since the SDK ignores its own timeout.

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
    """Sends the spans before the function is frozen, perhaps for ever.

    Gives up before Lambda's timeout: the answer is worth more than its spans.
    """
    from opentelemetry import trace

    # Without traces the provider is the OpenTelemetry API's, which has nothing to send.
    send = getattr(trace.get_tracer_provider(), "force_flush", None)
    limit = seconds_left(context, reserve=_FLUSH_RESERVE)
    seconds = _FLUSH_SECONDS if limit is None else min(_FLUSH_SECONDS, limit)
    if send and seconds:
        _flush.wait(send, seconds)


def _drop_lambda_handler() -> None:
    """Lambda's own handler would write every line again, unmasked."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler).__module__.startswith("awslambdaric"):
            root.removeHandler(handler)
