"""A site's state in a file, and back from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seil.app.site import Site


def back_up(site: Site, file: Path) -> dict[str, int]:
    """Rows by table; runs may go on meanwhile."""
    from seil.state.backup import back_up as copy

    return copy(site.state.database, file)


def restore(site: Site, file: Path, *, replace: bool = False) -> dict[str, int]:
    """Rows by table. `replace` puts them in the place of what the state holds.

    Raises AlreadyRunningError.
    """
    from seil.sf_to_dw.lock import run_lock
    from seil.state.backup import restore as put_back

    state = site.state
    with run_lock(site.lake):
        return put_back(state.database, file, replace=replace)
