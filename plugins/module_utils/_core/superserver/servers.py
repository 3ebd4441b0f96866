# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that start a program for each connection: what keeps them from it, and what is to be there of one."""

from __future__ import annotations

from typing import Dict, FrozenSet, Mapping, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Desired,
    Reload,
    merged,
    without,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver import inetd, xinetd
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.inetd import Inetd
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.nosh import Nosh
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.s6 import S6
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import (
    FEATURES,
    Daemon,
    Ground,
    Request,
    Server,
    reloads,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.systemd import Systemd
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.tcpserver import Tcpserver
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.tcpsvd import Tcpsvd
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.xinetd import Xinetd

SERVERS: Mapping[str, Server] = {
    it.name: it for it in (Systemd(), Xinetd(), Inetd(), Tcpserver(), Tcpsvd(), S6(), Nosh())
}
# The program by which each is known; what is no path is looked for in PATH.
PROGRAMS: Mapping[str, str] = {
    "xinetd": "xinetd",
    "inetd": "inetd",
    "tcpserver": "tcpserver",
    "tcpsvd": "tcpsvd",
    "s6": "s6-svscan",
    "nosh": "tcp-socket-listen",
}
DAEMONS: Mapping[str, str] = {name: it.daemon for name, it in SERVERS.items() if it.daemon}


def obstacles(request: Request, ground: Ground) -> Tuple[Reason, ...]:
    """Everything that keeps the host from serving so."""
    server = SERVERS[request.server]
    if ground.systemd is None:
        text = "super-servers are set up where systemd runs the host, which it does not here; strategy setcap may do"
        return (Reason("no_systemd", text, "no /run/systemd/system"),)
    special = server.obstacle(request, ground)
    if special is not None and special.code == "server_unsupported":
        return (special,)
    missing = _missing(server, ground)
    if missing is not None:
        return (missing,)
    found = (special, _daemon(server, ground), _ipv6(request, ground), *_inexpressible(request, ground))
    return tuple(it for it in found if it is not None)


def _missing(server: Server, ground: Ground) -> Optional[Reason]:
    if server.name not in PROGRAMS or server.name in ground.programs:
        return None
    text = f"{server.name} is not installed; install the package {server.package}, or say superserver: systemd"
    return Reason("no_server", text, f"no {PROGRAMS[server.name]}")


def _daemon(server: Server, ground: Ground) -> Optional[Reason]:
    daemon = ground.daemons.get(server.name)
    if not server.daemon or (daemon is not None and daemon.active and daemon.at_boot and daemon.reloads):
        return None
    problem = _problem(daemon or Daemon(server.daemon, active=False, at_boot=False, reloads=True))
    return Reason("server_off", problem, server.daemon)


def _problem(daemon: Daemon) -> str:
    if not daemon.reloads:
        return f"{daemon.unit} cannot be reloaded, and a restart ends the connections of others; give it an ExecReload="
    state = "does not run" if not daemon.active else "is not started by a boot"
    name = daemon.unit.rpartition(".")[0]
    return f"{name} {state}; start it, now and at each boot (systemctl enable --now {name})"


def _ipv6(request: Request, ground: Ground) -> Optional[Reason]:
    if ground.ipv6 or "ipv6" not in request.needs:
        return None
    return Reason("no_ipv6", "the kernel has no IPv6; declare the family ipv4 alone", "no /proc/net/if_inet6")


def _inexpressible(request: Request, ground: Ground) -> Tuple[Reason, ...]:
    """What is asked for and the server cannot do, with the name of one that can."""
    server = SERVERS[request.server]
    lacking = [it for it in FEATURES if it in request.needs and it not in server.features(ground)]
    return tuple(_cannot(server, feature, request, ground) for feature in lacking)


def _cannot(server: Server, feature: str, request: Request, ground: Ground) -> Reason:
    can = [it.name for it in SERVERS.values() if feature in it.features(ground)]
    best = [name for name in can if request.needs <= SERVERS[name].features(ground)] or can
    way = f"say superserver: {' or '.join(best)}" if best else "leave it out"
    return Reason("inexpressible", f"{server.name} cannot {FEATURES[feature]}; {way}", f"superserver: {server.name}")


def desired(request: Request, ground: Ground, *, found: Installed, planned: Desired) -> Desired:
    """What is to be there, in the place of what was found, of this server or of another."""
    gone = absent(request.name, ground, found=found, planned=planned)
    wanted = SERVERS[request.server].desired(request, ground, merged(planned, gone))
    return merged(gone, wanted)


def absent(name: str, ground: Optional[Ground], *, found: Installed, planned: Desired) -> Desired:
    """Nothing of what was found; ground is None where nothing of a daemon's was."""
    file = next((it for it in found.files if it.path == xinetd.path(name)), None)
    read = reloads(Xinetd.daemon, file=file.path, ports=xinetd.ports_of(file.text), held=False) if file else ()
    stale = [it.unit for it in ground.daemons.values() if it.stale] if ground else []
    gone = without(found)._replace(reloads=(*read, *(Reload(unit, "", "", held=False) for unit in stale)))
    return gone if ground is None else merged(gone, inetd.absent(name, ground, planned))


def is_there(name: str, ground: Optional[Ground], found: Installed) -> bool:
    """Whether something is there of one of them."""
    lines = inetd.block_of(ground.inetd.text, service=name) if ground and ground.inetd else ""
    return bool(lines) or not found.nothing


def is_complete(request: Request, ground: Ground, found: Installed) -> bool:
    """Whether just what is wanted is there: files, lines, and units that run with them."""
    server = SERVERS[request.server]
    files: Dict[str, object] = {it.path: it for it in server.files(request, ground)}
    there = {it.path: it for it in found.files} == files and not found.leftovers
    works = set(server.units(request)) == set(found.active) and not set(found.unread)
    lines = inetd.block_of(ground.inetd.text, service=request.name) if ground.inetd else ""
    wanted = inetd.block(request, ground) if request.server == Inetd.name else ""
    left = any(it.stale for it in ground.daemons.values()) or bool(ground.inetd and ground.inetd.leftovers)
    return there and works and lines == wanted and not left


def daemon_of(name: str, ground: Optional[Ground], found: Installed) -> str:
    """The unit of somebody else's daemon that serves it by what is there, '' for none."""
    if ground and ground.inetd and inetd.block_of(ground.inetd.text, service=name):
        return Inetd.daemon
    return Xinetd.daemon if any(it.path == xinetd.path(name) for it in found.files) else ""


def may_hold(name: str, ground: Optional[Ground], found: Installed) -> FrozenSet[str]:
    """The units of others' daemons that hold its ports for it: what serves it, and what may do so by an older file."""
    stale = {it.unit for it in ground.daemons.values() if it.stale} if ground else set()
    return frozenset(({daemon_of(name, ground, found)} | stale) - {""})
