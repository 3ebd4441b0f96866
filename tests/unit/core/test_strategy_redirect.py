# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategy that leads a port to another one: what stands in its way, what it leaves to do and what it tells."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import redirect
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.input_filter import Barrier, unread
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.redirect import Ground, Redirect, Tool
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    CAP,
    SERVER,
    ambient_process,
    case,
    listener,
    network,
    process,
    unit,
)

NFT = Tool(name="nftables", programs={"nft": "/usr/sbin/nft"})
OLD_NFT = NFT._replace(keeps_address=False)
RULES = redirect.rules("web", [Redirect(Port(80), 8080)], families=(), tool=NFT)
WANTED = redirect.installation("web", RULES, tool=NFT)
NAMES: Dict[str, Any] = {"paths": redirect.paths("web"), "units": WANTED.units}
DONE = Installed(files=WANTED.files, active=WANTED.units, kernel=WANTED.kernel, **NAMES)
BACKEND = {"backend_ports": {80: 8080}}
DROPS = Barrier(True, "8080", ("ipv4",), "chain input", "nft insert rule …")
PERHAPS = DROPS._replace(certain=False)


def ground(*barriers: Barrier, tool: Optional[Tool] = NFT, refused: str = "") -> Ground:
    return Ground(tool=tool, refused=refused, barriers=barriers)


def fields(**more: Any) -> Dict[str, Any]:
    """Of a service that runs and listens behind the port."""
    plain = {
        "description": {**BACKEND, **more.pop("description", {})},
        "redirect": ground(),
        "installed": {"redirect": Installed(**NAMES)},
        "listeners": (listener(process(), port=8080, address="::"),),
        "unit_fields": {"process": process()},
        "properties": {"ActiveState": "active"},
    }
    return {**plain, **more}


def behind(*addresses: str, **owner: Any) -> Dict[str, Any]:
    return {"listeners": tuple(listener(process(**owner), port=8080, address=it) for it in addresses)}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ()),
        ({"description": {"backend_ports": {}}, "redirect": None}, ("no_backend",)),
        ({"description": {"ports": [80, 443]}}, ("no_backend",)),
        ({"description": {"addresses": "10.0.0.1"}}, ("addresses",)),
        ({"host_fields": {"systemd": None}}, ("no_systemd",)),
        ({"host_fields": {"systemd": None, "init_scripts": True}}, ()),
        ({"redirect": ground(tool=None)}, ("no_firewall_tool",)),
        ({"redirect": ground(refused="Error: Could not process rule")}, ("unsupported",)),
        ({"network": network(is_host=False, path="/run/netns/a")}, ("other_network",)),
        ({"properties": {"PrivateNetwork": "yes"}}, ("private_network",)),
        (behind("127.0.0.1"), ("backend_loopback",)),
        (behind("127.0.0.1", "::1"), ("backend_loopback",)),
        (behind("::ffff:127.0.0.1"), ("backend_loopback",)),
        (behind("0.0.0.0%lo"), ("backend_loopback",)),
        ({"listeners": (), "properties": {"BindNetworkInterface": "lo"}}, ("backend_loopback",)),
        ({"listeners": (), "properties": {"BindNetworkInterface": "eth0"}}, ()),
        (behind("10.0.0.1"), ()),
        (behind("127.0.0.1", "10.0.0.1"), ()),
        ({**behind("10.0.0.1"), "redirect": ground(tool=OLD_NFT)}, ("backend_address",)),
        # What listens on loopback and on each of the others may be met wherever a redirect leads.
        ({**behind("127.0.0.1", "10.0.0.1"), "redirect": ground(tool=OLD_NFT)}, ()),
        ({**behind("0.0.0.0"), "redirect": ground(tool=OLD_NFT)}, ()),
        (behind("0.0.0.0"), ()),
        (behind("0.0.0.0%eth0"), ()),
        (behind("127.0.0.1", "::"), ()),
        (behind("::", unit="other.service"), ("backend_held",)),
        ({"redirect": ground(DROPS)}, ("input_drops",)),
        ({"redirect": ground(PERHAPS, DROPS)}, ("input_drops",)),
        ({"redirect": ground(PERHAPS)}, ()),
        ({"properties": {"User": ""}, **behind("::", uid=0)}, ("runs_as_root",)),
        ({"properties": {"User": ""}, "listeners": ()}, ("runs_as_root",)),
        # Started as root, and a user's by the time that it listens.
        ({"properties": {"User": ""}}, ()),
        ({"properties": {"User": ""}, **behind("::", unlike=[{"uids": (0, 990, 990, 990)}])}, ("runs_as_root",)),
        ({"properties": {"User": ""}, "unit_fields": {"process": process(uid=0)}}, ("runs_as_root",)),
        ({"description": {"user": "web"}, "properties": {"User": "other"}}, ("other_user",)),
        ({"properties": {"RestrictAddressFamilies": "AF_UNIX"}}, ("address_families",)),
        ({"properties": {"SystemCallFilter": "~bind"}}, ("system_calls",)),
        ({"not_executable": "no"}, ("not_executable",)),
        ({"program_fields": {"mode": 0o4755}}, ("setuid_program",)),
        # What it binds itself is the other port.
        ({"properties": {"SocketBindDeny": "tcp:80"}}, ()),
        ({"properties": {"SocketBindDeny": "tcp:8080"}}, ("socket_bind_deny",)),
        # Nothing of this matters to a process that needs no privilege.
        ({"properties": {"NoNewPrivileges": "yes", "PrivateUsers": "yes", "CapabilityBoundingSet": ""}}, ()),
        ({"program": None}, ()),
    ],
)
def test_blockers(more: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    found = STRATEGIES["redirect"].blockers(case(**fields(**more)))
    assert tuple(reason.code for reason in found) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ()),
        ({"redirect": ground(PERHAPS)}, ("input_rules",)),
        ({**behind("127.0.0.1", "10.0.0.1"), "redirect": ground(tool=OLD_NFT)}, ("backend_address",)),
        ({"redirect": ground(unread("not root"))}, ("input_rules",)),
        ({"redirect": ground(PERHAPS, DROPS)}, ()),
        # It may have to be told to listen there first.
        ({"listeners": ()}, ("backend_silent",)),
        ({"listeners": (), "properties": {"ActiveState": "inactive"}}, ()),
        ({"listeners": (), "unit": None}, ()),
    ],
)
def test_unknowns(more: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    found = STRATEGIES["redirect"].unknowns(case(**fields(**more)))
    assert tuple(reason.code for reason in found) == expected


def test_what_drops_comes_with_its_way_out() -> None:
    judged = case(**fields(redirect=ground(DROPS), description={"strategy": "redirect"}))
    (decision,) = decide(judged.host, [judged.service])
    assert "let it in first, also in the file that loads these rules: nft insert rule …" in decision.error


@pytest.mark.parametrize(
    ("installed", "active", "pending"),
    [
        (Installed(**NAMES), "active", ("redirect",)),
        (Installed(**NAMES), "inactive", ("redirect", "start")),
        (DONE, "active", ()),
        (DONE._replace(files=DONE.files[1:]), "active", ("redirect",)),
        (DONE._replace(active=()), "active", ("redirect",)),
        # Somebody flushed the rules.
        (DONE._replace(kernel=()), "active", ("redirect",)),
        (DONE._replace(kernel=(*WANTED.kernel, "more")), "active", ("redirect",)),
        # Only root sees them.
        (DONE._replace(kernel=None), "active", ()),
    ],
)
def test_pending(installed: Installed, active: str, pending: Tuple[str, ...]) -> None:
    judged = case(**fields(installed={"redirect": installed}, properties={"ActiveState": active}))
    assert STRATEGIES["redirect"].pending(judged) == pending


def test_it_is_not_in_place_where_it_cannot_be() -> None:
    judged = case(**fields(installed={"redirect": DONE}, redirect=ground(tool=None)))
    assert STRATEGIES["redirect"].pending(judged) == ("redirect",)


@pytest.mark.parametrize(
    ("installed", "granted"),
    [
        ({}, False),
        ({"redirect": Installed(**NAMES)}, False),
        ({"redirect": DONE}, True),
        # What is left when somebody removed the files.
        ({"redirect": Installed(kernel=WANTED.kernel, **NAMES)}, True),
        ({"redirect": Installed(active=WANTED.units, **NAMES)}, True),
    ],
)
def test_granted(installed: Dict[str, Installed], granted: bool) -> None:
    assert STRATEGIES["redirect"].granted(case(**fields(installed=installed))) is granted


OPEN = "while it does not run, every user of the host may take its place on port 8080"
BOTH = (listener(process()), listener(process(), port=8080, address="::"))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (OPEN,)),
        ({"description": {"backend_ports": {80: 81}}}, ()),
        (
            {"listeners": BOTH},
            ("port 80, on which it listens too, is reached no more: all is led to the other", OPEN),
        ),
        (behind("10.0.0.1"), ("it is reached where it listens and nowhere else: 10.0.0.1", OPEN)),
        (behind("0.0.0.0%eth0"), ("it is reached where it listens and nowhere else: 0.0.0.0%eth0", OPEN)),
        (behind("127.0.0.1", "10.0.0.1"), (OPEN,)),
    ],
)
def test_warnings(more: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    judged = case(**fields(**more))
    assert STRATEGIES["redirect"].warnings(judged) == expected
    assert "the kernel leads port 80 to 808" in STRATEGIES["redirect"].why(judged) or not expected


@pytest.mark.parametrize(
    ("more", "chosen"),
    [
        pytest.param({"listeners": ()}, "ambient", id="it listens nowhere yet"),
        pytest.param(
            {"listeners": (), "properties": {"ActiveState": "inactive"}}, "redirect", id="it does not run, and says so"
        ),
        pytest.param({}, "redirect", id="it listens there"),
        pytest.param({"redirect": ground(PERHAPS)}, "redirect", id="and the host's rules leave a doubt"),
        pytest.param({"redirect": ground(DROPS)}, "forward", id="and the host's rules are against it"),
        pytest.param(behind("127.0.0.1"), "forward", id="and there on loopback alone"),
        pytest.param(behind("::", unit="other.service"), "ambient", id="another listens there"),
        pytest.param(
            {"listeners": (listener(process()), listener(process(), port=8080))}, "ambient", id="it listens on both"
        ),
        pytest.param(
            {"unit": None, "unit_fields": None, "properties": None, "description": {"executable": SERVER}},
            "redirect",
            id="nothing but its program is known",
        ),
    ],
)
def test_who_listens_behind_the_port_is_led_to(more: Dict[str, Any], chosen: str) -> None:
    judged = case(**fields(**more))
    assert decide(judged.host, [judged.service])[0].strategy == chosen


def test_a_change_goes_from_one_to_the_other() -> None:
    held = fields(
        properties={"ActiveState": "active", "AmbientCapabilities": CAP},
        unit=unit(
            properties={"ActiveState": "active", "AmbientCapabilities": CAP},
            process=ambient_process(),
            dropin_strategy="ambient",
        ),
        listeners=(listener(ambient_process()), listener(ambient_process(), port=8080, address="::")),
        description={"strategy": "redirect"},
    )
    judged = case(**held)
    (decision,) = decide(judged.host, [judged.service])
    # Its capability is the unit's as long as the drop-in is there.
    assert (decision.strategy, decision.pending, decision.surplus) == ("redirect", ("redirect",), ("ambient",))
    assert decision.voiding == ()
    judged = case(
        **{
            **held,
            "installed": {"redirect": DONE},
            "unit": unit(properties={"ActiveState": "active"}, process=ambient_process()),
        }
    )
    (decision,) = decide(judged.host, [judged.service])
    assert (decision.pending, decision.surplus) == (("restart",), ())
