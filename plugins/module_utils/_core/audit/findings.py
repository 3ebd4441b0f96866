# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is worth a finding on a host: what its grants and listeners show by themselves, and beside what is declared."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    AMBIENT,
    AUTHBIND,
    FORWARDER,
    REDIRECT,
    SETCAP,
    SOCKET,
    SUPERSERVER,
    SYSCTL,
    Grant,
    LowListener,
    Scan,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.rules import RULES
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import OF_PROCESSES, Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, parse_ports, port_words

LISTENER, SERVICE = "listener", "service"


class Declared(NamedTuple):
    """A service that somebody described, with its case and the decision on this host."""

    case: Case
    decision: Decision

    @property
    def name(self) -> str:
        return self.case.service.name

    @property
    def files(self) -> frozenset[str]:
        """The files that a grant to it can be made by: programs, rule files, the collection's own files."""
        facts = self.case.facts
        programs = (it.real_path for it in (facts.program, facts.interpreter) if it is not None)
        rules = (path for port in facts.authbind_ports for path in port.own_rules)
        own = (path for it in facts.installed.values() for path in it.paths)
        return frozenset((*programs, *rules, *own))

    @property
    def units(self) -> frozenset[str]:
        """Its unit, and the template of that."""
        unit = self.case.facts.unit
        return frozenset((unit.name, unit.template or unit.name)) if unit is not None else frozenset()

    def has(self, grant: Grant) -> bool:
        """Whether the grant is one to this service."""
        if self.case.service.state == "absent":
            return False
        if grant.file in self.files or not self.units.isdisjoint(grant.units):
            return True
        if grant.mechanism == SYSCTL:
            return self.decision.strategy == SYSCTL
        by_port = grant.mechanism in (REDIRECT, AUTHBIND, SOCKET, SUPERSERVER, FORWARDER) and grant.ports
        return bool(by_port) and not set(ports_of(grant)).isdisjoint(self.case.service.ports)


class Finding(NamedTuple):
    """One thing that is worth to be told of a host; unknown: nobody could tell whether it is so."""

    rule: str
    subject: str
    mechanism: str
    text: str
    evidence: str
    fix: str
    unknown: bool = False


def ports_of(grant: Grant) -> Tuple[Port, ...]:
    """The ports that the grant names, of both protocols where its mechanism does not tell them apart."""
    named = parse_ports(list(grant.ports), where="ports")
    both = tuple(Port(it.number, "udp") for it in named) if grant.mechanism == AUTHBIND else ()
    return named + both


def declared_by(grant: Grant, declared: Sequence[Declared]) -> str:
    """The name of the service that the grant is for, or the package that brings it; '' for neither."""
    service = next((it.name for it in declared if it.has(grant)), "")
    shipped = grant.package if grant.mechanism in (AMBIENT, SOCKET, FORWARDER) else ""
    return service or (f"package {shipped}" if shipped else "")


def findings_of(scan: Scan, declared: Sequence[Declared]) -> Tuple[Finding, ...]:
    """The findings of a host, each once. Where no service is declared for it, nothing counts as undeclared."""
    found = [
        *(it for grant in scan.grants for it in _of_grant(grant, declared)),
        *_two_grants(scan.grants),
        *(it for listener in scan.listeners for it in _of_listener(listener, declared)),
        *(it for service in declared for it in _of_service(service)),
    ]
    return tuple({(it.rule, it.mechanism, it.subject, it.text): it for it in found}.values())


def _finding(rule: str, subject: str, mechanism: str, text: str, *, evidence: str = "", fix: str = "") -> Finding:
    unknown = rule.endswith("-unknown")
    return Finding(rule, subject, mechanism, text, evidence, fix or RULES[rule].fix.format(subject=subject), unknown)


def _of_grant(grant: Grant, declared: Sequence[Declared]) -> Iterator[Finding]:
    about = (grant.subject, grant.mechanism)
    for it in grant.remarks:
        yield _finding(it.rule, *about, it.text, evidence=grant.evidence)
    if grant.effective is None:
        text = f"whether {grant.subject} has an effect is not known: {grant.why_not or 'it could not be read'}"
        yield _finding("effect-unknown", *about, text, evidence=grant.evidence)
    if grant.live and grant.persistent is False:
        yield _finding("not-persistent", *about, f"{grant.subject} is gone with the next boot", evidence=grant.evidence)
    binds = not any(it.rule == "setcap-makes-root" for it in grant.remarks)
    if declared and binds and grant.effective is not False and not declared_by(grant, declared):
        holders = f" to {', '.join(grant.holders)}" if grant.holders else ""
        text = f"{grant.subject} gives {_ports(grant)}{holders}, and no declared service needs it"
        yield _finding("undeclared-grant", *about, text, evidence=grant.evidence)


def _ports(grant: Grant) -> str:
    return f"port {', '.join(grant.ports)}" if grant.ports else "every privileged port"


def _two_grants(grants: Sequence[Grant]) -> Iterator[Finding]:
    by_unit: dict[str, dict[str, Grant]] = {}
    for grant in grants:
        if grant.mechanism in (AMBIENT, SETCAP, SOCKET) and grant.effective:
            for unit in grant.units:
                by_unit.setdefault(unit, {})[grant.mechanism] = grant
    for unit, found in sorted(by_unit.items()):
        if len(found) > 1:
            said = " and ".join(f"{name} ({it.subject})" for name, it in found.items())
            evidence = "; ".join(it.evidence for it in found.values())
            yield _finding("two-grants", unit, SERVICE, f"{unit} gets its ports by {said}", evidence=evidence)


def _of_listener(it: LowListener, declared: Sequence[Declared]) -> Iterator[Finding]:
    where = f" in network namespace {it.network}" if it.network else ""
    who = it.unit or it.executable or "a process"
    subject = f"{who} on port {it.written}{where}"
    evidence = f"{it.address} port {it.written}, user {it.user or 'unknown'}, {it.executable or 'no process yet'}"
    if it.root is None:
        text = f"who listens on port {it.written}{where} is not known"
        yield _finding("owner-unknown", f"port {it.written}{where}", LISTENER, text, evidence=evidence)
        return
    if it.root:
        way = f": {it.strategy} would do, if nothing but the port needs root" if it.strategy else ""
        fix = _described(it) if it.strategy and it.unit else ""
        yield _finding("root-listener", subject, LISTENER, f"{subject} is root{way}", evidence=evidence, fix=fix)
    if it.set_user_id:
        text = f"{subject} is the set-user-ID program {it.executable}"
        yield _finding("setuid-listener", subject, LISTENER, text, evidence=evidence)
    known = {port for service in declared for port in service.case.service.ports}
    if declared and Port(it.port, it.protocol) not in known:
        yield _finding("undeclared-listener", subject, LISTENER, f"{subject} is no declared service", evidence=evidence)


def _described(it: LowListener) -> str:
    name = it.unit.rpartition(".")[0]
    return (
        f"give {it.unit} a user of its own (User=), and describe it: "
        f"{{name: {name}, ports: [{it.written}], unit: {it.unit}}}"
    )


def _of_service(it: Declared) -> Iterator[Finding]:
    left = [step for step in it.decision.pending if step not in OF_PROCESSES]
    if it.case.service.state == "absent" or not (it.decision.error or left):
        return
    why = it.decision.error or f"strategy {it.decision.strategy} has this left to do: {', '.join(left)}"
    text = f"service {it.name} lacks its grant: {why}"
    yield _finding(
        "missing-grant", it.name, SERVICE, text, evidence=f"ports {', '.join(port_words(it.case.service.ports))}"
    )
