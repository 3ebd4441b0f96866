# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host as root: makes what units need, puts a stand-in in the place of each program, and tries grants.

Usage: corpus.py prepare|port|try, beside on_host.py of the hazards, with the work as JSON on standard input. It answers
by JSON on standard output. Only the standard library of Python 3.9.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import on_host as hazards

UNITS = Path("/usr/lib/systemd/system")
STANDIN = Path("/opt/standin")
TRUE = Path("/usr/bin/true")


def main():
    work = json.load(sys.stdin)
    json.dump({"prepare": prepare, "port": set_ports, "try": try_grants}[sys.argv[1]](work), sys.stdout)


def prepare(work):
    """Makes all of it; answers why a unit is left out."""
    left = {}
    # Where units with a network of their own are compared with.
    hazards.run("ip", "netns", "add", hazards.NETWORK.name)
    for unit in work["units"]:
        taken = UNITS / unit["file"]
        if taken.exists() or Path("/etc/systemd/system", unit["file"]).exists():
            left[unit["file"]] = "the host has a unit of this name"
            continue
        try:
            make(unit)
        except (OSError, subprocess.CalledProcessError) as failure:
            left[unit["file"]] = f"what it needs cannot be made: {failure}"
            continue
        taken.write_text(unit["text"], errors="surrogateescape")
        dropin = Path("/etc/systemd/system", f"{unit['file']}.d", "00-corpus.conf")
        dropin.parent.mkdir(parents=True)
        dropin.write_text(unit["dropin"])
    hazards.run("systemctl", "daemon-reload")
    return left


def set_ports(work):
    for unit in work["units"]:
        Path("/etc/systemd/system", f"{unit['file']}.d", "00-corpus.conf").write_text(unit["dropin"])
    hazards.run("systemctl", "daemon-reload")
    return {}


def make(unit):
    for group in unit["groups"]:
        if not known("group", group):
            hazards.run("groupadd", "--system", group)
    for user in unit["users"]:
        if not known("passwd", user):
            group = ["--gid", user] if known("group", user) else []
            hazards.run("useradd", "--system", "--create-home", "--home-dir", f"/var/lib/home-{user}", *group, user)
    for path in unit["others"]:
        put(TRUE, path)
    for path in unit["servers"]:
        put(STANDIN, path)
    for path in unit["folders"]:
        if not os.path.lexists(path):
            os.makedirs(path, exist_ok=True)
    for path in unit["files"]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).touch()


def known(database, name):
    return subprocess.run(["getent", database, name], check=False, capture_output=True).returncode == 0


def put(program, path):
    """The program at a path where nothing is: what the host itself has it keeps."""
    if os.path.lexists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copyfile(program, path)
    os.chmod(path, 0o755)


def try_grants(work):
    """As that of the hazards, whose units are all made to die at once; here they may be slow, or leave processes."""
    hazards.look = look(hazards.look)
    stop = hazards.run

    def run(*argv):
        if argv[:2] == ("systemctl", "stop"):
            subprocess.run(["systemctl", "kill", "--signal=KILL", *argv[2:]], check=False, capture_output=True)
        if argv[0] == "systemctl" and argv[1] in ("start", "stop"):
            options = [it for it in argv if it.startswith("--")]
            # Under systemd 262 one unit that cannot be loaded ends the call for all. It is seen by its state.
            for name in argv[2 + len(options) :]:
                subprocess.run([*argv[:2], *options, name], check=False, capture_output=True)
            return ""
        return stop(*argv)

    hazards.run = run
    return hazards.try_grants(work)


def look(of_hazards):
    def found(state, grant, listening):
        outcome = of_hazards(state, grant, listening)
        restarts = state["SubState"] == "auto-restart" and state["ExecMainCode"] != "0"
        if outcome is None and restarts:
            signal = state["ExecMainCode"] in ("2", "3")
            return {"status": int(state["ExecMainStatus"]), "signal": signal}
        if outcome is None and state["ActiveState"] == "failed":
            return {"error": state["Result"]}
        return outcome

    return found


if __name__ == "__main__":
    main()
