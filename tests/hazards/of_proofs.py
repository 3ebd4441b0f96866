# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that a proof could judge wrongly: what real servers and hosts do around a port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Tuple

from .hazard import HOSTS

PASS, FAIL, UNKNOWN, REFUSED = "pass", "fail", "unknown", "refused"
FIRST_PORT = 701
NETWORK = "10.43.80.0/24"
# Nobody's address, in the hosts' network.
ELSEWHERE = "10.43.80.99"
BY_HAND = ("AmbientCapabilities=CAP_NET_BIND_SERVICE",)
WITHOUT_MAIN_PROCESS = ("Type=forking", "GuessMainPID=no")
SINCE_252 = tuple(host for host, version in HOSTS.items() if version >= 252)


@dataclass(frozen=True)
class Service:
    """A service: what its unit and its server do, and what the proof should say of it.

    {port} and {address} in texts stand for its port and its host's address.
    """

    name: str
    verdict: str
    settings: Tuple[str, ...] = ()
    user: str = "www-data"
    # What the stand-in does; by default it listens on its port on all addresses.
    server: Tuple[Tuple[str, Any], ...] = ()
    listens_on: Tuple[str, ...] = ("::",)
    # How far from its port it listens.
    behind: int = 0
    # What the description says beside name, port and unit.
    description: Tuple[Tuple[str, Any], ...] = ()
    # What a person would write into a drop-in, for which it is first tried without the collection.
    by_hand: Tuple[str, ...] = BY_HAND
    # Commands of sh before the run, and after it.
    spoil: str = ""
    mend: str = ""
    # Its program, by default a copy of the interpreter of its own.
    program: str = ""
    # The unit's name, where that matters.
    unit: str = ""
    # Whether it is started before the run.
    started: bool = False
    # Whether it serves as it is, so that privport_verify judges it and nothing is changed.
    as_it_is: bool = False
    hosts: Tuple[str, ...] = tuple(HOSTS)


def gives_up(what: str, *settings: str, **fields: Any) -> Service:
    return Service(f"gives up: {fields.pop('name', what)}", PASS, settings, server=(("drops", what),), **fields)


SERVICES: Tuple[Service, ...] = (
    Service("a plain server", PASS),
    Service("a slow starter", PASS, server=(("sleeps", 2),)),
    gives_up("all", name="every capability, granted by a drop-in"),
    gives_up("all", *BY_HAND, name="every capability, granted by its own unit", by_hand=()),
    gives_up("all", name="every capability, granted by setcap", description=(("strategy", "setcap"),)),
    gives_up("ambient", name="the ambient set alone"),
    gives_up(
        "bounding",
        "AmbientCapabilities=CAP_SETPCAP",
        name="the bounding set as well",
        by_hand=("AmbientCapabilities=CAP_SETPCAP CAP_NET_BIND_SERVICE",),
    ),
    Service("IPAddressDeny=any, IPAddressAllow= its network", PASS, ("IPAddressDeny=any", f"IPAddressAllow={NETWORK}")),
    Service("IPAddressDeny=any", UNKNOWN, ("IPAddressDeny=any",)),
    Service("RestrictNetworkInterfaces=eth0", UNKNOWN, ("RestrictNetworkInterfaces=eth0",), hosts=SINCE_252),
    Service(
        "a firewall that drops what comes by lo",
        UNKNOWN,
        spoil=(
            "nft 'add table inet by_lo; add chain inet by_lo drops {{ type filter hook input priority 0; }}; "
            "add rule inet by_lo drops iif lo tcp dport {port} drop'"
        ),
        mend="nft delete table inet by_lo",
    ),
    Service(
        "an old redirect of nft takes the port away",
        FAIL,
        spoil=(
            "nft 'add table ip old_nft; add chain ip old_nft pre {{ type nat hook prerouting priority -100; }}; "
            "add rule ip old_nft pre tcp dport {port} redirect to :9'"
        ),
        mend="nft delete table ip old_nft",
    ),
    Service(
        "an old redirect of iptables takes the port away",
        FAIL,
        spoil="iptables -t nat -A PREROUTING -p tcp --dport {port} -j REDIRECT --to-ports 9",
        mend="iptables -t nat -D PREROUTING -p tcp --dport {port} -j REDIRECT --to-ports 9",
    ),
    Service(
        "an old redirect of iptables-legacy takes the port away",
        FAIL,
        spoil="iptables-legacy -t nat -A PREROUTING -p tcp --dport {port} -j DNAT --to-destination 127.0.0.1:9",
        mend="iptables-legacy -t nat -D PREROUTING -p tcp --dport {port} -j DNAT --to-destination 127.0.0.1:9",
    ),
    Service(
        "an old redirect of another port",
        PASS,
        spoil=(
            "nft 'add table ip other; add chain ip other pre {{ type nat hook prerouting priority -100; }}; "
            "add rule ip other pre tcp dport 1{port} redirect to :{port}'"
        ),
        mend="nft delete table ip other",
    ),
    Service("SO_BINDTODEVICE", PASS, server=(("device", "eth0"),), listens_on=("0.0.0.0",)),
    Service(
        "IP_FREEBIND on an address of another node",
        UNKNOWN,
        server=(("freebind", True),),
        listens_on=("{address}", ELSEWHERE),
    ),
    Service(
        "IP_FREEBIND on an address of another node, IPv6",
        UNKNOWN,
        server=(("freebind", True),),
        listens_on=("{address}", "2001:db8::99"),
    ),
    Service("a unit whose control group systemd escapes: _web.service", PASS, unit="_web.service"),
    Service("a unit whose control group systemd escapes: cpu.service", PASS, unit="cpu.service"),
    Service("no main process, two processes", PASS, WITHOUT_MAIN_PROCESS, server=(("forks", "two"),)),
    Service(
        "no main process, runs without its port",
        PASS,
        WITHOUT_MAIN_PROCESS,
        server=(("forks", "two"), ("stays", True)),
        started=True,
    ),
    Service(
        "no main process, runs without its port, and its grant was written before",
        PASS,
        WITHOUT_MAIN_PROCESS,
        server=(("forks", "two"), ("stays", True)),
        spoil="systemctl start {unit}; {grant}",
    ),
    Service(
        "no main process, gives its capabilities up",
        PASS,
        WITHOUT_MAIN_PROCESS,
        server=(("forks", "two"), ("stays", True), ("drops", "all")),
        started=True,
    ),
    Service(
        "active (exited): ended for want of its port",
        PASS,
        ("Type=forking", "RemainAfterExit=yes", "GuessMainPID=no"),
        server=(("forks", "one"),),
        started=True,
    ),
    Service(
        "started as root, serves as a user on a port of its own",
        PASS,
        user="",
        server=(("becomes", "www-data"),),
        listens_on=("127.0.0.1",),
        behind=8000,
        started=True,
    ),
    Service("listens on another port instead", PASS, behind=8000, started=True),
    Service(
        "started as root, has wholly become a user", PASS, user="", server=(("becomes", "www-data"),), as_it_is=True
    ),
    Service(
        "started as root, stays root beside its worker",
        FAIL,
        user="",
        server=(("master", True), ("becomes", "www-data")),
        as_it_is=True,
    ),
    Service("runs as root", FAIL, user="", as_it_is=True),
    Service(
        "StartLimitBurst=1, runs without its port",
        PASS,
        ("[Unit]", "StartLimitIntervalSec=60", "StartLimitBurst=1"),
        server=(("stays", True),),
        started=True,
    ),
    Service(
        "serves by a capability that somebody gave an interpreter",
        PASS,
        program="/usr/bin/python3",
        by_hand=(),
        spoil="setcap cap_net_bind_service=ep $(readlink -f /usr/bin/python3)",
        mend="setcap -r $(readlink -f /usr/bin/python3)",
        started=True,
    ),
    Service("takes no sockets, strategy socket", FAIL, description=(("strategy", "socket"),), by_hand=()),
    Service("never listens", FAIL, server=(("listen", ()), ("stays", True))),
    Service("ends at once", FAIL, server=(("listen", ()),)),
)
