# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redirects on a host: the rules that are in force, their files and their unit."""

from __future__ import annotations

from typing import Mapping, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import own_units, task
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    Installation,
    Installed,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import FAMILIES, Service
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import redirect as core
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.input_filter import Packet
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.redirect import (
    Ground,
    Redirect,
    Rules,
    Tool,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.report.diff import diff_of
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import installed
from ansible_collections.netbind.privport.plugins.module_utils._observe.firewall import Firewall

_PROGRAMS = {core.NFTABLES: ("nft",), core.IPTABLES: ("iptables", "ip6tables")}


def find_tool(host: Host) -> Tool | None:
    """nftables, else iptables; None for a host that has neither."""
    for name, programs in _PROGRAMS.items():
        found = {program: host.which(program) for program in programs}
        paths = {program: path for program, path in found.items() if path is not None}
        if len(paths) == len(programs):
            return Tool(name=name, programs=paths, keeps_address=name == core.IPTABLES or _keeps_address(host, paths))
    return None


def _keeps_address(host: Host, programs: Mapping[str, str]) -> bool:
    """Whether nft can change a packet's port alone, as far as one may ask it."""
    return host.effective_uid() != 0 or host.query([programs["nft"], "--check", core.PROBE]).rc == 0


def require_tool(host: Host) -> Tool:
    """The same; raises HostError where rules could not be loaded, now or at boot."""
    if host.effective_uid() != 0:
        raise HostError("only root may redirect ports; run the task as root (become: true)")
    if by_scripts(host) and not own_units.runs_scripts(host):
        raise HostError("neither systemd nor init scripts would load the rules at boot; use another module")
    tool = find_tool(host)
    if tool is None:
        raise HostError("the host has neither nft nor iptables; install nftables first")
    return tool


def look(host: Host, service: str) -> Installed:
    """What is there of a service's redirects."""
    scripts = by_scripts(host)
    names = [core.starting(service, scripts=scripts)]
    found = installed.look(host, paths=core.paths(service, scripts=scripts), names=names)
    return found._replace(kernel=_in_force(host, service))


def observe(host: Host, service: Service, unit: Unit | None) -> Installed:
    """The same for a declared service. Nothing is asked for one that has no backend ports and had none before."""
    scripts = by_scripts(host)
    paths = core.paths(service.name, scripts=scripts)
    if service.backend_ports or any(host.status_of_itself(path) is not None for path in paths):
        return look(host, service.name)
    return Installed(paths=paths, units=(core.starting(service.name, scripts=scripts),))


def by_scripts(host: Host) -> bool:
    """Whether an init script takes the place of a unit."""
    return host.status("/run/systemd/system") is None


def _in_force(host: Host, service: str) -> Tuple[str, ...] | None:
    """The lines of the service's rules that the kernel holds, by whichever tool; None for one who may not look."""
    if host.effective_uid() != 0:
        return None
    nft = host.which("nft")
    if nft:
        # A table that is not there is an error.
        listed = host.query([nft, "--numeric-priority", "list", "table", "inet", core.table_name(service)])
        return core.listed_table(listed.stdout) if listed.rc == 0 else ()
    saves = {family: host.which(program) for family, program in core.SAVES.items()}
    lines = [
        line
        for family, save in saves.items()
        if save
        for line in core.listed_chains(host.query([save]).checked().stdout, service=service, family=family)
    ]
    return tuple(sorted(lines))


def ground(host: Host, service: Service, *, firewall: Firewall) -> Ground | None:
    """What the host offers to the service's redirects; None for a service that has no backend port."""
    backends = {port: service.backend(port) for port in service.ports}
    wanted = [Redirect(port, to.number) for port, to in backends.items() if to is not None]
    if not wanted or service.state != "present":
        return None
    tool = find_tool(host)
    families = service.families or FAMILIES
    packets = [
        Packet(family=family, protocol=it.port.protocol, port=it.to, original=it.port.number)
        for family in families
        for it in wanted
    ]
    return Ground(
        tool=tool,
        refused=_refused(host, core.rules(service.name, wanted, families=families, tool=tool), tool) if tool else "",
        barriers=firewall.barriers(packets),
    )


def _refused(host: Host, rules: Rules, tool: Tool) -> str:
    """Why the kernel would not take these rules; '' where it would, or where only loading them can tell."""
    if tool.name != core.NFTABLES or host.effective_uid() != 0:
        return ""
    checked = host.query([tool.programs["nft"], "--check", rules.text])
    return "" if checked.rc == 0 else (checked.stderr.strip() or "nothing").splitlines()[0]


def check(host: Host, rules: Rules, tool: Tool) -> None:
    """Raises HostError where the kernel would not take these rules."""
    refused = _refused(host, rules, tool)
    if refused:
        raise HostError(f"the kernel does not take the rules: {refused}; it needs nat and fib for the family inet")


def apply(host: Host, service: str, wanted: Installation, *, check_mode: bool) -> task.Applied:
    """Bring files, unit and rules to what is wanted. Raises PrivportError; then everything is as it was before."""
    found = look(host, service)
    lost = not wanted.is_in_force(found)
    applied = task.apply(
        host,
        core.desired(service, wanted, found),
        check_mode=check_mode,
        anew=lost,
        verify=lambda: _require_in_force(host, service, wanted),
    )
    if applied.diffs or not lost:
        return applied
    return applied._replace(diffs=diff_of([("the kernel", _lines(found.kernel or ()), _lines(wanted.kernel))]))


def _require_in_force(host: Host, service: str, wanted: Installation) -> None:
    if not wanted.is_in_force(look(host, service)):
        loading = core.starting(service, scripts=by_scripts(host))
        raise HostError(f"the kernel does not hold what {loading} loads; find out what else changes it")


def _lines(texts: Sequence[str]) -> str:
    return "".join(f"{text}\n" for text in texts)
