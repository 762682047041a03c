"""A site whose org is served while a test runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer

CONFIG = """\
[salesforce]
login_url = "{url}"
attempts = 1
max_wait = 1
[extract]
poll = 0.05
"""


@contextmanager
def served_site(generated: Path, home: Path, **options: Any) -> Iterator[OrgServer]:
    """In `home`, of a copy of the generated org. Changes of the last second are read, too."""
    shutil.copytree(generated, home / "org", dirs_exist_ok=True)
    with OrgServer(home / "org", options=OrgOptions(**options)) as server:
        (home / "seil.toml").write_text(CONFIG.format(url=server.url))
        (home / "objects.toml").write_text('[defaults.flow]\nlag = "0s"\n')
        yield server
