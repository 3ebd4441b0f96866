# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit of a fleet as it may be found: audit_example.py [HOSTS] [--unique] writes audit.json to standard output.

Tests, screenshots and measurements have it in common. It is the same on every run.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any, Iterator, NamedTuple

from ansible_collections.netbind.privport.plugins.plugin_utils.audit.summary import summary

# What a process calls itself, and hosts as an inventory may name them.
HOSTILE = "</script><img src=x onerror=alert(1)>"
ODD_HOSTS = ("prüfstand", "old printer", "rack:7", "[2001:db8::7]")
UNREACHABLE = "Failed to connect to the host via ssh: Connection timed out"

_RULES = {
    "setcap-all-capabilities": (
        *("A file has all capabilities", "critical", "9.8"),
        "Whoever executes a file with all capabilities is root.",
        "setcap cap_net_bind_service=ep {subject}",
    ),
    "setcap-shared-interpreter": (
        *("An interpreter that every user can execute has the capability", "critical", "9.2"),
        "An interpreter runs whatever its caller hands it, so that every user has the capability.",
        "setcap -r {subject}, and grant the capability to a private copy of mode 0750, or to the unit",
    ),
    "sysctl-open-to-all": (
        *("Every user of the host can bind privileged ports", "high", "7.5"),
        "net.ipv4.ip_unprivileged_port_start opens all ports from there on to every user and every process.",
        "privport_services with strategy auto, then sysctl -w net.ipv4.ip_unprivileged_port_start=1024",
    ),
    "authbind-open-to-all": (
        *("Every user can bind a port by authbind", "high", "7.2"),
        "A rule file that others can execute lets every user of the host bind the port.",
        "chmod o-x {subject}, and give it to the user or group that needs it",
    ),
    "missing-grant": (
        *("A declared service lacks its grant", "medium", "6.0"),
        "The service is described, and the host does not give it what it needs.",
        "ansible-playbook netbind.privport.rollout --limit HOST",
    ),
    "root-listener": (
        *("A service listens as root and need not", "medium", "5.5"),
        "A fault in the service is then a fault of root. Only the port needs a privilege, and that can be granted.",
        "give the service a user of its own, and describe it in privport_services",
    ),
    "not-persistent": (
        *("A grant is gone with the next boot", "medium", "4.5"),
        "The service has its port today and fails after the next boot.",
        "describe the service in privport_services: the role writes what a boot brings back",
    ),
    "undeclared-listener": (
        *("A listener on a privileged port that no declared service is", "medium", "4.0"),
        "Nobody described what listens there.",
        "describe it in privport_services, accept it in privport_audit_accepted, or stop it",
    ),
    "authbind-shadowed-rule": (
        *("A rule of authbind is never asked", "low", "3.5"),
        "authbind asks byport, then byaddr, then byuid, and the first file that is there decides.",
        "remove {subject}, or the file before it",
    ),
    "setcap-empty-attribute": (
        *("A file has an empty capability attribute", "low", "2.0"),
        "It grants nothing, and takes the ambient capability of a unit away when the file is executed.",
        "setfattr -x security.capability {subject}",
    ),
    # Nothing has it: a catalogue has more rules than a fleet has faults.
    "unit-unknown-capability": (
        *("A unit names a capability that systemd does not know", "medium", "5.0"),
        "systemd ignores an unknown name with a line in the journal, and the service starts without it.",
        "correct the name in {subject} (capabilities(7)) and run systemctl daemon-reload",
    ),
}


_Described = tuple[str, str, tuple[int, ...], str]


class _Kind(NamedTuple):
    """What runs on hosts of one kind: service, strategy, ports, user."""

    prefix: str
    services: tuple[_Described, ...]


# Some of root's.
_CAPABILITIES = tuple(
    f"cap_{name}"
    for name in (
        "chown",
        "dac_override",
        "fowner",
        "kill",
        "net_admin",
        "net_bind_service",
        "setgid",
        "setuid",
        "sys_admin",
    )
)
_METRICS = ("metrics", "socket", (900,), "metrics")
_EVERYWHERE = (("rsyslog", "ambient", (514,), "syslog"), ("unbound", "ambient", (53,), "unbound"))
_KINDS = (
    _Kind("web", (("caddy", "ambient", (80, 443), "caddy"), _METRICS, *_EVERYWHERE)),
    _Kind("app", (("shop", "setcap", (80,), "shop"), _METRICS, *_EVERYWHERE)),
    _Kind("mail", (("dovecot", "forward", (143, 993), "dovecot"), ("smtp", "authbind", (25,), "smtp"), *_EVERYWHERE)),
)


def example(hosts: int = 12, *, unique: bool = False, seed: int = 7) -> dict[str, Any]:
    """An audit of so many hosts, four services on each. With unique no two of them say the same of anything."""
    chance = random.Random(seed)
    looked_at = [_host(name, number, chance, unique=unique) for number, name in enumerate(_names(hosts))]
    return {
        "schema_version": 1,
        "generated": "2026-11-28T01:02:03Z",
        "collection_version": "0.1.0",
        "rules": [_rule(name) for name in _RULES],
        "summary": summary(looked_at),
        "accepted_problems": [
            "the accepted risk sysctl-open-to-all on db-* has expired on 2026-10-31",
            "the accepted risk root-listener on ftp-* matches no finding",
        ],
        "hosts": looked_at,
    }


def _rule(name: str) -> dict[str, str]:
    title, severity, score, why, fix = _RULES[name]
    return {"id": name, "title": title, "severity": severity, "security_severity": score, "why": why, "fix": fix}


def _names(hosts: int) -> Iterator[str]:
    """Those of the fleet, in turn of each kind; the odd ones at its end."""
    odd = ODD_HOSTS if hosts > 2 * len(ODD_HOSTS) else ()
    for number in range(hosts - len(odd)):
        yield f"{_KINDS[number % 3].prefix}-{number // 3 + 1:03}.example.net"
    yield from odd


def _host(name: str, number: int, chance: random.Random, *, unique: bool) -> dict[str, Any]:
    kind = _KINDS[number % 3]
    empty: dict[str, Any] = {"services": [], "grants": [], "listeners": [], "findings": [], "skipped": []}
    if number % 50 == 6:
        return {"name": name, "reachable": False, "message": UNREACHABLE, **empty}
    told = _unique(number) if unique else ""
    return {
        "name": name,
        "reachable": True,
        "message": "",
        "skipped": [{"what": "/srv/nfs", "why": "network file system nfs4"}] if number % 5 == 0 else [],
        "services": [_service(it, chance) for it in kind.services],
        "grants": [_grant(it, told) for it in kind.services],
        "listeners": [listener for it in kind.services for listener in _listeners(it)] + [*_root_listeners(told)],
        "findings": list(_findings(number, kind, chance, told)),
    }


def _unique(number: int) -> str:
    return f" (of {number:04})"


def _service(described: _Described, chance: random.Random) -> dict[str, str]:
    name, strategy, ports, user = described
    held = "cap_net_bind_service" if strategy in ("ambient", "setcap") else "no capability"
    proof = f"{name} as {user} on {', '.join(map(str, ports))}, {held}; a stranger is refused with EACCES"
    drawn = chance.random()
    if drawn > 0.97:
        why = f"nothing listens on port {ports[0]}; {name}.service is failed (failed, result exit-code)"
        return {"name": name, "strategy": strategy, "verdict": "fail", "why": why}
    if drawn > 0.94:
        why = f"connections to port {ports[0]} from this host are dropped by its own input rules"
        return {"name": name, "strategy": strategy, "verdict": "unknown", "why": why}
    return {"name": name, "strategy": strategy, "verdict": "pass", "why": proof}


def _grant(described: _Described, told: str) -> dict[str, Any]:
    name, strategy, ports, user = described
    subjects = {"setcap": f"/usr/local/bin/{name}", "authbind": f"/etc/authbind/byport/{ports[0]}"}
    effective, why_not = (None, "the mount of the file could not be looked at") if name == "shop" else (True, "")
    return {
        "mechanism": strategy,
        "subject": subjects.get(strategy, f"{name}.service"),
        "holders": [user],
        "ports": ["below 1024"] if strategy in ("ambient", "setcap") else [str(port) for port in ports],
        "effective": effective,
        "why_not": why_not,
        "persistent": True,
        "live": True,
        "declared_by": name,
        "package": name if strategy == "ambient" else "",
        "evidence": f"/etc/systemd/system/{name}.service.d/50-privport.conf{told}",
    }


def _listeners(described: _Described) -> Iterator[dict[str, Any]]:
    name, strategy, ports, user = described
    for port in ports:
        yield {
            "protocol": "tcp",
            "address": "*",
            "port": port,
            "network": "",
            "unit": f"{name}.service",
            "executable": f"/usr/bin/{name}",
            "user": user,
            "uid": 900 + port % 90,
            "capabilities": ["cap_net_bind_service"] if strategy in ("ambient", "setcap") else [],
            "root": False,
            "strategy": "",
            "why": "",
        }


def _root_listeners(told: str) -> Iterator[dict[str, Any]]:
    """One that must be root, and one that need not be."""
    for port, name, program, strategy, why in (
        (22, "ssh", "/usr/sbin/sshd", "", "it starts sessions as other users, so it must be root"),
        (631, "cups", "/usr/sbin/cupsd", "socket", "it accepts sockets of systemd"),
    ):
        yield {
            "protocol": "tcp",
            "address": "*",
            "port": port,
            "network": "",
            "unit": f"{name}.service",
            "executable": program,
            "user": "root",
            "uid": 0,
            "capabilities": list(_CAPABILITIES),
            "root": True,
            "strategy": strategy,
            "why": f"{why}{told}",
        }


class _Fault(NamedTuple):
    """share: of how many hosts it is true."""

    share: float
    rule: str
    subject: str
    mechanism: str
    text: str
    evidence: str


_FAULTS = (
    _Fault(
        0.03,
        "setcap-all-capabilities",
        "/usr/local/bin/gateway",
        "setcap",
        "Every user who executes /usr/local/bin/gateway is root",
        "security.capability =ep, mode 0755, owner 0:0",
    ),
    _Fault(
        0.09,
        "setcap-shared-interpreter",
        "/usr/bin/python3.11",
        "setcap",
        "Every user can bind privileged ports through python3.11",
        "cap_net_bind_service=ep, mode 0755, owner 0:0",
    ),
    _Fault(
        0.12,
        "sysctl-open-to-all",
        "net.ipv4.ip_unprivileged_port_start",
        "sysctl",
        "Every user can bind the ports from 80 on",
        "net.ipv4.ip_unprivileged_port_start = 80",
    ),
    _Fault(
        0.3,
        "undeclared-listener",
        "9p on 564/tcp",
        "listener",
        f"{HOSTILE} listens on port 564/tcp",
        f"comm {HOSTILE}, uid 1001, /home/eve/bin/9p",
    ),
    _Fault(
        0.45,
        "root-listener",
        "cups.service",
        "listener",
        "cupsd listens on port 631/tcp as root; strategy socket serves it",
        "uid 0, all capabilities, cups.service",
    ),
    _Fault(
        0.15,
        "not-persistent",
        "nft inet nat prerouting",
        "redirect",
        "The redirect from 80 to 8080 is in no file that a boot reads",
        "tcp dport 80 redirect to :8080",
    ),
    _Fault(
        0.25,
        "authbind-shadowed-rule",
        "/etc/authbind/byuid/900",
        "authbind",
        "byport/25 decides before this file is asked",
        "/etc/authbind/byport/25 is there",
    ),
    _Fault(
        0.35,
        "setcap-empty-attribute",
        "/usr/bin/ping",
        "setcap",
        "The capability attribute of /usr/bin/ping is empty",
        "security.capability 0100000200000000000000000000000000000000",
    ),
)


def _findings(number: int, kind: _Kind, chance: random.Random, told: str) -> Iterator[dict[str, Any]]:
    for share, *found in _FAULTS:
        # The first host has one of each.
        if number == 0 or chance.random() < share:
            yield _finding(*found, told=told, **_fate(chance))
    if kind.prefix == "mail":
        text, evidence = "Every user can bind port 25", "/etc/authbind/byport/25, mode 0777"
        yield _finding("authbind-open-to-all", "/etc/authbind/byport/25", "authbind", text, evidence, told=told)
    if chance.random() < 0.06 or number == 1:
        text = "Whether caddy has its grant could not be found out"
        yield _finding("missing-grant", "caddy", "ambient", text, "systemctl show: timed out", told=told, unknown=True)


def _fate(chance: random.Random) -> dict[str, Any]:
    """Most are as they were; a few are new, gone or accepted."""
    drawn = chance.random()
    if drawn < 0.08:
        return {"state": "gone"}
    if drawn < 0.2:
        return {"accepted": {"reason": "until the print server moves, ticket 4711", "until": "2027-03-31"}}
    return {"state": "new"} if drawn < 0.35 else {}


def _finding(
    rule: str, subject: str, mechanism: str, text: str, evidence: str, *, told: str = "", **others: Any
) -> dict[str, Any]:
    _title, severity, score, _why, fix = _RULES[rule]
    return {
        "rule": rule,
        "severity": severity,
        "security_severity": score,
        "subject": subject,
        "mechanism": mechanism,
        "text": f"{text}{told}",
        "evidence": evidence,
        "fix": fix.replace("{subject}", subject),
        "state": "unchanged",
        "accepted": None,
        "key": f"{rule}|{mechanism}|{subject}",
        **others,
    }


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    json.dump(example(*numbers[:1], unique="--unique" in sys.argv), sys.stdout, indent=1)
