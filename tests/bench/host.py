# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that is measured on, reached from the side: nothing here is part of what is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

HOST = "bookworm"
ADDRESS = "10.43.80.12"
PORTS = range(100, 150)
PROGRAM = "/opt/bench/server"
_ON_HOST = Path(__file__).with_name("on_host.py")
_SEARCH = Path(__file__).parents[2] / "plugins/module_utils/_host/capable_files.py"


def prepare() -> None:
    """Makes the services of all ports, none of which has a grant or runs."""
    _podman("exec", HOST, "mkdir", "--parents", "/opt/bench")
    for it in (_ON_HOST, _SEARCH):
        _podman("cp", str(it), f"{HOST}:/opt/bench/{it.name}")
    act("install", ports=list(PORTS))
    act("load")
    act("withdraw")


def act(action: str, **arguments: Any) -> Dict[str, Any]:
    """Runs an action of on_host.py there and returns its answer; ends the benchmark when it fails."""
    argv = ("exec", "--interactive", HOST, "python3", "/opt/bench/on_host.py", action)
    return dict(json.loads(_podman(*argv, text=json.dumps(arguments))))


def facts() -> Dict[str, str]:
    """What of the host has a say in what is measured."""
    systemd = _podman("exec", HOST, "systemctl", "--version").split()[1]
    return {"python": _podman("exec", HOST, "python3", "--version").split()[1], "systemd": systemd}


def _podman(*arguments: str, text: str = "") -> str:
    done = subprocess.run(["podman", *arguments], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: podman {' '.join(arguments)} failed: {done.stderr[-2000:]}")
    return done.stdout
