# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what the collection predicts for every hazard with what the kernel does. Runs inside the fleet.

Usage: python -m hazards.compare [--write] [PART…]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Set, Tuple

from ansible_collections.netbind.privport.plugins.filter.privport_plan import privport_plan
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import without_scan
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import format_xattr, parse_text
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import cases_of
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.ambient import (
    text as ambient_dropin,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.authbind import deep
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import forwarder as forward
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import (
    SocketOptions,
    parse_ports,
    parse_services,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import redirect
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command, commands_of
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.socket_unit import Handed, socket_name
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_authbind

from . import report
from .hazard import FOLDER, HOSTS, NEXT_COMMAND
from .of_262 import SINCE_257
from .of_programs import PROGRAMS
from .table import FIRST_PORT, INDIRECT, STRATEGIES, Row, programs_of, rows_of

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "tests/fleet/inventory.yml"
ON_HOST = Path(__file__).with_name("on_host.py")
CAPABILITY = "cap_net_bind_service"
VALUE = format_xattr(parse_text(f"{CAPABILITY}=ep")).hex()
# authbind(1): from here on a rule's name begins with '!'.
FIRST_EXCLAIMED = 512

Cells = Dict[Tuple[str, str, str], report.Cell]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="keep what was found in docs/hazards.csv and .md")
    parser.add_argument("part", nargs="*", help="only the hazards with this in their names")
    arguments = parser.parse_args()
    cells: Cells = {}
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        for found in pool.map(partial(try_host, parts=arguments.part or [""]), HOSTS):
            cells.update(found)
    lines = report.lines_of(cells)
    print(report.tables(lines))
    if arguments.write and not arguments.part:
        path = ROOT / "docs/hazards.md"
        path.with_suffix(".csv").write_text(report.write_csv(lines))
        path.write_text(report.document(lines, before=path.read_text()))
    wrong = [key for key, cell in cells.items() if not cell.agrees]
    print(f"{len(cells)} cells, {len(wrong)} disagree")
    for hazard, strategy, host in wrong:
        cell = cells[hazard, strategy, host]
        print(f"  {hazard}, {strategy}, systemd {HOSTS[host]}: predicted {cell.predicted}, but {cell.observed}")
    unjudged = sorted(properties("forky") - properties("trixie") - set(SINCE_257))
    if unjudged:
        print(f"systemd {HOSTS['forky']} has properties that nobody has judged: {', '.join(unjudged)}")
    sys.exit(1 if wrong or unjudged else 0)


def properties(host: str) -> Set[str]:
    """The names of what the host's systemd shows of a service."""
    shown = run(["podman", "exec", host, "systemctl", "show", "--all", "dbus.service"])
    return set(re.findall(r"^([A-Za-z0-9]+)=", shown, re.MULTILINE))


def try_host(host: str, parts: Sequence[str]) -> Cells:
    """The cells of one host: everything is observed before the first grant, and planned for each strategy."""
    rows = {
        behind: [row for row in rows_of(host, behind=behind) if any(it in row.hazard.name for it in parts)]
        for behind in (False, True)
    }
    every = [row for each in rows.values() for row in each]
    run(["podman", "cp", str(shutil.which("patchelf")), f"{host}:/opt/patchelf"])
    static_ports = [row.port for row in every if PROGRAMS[row.hazard.program].kind == "static"]
    on_host(
        host,
        "prepare",
        folder=FOLDER,
        programs=programs_of(host),
        files={path: text for row in every for path, text in row.files.items()},
        static_ports=static_ports,
    )
    observations = {behind: observe(host, [row.service for row in each]) for behind, each in rows.items()}
    cells: Cells = {}
    for strategy in STRATEGIES:
        behind = strategy in INDIRECT
        services = [{**row.service, "strategy": strategy} for row in rows[behind]]
        tried = [
            (row, plan)
            for row, plan in zip(rows[behind], planned(observations[behind], services))
            if row.tried_on(host, strategy)
        ]
        observed = on_host(host, "try", grants={row.unit: grant(row, strategy, plan) for row, plan in tried})
        for row, plan in tried:
            cells[row.hazard.name, strategy, host] = report.Cell(
                predicted=predicted(plan, strategy),
                observed=observed[row.unit],
                unsafe=strategy in row.hazard.unsafe,
            )
    return cells


def planned(observation: Dict[str, Any], services: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """The plan, with what the drop-ins of ambient and authbind come to."""
    cases = cases_of(load(Observation, observation), parse_services(list(services)))
    return [
        {
            **plan,
            "ambient": ambient_dropin(case),
            "authbind_deep": deep(case),
            "granted_file": case.granted_file.real_path if case.granted_file else "",
        }
        for plan, case in zip(privport_plan(observation, services), cases)
    ]


def predicted(plan: Dict[str, Any], strategy: str) -> str:
    """'works', the first code of the refusal, or with a question mark that of what is not known."""
    if not plan["error"]:
        unknown = plan["unknown"].get(strategy)
        return f"{unknown[0]['code']}{report.DOUBT}" if unknown else report.WORKS
    reasons = plan["rejected"].get(strategy)
    return str(reasons[0]["code"]) if reasons else str(plan["error"])


def grant(row: Row, strategy: str, plan: Dict[str, Any]) -> Dict[str, Any]:
    """What the collection would write for the strategy, whether or not it refuses to."""
    known = asked(strategy, port=row.port, front=row.front, user=row.hazard.declared_user or row.hazard.user)
    known["take_away"] = [plan["granted_file"]] if "setcap" in plan["surplus"] else []
    return {**known, **GRANTS[strategy](row, plan)}


def asked(strategy: str, *, port: int, front: int, user: str) -> Dict[str, Any]:
    """What on_host.py is asked to try, without any grant; '' for a user stands for whoever listens."""
    return {
        "strategy": strategy,
        "port": port,
        "front": front,
        "user": user,
        "take_away": [],
        "attribute": [],
        "value": VALUE,
        "dropin": "",
        "rules": [],
        # Units of the strategy's own, by name, and those of them that are started before the service.
        "units": {},
        "started": [],
        "ruleset": "",
        # The first port that every user may bind.
        "start": 1024,
    }


def _socket(row: Row, plan: Dict[str, Any]) -> Dict[str, Any]:
    handed = Handed(
        unit=plan["unit"],
        ports=parse_ports(row.service["ports"], where="ports"),
        families=(),
        options=SocketOptions(),
        program=plan["executable"],
    )
    return {"units": {socket_name(plan["unit"]): handed.files[0].text}, "dropin": handed.dropin}


def of_ambient(plan: Mapping[str, Any]) -> Dict[str, Any]:
    return {"dropin": plan["ambient"]}


def of_setcap(plan: Mapping[str, Any]) -> Dict[str, Any]:
    return {"attribute": [plan["granted_file"]] if plan["granted_file"] else []}


def of_authbind(plan: Mapping[str, Any], *, commands: Sequence[Command], user: str, port: int) -> Dict[str, Any]:
    text = render_authbind(program="/usr/bin/authbind", commands=commands, deep=plan["authbind_deep"])
    return {"dropin": text, "rules": [[user, rule_name(port)]] if user else []}


def _authbind(row: Row, plan: Dict[str, Any]) -> Dict[str, Any]:
    commands = [it for line in row.command.split(NEXT_COMMAND) for it in commands_of(row.hazard.prefix + line)]
    return of_authbind(plan, commands=commands, user=row.hazard.declared_user or row.hazard.user, port=row.port)


def _redirect(row: Row, _plan: Dict[str, Any]) -> Dict[str, Any]:
    tool = redirect.Tool(name=redirect.NFTABLES, programs={"nft": "/usr/sbin/nft"}, keeps_address=False)
    (port,) = parse_ports(row.service["ports"], where="ports")
    wanted = [redirect.Redirect(port=port, to=row.port)]
    return {"ruleset": redirect.rules(row.service["name"], wanted, families=(), tool=tool).text}


def _forward(row: Row, _plan: Dict[str, Any]) -> Dict[str, Any]:
    (port,) = parse_ports(row.service["ports"], where="ports")
    request = forward.Request(
        name=row.service["name"], ports=(port,), backends={port: forward.Backend(forward.LOOPBACK, row.port)}
    )
    ground = forward.Ground(systemd=252, ipv6=True, programs={"proxyd": "/lib/systemd/systemd-socket-proxyd"})
    if forward.obstacles(request, ground):
        return {}
    files = forward.installation(request, ground).files
    units = {Path(file.path).name: file.text for file in files if file.text}
    return {"units": units, "started": [name for name in units if name.endswith(".socket")]}


def _sysctl(_row: Row, _plan: Dict[str, Any]) -> Dict[str, Any]:
    return {"start": FIRST_PORT}


GRANTS: Mapping[str, Callable[[Row, Dict[str, Any]], Dict[str, Any]]] = {
    "socket": _socket,
    "ambient": lambda _row, plan: of_ambient(plan),
    "setcap": lambda _row, plan: of_setcap(plan),
    "authbind": _authbind,
    "redirect": _redirect,
    "forward": _forward,
    "sysctl": _sysctl,
}


def rule_name(port: int) -> str:
    return f"!{port}" if port >= FIRST_EXCLAIMED else str(port)


def observe(host: str, services: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """privport_info of these services, from one run of the module."""
    argv = ["ansible", host, f"--inventory={INVENTORY}", "--become", "--one-line"]
    argv += ["--module-name=netbind.privport.privport_info", "--args", json.dumps({"services": services})]
    printed = run(argv)
    answer = json.loads(printed[printed.index("{") :])
    return dict(without_scan(answer["privport"]))


def on_host(host: str, action: str, **work: Any) -> Dict[str, Any]:
    """Runs the script on the host."""
    run(["podman", "cp", str(ON_HOST), f"{host}:/opt/on_host.py"])
    argv = ["podman", "exec", "--interactive", host, "python3", "/opt/on_host.py", action]
    return dict(json.loads(run(argv, json.dumps(work))))


def run(argv: List[str], text: str = "") -> str:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(argv)[:200]} failed: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
