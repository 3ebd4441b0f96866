# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes how SELinux confines a service: the kernel's policy is asked, and semanage for the types of ports."""

from __future__ import annotations

from typing import Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind import rules as authbind
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement import policy as confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.policy import (
    Access,
    Confinement,
    PortType,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

_FOLDER = "/sys/fs/selinux"
_SEMANAGE_SECONDS = 120.0
# security/selinux/include/security.h: AVD_FLAGS_PERMISSIVE
_PERMISSIVE = 1


class Policy:
    """The policy that the kernel has loaded."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._types: tuple[PortType, ...] | None = None

    def enforcing(self, context: str) -> bool:
        """Whether what this domain may not do is refused, and not only written down."""
        if (self._host.read(f"{_FOLDER}/enforce") or "0").strip() == "0":
            return False
        flags = self._ask("access", context, context, self._number("process/index")).split()[5]
        return not int(flags, 16) & _PERMISSIVE

    def access(self, source: str, target: str, kind: str, permission: str) -> Access:
        allowed = int(self._ask("access", source, target, self._number(f"{kind}/index")).split()[0], 16)
        bit = self._number(f"{kind}/perms/{permission}") - 1
        return Access(source, target, kind, permission, allowed=bool(allowed >> bit & 1))

    def domain_after(self, source: str, label: str) -> str:
        """The context of a process of source that executes a file with this label."""
        return self._ask("create", source, label, self._number("process/index"))

    def node(self) -> str:
        """The label of the addresses that have none of their own."""
        return (self._host.read(f"{_FOLDER}/initial_contexts/node") or "").rstrip("\0\n")

    def may_bind(self, domain: str, port_type: str, *, protocol: str) -> Access:
        # The other parts are the same for all that is no process; not every policy has the last.
        user, role, _type, *level = self.node().split(":")
        return self.access(domain, ":".join((user, role, port_type, *level)), f"{protocol}_socket", "name_bind")

    def port_types(self) -> tuple[PortType, ...]:
        """What semanage says of ports, asked once; () where it cannot."""
        if self._types is None:
            self._types = self._semanage("--list", "--noheading")
        return self._types

    def types_of(self, port: Port) -> tuple[str, ...]:
        """The type of a port; several where it cannot be told which of them is in force."""
        found = confinement.types_of(port, self.port_types())
        # The list holds a local definition beside the one of the policy that it replaces.
        local = confinement.types_of(port, self._semanage("--list", "--noheading", "--locallist")) if found[1:] else ()
        return local or found

    def _semanage(self, *options: str) -> tuple[PortType, ...]:
        if self._host.which("semanage") is None:
            return ()
        done = self._host.query(["semanage", "port", *options], seconds=_SEMANAGE_SECONDS)
        return confinement.parse_port_types(done.stdout) if done.rc == 0 else ()

    def _ask(self, name: str, *words: object) -> str:
        question = " ".join(map(str, words))
        return self._host.ask(f"{_FOLDER}/{name}", question).rstrip("\0\n")

    def _number(self, path: str) -> int:
        return int((self._host.read(f"{_FOLDER}/class/{path}") or "0").strip())


def policy_of(host: Host) -> Policy | None:
    """The policy of a host with SELinux, None elsewhere."""
    return Policy(host) if host.status(f"{_FOLDER}/enforce") is not None else None


def confinement_of(
    host: Host, policy: Policy, *, unit: Mapping[str, str], program: str, ports: Sequence[Port], authbind_program: str
) -> Confinement | None:
    """How SELinux confines a service that a unit starts; None where its domain cannot be told.

    unit: the unit's properties. program: its resolved path. authbind_program: '' where it is not installed.
    """
    init = (host.read("/proc/1/attr/current") or "").rstrip("\0\n")
    label = host.security_label(program)
    if not init or not label:
        return None
    # systemd.exec(5): a '-' lets the unit start where the context cannot be set.
    domain = unit.get("SELinuxContext", "").lstrip("-") or policy.domain_after(init, label)
    refusals, unknown = _binding(policy, domain=domain, capable=domain, ports=ports)
    through: tuple[Reason, ...] = ()
    if authbind_program:
        through = _through_authbind(
            host, policy, unit=unit, init=init, label=label, program=authbind_program, ports=ports
        )
    return Confinement(
        module="SELinux",
        subject=domain,
        enforced=policy.enforcing(domain),
        refusals=refusals,
        authbind=through,
        unknown=unknown,
    )


def _binding(
    policy: Policy, *, domain: str, capable: str, ports: Sequence[Port]
) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
    """What stands in the way of a socket of domain that a process in the domain capable binds; what is unknown."""
    capability = policy.access(capable, capable, "capability", "net_bind_service")
    refusals = list(confinement.judge_access(capability, code="selinux_capability"))
    unknown = []
    for protocol in sorted({port.protocol for port in ports}):
        node = policy.access(domain, policy.node(), f"{protocol}_socket", "node_bind")
        refusals += confinement.judge_access(node, code="selinux_node")
    for port in ports:
        found = policy.types_of(port)
        if len(found) != 1:
            unknown.append(f"SELinux's type of port {port} is unknown; install semanage, or see semanage port -l")
            continue
        access = policy.may_bind(domain, found[0], protocol=port.protocol)
        if not access.allowed:
            bindable = _bindable(policy, domain=domain, protocol=port.protocol)
            refusals += confinement.judge_port(access, port=port, types=policy.port_types(), bindable=bindable)
    return tuple(refusals), tuple(unknown)


def _bindable(policy: Policy, *, domain: str, protocol: str) -> tuple[str, ...]:
    names = dict.fromkeys(it.name for it in policy.port_types() if it.protocol == protocol)
    return tuple(name for name in names if policy.may_bind(domain, name, protocol=protocol).allowed)


def _through_authbind(
    host: Host,
    policy: Policy,
    *,
    unit: Mapping[str, str],
    init: str,
    label: str,
    program: str,
    ports: Sequence[Port],
) -> tuple[Reason, ...]:
    """What stands in authbind's way: init starts it, it executes the program, and that executes the helper."""
    first = unit.get("SELinuxContext", "").lstrip("-") or policy.domain_after(init, host.security_label(program))
    domain = policy.domain_after(first, label)
    helper_label = host.security_label(authbind.HELPER)
    helper = policy.domain_after(domain, helper_label)
    needed = [(domain, helper_label, "file", "execute")]
    if helper == domain:
        needed.append((domain, helper_label, "file", "execute_no_trans"))
    if domain != first:
        # Without it the start is a secure one, for which LD_PRELOAD is ignored (ld.so(8)).
        needed.append((first, domain, "process", "noatsecure"))
    refusals: tuple[Reason, ...] = ()
    for access in (policy.access(*it) for it in needed):
        refusals += confinement.judge_access(access, code="selinux_authbind")
    return refusals + _binding(policy, domain=domain, capable=helper, ports=ports)[0]
