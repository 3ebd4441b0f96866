# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers in AppArmor profiles: what is predicted, what the kernel does, and what the named line mends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List

from .cells import FOLDER, Server, compare, fingerprint, install, told
from .machine import Machine, succeeded

APPEND = "security=apparmor apparmor=1"
BASE = f"""
  include <abstractions/base>
  /usr/** rm,
  {FOLDER}/** rm,
  /etc/** r,
  @{{PROC}}/** r,
"""
NETWORK = "network,"
CAPABLE = "capability net_bind_service,"
HELPER = "/usr/lib/authbind/helper Ux,"
# The rules of each server's profile; the first word says its mode.
PROFILES: Dict[str, List[str]] = {
    "denied": ["enforce", NETWORK],
    "allowed": ["enforce", NETWORK, CAPABLE, HELPER],
    "no-helper": ["enforce", NETWORK, CAPABLE],
    "helper-only": ["enforce", NETWORK, HELPER],
    "helper-inside": ["enforce", NETWORK, "/usr/lib/authbind/helper ix,"],
    "no-network": ["enforce", CAPABLE, HELPER],
    "complaining": ["complain", NETWORK],
    "of-the-unit": ["enforce", NETWORK, f"{FOLDER}/** ix,"],
}
SERVERS = [
    Server(name="unconfined", port=700),
    *(Server(name=name, port=port) for port, name in enumerate(PROFILES, start=701) if name != "of-the-unit"),
    Server(name="of-the-unit", port=720, settings="AppArmorProfile=of-the-unit\n"),
    Server(name="not-needed", port=721, settings="AppArmorProfile=-not-loaded\n"),
    Server(name="not-loaded", port=722, settings="AppArmorProfile=not-loaded\n"),
]


def profile(name: str, rules: List[str]) -> str:
    mode, *lines = rules
    attachment = "" if name == "of-the-unit" else f" {FOLDER}/{name}"
    text = "\n".join(f"  {line}" for line in lines)
    return f"include <tunables/global>\nprofile {name}{attachment} flags=({mode}) {{{BASE}{text}\n}}\n"


def run(image: Path) -> List[str]:
    with Machine(image=image, append=APPEND) as machine:
        install(machine, SERVERS)
        for name, rules in PROFILES.items():
            machine.put(f"/etc/apparmor.d/{name}", profile(name, rules))
        machine.shell("apparmor_parser -r " + " ".join(f"/etc/apparmor.d/{name}" for name in PROFILES))
        proven = told("AppArmor", compare(machine, SERVERS))
        for strategy in ("ambient", "setcap", "authbind"):
            proven.append(mended(machine, next(it for it in SERVERS if it.name == "denied"), strategy))
    return proven


def mended(machine: Machine, server: Server, strategy: str) -> str:
    """The role refuses and changes nothing; with the line that it names it succeeds, and the proof passes."""
    services = [server.service(strategy)]
    before = fingerprint(machine)
    refused = machine.play("rollout", privport_services=services)
    if not refused.returncode or fingerprint(machine) != before:
        raise RuntimeError(f"{strategy} was granted in vain:\n{refused.stdout}")
    found = re.search(
        r"add the line '(?P<line>[^']+)' to (?P<file>\S+) and run: apparmor_parser -r \S+", refused.stdout
    )
    if found is None:
        raise RuntimeError(f"the refusal of {strategy} names no line:\n{refused.stdout}")
    kept = machine.shell(f"cat {found['file']}")
    machine.shell(f"sed -i 's|^}}|  {found['line']}\\n}}|' {found['file']} && apparmor_parser -r {found['file']}")
    succeeded(machine.play("rollout", privport_services=services))
    succeeded(machine.play("verify", privport_services=services))
    succeeded(machine.play("rollout", privport_services=[{**services[0], "state": "absent"}]))
    machine.shell(f"systemctl stop {server.unit}")
    machine.put(found["file"], kept + "\n")
    machine.shell(f"apparmor_parser -r {found['file']}")
    return f"AppArmor: {strategy}: refused without a change; after adding {found['line']!r} granted and proven"
