# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what is there of each strategy's on this host: a line of the strategy's name and what was seen."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

UNITS = Path("/etc/systemd/system")
OF_DROPIN = {"AmbientCapabilities=": "ambient", "/authbind ": "authbind", "Requires=web.socket": "socket"}
OF_FILE = {"web.socket": "socket", "privport-redirect-": "redirect", "privport-forward-": "forward"}


def traces():
    if os.listxattr("/opt/web/server"):
        yield "setcap", "attribute"
    dropin = UNITS / "web.service.d/50-privport.conf"
    text = dropin.read_text() if dropin.exists() else ""
    yield from ((name, "drop-in") for sign, name in OF_DROPIN.items() if sign in text)
    yield from (("authbind", str(path)) for path in Path("/etc/authbind").rglob("*") if path.is_file())
    if Path("/etc/sysctl.d/99-privport.conf").exists():
        yield "sysctl", "file"
    if Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() != "1024\n":
        yield "sysctl", "live value"
    files = sorted(path for path in UNITS.rglob("*") if not path.is_dir() or path.is_symlink())
    yield from ((name, str(path)) for path in files for sign, name in OF_FILE.items() if path.name.startswith(sign))
    loaded = subprocess.check_output(
        ["/bin/systemctl", "list-units", "--plain", "--no-legend", "--state=active", "web.socket", "privport-*"],
        text=True,
    )
    units = [line.split()[0] for line in loaded.splitlines()]
    yield from ((name, unit) for unit in units for sign, name in OF_FILE.items() if unit.startswith(sign))
    tables = subprocess.check_output(["/usr/sbin/nft", "list", "tables"], text=True)
    yield from (("redirect", line) for line in tables.splitlines() if "privport" in line)
    pid = subprocess.check_output(["/bin/systemctl", "show", "--property=MainPID", "--value", "web.service"], text=True)
    yield from of_process(pid.strip())


def of_process(pid):
    if pid == "0":
        return
    status = Path(f"/proc/{pid}/status").read_text()
    if "CapAmb:\t0000000000000000" not in status:
        yield "ambient", "CapAmb"
    elif "CapEff:\t0000000000000000" not in status:
        yield "setcap", "CapEff"
    if "libauthbind" in Path(f"/proc/{pid}/maps").read_text():
        yield "authbind", "libauthbind"


for name, seen in traces():
    print(name, seen)
