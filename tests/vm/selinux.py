# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers in SELinux domains: what is predicted, what the kernel does, and what the named command mends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import List, Tuple

from .cells import FOLDER, STRATEGIES, Server, compare, fingerprint, install, told
from .machine import Machine, succeeded

APPEND = "security=selinux selinux=1 enforcing=0"
# A domain of a server, in the Common Intermediate Language: it may do all that it needs but use ports of other types.
DOMAIN = """\
(type {name}_t)
(type {name}_exec_t)
(roletype system_r {name}_t)
(roletype object_r {name}_exec_t)
(typeattributeset domain ({name}_t))
(typeattributeset files_unconfined_type ({name}_t))
(typeattributeset file_type ({name}_exec_t))
(typeattributeset entry_type ({name}_exec_t))
(typetransition init_t {name}_exec_t process {name}_t)
(typetransition initrc_t {name}_exec_t process {name}_t)
(allow init_t {name}_exec_t (file (execute getattr map open read)))
(allow initrc_t {name}_exec_t (file (execute getattr map open read)))
(allow init_t {name}_t (process (transition noatsecure siginh rlimitinh sigkill signal getattr)))
(allow initrc_t {name}_t (process (transition noatsecure siginh rlimitinh)))
(allow {name}_t {name}_exec_t (file (entrypoint execute getattr map open read)))
(allow {name}_t bin_t (file (entrypoint execute getattr map open read)))
(allow {name}_t init_t (fd (use)))
(allow {name}_t initrc_t (fd (use)))
(allow {name}_t init_t (unix_stream_socket (getattr ioctl read write)))
(allow {name}_t self (process (fork signal getsched)))
(allow {name}_t self (tcp_socket (create setopt getopt getattr bind listen accept read write shutdown ioctl)))
(allow {name}_t node_t (tcp_socket (node_bind)))
(allow {name}_t http_port_t (tcp_socket (name_bind)))
(allow {name}_t lib_t (file (execute execute_no_trans getattr map open read)))
"""
CAPABLE = "(allow {name}_t self (capability (net_bind_service)))\n"
PERMISSIVE = "(typepermissive {name}_t)\n"
POLICY = {
    "confined": DOMAIN + CAPABLE,
    "incapable": DOMAIN,
    "lenient": DOMAIN + PERMISSIVE,
}
LABELS = {
    "unconfined": "bin_t",
    "labelled": "confined_exec_t",
    "unlabelled": "confined_exec_t",
    "taken": "confined_exec_t",
    "incapable": "incapable_exec_t",
    "lenient": "lenient_exec_t",
    "of-the-unit": "bin_t",
}
IN_DOMAIN = "SELinuxContext=system_u:system_r:confined_t:s0\n"
# http_port_t holds 80, 443 and 488, dns_port_t 853, and all others are hi_reserved_port_t.
SERVERS = [
    Server(name="unconfined", port=700),
    Server(name="labelled", port=80),
    Server(name="unlabelled", port=701),
    Server(name="taken", port=853),
    Server(name="incapable", port=443),
    Server(name="lenient", port=702),
    Server(name="of-the-unit", port=703, settings=IN_DOMAIN),
]
COMMAND = re.compile(r"to allow it, run: (?P<command>semanage port [^()]+?) \(")
RULE = re.compile(r"semodule -i privport\.cil: (?P<rule>\(allow [^()]+ \([^()]+ \([^()]+\)\)\))")


def run(image: Path) -> List[str]:
    with Machine(image=image, append=APPEND) as machine:
        install(machine, SERVERS)
        for name, rules in POLICY.items():
            machine.put(f"/root/{name}.cil", rules.format(name=name))
        machine.shell("semodule " + " ".join(f"-i /root/{name}.cil" for name in POLICY))
        machine.shell("; ".join(f"chcon -t {label} {FOLDER}/{name}" for name, label in LABELS.items()))
        machine.shell("setenforce 1")
        proven = told("SELinux", compare(machine, SERVERS))
        servers = {server.name: server for server in SERVERS}
        proven += [mended(machine, servers["unlabelled"], strategy) for strategy in STRATEGIES]
        proven += [mended(machine, servers[name], "ambient") for name in ("taken", "incapable")]
    return proven


def mended(machine: Machine, server: Server, strategy: str) -> str:
    """The role refuses and changes nothing; after the command that it names it succeeds, and the proof passes."""
    services = [server.service(strategy)]
    before = fingerprint(machine)
    refused = machine.play("rollout", privport_services=services)
    if not refused.returncode or fingerprint(machine) != before:
        raise RuntimeError(f"{strategy} was granted in vain:\n{refused.stdout}")
    command, undo = way_out(refused.stdout)
    machine.shell(command)
    succeeded(machine.play("rollout", privport_services=services))
    succeeded(machine.play("verify", privport_services=services))
    succeeded(machine.play("rollout", privport_services=[{**services[0], "state": "absent"}]))
    machine.shell(f"systemctl stop {server.unit}; {undo}")
    return f"SELinux: {server.name}, {strategy}: refused without a change; granted and proven after: {command}"


def way_out(refusal: str) -> Tuple[str, str]:
    """The command that the refusal names, and the one that takes it back."""
    named = COMMAND.search(refusal)
    if named is not None:
        command = named["command"]
        return command, re.sub(r" -[am] -t \S+", " -d", command)
    rule = RULE.search(refusal)
    if rule is None:
        raise RuntimeError(f"the refusal names no command:\n{refusal}")
    return f"echo '{rule['rule']}' >privport.cil && semodule -i privport.cil", "semodule -r privport"
