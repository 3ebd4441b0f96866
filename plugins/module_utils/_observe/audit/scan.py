# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every grant for privileged ports on a host, whoever made it, and everyone who listens on such a port."""

from __future__ import annotations

import re
from typing import Callable, Iterable, Iterator, List, Sequence, Tuple, TypeVar

from ansible_collections.netbind.privport.plugins.module_utils._apply import authbind_files
from ansible_collections.netbind.privport.plugins.module_utils._apply.sysctl import read_files
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.at_boot import AtBoot
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.authbind import Authbind, grants_of_rules
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.files import grant_of_file
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    AMBIENT,
    SETCAP,
    Grant,
    LowListener,
    Scan,
    Skipped,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.netfilter import (
    Way,
    grants_of_ways,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.superservers import (
    grants_of_inetd,
    grants_of_xinetd,
    ports_by_name,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.texts import (
    PAM_FILE,
    SETTING,
    PortStart,
    grant_of_setting,
    grants_of_openrc,
    grants_of_pam,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.units import UnitSeen
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.without_root import (
    services_of,
    with_strategies,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import HELPER
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import XINETD_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.nat import Led
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.inetd import PATH as INETD
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import processes
from ansible_collections.netbind.privport.plugins.module_utils._observe.audit import (
    at_boot,
    files,
    judged,
    listeners,
    units,
)
from ansible_collections.netbind.privport.plugins.module_utils._observe.audit.packages import packages_of
from ansible_collections.netbind.privport.plugins.module_utils._observe.firewall import Firewall
from ansible_collections.netbind.privport.plugins.module_utils._observe.network import unprivileged_port_start

_S_ISUID = 0o4000


Found = TypeVar("Found")


class _Skipping:
    """What could not be looked at, of which each is its own matter."""

    def __init__(self) -> None:
        self.skipped: List[Skipped] = []

    def try_to(self, what: str, look: Callable[[], Found], otherwise: Found) -> Found:
        """What look() gives; where it fails, that is noted and the other is given."""
        try:
            return look()
        except PrivportError as problem:
            self.skipped.append(Skipped(what, str(problem)))
            return otherwise


def scan(host: Host, *, seconds: float) -> Scan:
    """What the host shows. Nothing is changed; the search of files ends after so many seconds, and says so."""
    noted = _Skipping()
    if host.effective_uid() != 0:
        noted.skipped.append(Skipped("what only root can read", "the user who looks is not root; use become: true"))
    seen = noted.try_to(
        "the units of systemd", lambda: _services_with_effects(host, units.look(host)), units.Units((), (), {})
    )
    networks = noted.try_to(
        "who listens",
        lambda: listeners.look(host, sockets=seen.sockets, services=seen.services),
        listeners.Networks((), (), ()),
    )
    found = files.look(host, executed_by=seen.executing(host), seconds=seconds)
    subjects: Tuple[Tuple[str, Callable[[], Iterable[Grant]]], ...] = (
        ("files with capabilities", lambda: _of_files(host, found, seen.services)),
        ("the grants of units", seen.grants),
        ("the rules of authbind", lambda: _of_authbind(host)),
        (SETTING, lambda: tuple(_of_settings(host, networks.starts))),
        ("the rules of nftables and iptables", lambda: _of_netfilter(host, seen.services)),
        (PAM_FILE, lambda: _of_pam(host)),
        ("super-servers", lambda: _of_superservers(host)),
        ("the services of OpenRC", lambda: _of_openrc(host)),
    )
    none: Iterable[Grant] = ()
    grants = [it for what, look in subjects for it in noted.try_to(what, look, none)]
    as_another, unjudged = judged.without_root(host, services_of(networks.listeners))
    seen_all = Scan(
        grants=_with_packages(host, sorted(grants, key=lambda it: (it.mechanism, it.subject))),
        listeners=_sorted(networks.listeners),
        skipped=(*noted.skipped, *networks.skipped, *found.skipped, *unjudged),
        without_root=as_another,
    )
    return with_strategies(seen_all, {})


def _sorted(found: Sequence[LowListener]) -> Tuple[LowListener, ...]:
    return tuple(sorted(found, key=lambda it: (it.network, it.port, it.protocol, it.address)))


def _services_with_effects(host: Host, seen: units.Units) -> units.Units:
    """The units with whether their ambient capability has an effect."""
    granting = [it for it in seen.services if it.grants]
    effect = judged.effects(host, granting, AMBIENT)
    services = tuple(
        it._replace(effective=effect[it.name].effective, why_not=effect[it.name].why_not) if it.grants else it
        for it in seen.services
    )
    return seen._replace(services=services)


def _of_files(host: Host, found: files.Files, services: Sequence[UnitSeen]) -> Tuple[Grant, ...]:
    grants = [it for it in map(grant_of_file, found.capable) if it is not None]
    executing = {name for it in grants for name in it.units}
    return judged.with_effects(grants, judged.effects(host, [it for it in services if it.name in executing], SETCAP))


def _of_authbind(host: Host) -> Tuple[Grant, ...]:
    rules = authbind_files.read_rules(host)
    helper = host.status(HELPER)
    broken = ""
    if helper is None:
        broken = "authbind is not installed"
    elif not helper.mode & _S_ISUID:
        broken = f"{HELPER} is not set-user-ID"
    uids = {it.uid for it in rules.values()} | {
        int(match[1]) for path in rules for match in [re.search("/byuid/!?([0-9]+)$", path)] if match
    }
    return grants_of_rules(
        Authbind(
            rules=rules,
            users={it: host.user_name(it) for it in uids},
            groups={it.gid: host.group_name(it.gid) for it in rules.values()},
            broken=broken,
        )
    )


def _of_settings(host: Host, starts: Sequence[PortStart]) -> Iterator[Grant]:
    boot = sysctl.configured({path: text for path, text in read_files(host).items() if not path.startswith("/run/")})
    own = PortStart(unprivileged_port_start(host), boot.start if boot else None)
    yield from (it for it in map(grant_of_setting, (own, *starts)) if it is not None)


def _of_netfilter(host: Host, services: Sequence[UnitSeen]) -> Tuple[Grant, ...]:
    """The rules of the host's own network namespace."""
    firewall = Firewall(host)
    ways = [Way(*it) for it in firewall.led(listeners.LOW_PORTS)]
    forwarded = [Way(*it) for it in firewall.led(listeners.LOW_PORTS, local=False)] if ways else []
    asked = sorted({*(it.port for it in ways), *_backends(it.led for it in ways)})
    held = frozenset(Port(it.port, it.protocol) for it in processes.listeners(host, asked))
    loaded = at_boot.look(host, services) if ways else AtBoot()
    return grants_of_ways(ways, forwarded=forwarded, listening=held, at_boot=loaded)


def _of_pam(host: Host) -> Tuple[Grant, ...]:
    return grants_of_pam(host.read(PAM_FILE) or "", loaded=bool(host.texts_with("/etc/pam.d", "pam_cap.so")))


def _backends(led: Iterator[Led]) -> Iterator[Port]:
    numbers = {int(it.to) for it in led if it.to.isdigit()}
    yield from (Port(number, protocol) for number in numbers for protocol in ("tcp", "udp"))


def _of_superservers(host: Host) -> Tuple[Grant, ...]:
    named = ports_by_name(host.read("/etc/services") or "")
    sections = host.texts_with(XINETD_FOLDER, "service")
    return (*grants_of_inetd(host.read(INETD) or "", named), *grants_of_xinetd(sections, named))


def _of_openrc(host: Host) -> Tuple[Grant, ...]:
    texts = {
        path: text
        for folder in ("/etc/rc.conf.d", "/etc/conf.d", "/etc/init.d")
        for path, text in host.texts_with(folder, "capabilities=").items()
    }
    return grants_of_openrc(texts, runs=host.status("/run/openrc") is not None)


def _with_packages(host: Host, grants: Sequence[Grant]) -> Tuple[Grant, ...]:
    owners = packages_of(host, [it.file for it in grants])
    return tuple(it._replace(package=owners.get(it.file, "")) for it in grants)
