# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rolls out to many names of one host, each with a service of its own. Runs inside the fleet's namespaces.

PRIVPORT_ROLLOUT_HOSTS is how many there are, and PRIVPORT_KILLS after how many seconds of a batch it is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

import yaml

ROOT = Path(__file__).parents[2]
HOST = "bookworm"
NUMBER = int(os.environ.get("PRIVPORT_ROLLOUT_HOSTS", "6"))
# Of those that Ansible has. In free no host waits for another, and run_once does not hold.
STRATEGIES = os.environ.get("PRIVPORT_ROLLOUT_STRATEGIES", "free").split()
NAMES = [f"web-{number:02}" for number in range(NUMBER)]
BATCHES = [NAMES[:2], NAMES[2:4], NAMES[4:]]
BAD = NAMES[3]
AWAY = "away"
UNITS = "/etc/systemd/system"
# While the first host of the batch looks, changes and proves.
KILLS = [float(it) for it in os.environ.get("PRIVPORT_KILLS", "0.5 0.9").split()]
# How long a run on the host may take after its controller is gone.
ENDS_WITHIN = 20
# What ansible-playbook ends with.
DONE, FAILED, STOPPED = 0, 2, 4


class Run(NamedTuple):
    """How a rollout ended: its exit status, its file, and what it printed."""

    status: int
    told: Any
    output: str

    @property
    def ended(self) -> Tuple[int, str]:
        return self.status, self.told["outcome"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for text, holds in checked(Path(folder)):
            print(f"{'ok' if holds else 'WRONG'}: {text}", flush=True)
            found.append(holds)
    wrong = found.count(False)
    print(f"{len(found)} outcomes, {wrong} wrong")
    sys.exit(1 if wrong else 0)


def checked(folder: Path) -> Any:
    prepare()
    serial = {"privport_rollout_serial": "2,2,100%"}
    for strategy in STRATEGIES:
        if dropins(NAMES):
            remove(folder)
        serve(3, "/bin/false")
        run = roll_out(folder, serial, strategy=strategy)
        yield f"{strategy}: a failing host stops the rollout", run.ended == (FAILED, "failed")
        yield f"{strategy}: it is named", run.told["failed"] == [BAD]
        yield f"{strategy}: the batches before it are done", set(run.told["done"]) == {*BATCHES[0], NAMES[2]}
        yield (
            f"{strategy}: the last batch is not touched",
            run.told["not_started"] == BATCHES[2] and not dropins(BATCHES[2]),
        )
    serve(3, command(3))
    before = starts(NAMES[0])
    rest = roll_out(folder, serial, *the_rest(run))
    yield "the rest goes on", rest.ended == (DONE, "done") and sorted(rest.told["done"]) == sorted([BAD, *BATCHES[2]])
    yield "what was done stays", before == starts(NAMES[0])
    away = roll_out(folder, {"privport_rollout_serial": "1", "privport_hosts": f"{NAMES[0]},{AWAY},{NAMES[1]}"})
    yield "a host that is away stops the rollout", away.ended == (STOPPED, "stopped")
    yield "it is named, and the next is not started", away.told["unreachable"] == [AWAY] and not_started(away)
    yield from unproven(folder)
    yield from unplanned(folder)
    for seconds in KILLS:
        yield from killed(folder, seconds)
    yield from saved_plan(folder)


def not_started(run: Run) -> bool:
    return bool(run.told["not_started"] == [NAMES[1]])


def the_rest(run: Run) -> Tuple[str, str]:
    """The option that the rollout's file has for going on."""
    option, hosts = run.told["go_on"].split(" ", 1)
    return option, hosts.strip("'")


def unproven(folder: Path) -> Any:
    """A host that nobody can prove stops the rollout, unless it may go on."""
    given = {"privport_rollout_serial": "1", "privport_hosts": ",".join(NAMES[:2])}
    drop_in = f"{UNITS}/{NAMES[0]}.service.d/deny.conf"
    # Where no address is allowed, no connection can be tried.
    shell(f"printf '[Service]\\nIPAddressDeny=any\\n' >{drop_in}; systemctl daemon-reload")
    run = roll_out(folder, given)
    yield "a host that cannot be proven stops the rollout", run.ended == (STOPPED, "stopped")
    yield "it is named with the reason", "could be tried" in run.told["reasons"][NAMES[0]] and not_started(run)
    run = roll_out(folder, {**given, "privport_rollout_unknown": "go"})
    yield "unless that is asked for", run.ended == (DONE, "unknown")
    shell(f"rm {drop_in}; systemctl daemon-reload")


def unplanned(folder: Path) -> Any:
    """A host that cannot be planned is not left out."""
    given = {"privport_rollout_serial": "1", "privport_hosts": ",".join(NAMES[:2])}
    nobody = f"'false' if inventory_hostname == '{NAMES[0]}' else 'sudo'"
    run = roll_out(folder, given, "--extra-vars", f"ansible_become_exe={{{{ {nobody} }}}}")
    yield "a host that cannot be planned stops the rollout", run.ended == (FAILED, "failed") and not_started(run)


def killed(folder: Path, seconds: float) -> Any:
    """Each host of a batch whose rollout is killed is proven or as it was, and the file tells how to go on."""
    remove(folder)
    when = f"killed after {seconds} s of a batch"
    run = roll_out(folder, {"privport_rollout_serial": "2,2,100%"}, kill=(BATCHES[1][0], seconds))
    yield f"{when}: the file tells what is done", run.told["done"] == BATCHES[0]
    yield f"{when}: and what was under way", run.ended == (-9, "under_way") and run.told["under_way"] == BATCHES[1]
    ended = until_nothing_runs()
    left = dropins(NAMES)
    proven = [it for it in NAMES if it in left and proves(folder, it)]
    yield f"{when}: each host is proven or as it was ({len(left) - 2} of 2 proven)", ended and left == proven
    yield f"{when}: the next batch is not touched", not set(left) & set(BATCHES[2])
    before = starts(NAMES[0])
    rest = roll_out(folder, {}, *the_rest(run))
    yield f"{when}: the rest goes on", rest.ended == (DONE, "done") and dropins(NAMES) == NAMES
    yield f"{when}: what was done stays", before == starts(NAMES[0]) and NAMES[0] not in rest.told["done"]


def until_nothing_runs() -> bool:
    """Wait until no run is left on the host; whether that is so in time."""
    deadline = time.monotonic() + ENDS_WITHIN
    while time.monotonic() < deadline:
        # What Ansible pipes a module to.
        if not shell("pgrep --full --exact /usr/bin/python3 || true").strip():
            return True
        time.sleep(0.2)
    return False


def proves(folder: Path, name: str) -> bool:
    return play(folder, "verify", {"privport_hosts": name}).returncode == 0


def saved_plan(folder: Path) -> Any:
    """A plan that was saved is carried out as it is, or refused."""
    remove(folder)
    saved = folder / "plan.json"
    here = {"privport_hosts": ",".join(NAMES[:2])}
    play(folder, "plan", {**here, "privport_plan_file": str(saved)})
    plans = json.loads(saved.read_text(encoding="utf-8"))
    plans[NAMES[1]][0]["strategy"] = "setcap"
    saved.write_text(json.dumps(plans), encoding="utf-8")
    run = roll_out(folder, {**here, "privport_rollout_plan": str(saved), "privport_rollout_soak": "1"})
    yield "what was planned is done", run.told["done"] == [NAMES[0]]
    yield "what is planned otherwise by now is refused", run.told["failed"] == [NAMES[1]] and "planned" in run.output


def prepare() -> None:
    for number in range(NUMBER):
        serve(number, command(number))


def serve(number: int, line: str) -> None:
    """Have the service of this number execute this command."""
    text = f"[Service]\\nUser=daemon\\nExecStart={line}\\n"
    shell(f"printf '{text}' >{UNITS}/{NAMES[number]}.service; systemctl daemon-reload")


def command(number: int) -> str:
    return f"/usr/bin/socat TCP-LISTEN:{100 + number},fork,reuseaddr EXEC:/bin/cat"


def dropins(names: List[str]) -> List[str]:
    return [it for it in names if shell(f"ls {UNITS}/{it}.service.d 2>/dev/null || true").strip()]


def starts(name: str) -> str:
    return shell(f"systemctl show --property=InvocationID {name}.service")


def remove(folder: Path) -> None:
    play(folder, "remove", {"privport_hosts": ",".join(NAMES), "privport_restart_absent": "true"})


def roll_out(
    folder: Path,
    variables: Dict[str, str],
    *options: str,
    strategy: str = "linear",
    kill: Tuple[str, float] | None = None,
) -> Run:
    file = folder / "rollout.json"
    file.unlink(missing_ok=True)
    given = {
        "privport_hosts": ",".join(NAMES),
        "privport_timeout": "3",
        "privport_rollout_file": str(file),
        **variables,
    }
    done = play(folder, "rollout", given, *options, strategy=strategy, kill=kill)
    told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    if told is None:
        sys.exit(f"the rollout writes no file: {done.stdout[-3000:]}{done.stderr[-500:]}")
    return Run(done.returncode, told, done.stdout)


def play(
    folder: Path,
    playbook: str,
    variables: Dict[str, str],
    *options: str,
    strategy: str = "linear",
    kill: Tuple[str, float] | None = None,
) -> subprocess.CompletedProcess[str]:
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump(hosts()), encoding="utf-8")
    argv = ["ansible-playbook", "--inventory", str(inventory), f"netbind.privport.{playbook}", *options]
    argv += [word for name, value in variables.items() for word in ("--extra-vars", f"{name}='{value}'")]
    environment = {**os.environ, "ANSIBLE_STRATEGY": strategy, "ANSIBLE_PIPELINING": "true", "ANSIBLE_FORKS": "4"}
    if kill is not None:
        environment.update(
            ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests/faults/callback"),
            ANSIBLE_CALLBACKS_ENABLED="killer",
            PRIVPORT_KILL_HOST=kill[0],
            PRIVPORT_KILL_AFTER=str(kill[1]),
        )
    return subprocess.run(
        argv, check=False, capture_output=True, text=True, cwd=ROOT, env=environment, start_new_session=True
    )


def hosts() -> Dict[str, Any]:
    """The names, each of which has its own service, and one that leads nowhere."""
    fleet = yaml.safe_load((ROOT / "tests/fleet/inventory.yml").read_text(encoding="utf-8"))["fleet"]
    found = {name: {**fleet["hosts"][HOST], **service(name, number)} for number, name in enumerate(NAMES)}
    found[AWAY] = {"ansible_host": "10.43.80.99", **service(AWAY, 0)}
    return {"all": {"hosts": found, "vars": {**fleet["vars"], "ansible_timeout": 5}}}


def service(name: str, number: int) -> Dict[str, Any]:
    return {"privport_services": [{"name": name, "ports": [100 + number], "unit": f"{name}.service"}]}


def shell(script: str) -> str:
    done = subprocess.run(
        ["podman", "exec", "--interactive", HOST, "bash", "-euc", script], check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{script!r} fails: {done.stderr[-500:]}")
    return done.stdout


if __name__ == "__main__":
    main()
