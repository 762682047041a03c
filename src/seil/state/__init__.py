"""What curated cannot give back: runs and their reports, decisions, open failures.

It lies at `[state] url`, apart from the warehouse.
"""

from __future__ import annotations

from seil.state.store import State, open_state, state_in_memory

__all__ = ["State", "open_state", "state_in_memory"]
