# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services as people have them, on hosts of the fleet. Runs inside the fleet's namespaces.

Usage: python -m outcomes [NAME…], the rows of these names, or all. With PRIVPORT_OUTCOMES=once each row runs on one of
the hosts, else on every one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List

from faults.inject import HERE, push

HOSTS = ("bookworm", "trixie")
ONCE = os.environ.get("PRIVPORT_OUTCOMES") == "once"
_SCRIPTS = Path(__file__).parent


def main() -> None:
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        found = dict(zip(HOSTS, pool.map(wrong_on, HOSTS)))
    rows = sum(map(len, found.values()))
    wrong = [(host, name, it) for host, names in found.items() for name, told in names.items() for it in told]
    for host, name, it in wrong:
        print(f"{host}: {name}: {it}")
    failed = len({(host, name) for host, name, _it in wrong})
    print(f"{rows} outcomes, {failed} wrong")
    sys.exit(1 if failed or not rows else 0)


def wrong_on(host: str) -> Dict[str, List[str]]:
    """By the row's name what is wrong on this host."""
    push(host)
    for path in _SCRIPTS.glob("*.py"):
        subprocess.run(["podman", "cp", str(path), f"{host}:{HERE}/"], check=True)
    part = (str(HOSTS.index(host)), str(len(HOSTS))) if ONCE else ("0", "1")
    argv = ["podman", "exec", host, "python3", f"{HERE}/on_host.py", *part, *sys.argv[1:]]
    found: Dict[str, List[str]] = {}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout or ():
            name, _tab, told = line.partition("\t")
            found[name] = json.loads(told)
            print(f"{host}: {name}: {'WRONG' if found[name] else 'ok'}", flush=True)
    if running.returncode:
        sys.exit(f"error: {' '.join(argv)} failed on {host}")
    return found


if __name__ == "__main__":
    main()
