# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the daemons' host as root: configures them, and tells what runs and what there is.

Usage: on_host.py configure|begin|units|end|tree|by_hand, with the work as JSON on standard input, the answer on
standard output. Only the standard library of Python 3.9.
"""

import hashlib
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

# What a removed grant must not show in, but for the program's attribute, which is asked for wherever programs are.
FOLDERS = ("/etc", "/usr/lib/systemd", "/run/systemd/system", "/var/lib/netbind.privport")
PROGRAMS = ("/usr", "/opt", "/srv")
XATTR = "security.capability"
START = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
# What a daemon takes to start, or to find that it cannot.
SECONDS = 15
BY_HAND = "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"


def main():
    work = json.load(sys.stdin)
    actions = {f.__name__: f for f in (configure, begin, units, end, tree, by_hand)}
    json.dump(actions[sys.argv[1]](work), sys.stdout)


def run(*argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, check=False, **options)


def configure(work):
    """Have each daemon use its port; the error of the one that cannot be told."""
    for script, port in work:
        done = run("bash", "-euc", script, env={**os.environ, "PORT": str(port)})
        if done.returncode:
            return f"{script}: {done.stderr}{done.stdout}"
    return ""


def begin(names):
    """Start the units, as the installation of their packages does; many end at once, without their port."""
    run("systemctl", "start", "--no-block", *names)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and any(
        run("systemctl", "is-active", name).stdout.strip() == "activating" for name in names
    ):
        time.sleep(0.2)
    return {}


def units(names):
    """What runs, by the unit's name."""
    properties = "--property=ActiveState,MainPID,InvocationID,NRestarts"
    return {name: run("systemctl", "show", properties, name).stdout.split() for name in names}


def end(names):
    """Stop the units, and forget what failed."""
    run("systemctl", "stop", *names)
    run("systemctl", "reset-failed")
    return {}


def by_hand(name):
    """Start the unit with a drop-in as a person would write it: its state and the last lines of its journal."""
    dropin = Path(f"/run/systemd/system/{name}.d/by-hand.conf")
    dropin.parent.mkdir(parents=True, exist_ok=True)
    dropin.write_text(BY_HAND)
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed")
    run("systemctl", "restart", name)
    dropin.unlink()
    dropin.parent.rmdir()
    state = run("systemctl", "show", "--value", "--property=ActiveState", name).stdout.strip()
    return {"state": state, "journal": run("journalctl", "--unit", name, "--lines=8", "--output=cat").stdout}


def tree(_work):
    """Every file that a grant could be in, every capability of a program, and what the kernel has."""
    found = {path: described(path) for path in paths(FOLDERS)}
    for path in paths(PROGRAMS):
        value = attribute(path)
        if value:
            found[f"{XATTR} of {path}"] = value
    found["nft list ruleset"] = run("nft", "list", "ruleset").stdout
    found[START] = Path(START).read_text()
    return found


def paths(folders):
    for folder in filter(os.path.exists, folders):
        yield folder
        for parent, inside, files in os.walk(folder):
            yield from (os.path.join(parent, name) for name in inside + files)


def attribute(path):
    try:
        return os.getxattr(path, XATTR, follow_symlinks=False).hex()
    except OSError:
        return ""


def described(path):
    status = os.lstat(path)
    held = ""
    if stat.S_ISLNK(status.st_mode):
        held = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        held = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return f"{status.st_mode:o} {status.st_uid}:{status.st_gid} {held} {attribute(path)}"


if __name__ == "__main__":
    main()
