# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills modules and plays, fills disks and stops systemd on the fleet. Runs inside the fleet's namespaces.

Usage: python -m faults.inject [--write]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence

import ansible

from . import report

ROOT = Path(__file__).resolve().parents[2]
HERE = "/opt/faults"
# Those that plays run on.
HOSTS = ("bullseye", "bookworm", "trixie")
# What each host is for: kills take the longest, so each host gets a part of the transitions.
KILLED = {
    "bullseye": (
        "another drop-in",
        "rule lines beside others",
        "handed sockets",
        "a file capability that is kept",
        "a server's socket",
    ),
    "bookworm": ("a drop-in", "rule files", "the setting that opens ports", "forwarded ports", "a server and another"),
    "bare": ("a forwarder's init script", "another init script"),
    "trixie": (
        "a file capability",
        "one more file capability",
        "rules and a unit",
        "redirected ports",
        "a server's lines beside others",
    ),
}
KILL_EVERY = os.environ.get("PRIVPORT_KILL_EVERY", "1")
STRATEGIES = {"bullseye": "setcap", "bookworm": "ambient", "trixie": "authbind"}
WEB_UNIT = "[Service]\nUser=www-data\nExecStart=/usr/bin/webfsd -F -p 80 -r /usr/share\n"
PLAY_SECONDS = 180
# More than a play has changes to make.
MOST_KILLS = 15


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="keep the table in docs/faults.md")
    arguments = parser.parse_args()
    with ThreadPoolExecutor(len(KILLED)) as pool:
        list(pool.map(push, KILLED))
        parts = [pool.submit(step) for step in (on_bullseye, on_bookworm, on_trixie, lambda: killed("bare"))]
        faults = [told(fault) for part in parts for fault in part.result()]
    faults += plays()
    print(report.table(faults))
    if arguments.write:
        (ROOT / "docs/faults.md").write_text(report.document(faults))
    sys.exit(1 if any(fault.wrong for fault in faults) else 0)


def told(fault: report.Fault) -> report.Fault:
    """The same; the run takes its time, so each result is shown when it is there."""
    print(f"{fault.name}: {fault.count} injected, {len(fault.wrong)} problems", *fault.wrong, sep="\n  ", flush=True)
    return fault


# --- Modules, on one host.


def push(host: str) -> None:
    """Copy the modules and what they need of Ansible to the host."""
    plugins = f"{HERE}/ansible_collections/netbind/privport/plugins"
    run(["podman", "exec", host, "mkdir", "-p", f"{HERE}/ansible", plugins])
    run(["podman", "exec", host, "touch", f"{HERE}/ansible/__init__.py"])
    for source, target in (
        (Path(ansible.__file__).parent / "module_utils", f"{HERE}/ansible/"),
        (ROOT / "plugins/module_utils", plugins),
        (ROOT / "plugins/modules", plugins),
        (ROOT / "tests/faults/on_host.py", HERE),
        (ROOT / "tests/faults/runs.py", HERE),
        (ROOT / "tests/faults/whole.py", HERE),
    ):
        run(["podman", "cp", str(source), f"{host}:{target}"])


def on_host(host: str, *action: str, script: str = "on_host.py") -> Any:
    return json.loads(run(["podman", "exec", host, "python3", f"{HERE}/{script}", *action]))


def killed(host: str) -> List[report.Fault]:
    # Of the changes each one, or to save time each second or third: ./run test takes few.
    found = on_host(host, "killed", KILL_EVERY, *KILLED[host])
    return [
        report.Fault(f"module killed at every change: {name}", it["kills"], tuple(it["wrong"]))
        for name, it in found.items()
    ]


def on_bullseye() -> List[report.Fault]:
    return [*killed("bullseye"), stopped("bullseye"), *whole("bullseye", "killed", KILL_EVERY)]


def whole(host: str, action: str, *arguments: str) -> List[report.Fault]:
    """The whole transaction for five services; the faults by their names, or one of the action's name."""
    found = on_host(host, action, *arguments, script="whole.py")
    named = {action.replace("_", " "): found} if "wrong" in found else found
    return [report.Fault(f"{name}", it.get("kills", 1), tuple(it["wrong"])) for name, it in named.items()]


def on_bookworm() -> List[report.Fault]:
    found = on_host("bookworm", "refused")
    alone = [report.Fault(name, 1, tuple(it["wrong"])) for name, it in found.items()]
    return [*killed("bookworm"), *alone, *whole("bookworm", "refused"), *whole("bookworm", "one_of_five")]


def on_trixie() -> List[report.Fault]:
    found = on_host("trixie", "parallel")
    alone = report.Fault("modules at the same time", found["runs"], tuple(found["wrong"]))
    return [*killed("trixie"), alone, *whole("trixie", "together"), *whole("trixie", "ended")]


def stopped(host: str) -> report.Fault:
    """Stop the host's pid 1 for real: whatever asks systemd hangs."""
    pid = int(run(["podman", "inspect", "--format", "{{.State.Pid}}", host]))
    os.kill(pid, signal.SIGSTOP)
    try:
        found = on_host(host, "stopped")
    finally:
        os.kill(pid, signal.SIGCONT)
    found["wrong"] += on_host(host, "resumed")["wrong"]
    return report.Fault("systemd itself is stopped (SIGSTOP of pid 1)", 1, tuple(found["wrong"]))


# --- Whole plays, on all hosts.


@dataclass(frozen=True)
class Play:
    """How a play ended: -9 is killed."""

    rc: int
    output: str

    @property
    def changes(self) -> int:
        return sum(map(int, re.findall(r"changed=(\d+)", self.output)))


def plays() -> List[report.Fault]:
    for host in HOSTS:
        on_host(host, "serve", WEB_UNIT)
    before = {host: on_host(host, "tree") for host in HOSTS}
    faults = [
        told(kill_play("play killed after every change", STRATEGIES)),
        told(together("two plays with different strategies at the same time")),
        told(kill_play("play killed after every change, state absent", STRATEGIES, state="absent")),
    ]
    left = [
        f"{host}: {path}"
        for host in HOSTS
        for path, now in on_host(host, "tree").items()
        if before[host].get(path) != now
    ]
    return [*faults, told(report.Fault("what is left after all that", 0, tuple(left)))]


def begin(strategies: Dict[str, str], *, state: str, kill: bool) -> subprocess.Popen[str]:
    service = {"name": "web", "ports": [80], "unit": "faultsweb.service", "state": state}
    strategy = "{{ " + json.dumps(strategies) + "[inventory_hostname] }}"
    variables = {
        "privport_hosts": ",".join(strategies),
        "privport_services": [{**service, "strategy": strategy if state == "present" else "auto"}],
    }
    environment = dict(
        os.environ,
        ANSIBLE_INVENTORY=str(ROOT / "tests/fleet/inventory.yml"),
        ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests/faults/callback"),
        **({"ANSIBLE_CALLBACKS_ENABLED": "killer"} if kill else {}),
    )
    return subprocess.Popen(
        ["ansible-playbook", "netbind.privport.rollout", "--extra-vars", json.dumps(variables)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(play: subprocess.Popen[str]) -> Play:
    try:
        output, _errors = play.communicate(timeout=PLAY_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(play.pid, signal.SIGKILL)
        output, _errors = play.communicate()
        return Play(rc=124, output=f"{output}\nthe play did not end within {PLAY_SECONDS} seconds")
    return Play(rc=play.returncode, output=output)


def kill_play(name: str, strategies: Dict[str, str], *, state: str = "present") -> report.Fault:
    """Kill a play at its first change, the next one at the first that is left, until one has nothing to change."""
    kills = 0
    while kills < MOST_KILLS:
        play = end(begin(strategies, state=state, kill=True))
        if play.rc != -signal.SIGKILL:
            break
        kills += 1
    wrong = unless_converged(strategies, play, state=state)
    if not kills:
        wrong.append("no play had anything to change")
    return report.Fault(name, kills, tuple(wrong))


def unless_converged(strategies: Dict[str, str], play: Play, *, state: str) -> List[str]:
    again = end(begin(strategies, state=state, kill=False))
    wrong = [f"a play ends with {it.rc}: {it.output[-1500:]}" for it in (play, again) if it.rc]
    return wrong + ([f"a converged host is changed: {again.output[-1500:]}"] if again.changes else [])


def together(name: str) -> report.Fault:
    """Two plays that want different things of the same service: the next play makes it one of them, wholly."""
    both = [begin({"bookworm": strategy}, state="present", kill=False) for strategy in ("authbind", "ambient")]
    ended = [end(play) for play in both]
    wrong = [it.output[-1500:] for it in ended if it.rc not in (0, 2) or "Traceback" in it.output]
    last = end(begin({"bookworm": "ambient"}, state="present", kill=False))
    return report.Fault(name, 1, (*wrong, *unless_converged({"bookworm": "ambient"}, last, state="present")))


def run(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(argv)[:200]} failed: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
