# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host of the daemons, and the one that asks them, as seen from the controller inside the fleet's namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from .daemon import Question

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PEER = "bookworm"
# The role waits this long for a service to listen: a Java or Erlang machine on a busy host takes its time.
TIMEOUT = 60
HANGS = 600


class Host:
    """A host of the fleet on which the daemons are installed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._result = Path(os.environ["FLEET_STATE"]) / f"{name}.json"
        _run(["podman", "cp", str(HERE / "on_host.py"), f"{name}:/opt/daemons.py"])
        _run(["podman", "cp", str(HERE / "ask.py"), f"{PEER}:/opt/ask.py"])

    def do(self, action: str, work: Any = None) -> Any:
        """Run an action of on_host.py."""
        argv = ["podman", "exec", "--interactive", self.name, "python3", "/opt/daemons.py", action]
        return json.loads(_run(argv, json.dumps(work)))

    def roll_out(self, services: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
        """The result of the role for these services."""
        said = {
            "daemons_host": self.name,
            "daemons_result": str(self._result),
            "privport_services": list(services),
            "privport_timeout": TIMEOUT,
        }
        self._result.unlink(missing_ok=True)
        inventory = f"--inventory={ROOT / 'tests/fleet/inventory.yml'}"
        done = subprocess.run(
            ["ansible-playbook", str(HERE / "rollout.yml"), inventory, f"--extra-vars={json.dumps(said)}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=HANGS,
        )
        if not self._result.exists():
            sys.exit(f"error: the role on {self.name} says nothing: {done.stdout[-3000:]}{done.stderr[-2000:]}")
        return dict(json.loads(self._result.read_text()))

    def answer(self, question: Question, port: int) -> str:
        """'' where the daemon answers the other host, or what that got instead."""
        argv = ["podman", "exec", PEER, "python3", "/opt/ask.py", self.name, str(port)]
        argv += [question.how, question.send.hex(), question.answer]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr.strip()

    def version(self, package: str) -> str:
        argv = ["podman", "exec", self.name, "dpkg-query", "--show", "--showformat=${Version}", package]
        return _run(argv)


def _run(argv: List[str], text: str = "") -> str:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(argv)[:200]} failed: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout
