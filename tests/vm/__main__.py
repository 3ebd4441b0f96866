# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tests on the emulated machine: python -m vm IMAGE [TEST…]"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from . import apparmor, boot, containers, selinux

TESTS = {"apparmor": apparmor.run, "selinux": selinux.run, "boot": boot.run, "containers": containers.run}


def main() -> None:
    image, *names = sys.argv[1:]
    unknown = [name for name in names if name not in TESTS]
    if unknown:
        sys.exit(f"error: there is no test {unknown[0]!r}; there are {', '.join(TESTS)}")
    # So that the emulator is ended, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    failed = False
    for name in names or TESTS:
        started = time.monotonic()
        print(f"=== {name}", flush=True)
        try:
            for line in TESTS[name](Path(image)):
                print(line)
            outcome = "ok"
        except RuntimeError as failure:
            print(failure)
            outcome, failed = "FAILED", True
        print(f"=== {name}: {outcome}, {time.monotonic() - started:.0f} s", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
