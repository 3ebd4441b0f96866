# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes how the host's security module confines a service."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.policy import Confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import ServiceFacts
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import apparmor, selinux

# ip(7): ip_unprivileged_port_start, and what older kernels have built in.
_DEFAULT_START = 1024


class Confinements:
    """The security module of a host, asked for each service. It costs a stat(2) where there is none."""

    def __init__(self, host: Host, *, authbind: str) -> None:
        """authbind: the path of the program, '' where it is not installed."""
        self._host = host
        self._authbind = authbind
        self._policy = selinux.policy_of(host)

    def of(self, facts: ServiceFacts, *, ports: Sequence[Port], label: str | None) -> Confinement | None:
        """How a service is confined, None where it is not. label: AppArmor's of its main process, None for none."""
        start = facts.network.unprivileged_port_start
        privileged = [port for port in ports if port.number < (_DEFAULT_START if start is None else start)]
        try:
            if self._policy is not None:
                return self._by_selinux(facts, policy=self._policy, ports=ports)
            return self._by_apparmor(facts, port=privileged[0], label=label) if privileged else None
        except PrivportError as failure:
            unknown = f"how a security module confines it is unknown: {failure}"
            return Confinement("", subject="", enforced=True, refusals=(), authbind=(), unknown=(unknown,))

    def _by_selinux(self, facts: ServiceFacts, *, policy: selinux.Policy, ports: Sequence[Port]) -> Confinement | None:
        # What a person starts by hand runs in a domain that nobody can foresee.
        if facts.unit is None or facts.program is None:
            return None
        return selinux.confinement_of(
            self._host,
            policy,
            unit=facts.unit.properties,
            program=facts.program.real_path,
            ports=ports,
            authbind_program=self._authbind,
        )

    def _by_apparmor(self, facts: ServiceFacts, *, port: Port, label: str | None) -> Confinement | None:
        return apparmor.confinement_of(
            self._host,
            unit=facts.unit.properties if facts.unit else {},
            program=facts.program.real_path if facts.program else "",
            label=label,
            port=port,
            account=facts.account if self._authbind else None,
        )
