# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host as root: kills the real modules at every change, and takes away what they need.

Usage: on_host.py ACTION [ARGUMENT…], the actions of main(). The answer is JSON on standard output.
Only the standard library of Python 3.9; the modules and their module_utils lie beside this file.
"""

import contextlib
import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from runs import (
    BYUID,
    DROPIN,
    HERE,
    PROGRAM,
    SYSTEMD,
    UNIT,
    UNIT_TEXT,
    differences,
    finish,
    in_force,
    run,
    settle,
    start,
    systemctl,
    touched,
    tree,
)


def main():
    prepare()
    actions = {
        "killed": killed,
        "refused": refused,
        "parallel": parallel,
        "stopped": stopped,
        "resumed": resumed,
        "serve": serve,
        "tree": tree,
    }
    json.dump(actions[sys.argv[1]](*sys.argv[2:]), sys.stdout)


def prepare():
    PROGRAM.parent.mkdir(exist_ok=True)
    if not SYSTEMD:
        # As every first script does, it has insserv(8) number the links of others anew.
        settle("forward", LED)
        settle("forward", {**LED, **GONE})
    elif not PROGRAM.exists():
        shutil.copy("/bin/sleep", PROGRAM)
        Path("/etc/systemd/system", UNIT).write_text(UNIT_TEXT)
        # Somebody else's line, which no run may lose.
        BYUID.write_text("127.0.0.9/32,99\n")
        systemctl("daemon-reload")
        if shutil.which("xinetd"):
            subprocess.run(["update-rc.d", "-f", "xinetd", "remove"], check=True, capture_output=True)
            subprocess.run(["update-rc.d", "xinetd", "defaults"], check=True, capture_output=True)
            systemctl("start", "xinetd")
        elif shutil.which("inetd"):
            systemctl("enable", "--now", "inetd")


# --- Killed at every change.

AMBIENT = {"unit": UNIT}
RULES = {"ports": ["80", "443"], "user": "www-data"}
LINES = {**RULES, "method": "byuid"}
CAPABILITY = {"path": str(PROGRAM)}
HANDED = {"unit": UNIT, "ports": ["600"]}
SERVED = {"name": "faults", "ports": ["600"], "superserver": "systemd", "command": "/bin/cat", "user": "www-data"}
LED = {"name": "faults", "ports": ["600"], "backend_ports": {"600": 8600}}
GONE = {"state": "absent"}
# From one state to another and back: the module, the options for either.
TRANSITIONS = {
    "a drop-in": ("ambient", {**AMBIENT, **GONE}, AMBIENT),
    "another drop-in": ("ambient", AMBIENT, {**AMBIENT, "capabilities": ["cap_net_bind_service", "cap_net_raw"]}),
    "a file capability": ("setcap", {**CAPABILITY, **GONE}, CAPABILITY),
    "one more file capability": (
        "setcap",
        CAPABILITY,
        {**CAPABILITY, "capabilities": "cap_net_bind_service,cap_net_raw=ep"},
    ),
    "a file capability that is kept": ("setcap", {**CAPABILITY, "keep": False}, {**CAPABILITY, "keep": True}),
    "the setting that opens ports": ("sysctl", GONE, {"ports": ["80"]}),
    "handed sockets": ("socket", {**HANDED, **GONE}, HANDED),
    "redirected ports": ("redirect", {**LED, **GONE}, LED),
    "forwarded ports": ("forward", {**LED, **GONE}, LED),
    "a forwarder's init script": ("forward", {**LED, **GONE}, LED),
    "another init script": ("forward", LED, {**LED, "backend_ports": {"600": 8601}}),
    "a server's socket": ("superserver", {**SERVED, **GONE}, SERVED),
    "a server and another": ("superserver", SERVED, {**SERVED, "superserver": "xinetd"}),
    "a server's lines beside others": ("superserver", {**SERVED, **GONE}, {**SERVED, "superserver": "inetd"}),
    "rule files": ("authbind", {**RULES, **GONE}, RULES),
    "rule lines beside others": ("authbind", {**LINES, **GONE}, LINES),
    "rules and a unit": ("authbind", {**RULES, "unit": UNIT, **GONE}, {**RULES, "unit": UNIT}),
}


def killed(step, *names):
    """For each of the transitions the number of kills, one at each step-th change, and what was wrong after which."""
    answer = {}
    for name in names:
        module, one, other = TRANSITIONS[name]
        states = []
        for params in (one, other):
            settle(module, params)
            states.append((tree(), in_force()))
        settle(module, one)
        wrong = [*kill_everywhere(module, (one, other), states, step=int(step))]
        settle(module, other)
        wrong += kill_everywhere(module, (other, one), states[::-1], step=int(step))
        settle(module, {**other, **GONE})
        answer[name] = {"kills": len(wrong), "wrong": [problem for problems in wrong for problem in problems]}
    return answer


def kill_everywhere(module, params, states, *, step):
    """Kill the run from one state to the other at its first change, and the next ones; then go on, or go back.

    Yields for each kill what was wrong.
    """
    here, there = params
    for goal, wanted in zip((there, here), (states[1], states[0])):
        for kill_at in itertools.count(1, step):
            outcome = run(module, there, kill_at=kill_at)
            if "killed" not in outcome:
                settle(module, here)
                break
            yield [f"{outcome['killed']}: {problem}" for problem in judge(module, goal, wanted, states)]
            settle(module, here)


def judge(module, goal, wanted, states):
    """What is wrong after a kill, and after the run that follows it."""
    now = tree()
    yield from (f"{path} is neither old nor new" for path in differences(now, *(files for files, _loaded in states)))
    done = (now, in_force()) == wanted
    outcome = run(module, goal)
    if outcome.get("failed"):
        yield f"the next run fails: {outcome['msg']}"
        return
    if outcome["changed"] is done:
        yield f"the next run says changed={outcome['changed']}"
    now = tree()
    yield from (f"{path} is not as it should be" for path in sorted(now.keys() ^ wanted[0].keys()))
    yield from (f"{path} is not as it should be" for path in differences(now, wanted[0]))
    if in_force() != wanted[1]:
        yield f"systemd has {in_force()}, not {wanted[1]}"
    again = run(module, goal)
    if again["changed"]:
        yield "the run after that changes something"


# --- Full, read-only, and a systemctl that fails or hangs.


def refused():
    """For each fault what was said, and what was wrong then or afterwards."""
    return {name: refuse(*case) for name, case in faults().items()}


def faults():
    """The module, the options that are in force, those that cannot be met, the fault, and what has to be said."""
    full, bound, more = "No space left on device; free some space", "Read-only file system", TRANSITIONS
    ambient, lines, unit = more["another drop-in"], more["rule lines beside others"], more["rules and a unit"]
    folder = str(DROPIN.parent)
    failing = {"path": wrapper("failing", "echo Connection timed out >&2; exit 1")}
    hanging = {"path": wrapper("hanging", "sleep 1000 & wait"), "seconds": 1}
    late = "did not finish within 1 seconds; it was ended. Find out why it hangs \\(systemctl list-jobs"
    return {
        "the drop-in's disk is full": (*ambient, {"mount": (folder, "size=4k")}, full),
        "the drop-in's disk has no inode left": (*ambient, {"mount": (folder, "nr_inodes=2")}, full),
        "the drop-in's folder is read-only": (*ambient, {"mount": ("/etc", "ro")}, bound),
        "a new drop-in's folder is read-only": (*more["a drop-in"], {"mount": ("/etc", "ro")}, bound),
        "the disk of rule lines is full": (*lines, {"mount": (str(BYUID.parent), "size=4k")}, full),
        "the disk of rule files has no inode left": (
            *more["rule files"],
            {"mount": ("/etc/authbind/byport", "nr_inodes=1")},
            full,
        ),
        "the disk has one inode left for two rule files": (
            *more["rule files"],
            {"mount": ("/etc/authbind/byport", "nr_inodes=2")},
            full,
        ),
        "the rules are read-only": (*more["rule files"], {"mount": ("/etc", "ro")}, bound),
        "the program is read-only": (*more["a file capability"], {"mount": (str(PROGRAM.parent), "ro")}, "read-only"),
        "daemon-reload fails": (*ambient, failing, "daemon-reload failed with status 1: Connection timed out"),
        "daemon-reload fails after rules": (*unit, failing, "daemon-reload failed with status 1"),
        "daemon-reload hangs": (*ambient, hanging, late),
        "daemon-reload hangs after rules": (*unit, hanging, late),
    }


def wrapper(name, command):
    """A folder with a systemctl that does the command in place of daemon-reload."""
    program = HERE / name / "systemctl"
    program.parent.mkdir(exist_ok=True)
    real = shutil.which("systemctl")
    program.write_text(f'#!/bin/sh\nif [ "$1" = daemon-reload ]; then {command}; fi\nexec {real} "$@"\n')
    program.chmod(0o755)
    return str(program.parent)


def refuse(module, here, there, fault, sentence):
    wrong = []
    settle(module, here)
    before = tree(), in_force()
    options = dict(fault)
    with mounted(*options.pop("mount", ())):
        during = tree()
        started = time.monotonic()
        outcome = run(module, there, **options)
        took = time.monotonic() - started
        wrong += touched(during)
    said = outcome.get("msg", "")
    if not outcome.get("failed") or not re.search(sentence, said) or "\n" in said:
        wrong.append(f"it said {said or outcome}")
    if took > 10:
        wrong.append(f"it took {took:.0f} s")
    if (tree(), in_force()) != before:
        wrong += touched(before[0]) or ["systemd has something else"]
    after = run(module, there)
    if not after.get("changed"):
        wrong.append(f"without the fault it ends with {after}")
    settle(module, {**there, "state": "absent"})
    return {"said": said, "wrong": wrong}


@contextlib.contextmanager
def mounted(folder="", option=""):
    """Something over the folder: the folder itself, read-only, or a copy of it that has no room left."""
    if not folder:
        yield
        return
    if option == "ro":
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    else:
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=755,{room(option, files)}", "none", folder], check=True)
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def room(option, files):
    """The option, with as much more as the files that are there take."""
    return option if option.startswith("nr_inodes") else f"size={4 * sum(map(bool, files.values()))}k"


# --- At the same time.


def parallel():
    """What was wrong after runs that all began at once."""
    wrong = []
    lines = [("authbind", {**LINES, "ports": [str(port)]}) for port in range(80, 90)]
    wrong += together(lines)
    text = BYUID.read_text()
    wrong += [f"the line for port {port} was lost" for port in (*range(80, 90), 99) if f",{port}\n" not in text]
    names = ("cap_net_raw", "cap_net_admin", "cap_kill", "cap_chown", "cap_sys_nice", "cap_sys_time")
    merged = {**CAPABILITY, "merge": True}
    wrong += together([("setcap", {**merged, "capabilities": f"cap_net_bind_service,{name}=ep"}) for name in names])
    held = run("setcap", {**merged, "capabilities": "cap_net_bind_service=ep"})["after"]
    wrong += [f"{name} was lost" for name in names if name not in held]
    sets = [["cap_net_bind_service", name] for name in names]
    wrong += together([("ambient", {**AMBIENT, "capabilities": each}) for each in sets])
    now = [run("ambient", {**AMBIENT, "capabilities": each, "_ansible_check_mode": True})["changed"] for each in sets]
    if sorted(now) != [False, *[True] * (len(sets) - 1)]:
        wrong.append(f"the drop-in is not wholly one of those asked for: {now}")
    for module, options in (("authbind", lines[0][1]), ("setcap", CAPABILITY), ("ambient", AMBIENT)):
        settle(
            module,
            {**options, "ports": [str(port) for port in range(80, 90)], **GONE}
            if "ports" in options
            else {**options, **GONE},
        )
    return {"runs": len(lines) + len(names) + len(sets), "wrong": wrong}


def together(asked):
    runs = [start(module, params) for module, params in asked]
    outcomes = [finish(each) for each in runs]
    return [f"a run failed: {outcome['msg']}" for outcome in outcomes if outcome.get("failed")]


# --- systemd is stopped, and a service for whole plays.


def stopped():
    """What is wrong with a run while systemd answers nobody."""
    before, started = tree(), time.monotonic()
    outcome = run("ambient", AMBIENT)
    took = time.monotonic() - started
    wrong = touched(before)
    if not outcome.get("failed") or "systemctl show" not in outcome["msg"] or took > 40:
        wrong.append(f"after {took:.0f} s it said {outcome.get('msg', outcome)}")
    return {"wrong": wrong}


def resumed():
    outcome = run("ambient", AMBIENT)
    settle("ambient", {**AMBIENT, **GONE})
    return {"wrong": [] if outcome.get("changed") else [f"afterwards it ends with {outcome}"]}


def serve(text):
    Path("/etc/systemd/system/faultsweb.service").write_text(text)
    systemctl("daemon-reload")


if __name__ == "__main__":
    main()
