"""What curated cannot give back: runs and their reports, decisions, what failed and has not gone
right since. It lies at `[state] url`, apart from the warehouse.
"""

from __future__ import annotations

from seil.state.store import State, is_stored, open_state, state_in_memory

__all__ = ["State", "is_stored", "open_state", "state_in_memory"]
