# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects to port 80 every 10 ms, and writes down for how many seconds each time nobody listened."""

from __future__ import annotations

import socket
import time

since = None
while True:
    try:
        socket.create_connection(("127.0.0.1", 80), timeout=1).close()
        if since is not None:
            with open("/run/outages", "a", encoding="ascii") as outages:
                outages.write(f"{time.monotonic() - since:.2f}\n")
        since = None
    except OSError:
        since = since or time.monotonic()
    time.sleep(0.01)
