# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts the server whenever something that grants its port has changed."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path


def grants():
    files = [
        path
        for folder in ("/etc/authbind", "/etc/systemd/system", "/etc/netbind.privport", "/etc/sysctl.d")
        for path in Path(folder).rglob("*")
    ]
    found = {str(path): path.read_bytes() for path in files if path.is_file() and not path.name.startswith(".")}
    return found, os.listxattr("/opt/web/server")


def look():
    while True:
        try:
            return grants()
        except FileNotFoundError:
            pass


known = look()
while True:
    now = look()
    if now != known:
        known = now
        subprocess.run(["/usr/bin/systemctl", "restart", "web.service"], check=True)
    time.sleep(0.01)
