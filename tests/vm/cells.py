# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what is predicted for confined services with what the machine's kernel does, as tests/hazards does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.filter.privport_plan import privport_plan
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import format_xattr, parse_text
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient, render_authbind
from hazards.report import WORKS, Cell

from .machine import Machine

ON_HOST = Path(__file__).parents[1] / "hazards/on_host.py"
STRATEGIES = ("ambient", "setcap", "authbind")
USER = "web"
FOLDER = "/srv/confined"
CAPABILITY = "cap_net_bind_service"
FIRST_EXCLAIMED = 512
# The emulator is slow, and without an outcome nothing is known.
SECONDS = 120
# What a server can come to here: it listens, is refused its port, or systemd finds no such profile (systemd.exec(5)).
# Anything else is a mistake in the test's own policy.
OUTCOMES = (WORKS, "EACCES", "EPERM", "status 231")
SERVER = """\
import socket, sys
try:
    server = socket.create_server(("", int(sys.argv[1])))
except OSError as error:
    sys.exit(error.errno)
while True:
    server.accept()[0].close()
"""


@dataclass(frozen=True)
class Server:
    """A service with a program of its own, named like it."""

    name: str
    port: int
    # Lines of its unit.
    settings: str = ""

    @property
    def unit(self) -> str:
        return f"confined-{self.name}.service"

    @property
    def program(self) -> str:
        return f"{FOLDER}/{self.name}"

    @property
    def command(self) -> str:
        return f"{self.program} {FOLDER}/server.py {self.port}"

    def service(self, strategy: str = "auto") -> Dict[str, Any]:
        return {"name": self.name, "ports": [self.port], "unit": self.unit, "strategy": strategy}


def install(machine: Machine, servers: Sequence[Server]) -> None:
    machine.shell(f"id {USER} >/dev/null 2>&1 || useradd --system {USER}; mkdir -p {FOLDER}")
    machine.put(f"{FOLDER}/server.py", SERVER)
    machine.put("/opt/on_host.py", ON_HOST.read_text())
    for server in servers:
        machine.put(
            f"/etc/systemd/system/{server.unit}",
            f"[Service]\nUser={USER}\nExecStart={server.command}\n{server.settings}",
        )
    machine.shell(" && ".join(f"cp /usr/bin/python3 {server.program}" for server in servers))
    # on_host.py knows the networks of its own units.
    machine.shell("systemctl daemon-reload; ip netns add hazards")


def compare(machine: Machine, servers: Sequence[Server]) -> Dict[Tuple[str, str], Cell]:
    """For each server and strategy the prediction and what the kernel does with the grant made by force."""
    services = [server.service() for server in servers]
    answer = machine.module("privport_info", services=services)
    if "privport" not in answer:
        raise RuntimeError(f"privport_info failed: {answer}")
    cells: Dict[Tuple[str, str], Cell] = {}
    for strategy in STRATEGIES:
        plans = privport_plan(answer["privport"], services)
        predicted = {plan["name"]: prediction(plan, strategy) for plan in plans}
        grants = {server.unit: grant(server, strategy) for server in servers}
        work = json.dumps({"grants": grants, "seconds": SECONDS})
        observed = json.loads(machine.shell("python3 /opt/on_host.py try", given=work))
        for server in servers:
            cells[server.name, strategy] = Cell(predicted=predicted[server.name], observed=observed[server.unit])
    return cells


def prediction(plan: Dict[str, Any], strategy: str) -> str:
    reasons = plan["rejected"].get(strategy)
    return str(reasons[0]["code"]) if reasons else WORKS


def grant(server: Server, strategy: str) -> Dict[str, Any]:
    """What the collection would write for the strategy, whether or not it refuses to."""
    asked: Dict[str, Any] = {
        "strategy": strategy,
        "port": server.port,
        "user": USER,
        "take_away": [],
        "attribute": [server.program] if strategy == "setcap" else [],
        "value": format_xattr(parse_text(f"{CAPABILITY}=ep")).hex(),
        "dropin": "",
        "rules": [],
    }
    if strategy == "ambient":
        asked["dropin"] = render_ambient(capabilities=[CAPABILITY])
    elif strategy == "authbind":
        commands = [Command(prefix="", line=server.command)]
        asked["dropin"] = render_authbind(program="/usr/bin/authbind", commands=commands, deep=False)
        asked["rules"] = [[USER, f"!{server.port}" if server.port >= FIRST_EXCLAIMED else str(server.port)]]
    return asked


def told(title: str, cells: Dict[Tuple[str, str], Cell]) -> List[str]:
    """A line for each cell; RuntimeError with all of them where one disagrees."""
    lines = [f"{title}: {name}, {strategy}: {cell} ({cell.observed})" for (name, strategy), cell in cells.items()]
    wrong = sum(not cell.agrees or cell.observed not in OUTCOMES for cell in cells.values())
    lines.append(f"{title}: {len(cells)} cells, {wrong} disagree")
    if wrong:
        raise RuntimeError("\n".join(lines))
    return lines


def fingerprint(machine: Machine) -> str:
    """Of everything in /etc and of the attributes of the programs."""
    return machine.shell(
        "{ find /etc -xdev ! -type d -exec sha256sum {} + 2>/dev/null; find /etc -xdev -printf '%p %m %u %g\\n'; "
        f'python3 -c \'import os; [print(name, os.listxattr("{FOLDER}/" + name)) for name in '
        f'sorted(os.listdir("{FOLDER}"))]\'; }} | sort | sha256sum'
    )
