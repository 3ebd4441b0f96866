# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of an audit: what is worth a finding, how bad it is, and what mends it."""

from __future__ import annotations

from typing import NamedTuple

CRITICAL, HIGH, MEDIUM, LOW = SEVERITIES = ("critical", "high", "medium", "low")


class Rule(NamedTuple):
    """score is that of a severity as code scanners show it, from 0.1 to 10. fix holds {subject}."""

    id: str
    title: str
    score: float
    why: str
    fix: str

    @property
    def severity(self) -> str:
        if self.score > 9:
            return CRITICAL
        return HIGH if self.score >= 7 else MEDIUM if self.score >= 4 else LOW


_RULES = (
    Rule(
        "setcap-all-capabilities",
        "A file has all capabilities",
        9.8,
        "Whoever executes a file with all capabilities is root.",
        "setcap cap_net_bind_service=ep {subject}",
    ),
    Rule(
        "setcap-writable-program",
        "Others can write a file with capabilities",
        9.6,
        "Whoever can write the file, or replace it in its folder, runs code of his own with the capability.",
        "chmod go-w {subject} and the folders above it, and give them to root",
    ),
    Rule(
        "setcap-shared-interpreter",
        "An interpreter that every user can execute has the capability",
        9.2,
        "An interpreter runs whatever its caller hands it, so that every user has the capability.",
        "setcap -r {subject}, and grant the capability to a private copy of mode 0750, or to the unit",
    ),
    Rule(
        "sysctl-open-to-all",
        "Every user of the host can bind privileged ports",
        7.5,
        "net.ipv4.ip_unprivileged_port_start opens all ports from there on to every user and every process.",
        "privport_services with strategy auto instead, then sysctl -w net.ipv4.ip_unprivileged_port_start=1024 and the "
        "line out of sysctl.d",
    ),
    Rule(
        "authbind-open-to-all",
        "Every user can bind a port by authbind",
        7.2,
        "A rule file that others can execute lets every user of the host bind the port.",
        "chmod o-x {subject}, and give it to the user or group that needs it",
    ),
    Rule(
        "setuid-listener",
        "A set-user-ID program holds a privileged port",
        7.0,
        "A set-user-ID program has all privileges of its owner, whoever starts it.",
        "take the set-user-ID bit off its program (chmod u-s), and describe the service in privport_services",
    ),
    Rule(
        "redirect-captures-forwarded",
        "A redirect also takes traffic that the host only forwards",
        6.5,
        "A rule without a condition on the destination's type takes connections of containers and other networks "
        "to every host, and answers them itself.",
        "add 'fib daddr type local' (nft) or '-m addrtype --dst-type LOCAL' (iptables) to the rule",
    ),
    Rule(
        "pam_cap-grant",
        "pam_cap gives users the capability at login",
        6.2,
        "/etc/security/capability.conf gives the capability to all sessions of a user, not to a service.",
        "take the line out of /etc/security/capability.conf, and describe the service in privport_services",
    ),
    Rule(
        "missing-grant",
        "A declared service lacks its grant",
        6.0,
        "The service is described, and the host does not give it what it needs.",
        "run ansible-playbook netbind.privport.rollout on the host",
    ),
    Rule(
        "root-listener",
        "A service listens as root and need not",
        5.5,
        "A fault in the service is then a fault of root. Only the port needs a privilege, and that can be granted.",
        "give the service a user of its own, and describe it in privport_services",
    ),
    Rule(
        "redirect-in-front-of-listener",
        "A redirect takes connections away from a listener",
        5.5,
        "Something listens on the port, and connections from other hosts never reach it.",
        "remove the rule, or the listener",
    ),
    Rule(
        "ambient-without-effect",
        "A unit's ambient capability has no effect",
        5.0,
        "The unit sets AmbientCapabilities=, and another setting or the program takes the capability away.",
        "remove AmbientCapabilities= from {subject}, or describe the service in privport_services",
    ),
    Rule(
        "unit-unknown-capability",
        "A unit names a capability that systemd does not know",
        5.0,
        "systemd ignores an unknown name with a line in the journal, and the service starts without it.",
        "correct the name in {subject} (capabilities(7)) and run systemctl daemon-reload",
    ),
    Rule(
        "setcap-shared-program",
        "Several units execute a file with the capability",
        5.0,
        "A capability of a file is given to everything that executes it.",
        "give the unit that needs it the ambient capability instead: strategy ambient",
    ),
    Rule(
        "redirect-without-backend",
        "A redirect leads to a port on which nobody listens",
        5.0,
        "Connections are refused, and whoever binds the backend port first gets them: every user can.",
        "start the service behind it, or remove the rule",
    ),
    Rule(
        "undeclared-grant",
        "A grant that no declared service needs",
        4.8,
        "Nobody described a service for this grant: it may be a leftover that somebody else can use.",
        "describe its service in privport_services, or remove the grant",
    ),
    Rule(
        "two-grants",
        "A service has two grants for the same port",
        4.5,
        "One of them is enough; the other stays when the first is taken away.",
        "describe the service in privport_services: the role removes what it made, and names the rest",
    ),
    Rule(
        "not-persistent",
        "A grant is gone with the next boot",
        4.5,
        "The service has its port today and fails after the next boot.",
        "describe the service in privport_services: the role writes what a boot brings back",
    ),
    Rule(
        "undeclared-listener",
        "A listener on a privileged port that no declared service is",
        4.0,
        "Nobody described what listens there.",
        "describe it in privport_services, accept it in privport_audit_accepted, or stop it",
    ),
    Rule(
        "setcap-without-effect",
        "The capability of a file has no effect",
        4.0,
        "The kernel ignores it, or the program does not start with it.",
        "setcap -r {subject}, and describe the service in privport_services",
    ),
    Rule(
        "authbind-shadowed-rule",
        "A rule of authbind is never asked",
        3.5,
        "authbind asks byport, then byaddr, then byuid, and the first file that is there decides.",
        "remove {subject}, or the file before it",
    ),
    Rule(
        "authbind-invalid-rule",
        "authbind ignores a rule",
        3.5,
        "authbind says nothing about a line or a name that it does not understand.",
        "correct or remove {subject} (authbind(1), Access control)",
    ),
    Rule(
        "volatile-network",
        "A setting of a network namespace is gone with it",
        3.5,
        "Nothing writes the setting again when the namespace is made anew, by a boot or by a restart.",
        "set it where the namespace is made, or grant the port to the service",
    ),
    Rule(
        "setcap-makes-root",
        "A file has a capability that makes root",
        2.8,
        "Capabilities such as cap_setuid or cap_dac_override let whoever executes the file become root.",
        "setcap -r {subject}, unless the package that owns it needs it",
    ),
    Rule(
        "setcap-empty-attribute",
        "A file has an empty attribute of capabilities",
        2.5,
        "It grants nothing, and the kernel takes the ambient capabilities away from whoever executes the file.",
        "setcap -r {subject}",
    ),
    Rule(
        "effect-unknown",
        "Nobody can tell whether a grant has an effect",
        1.0,
        "What decides could not be read, or shows only when the service runs.",
        "run the audit as root, and see the evidence",
    ),
    Rule(
        "owner-unknown",
        "Nobody can tell who listens on a port",
        1.0,
        "The processes that hold the socket are closed to the user who looked.",
        "run the audit as root (become: true)",
    ),
)

RULES: dict[str, Rule] = {rule.id: rule for rule in _RULES}
