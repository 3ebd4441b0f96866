# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs of ansible and ansible-playbook over SSH: how long they take, and what they do meanwhile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from .host import ADDRESS, PORTS

ROOT = Path(__file__).resolve().parents[2]
PLAYS = Path(__file__).with_name("plays")
FLEET = ROOT / "tests/fleet/inventory.yml"
COMMUNITY = ROOT / ".cache/bench"
# A run that hangs must not hang the benchmark; far above anything that a run takes.
HANGS = 3600
_ENVIRONMENT = {
    # Connections stay open from one run to the next, so that none of them pays for connecting.
    "ANSIBLE_SSH_ARGS": "-C -o ControlMaster=auto -o ControlPersist=2h",
    "ANSIBLE_COLLECTIONS_PATH": f"{ROOT / '.collections'}:{COMMUNITY}",
}
_RECAP = re.compile(r"^(\S+) +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0 ", re.MULTILINE)
_AD_HOC = re.compile(r"^(\S+) \| (SUCCESS|CHANGED)", re.MULTILINE)
_COUNTED = {
    "task_steps": re.compile(r"^TASK \[", re.MULTILINE),
    "module_executions": re.compile(r"^Using module file ", re.MULTILINE),
    "ssh_commands": re.compile(r"^<[^>]*> SSH: EXEC ", re.MULTILINE),
}


class Run(NamedTuple):
    """A process that is run as it is: its arguments, the hosts that must answer, and whether they must change."""

    argv: Sequence[str]
    names: int = 1
    changes: bool = False


def playbook(
    play: str, *, services: int = 1, names: int = 1, forks: Optional[int] = None, changes: bool = False
) -> Run:
    """A play of the folder `plays`, for the first services, on as many inventory names of the host."""
    argv = ["ansible-playbook", str(PLAYS / f"{play}.yml"), f"--inventory={_inventory(names)}"]
    argv.append(f"--extra-vars={json.dumps({'privport_services': _services(services)})}")
    return Run(argv if forks is None else [*argv, f"--forks={forks}"], names, changes)


def ad_hoc(module: str, arguments: str = "") -> Run:
    """One module on the host, without a play."""
    argv = ["ansible", "bench", f"--inventory={_inventory(1)}", "--become", f"--module-name={module}"]
    return Run([*argv, f"--args={arguments}"])


def seconds(run: Run, **environment: str) -> float:
    """How long the process takes. A run that fails, or changes what it should not, ends the benchmark."""
    start = time.perf_counter()
    printed = _start(run.argv, environment)
    taken = time.perf_counter() - start
    _require(run, printed)
    return taken


def counts(run: Run) -> Dict[str, int]:
    """What the run consists of, as it tells itself when asked for details."""
    printed = _start([*run.argv, "-vvv"], {})
    _require(run, printed)
    return {name: len(pattern.findall(printed)) for name, pattern in _COUNTED.items()}


def _services(count: int) -> List[Dict[str, Any]]:
    return [{"name": f"bench-{port}", "ports": [port], "unit": f"bench-{port}.service"} for port in PORTS[:count]]


def _inventory(names: int) -> Path:
    path = Path(os.environ["FLEET_STATE"]) / f"bench-{names}.json"
    hosts = {
        # Each has a connection of its own, as so many hosts would.
        f"host-{number:03}": {"ansible_host": ADDRESS, "ansible_control_path": f"%(directory)s/bench-{number}"}
        for number in range(names)
    }
    # How to log in is told by the inventory of the fleet.
    path.write_text(json.dumps({"fleet": {"children": {"bench": {"hosts": hosts}}}}))
    return path


def _start(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [*argv, f"--inventory={FLEET}"],
        env={**os.environ, **_ENVIRONMENT, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS,
    )
    if done.returncode:
        sys.exit(f"error: {' '.join(argv)[:300]} failed: {done.stdout[-3000:]}{done.stderr[-1000:]}")
    return done.stdout


def _require(run: Run, printed: str) -> None:
    playing = run.argv[0] == "ansible-playbook"
    if playing:
        changed = {name: int(ok) > 0 and int(changes) > 0 for name, ok, changes in _RECAP.findall(printed)}
    else:
        changed = {name: word == "CHANGED" for name, word in _AD_HOC.findall(printed)}
    if len(changed) != run.names or set(changed.values()) != {run.changes}:
        wanted = f"{run.names} hosts that {'change' if run.changes else 'do not change'}"
        sys.exit(f"error: {' '.join(run.argv)[:300]} should tell of {wanted}: {printed[-3000:]}")
