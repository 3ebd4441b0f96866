# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host as root: the whole transaction for five services, killed, refused and met by another one.

Usage: whole.py ACTION [ARGUMENT…], the actions of main(). The answer is JSON on standard output.
Only the standard library of Python 3.9; the modules and their module_utils lie beside this file.
"""

import itertools
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

from on_host import mounted, wrapper
from runs import HERE, differences, finish, run, start, systemctl, touched, tree

SERVER = HERE / "serve.py"
JOURNAL = Path("/var/lib/netbind.privport")
TIMEOUT = 8
# Takes the socket that systemd hands to it, or binds the port itself.
SERVER_TEXT = """
import os, socket, sys
if os.environ.get("LISTEN_PID") == str(os.getpid()):
    server = socket.socket(fileno=3)
else:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((sys.argv[1], int(sys.argv[2])))
    server.listen()
while True:
    server.accept()[0].close()
"""
# By name: where it listens, what starts it, and the rest of its description.
SERVICES = {
    "wholea": ("0.0.0.0 611", "/usr/bin/python3", {"ports": [611], "strategy": "ambient"}),
    "wholeb": ("0.0.0.0 612", f"{HERE}/bin/python3", {"ports": [612], "strategy": "setcap"}),
    "wholec": ("0.0.0.0 613", "/usr/bin/python3", {"ports": [613], "strategy": "authbind"}),
    "wholed": ("0.0.0.0 614", "/usr/bin/python3", {"ports": [614], "strategy": "socket"}),
    "wholee": (
        *("127.0.0.1 8615", "/usr/bin/python3"),
        {"ports": [615], "backend_ports": {615: 8615}, "strategy": "forward"},
    ),
}
OWN = ("wholed.socket", *(f"privport-forward-wholee-615.{it}" for it in ("socket", "service")))


def main():
    prepare()
    actions = {"killed": killed, "refused": refused, "one_of_five": one_of_five, "together": together, "ended": ended}
    json.dump(actions[sys.argv[1]](*sys.argv[2:]), sys.stdout)


def prepare():
    if SERVER.exists():
        return
    SERVER.write_text(SERVER_TEXT)
    private = HERE / "bin/python3"
    private.parent.mkdir(exist_ok=True)
    shutil.copy(os.path.realpath("/usr/bin/python3"), private)
    shutil.chown(private, group="www-data")
    private.chmod(0o750)
    for name, (address, program, _more) in SERVICES.items():
        Path(f"/etc/systemd/system/{name}.service").write_text(
            f"[Service]\nUser=www-data\nExecStart={program} {SERVER} {address}\n"
        )
    systemctl("daemon-reload")


def params(state="present", *, names=tuple(SERVICES), **options):
    services = [{"name": name, "unit": f"{name}.service", "state": state, **SERVICES[name][2]} for name in names]
    if state == "absent":
        services = [{**it, "strategy": "auto"} for it in services]
    return {"services": services, "timeout": TIMEOUT, "restart_absent": True, **options}


NOTHING = {"services": [], "timeout": TIMEOUT}


def in_force():
    """What systemd and the kernel have of the services and of the collection's own units."""
    names = [f"{name}.service" for name in SERVICES]
    asked = "--property=Id,AmbientCapabilities,DropInPaths,Requires,NeedDaemonReload"
    units = systemctl("show", asked, *names)
    own = systemctl("show", "--property=Id,LoadState,ActiveState,NeedDaemonReload", *OWN)
    active = {name: systemctl("show", "--property=ActiveState", "--value", name).strip() for name in names}
    running = [name for name, found in active.items() if found == "active"]
    return [*(sorted(it.split()) for it in units.replace("Requires=", "Requires ").split("\n")), own.split(), running]


def state():
    return tree(), in_force(), sorted(map(str, JOURNAL.glob("*")))


def settle(options):
    outcome = run("privport", options)
    if outcome.get("failed"):
        sys.exit(f"privport fails: {outcome}")
    # What was stopped without its grant may still be on its way down.
    deadline = time.monotonic() + 5
    while options["services"] and options["services"][0]["state"] == "absent" and time.monotonic() < deadline:
        if in_force()[-1] in ([], ["wholee.service"]):
            break
        time.sleep(0.1)
    return outcome


def told(outcome):
    return json.dumps(outcome)


# --- Killed at every change.


def killed(step):
    """For each way the number of kills and what was wrong after which."""
    settle(params())
    states = {"present": state()}
    # Afterwards the one that needs no grant runs on.
    settle(params("absent"))
    states["absent"] = state()
    answer = {
        f"the whole transaction, to {goal}": kill_everywhere(goal, states, int(step)) for goal in ("present", "absent")
    }
    settle(params("absent"))
    return answer


def kill_everywhere(goal, states, step):
    """Kill the run at its first change, and the next ones, each time from where it began."""
    other = "present" if goal == "absent" else "absent"
    wrong = []
    for count in itertools.count():
        outcome = run("privport", params(goal), kill_at=1 + count * step)
        if "killed" not in outcome:
            break
        # Without a journal nothing was changed yet, or all was, and proven.
        allowed = (other,) if (JOURNAL / "journal.json").exists() else (other, goal)
        wrong += [f"{outcome['killed']}: {problem}" for problem in judge(*(states[name] for name in allowed))]
        settle(params(other))
    if outcome.get("failed"):
        wrong.append(f"the run that nobody killed fails: {told(outcome)[:1500]}")
    return {"kills": count, "wrong": wrong}


def judge(*allowed):
    """What is wrong after a kill: the next run that wants nothing brings the host to one of the states, wholly."""
    begun = (JOURNAL / "journal.json").exists()
    outcome = run("privport", NOTHING)
    if outcome.get("failed"):
        yield f"the next run fails: {told(outcome)[:1500]}"
    if begun and "interrupted" not in told(outcome.get("warnings", [])):
        yield f"the next run does not tell of the interrupted one: {told(outcome)[:500]}"
    now = state()
    if now not in allowed:
        yield f"{differences(now[0], allowed[0][0])}: the host has {now[1:]}, not {allowed[0][1:]}"
    again = run("privport", NOTHING)
    if again.get("changed") or "interrupted" in told(again.get("warnings", [])):
        yield f"the run after that tells of it again: {told(again)[:500]}"


# --- It cannot go on in the middle: all five as before.


def refused():
    settle(params("absent"))
    failing = {"path": wrapper("failing", "echo Connection timed out >&2; exit 1")}
    # A command has as much time as the services have.
    hanging = {"path": wrapper("hanging", "sleep 1000 & wait"), "seconds": 1}
    faults = {
        "daemon-reload fails in a transaction of five": (failing, "daemon-reload failed with status 1"),
        "systemctl hangs in a transaction of five": (hanging, f"did not finish within {TIMEOUT} seconds"),
        "/etc is read-only in a transaction of five": ({"mount": ("/etc", "ro")}, "Read-only file system"),
        "the disk is full in a transaction of five": (
            {"mount": ("/etc/authbind/byport", "nr_inodes=1")},
            "No space left on device",
        ),
    }
    return {name: {"wrong": refuse(*fault)} for name, fault in faults.items()}


def refuse(fault, sentence):
    before = state()
    options = dict(fault)
    with mounted(*options.pop("mount", ())):
        outcome = run("privport", params(), **options)
    wrong = [] if outcome.get("failed") and re.search(sentence, told(outcome)) else [f"it said {told(outcome)[:1500]}"]
    if "path" in options:
        # What could not be taken back for the same reason, the next run takes back.
        run("privport", NOTHING)
    if state() != before:
        wrong += touched(before[0]) or [f"the host has {state()[1:]}, not {before[1:]}"]
    after = run("privport", params())
    if after.get("failed") or not after.get("changed"):
        wrong.append(f"without the fault it ends with {told(after)[:1500]}")
    settle(params("absent"))
    return wrong


# --- One of five whose proof fails.


def one_of_five():
    """That one as before and the others stay; with undo=all everything is as before."""
    settle(params("absent"))
    before = state()
    # It starts, and listens on another port than it says.
    unit = Path("/etc/systemd/system/wholea.service")
    text = unit.read_text()
    unit.write_text(text.replace("0.0.0.0 611", "0.0.0.0 8611"))
    systemctl("daemon-reload")
    wrong = []
    try:
        outcome = run("privport", params())
        if not outcome.get("failed") or "nothing listens on port 611" not in told(outcome):
            wrong.append(f"it said {told(outcome)[:1500]}")
        running = in_force()[-1]
        if running != [f"{name}.service" for name in sorted(SERVICES) if name != "wholea"]:
            wrong.append(f"these run: {running}")
        if Path("/etc/systemd/system/wholea.service.d").exists():
            wrong.append("the drop-in of the one that failed is still there")
        again = run("privport", params(names=[name for name in SERVICES if name != "wholea"]))
        if again.get("failed") or again.get("changed"):
            wrong.append(f"the four that stay are not converged: {told(again)[:1500]}")
        settle(params("absent"))
        running = in_force()[-1]
        all_back = run("privport", params(undo="all"))
        if not all_back.get("failed") or in_force()[-1] != running:
            wrong.append(f"undo=all leaves {in_force()[-1]}")
    finally:
        unit.write_text(text)
        systemctl("daemon-reload")
    if state()[:2] != before[:2]:
        wrong += touched(before[0]) or [f"the host has {in_force()}"]
    return {"wrong": wrong}


# --- Two runs at once, one of which fails: the other's result stands.


def together():
    settle(params("absent"))
    unit = Path("/etc/systemd/system/wholea.service")
    text = unit.read_text()
    unit.write_text(text.replace("0.0.0.0 611", "0.0.0.0 8611"))
    systemctl("daemon-reload")
    wrong = []
    try:
        both = [start("privport", params(names=[name], timeout=3)) for name in ("wholea", "wholeb")]
        failing, proven = [finish(each) for each in both]
        if not failing.get("failed") or proven.get("failed"):
            wrong.append(f"they end with {told(failing)[:700]} and {told(proven)[:700]}")
        again = run("privport", params(names=["wholeb"]))
        if again.get("failed") or again.get("changed"):
            wrong.append(f"the other's result does not stand: {told(again)[:1500]}")
        # A look that changes nothing waits for nobody.
        held = start("privport", params(names=["wholea"], timeout=60))
        while not list(JOURNAL.glob("journal.json")):
            time.sleep(0.005)
        looked = run("privport", params(names=["wholeb"]))
        if not JOURNAL.exists() or looked.get("failed") or looked.get("changed"):
            wrong.append(f"a look waits for a run that is under way, or ends with {told(looked)[:700]}")
        os.kill(held[0], signal.SIGTERM)
        finish(held)
    finally:
        unit.write_text(text)
        systemctl("daemon-reload")
    settle(params("absent"))
    return {"wrong": wrong}


# --- Asked to end, and left alone.


def ended():
    """SIGTERM leaves the host as it was; a lost connection (SIGHUP) is no reason to stop."""
    settle(params("absent"))
    before, wrong = state(), []
    for asked, failed in ((signal.SIGTERM, True), (signal.SIGHUP, False)):
        running = start("privport", params())
        while not list(JOURNAL.glob("journal.json")):
            time.sleep(0.005)
        os.kill(running[0], asked)
        outcome = finish(running)
        if bool(outcome.get("failed")) is not failed:
            wrong.append(f"{asked.name}: it ends with {told(outcome)[:1500]}")
        if failed and (state() != before or "asked to end by SIGTERM" not in told(outcome)):
            wrong += touched(before[0]) or [f"{asked.name}: the host has {state()[1:]}: {told(outcome)[:700]}"]
        if not failed and len(in_force()[-1]) != len(SERVICES):
            wrong.append(f"{asked.name}: these run: {in_force()[-1]}")
    settle(params("absent"))
    return {"wrong": wrong}


if __name__ == "__main__":
    main()
