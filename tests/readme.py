# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the commands of the documentation as they stand, against a host of the fleet: readme.py [--list]

Every command of a console block, and every option `-e …` in the text, is run here or named in ELSEWHERE.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator, Mapping, NamedTuple, Sequence

import yaml

ROOT = Path(__file__).parents[1]
HOST = "bookworm"
# What other tests run, and which.
ELSEWHERE = {
    "./run demo": "./run acceptance",
    "./run test": "itself",
    # What is not published yet cannot be downloaded; the artifact is installed, and jmespath with the tests.
    "ansible-galaxy collection install netbind.privport": "./run build",
    "python -m pip install jmespath": "./run setup",
}
# An option of the text: the playbook that it is tried with, in an order in which each finds what it needs, and what is
# written for a word in capitals.
OPTIONS = {
    "-e privport_plan_format=json": "plan",
    "-e privport_plan_details=true": "plan",
    "-e privport_plan_show=dropins": "plan",
    "-e ansible_become=false": "plan",
    "-e privport_hosts=PATTERN": "plan",
    "-e privport_plan_file=plan.json": "plan",
    "-e privport_rollout_plan=plan.json": "rollout",
    "-e privport_rollout_serial=1,25%": "rollout",
    "-e privport_audit_baseline=audit/audit.json": "audit",
    "-e privport_audit_fail_on=high": "audit",
    "-e privport_restart_absent=true": "remove",
}
PLACEHOLDERS = {"PATTERN": "web"}
# A part of a command, and what its output then holds.
SAYS = {
    "netbind.privport.plan": "ambient",
    "privport_plan_format=json": '"strategy": "ambient"',
    "privport_plan_show=dropins": "50-privport.conf (mode 0644, owner 0:0)",
    "--check --diff": "50-privport.conf",
    "netbind.privport.verify": "pass",
    "netbind.privport.audit": "ssh.service on port 22 is root",
}
_RUN_HERE = re.compile(r"ansible-playbook netbind\.privport\.(?P<playbook>\w+) -i hosts\b|ansible web -i hosts ")
_OPTION = re.compile(r"`(-e [^`]+)`")
_PROMPTS = ("$ ", "# ")


def block(page: str, kind: str) -> str:
    """The first block of a page that is marked as of this kind."""
    return (ROOT / page).read_text("utf-8").partition(f"```{kind}\n")[2].partition("```")[0]


# What the tutorial has its reader write.
UNIT, SERVICES_FILE = block("docs/first.md", "ini"), block("docs/first.md", "yaml")
# Ansible reads a value of an inventory as Python where it can. That false is none keeps the first one a text.
VARIABLES = """\
privport_services=[{"name": "web", "ports": "80", "unit": "web.service", "socket_activation": false}]
privport_policy=[{"forbid": "sysctl", "when": "`false`", "why": "every user would get the port"}]
privport_timeout=120
privport_keep=false
privport_restart_absent=no
"""
PREPARE = f"""\
install /usr/bin/webfsd /usr/local/bin/server
cat >/etc/systemd/system/web.service <<'UNIT'
{UNIT}UNIT
systemctl daemon-reload
"""
DROPIN = "/etc/systemd/system/web.service.d/50-privport.conf"
LISTENS = "ss -Hltn 'sport = :80' | grep -q ."


class Command(NamedTuple):
    """A command, or an option, and where it stands."""

    where: str
    text: str


def commands(text: str, *, name: str) -> Iterator[Command]:
    """Those of the console blocks: lines after a prompt, with the lines that they go on in."""
    inside, where = "", ""
    going_on: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            inside = "" if inside else line
        elif inside == "```console" and (going_on or line.startswith(_PROMPTS)):
            where = where if going_on else f"{name}:{number}"
            going_on.append(line if going_on else line[2:])
            if not line.endswith("\\"):
                yield Command(where, "\n".join(going_on))
                going_on = []


def options(text: str, *, name: str) -> Iterator[Command]:
    """The options `-e …` of the text."""
    for number, line in enumerate(text.splitlines(), start=1):
        yield from (Command(f"{name}:{number}", option) for option in _OPTION.findall(line))


def documented() -> tuple[list[Command], list[Command]]:
    """The commands and the options of the README and of docs."""
    pages = {path.relative_to(ROOT): path.read_text("utf-8") for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}
    return (
        [command for path, text in sorted(pages.items()) for command in commands(text, name=str(path))],
        [option for path, text in sorted(pages.items()) for option in options(text, name=str(path))],
    )


def problems(found: Sequence[Command], in_text: Sequence[Command]) -> list[str]:
    """What nothing runs, and what the tables here hold in vain; a sentence each."""
    texts = {command.text for command in (*found, *in_text)}
    untried = [it for it in found if it.text not in ELSEWHERE and not _RUN_HERE.match(it.text)]
    untried += [it for it in in_text if it.text not in OPTIONS]
    return [
        *(f"{it.where}: no test runs '{it.text}'; run it in tests/readme.py or name there who does" for it in untried),
        *(f"tests/readme.py: no page has '{text}' any more" for text in (*ELSEWHERE, *OPTIONS) if text not in texts),
    ]


def on_host(script: str) -> bool:
    return subprocess.run(["podman", "exec", HOST, "sh", "-euc", script], check=False).returncode == 0


def holds_within(seconds: float, script: str) -> bool:
    until = time.monotonic() + seconds
    while not on_host(script) and time.monotonic() < until:
        time.sleep(0.2)
    return on_host(script)


def inventory(variables: str) -> str:
    """The text of an INI inventory with the host in the group web."""
    fleet = yaml.safe_load((ROOT / "tests/fleet/inventory.yml").read_text("utf-8"))["fleet"]
    shared = "".join(f"{name}={value}\n" for name, value in fleet["vars"].items())
    return f"[web]\n{HOST} ansible_host={fleet['hosts'][HOST]['ansible_host']}\n\n[web:vars]\n{shared}{variables}"


def in_turn(found: Sequence[Command], in_text: Sequence[Command]) -> Iterator[Command]:
    """What is to be run: each command once, where it stands first, then those with each option of the text."""
    first = {command.text: command for command in reversed(found) if _RUN_HERE.match(command.text)}
    runnable = [command for command in found if first.get(command.text) is command]
    yield from runnable
    once = {option.text: option for option in reversed(in_text)}.values()
    for option in sorted(once, key=lambda it: list(OPTIONS).index(it.text)):
        written = re.sub("[A-Z]{2,}", lambda word: PLACEHOLDERS[word[0]], option.text)
        last = [it for it in runnable if f".{OPTIONS[option.text]} " in it.text and "--check" not in it.text][-1]
        yield Command(option.where, f"{last.text} {written}")


def complaint(command: Command, *, folder: Path, environment: Mapping[str, str]) -> str:
    """Runs a command and looks at the host; '' where all is as it should be."""
    granted_before = on_host(f"test -e {DROPIN}")
    done = subprocess.run(
        ["bash", "-c", command.text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return f"it ended with {done.returncode}:\n{done.stdout}"
    unsaid = [said for part, said in SAYS.items() if part in command.text and said not in done.stdout]
    if unsaid:
        return f"its output does not hold {unsaid[0]!r}:\n{done.stdout}"
    return wrong_on_host(command.text, granted_before=granted_before)


def wrong_on_host(text: str, *, granted_before: bool) -> str:
    """What a command should have left and has not; '' where all is as it should be."""
    granted = granted_before
    if "--check" not in text:
        granted = (granted_before or ".rollout " in text) and ".remove " not in text
    if on_host(f"test -e {DROPIN}") != granted:
        return f"{DROPIN} is {'not there' if granted else 'there'} after it"
    if granted and not holds_within(0, LISTENS):
        return "nothing listens on port 80 after it"
    if "privport_restart_absent=true" in text and not holds_within(10, f"! {{ {LISTENS}; }}"):
        return "the process that lost its grant listens on port 80 still"
    if "privport_setcap" in text and not on_host("getcap /usr/local/bin/server | grep -q cap_net_bind_service=ep"):
        return "the program has no capability after it"
    return ""


def run_all(found: Sequence[Command], in_text: Sequence[Command], *, from_inventory: bool) -> Iterator[str]:
    """Runs these with the services of a file, or of the inventory; a line for each that fails."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "NO_COLOR": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hosts").write_text(inventory(VARIABLES if from_inventory else ""), "utf-8")
        if not from_inventory:
            (folder / "services.yml").write_text(SERVICES_FILE, "utf-8")
        for command in in_turn(found, in_text):
            text = command.text.replace(" -e @services.yml", "") if from_inventory else command.text
            started = time.monotonic()
            wrong = complaint(command._replace(text=text), folder=folder, environment=environment)
            outcome = "FAILED" if wrong else "ok"
            print(f"{outcome:6} {time.monotonic() - started:4.0f} s  {command.where:14} {text}", flush=True)
            if wrong:
                yield f"{command.where}: {text}: {wrong}"
            # The next command finds the program as the first one did.
            on_host("setcap -r /usr/local/bin/server 2>/dev/null || true")


def main() -> None:
    found, in_text = documented()
    told = problems(found, in_text)
    if sys.argv[1:] == ["--list"]:
        for command in (*found, *in_text):
            print(f"{command.where:14} {ELSEWHERE.get(command.text, 'here'):18} {command.text}")
    elif not told:
        if not on_host(PREPARE):
            sys.exit(f"error: {HOST} could not be prepared; is the fleet up?")
        told = [*run_all(found, in_text, from_inventory=False), *run_all(found, [], from_inventory=True)]
    sys.exit("\n".join(["", *told]) if told else 0)


if __name__ == "__main__":
    main()
