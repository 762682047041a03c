"""Ad Manager's and TechOne's stand-ins, in a process of their own."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from seil.sandbox.admanager.seed import ORDER_IDS
from seil.sandbox.admanager.server import AdManagerServer
from seil.sandbox.techone.server import TechOneServer


def _main(folder: Path) -> None:
    with (
        AdManagerServer(folder / "admanager") as admanager,
        TechOneServer(folder / "techone") as techone,
    ):
        told = {
            "admanager": admanager.url,
            "techone": techone.url,
            "key_file": str(admanager.service_account_key),
            "network_code": admanager.network_code,
            "order": ORDER_IDS[0],
        }
        print(json.dumps(told), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
