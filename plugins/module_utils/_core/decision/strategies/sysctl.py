# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""net.ipv4.ip_unprivileged_port_start (ip(7)): the port and all above it for every user of the host."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision import boot
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import (
    Case,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import (
    confinement,
    execution,
    identity,
    sandbox,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import judge
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import EVERYONE, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation, Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl

_NAME = "sysctl"


def _unnamed(case: Case) -> Reason | None:
    if case.service.strategy == _NAME:
        return None
    text = "it opens the port, and all above it, to every user of the host"
    return Reason("only_when_named", text, "say strategy: sysctl to have it so")


def _other_network(case: Case) -> Reason | None:
    if case.facts.network.is_host:
        return None
    text = "each network namespace has a value of its own, and a boot brings back the host's alone"
    return Reason("other_network", text, case.facts.network.path or "the service runs in another one")


def _refused(case: Case) -> Reason | None:
    """What privport_sysctl itself would refuse."""
    state = sysctl.observed(case.host)
    if state is None:
        return Reason("no_setting", "the kernel has no such setting, or it cannot be read", sysctl.LIVE)
    try:
        sysctl.plan_present(state, start=_start_of_all(case), allow_raise=False)
    except Refused as refused:
        return Reason("refused", str(refused), sysctl.LIVE)
    return None


_HAZARDS = (
    _unnamed,
    _other_network,
    _refused,
    identity.runs_as_root,
    identity.no_account,
    identity.other_user,
    identity.other_identity_of_image,
    execution.not_executable,
    sandbox.private_network,
    sandbox.address_families,
    sandbox.system_calls,
    sandbox.socket_bind_deny,
)


def _start(case: Case) -> int:
    return sysctl.first_port(case.service.ports)


def _start_of_all(case: Case) -> int:
    """The first port that the one file is to open: for each service of the run that has it."""
    sharing = [it for it in case.others if it.strategy == _NAME and it.state == "present"]
    return min(sysctl.first_port(it.ports) for it in (case.service, *sharing))


class Sysctl(Strategy):
    name = _NAME
    audience = EVERYONE
    # A forwarder holds the port then.
    voided_by = ("superserver", "forward")

    def hazards(self, case: Case) -> tuple[Reason, ...]:
        return judge(case, _HAZARDS) + confinement.refused_port(case)

    def why(self, case: Case) -> str:
        return f"every user of the host may bind ports from {_start(case)} on, as was asked for"

    def warnings(self, case: Case) -> tuple[str, ...]:
        return (f"every user of the host may bind ports {sysctl.opened(_start(case))}",)

    def granted(self, case: Case) -> bool:
        """Whether the collection's file is there for this service: it opens what the service needs and no port more.

        What a killed run left of the file is whoever's who comes first.
        """
        state = sysctl.observed(case.host)
        return state is not None and (
            state.own == sysctl.render(_start(case)) or bool(state.leftovers and not state.own)
        )

    def pending(self, case: Case) -> tuple[str, ...]:
        state = sysctl.observed(case.host)
        start = _start_of_all(case)
        right = state is not None and not sysctl.plan_present(state, start=start, allow_raise=False).changed
        steps = () if right else (self.name,)
        return steps + self.process_steps(case, changing=bool(steps) or case.granted_now)

    def is_held_by(self, case: Case, process: Process) -> bool | None:
        # A program that was refused its port goes on without it until it is started again; nothing else tells.
        listens = case.on_demand or all(map(case.listens, case.served_ports))
        return listens and super().is_held_by(case, process)

    def starts(self, case: Case) -> tuple[str, ...] | None:
        return ()

    def volatile(self, case: Case) -> str:
        return boot.closes(case)

    def holds(self, case: Case) -> frozenset[str]:
        return frozenset({sysctl.OWN_PATH})

    def shares(self, case: Case, other: Case) -> bool:
        """It is the whole host's."""
        return True

    def desired(self, case: Case, planned: Desired) -> Desired:
        state = sysctl.observed(case.host)
        if state is None:
            return Desired()
        return sysctl.plan_present(state, start=_start_of_all(case), allow_raise=False).desired

    def absent(self, case: Case, planned: Desired) -> Desired:
        state = sysctl.observed(case.host)
        if state is None or sysctl.OWN_PATH in planned.written:
            return Desired()
        return sysctl.plan_absent(state).desired

    def host_without(self, host: Observation) -> Observation:
        state = sysctl.observed(host)
        if state is None or not state.own:
            return host
        start = sysctl.start_without_own(state)
        return host._replace(
            services=tuple(
                facts._replace(network=facts.network._replace(unprivileged_port_start=start))
                if facts.network.is_host
                else facts
                for facts in host.services
            ),
        )
