"""The function that keeps every event where `seil events` finds it: in the state."""

from __future__ import annotations

from seil.app.handlers import keep_events
from seil.aws.queue import QueueFunction

handler = QueueFunction(lambda site, events, _stop: keep_events(site, events))
