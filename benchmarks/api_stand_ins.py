"""Ad Manager's and TechOne's stand-ins, in a process of their own."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from seil.sandbox.admanager.seed import ORDER_IDS
from seil.sandbox.admanager.server import Server as AdManager
from seil.sandbox.techone.server import Server as TechOne


def _main(folder: Path) -> None:
    with AdManager(folder / "admanager") as admanager, TechOne(folder / "techone") as techone:
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
