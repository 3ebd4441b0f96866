# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what a proof says of services with what a client on another host gets. Runs inside the fleet."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import yaml
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient

from .hazard import HOSTS, is_tried
from .of_proofs import FAIL, FIRST_PORT, PASS, REFUSED, SERVICES, UNKNOWN, Service
from .report import HEADING, NOT_THERE, aligned

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "tests/fleet/inventory.yml"
_GROUPS = yaml.safe_load(INVENTORY.read_text(encoding="utf-8")).values()
_FLEET = {host: known for group in _GROUPS for host, known in group["hosts"].items()}
ADDRESSES = {host: known["ansible_host"] for host, known in _FLEET.items()}
PEERS = {host: known["peer"] for host, known in _FLEET.items()}
DOCUMENT = ROOT / "docs/hazards.md"
FOLDER = "/opt/proofs"
UNITS = "/etc/systemd/system"
SECONDS = 6
GOOD, BAD = "serves", "does not"
VERDICTS = (PASS, FAIL, UNKNOWN, REFUSED)
_INTRODUCTION = """
What the proof says of services that it could judge wrongly, and what is so. Each is first granted its port by hand, and
a client **on another host** asks it: it `serves` where it answers as a user, no process that holds the port is root,
and a stranger is refused the port. What by hand would be nonsense, and what is reached by another way than its own
port, is asked after the run instead. Then the module `privport` (or, where root starts it, `privport_verify`) runs
twice, and the second run may change and restart nothing. A `pass` of what does not serve, and a `fail` of what does,
fails the run and is marked with ✗, as is every verdict that is not the expected one.

"""
_ASK = """
import json, socket, sys
for where in json.load(sys.stdin):
    try:
        with socket.create_connection(tuple(where), timeout=2) as server:
            server.settimeout(2)
            print(server.recv(99).decode().strip() or "closed")
    except OSError as error:
        print(type(error).__name__)
"""
# Of each port, who of root holds it but systemd, and what comes of a stranger's bind.
_WHO = """
import glob, json, os, re, socket, sys
ports = json.load(sys.stdin)
inodes = {}
for line in (line.split() for table in ("tcp", "tcp6") for line in list(open(f"/proc/net/{table}"))[1:]):
    if line[3] == "0A":
        inodes[line[9]] = int(line[1].rsplit(":", 1)[1], 16)
roots = set()
for link in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        inode, status = os.readlink(link)[8:-1], open(link.split("/fd/")[0] + "/status").read()
    except OSError:
        continue
    if "0" in re.search("Uid:(.*)", status)[1].split() and not link.startswith("/proc/1/"):
        roots.add(inodes.get(inode))
os.setgid(65534), os.setuid(65533)
for port in ports:
    try:
        socket.socket().bind(("", port))
        print("open")
    except OSError as error:
        print("root" if port in roots else error.errno)
"""


@dataclass(frozen=True)
class Outcome:
    """What the proof said, and whether clients elsewhere are served by a user, while a stranger is refused the port."""

    service: Service
    verdict: str
    truth: str
    # What else was wrong: a second run that changed something.
    wrong: str = ""

    @property
    def is_wrong(self) -> bool:
        return self.verdict != self.service.verdict or bool(self.wrong) or self.kind in ("wrong pass", "wrong fail")

    @property
    def kind(self) -> str:
        if self.verdict == PASS:
            return "right pass" if self.truth == GOOD else "wrong pass"
        if self.verdict in (FAIL, REFUSED):
            return "right fail" if self.truth == BAD else "wrong fail"
        return "unknown"


@dataclass(frozen=True)
class _Row:
    service: Service
    number: int
    host: str

    @property
    def port(self) -> int:
        return FIRST_PORT + self.number

    @property
    def unit(self) -> str:
        return self.service.unit or f"proof{self.number:02d}.service"

    @property
    def program(self) -> str:
        return self.service.program or f"{FOLDER}/server{self.number:02d}"

    @property
    def files(self) -> Dict[str, str]:
        options = dict(self.service.server)
        if "listen" not in options:
            where = [it.format(address=ADDRESSES[self.host]) for it in self.service.listens_on]
            options["listen"] = [[it, self.port + self.service.behind] for it in where]
        told = json.dumps(options, separators=(",", ":")).replace('"', '\\"')
        user = [f"User={self.service.user}"] if self.service.user else []
        command = f'ExecStart={self.program} {FOLDER}/stand_in.py "{told}"'
        lines = ["[Service]", *user, command, "KillSignal=SIGKILL", *self.service.settings, ""]
        return {f"{UNITS}/{self.unit}": "\n".join(lines)}

    @property
    def by_hand(self) -> Dict[str, str]:
        text = "\n".join(["[Service]", *self.service.by_hand, ""])
        return {f"{UNITS}/{self.unit}.d/by-hand.conf": text} if self.service.by_hand and not self.is_moved else {}

    @property
    def is_moved(self) -> bool:
        """Whether clients come to it by something that stands in front."""
        return bool(self.service.behind)

    @property
    def description(self) -> Dict[str, Any]:
        behind = {"backend_ports": {self.port: self.port + self.service.behind}} if self.is_moved else {}
        described = {"name": f"proof{self.number:02d}", "ports": [self.port], "unit": self.unit}
        return {**described, **behind, **dict(self.service.description)}

    def shell(self, text: str) -> str:
        dropin = {f"{UNITS}/{self.unit}.d/50-privport.conf": render_ambient(capabilities=[CAPABILITY])}
        granted = f"{self.files_text(dropin)}; systemctl daemon-reload"
        return text.format(port=self.port, unit=self.unit, grant=granted) if text else ""

    def files_text(self, files: Mapping[str, str]) -> str:
        return "; ".join(
            f"mkdir -p {Path(path).parent}; printf %s {shlex.quote(text)} >{path}" for path, text in files.items()
        )


def rows_of(host: str, parts: Sequence[str]) -> Tuple[_Row, ...]:
    """Those with one of these parts in their names."""
    rows = (_Row(it, number, host) for number, it in enumerate(SERVICES) if is_tried(number, host, hosts=it.hosts))
    return tuple(row for row in rows if any(part in row.service.name for part in parts))


def try_all(parts: Sequence[str]) -> Dict[Tuple[str, str], Outcome]:
    """The outcome of each service on each host, by names; parts as rows_of()."""
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        found = pool.map(partial(try_host, parts=parts), HOSTS)
    return {(outcome.service.name, host): outcome for host, outcomes in zip(HOSTS, found) for outcome in outcomes}


def try_host(host: str, *, parts: Sequence[str]) -> List[Outcome]:
    rows = rows_of(host, parts)
    if not rows:
        return []
    _prepare(host, rows)
    truths = _by_hand(host, rows)
    _sh(host, *(row.shell(row.service.spoil) for row in rows))
    _sh(host, *(f"systemctl start {row.unit} || true" for row in rows if row.service.started or row.service.as_it_is))
    changed = [row for row in rows if not row.service.as_it_is]
    first, second = _twice(host, changed)
    verdicts = {
        **_verdicts(first),
        **_verdicts(_module(host, "privport_verify", [it for it in rows if it not in changed])),
    }
    after = _truths(host, [row for row in rows if row.is_moved])
    _module(host, "privport", changed, state="absent", restart_absent=True)
    _sh(host, *(row.shell(row.service.mend) for row in rows))
    _sh(host, f"systemctl kill --signal=KILL {' '.join(row.unit for row in rows)} || true")
    _sh(host, *(f"rm -r {UNITS}/{row.unit}*" for row in rows), "systemctl daemon-reload")
    return [
        Outcome(
            row.service, verdicts.get(row.description["name"], REFUSED), {**truths, **after}[row], second.get(row, "")
        )
        for row in rows
    ]


def _prepare(host: str, rows: Sequence[_Row]) -> None:
    _sh(host, f"mkdir -p {FOLDER}")
    subprocess.run(
        ["podman", "cp", str(Path(__file__).with_name("stand_in.py")), f"{host}:{FOLDER}/stand_in.py"], check=True
    )
    _sh(host, *(f"cp /usr/bin/python3 {row.program}" for row in rows if not row.service.program))
    _sh(host, *(row.files_text(row.files) for row in rows), "systemctl daemon-reload")


def _by_hand(host: str, rows: Sequence[_Row]) -> Dict[_Row, str]:
    """Whether they serve with what a person would grant."""
    granted = [row for row in rows if row.by_hand]
    spoiled = [row for row in rows if "{grant}" not in row.service.spoil]
    _sh(
        host,
        *(row.files_text(row.by_hand) for row in granted),
        *(row.shell(it.service.spoil) for it in spoiled for row in [it]),
    )
    names = " ".join(row.unit for row in rows)
    _sh(host, "systemctl daemon-reload", f"systemctl restart {names} || true", "sleep 3")
    truths = _truths(host, rows)
    _sh(host, *(row.shell(row.service.mend) for row in spoiled))
    _sh(host, f"systemctl kill --signal=KILL {names} || true", f"systemctl stop {names} || true")
    _sh(host, *(f"rm -r {UNITS}/{row.unit}.d" for row in granted), "systemctl daemon-reload")
    _sh(host, f"systemctl reset-failed {names} || true")
    return truths


def _truths(host: str, rows: Sequence[_Row]) -> Dict[_Row, str]:
    asked = json.dumps([[ADDRESSES[host], row.port] for row in rows])
    said = _exec(PEERS[host], ["python3", "-c", _ASK], asked).splitlines()
    refused = _exec(host, ["python3", "-c", _WHO], json.dumps([row.port for row in rows])).splitlines()
    return {
        row: GOOD if words[:1] == ["here"] and "0" not in words[1:] and stranger == "13" else BAD
        for row, words, stranger in zip(rows, map(str.split, said), refused)
    }


def _twice(host: str, rows: Sequence[_Row]) -> Tuple[Dict[str, Any], Dict[_Row, str]]:
    """The first run, and what is wrong with a second one of those that did not fail."""
    first = _module(host, "privport", rows)
    verdicts = _verdicts(first)
    good = [row for row in rows if verdicts.get(row.description["name"]) in (PASS, UNKNOWN)]
    show = ["systemctl", "show", "--property=Id,InvocationID", *(row.unit for row in good)]
    before = _exec(host, show)
    second = _module(host, "privport", good)
    wrong = "; ".join(step["text"] for step in second.get("steps", [])) or ("changed" if second.get("changed") else "")
    if _exec(host, show) != before:
        wrong += "restarted"
    return first, dict.fromkeys(good, wrong)


def _verdicts(done: Mapping[str, Any]) -> Dict[str, str]:
    if "evidence" not in done or any(it["error"] for it in done.get("plan", ())):
        print(json.dumps(done.get("msg", done))[:3000])
    return {it["service"]: it["verdict"] for it in done.get("evidence", ())}


def _module(host: str, name: str, rows: Sequence[_Row], **options: Any) -> Dict[str, Any]:
    arguments = {"services": [row.description for row in rows], "timeout": SECONDS, **options}
    argv = ["ansible", host, f"--inventory={INVENTORY}", "--become", "--one-line", "-vvv"]
    argv += [f"--module-name=netbind.privport.{name}", "--args", json.dumps(arguments)]
    printed = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    line = next((it for it in printed.splitlines() if it.startswith(f"{host} | ")), "")
    return dict(json.loads(line[line.index("{") :])) if "{" in line else {"msg": printed[-2000:]}


def _sh(host: str, *commands: str) -> None:
    _exec(host, ["sh", "-euc", "\n".join(filter(None, commands))])


def _exec(host: str, argv: Sequence[str], text: str = "") -> str:
    done = subprocess.run(
        ["podman", "exec", "--interactive", host, *argv], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"error: {host}: {' '.join(argv)[:2000]} failed: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


def table(found: Mapping[Tuple[str, str], Outcome]) -> str:
    """How often each verdict met each truth, and the outcome of each service on each host, as Markdown."""
    kinds = [[it.verdict, it.truth] for it in found.values()]
    counts = [[verdict, *(str(kinds.count([verdict, truth])) for truth in (GOOD, BAD))] for verdict in VERDICTS]
    cells = [
        [
            service.name,
            *(_cell(found[service.name, host]) if (service.name, host) in found else NOT_THERE for host in HOSTS),
        ]
        for service in SERVICES
        if any(service.name == name for name, _host in found)
    ]
    names = [f"systemd {version}" for version in HOSTS.values()]
    return f"{aligned([['verdict', GOOD, BAD], *counts])}\n\n{aligned([['service', *names], *cells])}\n"


def _cell(outcome: Outcome) -> str:
    told = f"{outcome.verdict}, {outcome.truth}"
    return f"✗ {told} {outcome.wrong}".rstrip() if outcome.is_wrong else told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help=f"keep the table in {DOCUMENT.relative_to(ROOT)}")
    parser.add_argument("part", nargs="*", help="only the services with this in their names")
    arguments = parser.parse_args()
    found = try_all(arguments.part or [""])
    text = table(found)
    print(text)
    if arguments.write and not arguments.part:
        rest = DOCUMENT.read_text(encoding="utf-8").partition(HEADING)[0]
        DOCUMENT.write_text(f"{rest}{HEADING}{_INTRODUCTION}{text}", encoding="utf-8")
    wrong = [(host, outcome) for (_name, host), outcome in found.items() if outcome.is_wrong]
    print(f"{len(found)} proofs, {len(wrong)} wrong")
    for host, outcome in wrong:
        said = f"{outcome.verdict}, not {outcome.service.verdict}, and it {outcome.truth} {outcome.wrong}"
        print(f"  {outcome.service.name}, {host}: {said}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
