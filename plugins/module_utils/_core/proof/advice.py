# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about a proof that failed: what units, exit statuses, errnos and log lines mean, in sentences."""

from __future__ import annotations

import re
from typing import Iterator, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.held import IN_ITS_WAY, beside
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import FAIL, Check
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import Evidence
from ansible_collections.netbind.privport.plugins.module_utils._core.report.failure import failure_text, has_reasons

# systemd.exec(5), "Process Exit Codes": what systemd itself says when it cannot start the program.
_EXIT_STATUSES = {
    "200": "systemd could not enter WorkingDirectory= (status 200/CHDIR); make the folder, or let the user enter it",
    "203": (
        "systemd could not execute the program (status 203/EXEC); look whether the file of ExecStart= is there and "
        "executable for the user, and whether it has a file capability that CapabilityBoundingSet= forbids"
    ),
    "216": "systemd could not take on Group= (status 216/GROUP); make the group",
    "217": "systemd could not take on User= (status 217/USER); make the user",
    "218": "systemd could not set the capabilities (status 218/CAPABILITIES); a user's manager may grant none",
    "226": "systemd could not set up the unit's view of the files (status 226/NAMESPACE); a path it names is missing",
    "228": "systemd could not apply SystemCallFilter= (status 228/SECCOMP)",
    "233": "systemd could not make RuntimeDirectory= (status 233/RUNTIME_DIRECTORY)",
}
# systemd.service(5), "Result=".
_RESULTS = {
    "start-limit-hit": "it failed too often in a row and systemd gave up; mend the cause, then systemctl reset-failed",
    "timeout": "it did not tell systemd in time that it was up; look at Type= and TimeoutStartSec=",
    "protocol": "it did not start as its Type= promises; look at Type= and PIDFile=",
    "oom-kill": "the kernel ended it for want of memory",
    "watchdog": "it went silent and its watchdog ended it",
    "resources": "systemd could not start it: a file, a folder or a setting of it is wrong",
}
# ip(7), connect(2).
_CONNECT = {
    "ECONNREFUSED": "the program bound the port and no longer accepts, or a firewall rejects the connection",
    "ECONNRESET": "the program closed the connection at once",
}
_BIND = {
    "EACCES": f"EACCES: the kernel refused the port, for the process that called bind() lacked {CAPABILITY}",
    "EADDRINUSE": "EADDRINUSE: somebody else holds the port; find out who with ss -lntup, as root",
    "EADDRNOTAVAIL": "EADDRNOTAVAIL: the host lacks the address that the program wants; start it after the network",
    "EPERM": "EPERM: a filter (SocketBindDeny=, BPF, seccomp) or a security module forbids bind()",
    "EAFNOSUPPORT": "EAFNOSUPPORT: RestrictAddressFamilies= forbids the family, or the host has no IPv6",
}
_SAID = {
    "permission denied": "EACCES",
    "address already in use": "EADDRINUSE",
    "cannot assign requested address": "EADDRNOTAVAIL",
    "operation not permitted": "EPERM",
    "address family not supported": "EAFNOSUPPORT",
    "no such file or directory": "ENOENT",
}
# Of a log line that says why, the part that says it was about a port and not about a file.
_ABOUT_A_PORT = re.compile(r"\b(?:bind|listen|socket)|\[Errno \d+\] [A-Z][a-z ]+\Z|\bport\b", re.IGNORECASE)
_ROOT_PARENT = (
    "to run it without root give {unit} User= and Group= by a drop-in, let the program write its pid file, logs and "
    "temporary files where that user may (RuntimeDirectory=, LogsDirectory=), take its own user directive out, and "
    "declare user: in the service, so that it gets {capability} and no more"
)


def advise(case: Case, evidence: Evidence, *, journal: Sequence[str], denials: Sequence[str] = ()) -> Evidence:
    """The evidence with what to do about each of its failed checks.

    journal holds the last lines of the unit, denials what a security module refused it.
    """
    found: list[str] = []
    for check in evidence.checks:
        if check.verdict == FAIL:
            found.extend(_advice(case, evidence, check, journal=journal))
    if evidence.verdict == FAIL:
        found.extend(f"{denial}: no grant helps against that; allow it in the policy" for denial in denials)
    return evidence._replace(advice=tuple(dict.fromkeys(found)))


def _advice(case: Case, evidence: Evidence, check: Check, *, journal: Sequence[str]) -> list[str]:
    unit = case.facts.unit
    name = unit.name if unit else "the program"
    if check.code == "listening" and unit is not None:
        others = beside(case, parse_ports(evidence.port, where=case.service.name)[0])
        said = errno_in(journal, strategy=evidence.strategy)
        # Who holds it is known.
        said = [f"{others}; {IN_ITS_WAY}"] if others and (not said or said == [_BIND["EADDRINUSE"]]) else said
        return [*_of_unit(unit), *said]
    if check.code == "connect":
        return [meaning for code, meaning in _CONNECT.items() if check.text.endswith(code)]
    if check.code == "stranger":
        start = case.facts.network.unprivileged_port_start
        return [f"net.ipv4.ip_unprivileged_port_start is {start}: find what opened the port to every user"]
    socket = next((it.name for it in case.handing if it.active and evidence.port in it.ports), "")
    if check.code == "owner" and socket:
        return [f"have {name} take what {socket} hands to it (LISTEN_FDS), or do without socket_activation: true"]
    sentences = {
        "strategy": "see what helps: ansible-playbook netbind.privport.plan" if has_reasons(check.text) else "",
        "grant": "apply it with the role netbind.privport.privport or the playbook netbind.privport.rollout",
        "owner": f"stop the other one, then start {name}",
        "user": f"{_set_user(unit)}, or user: in the service's description to what it really runs as",
        "held": f"restart {name}; where that does not help, look what it grants itself (systemctl cat, getcap)",
        "root_parent": _ROOT_PARENT.format(unit=name, capability=CAPABILITY),
        "restart": f"mend that before {name} is started again, or let the role choose another strategy",
        "boot": "apply it with the role netbind.privport.privport, which keeps what it grants on disk",
        "taken": "remove that rule, also from the file that loads it at boot",
        "trial": f"look what {name} sets that forbids it (systemctl cat {name}), or name another strategy",
        "address": f"have {name} listen there too, or correct addresses: in the service's description",
        "family": f"have {name} listen on that family too, or correct families: in the service's description",
    }
    return [sentences[check.code]] if sentences.get(check.code) else []


def _set_user(unit: Unit | None) -> str:
    if unit is not None and unit.manager is not None:
        return f"have what {unit.name} executes run as that user"
    return f"set User= in {unit.name if unit is not None else 'the program'}"


def _of_unit(unit: Unit) -> list[str]:
    """What the state of a unit that does not listen means."""
    status, result = unit.says("ExecMainStatus"), unit.says("Result")
    told = [_EXIT_STATUSES.get(status, ""), _RESULTS.get(result, "")]
    if unit.says("ActiveState") == "inactive" and result == "success":
        told.append(f"it is not running: systemctl start {unit.name}")
    if unit.runs and unit.says("SubState") == "running":
        told.append("it runs without the port: look in its configuration which port it listens on")
    return [sentence for sentence in told if sentence]


def errno_in(journal: Sequence[str], *, strategy: str) -> list[str]:
    """What the last refusal of a port means that a program logged, in a sentence; nothing where it logged none."""
    meanings = _meanings(strategy)
    return [meanings[code] for code in _refusals(journal, meanings)][:1]


def _meanings(strategy: str) -> Mapping[str, str]:
    named = STRATEGIES.get(strategy)
    return {**_BIND, **(named.bind_errors if named else {})}


def _refusals(journal: Sequence[str], meanings: Mapping[str, str]) -> Iterator[str]:
    """The errors of bind(2) that lines tell of, the last first."""
    for line in reversed(journal):
        said = next((code for text, code in _SAID.items() if text in line.lower()), "")
        if said in meanings and _ABOUT_A_PORT.search(line):
            yield said


def is_refused(journal: Sequence[str], *, strategy: str) -> bool:
    """Whether what a program logged last tells that it is refused its port, which no later start of it mends."""
    # Who holds the port, and which addresses there are, may be another matter soon.
    return next(_refusals(journal, _meanings(strategy)), "EADDRINUSE") not in ("EADDRINUSE", "EADDRNOTAVAIL")


def cannot_start(unit: Unit) -> bool:
    """Whether systemd says that it could not even start the program."""
    return unit.says("ExecMainStatus") in _EXIT_STATUSES


def message(evidence: Sequence[Evidence], *, journal: Mapping[str, Sequence[str]]) -> str:
    """What failed and what to do, for a person, a line for each; of units that do not listen what they logged last."""
    return failure_text(dump(evidence), journal=journal)
