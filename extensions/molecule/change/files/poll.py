# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks port 80 every 10 ms, and writes down for how many seconds each time nobody answered."""

from __future__ import annotations

import socket
import time


def answers():
    try:
        with socket.create_connection(("127.0.0.1", 80), timeout=1) as asked:
            # A forwarder accepts before it knows whether there is anybody behind it.
            return asked.recv(1) != b""
    except OSError:
        return False


since = None
while True:
    began = time.monotonic()
    if answers():
        if since is not None:
            with open("/run/outages", "a", encoding="ascii") as outages:
                outages.write(f"{began - since:.2f}\n")
        since = None
    else:
        since = since or began
    time.sleep(0.01)
