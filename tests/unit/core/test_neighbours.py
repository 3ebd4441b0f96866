# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that share something, and others who hold a port: what one needs is nobody else's to take."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import cases_of, decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import removals
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener, SocketUnit
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    BINDS,
    CAP,
    SERVER,
    WEB,
    ambient_process,
    authbind_port,
    case,
    listener,
    process,
    socket_unit,
    together,
)

BY_AMBIENT = {
    "properties": {"AmbientCapabilities": CAP},
    "unit_fields": {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN, "process": ambient_process()},
}


@pytest.mark.parametrize(
    ("fields", "capability", "surplus"),
    [
        pytest.param({"unit": None, "description": {"executable": SERVER}}, BINDS, (), id="the other needs it"),
        pytest.param({}, BINDS, ("setcap",), id="the other is ambient too"),
        pytest.param({"description": {"state": "absent"}}, BINDS, ("setcap",), id="the other goes"),
        pytest.param({"properties": {"LoadState": "masked"}}, BINDS, (), id="the other cannot be judged"),
        pytest.param(
            {"properties": {"LoadState": "masked"}}, {"capability": ""}, ("setcap",), id="an empty one serves nobody"
        ),
        pytest.param({"program": None}, BINDS, ("setcap",), id="the other has no program"),
    ],
)
def test_a_shared_program(fields: Dict[str, Any], capability: Dict[str, Any], surplus: Tuple[str, ...]) -> None:
    description = {"name": "other", "ports": [443], **fields.get("description", {})}
    program = {} if "program" in fields else {"program_fields": capability}
    other = case(**{"name": "other", **program, **fields, "description": description})
    observation, services = together([case(program_fields=capability), other])
    assert decide(observation, services)[0].surplus == surplus


@pytest.mark.parametrize(
    ("description", "surplus"),
    [
        pytest.param({"ports": [8080]}, (), id="the other needs the drop-in"),
        pytest.param({"ports": [8080], "state": "absent"}, (), id="absent takes nothing from the other"),
    ],
)
def test_a_shared_unit(description: Dict[str, Any], surplus: Tuple[str, ...]) -> None:
    """A unit with a high port beside the low one: the high one needs nothing, and the drop-in stays."""
    high = case(**{"name": "high", **BY_AMBIENT, "description": {"name": "high", **description}})
    observation, services = together([case(**BY_AMBIENT), high])
    low_decision, high_decision = decide(observation, services)
    assert (low_decision.strategy, low_decision.pending, low_decision.surplus) == ("ambient", (), ())
    assert high_decision.surplus == surplus


SYSTEMD = process(pid=1, unit="init.scope", executable="/usr/lib/systemd/systemd", uid=0, name="systemd")
OTHER = process(pid=7, unit="other.service", uid=0, name="nginx")


@pytest.mark.parametrize(
    ("holders", "error"),
    [
        pytest.param((), "", id="nobody"),
        pytest.param((listener(process()),), "", id="the service itself"),
        pytest.param((listener(process(), OTHER),), "", id="the service and who gave it the socket"),
        pytest.param((listener(known=False),), "", id="hidden from us"),
        pytest.param((listener(OTHER)._replace(address="127.0.0.53"),), "", id="another address"),
        pytest.param((listener(SYSTEMD), socket_unit("80")), "", id="its own socket"),
        pytest.param(
            (listener(SYSTEMD), socket_unit("80", name="a.socket", triggers=("a.service",))),
            "service 'web': port 80 is held by a.socket, which starts a.service; "
            "stop it first (systemctl disable --now a.socket)",
            id="another's socket",
        ),
        pytest.param(
            (listener(SYSTEMD), socket_unit("80", name="a.socket", triggers=(), accept=True)),
            "service 'web': port 80 is held by a.socket, which starts an instance for each connection; "
            "stop it first (systemctl disable --now a.socket)",
            id="another's socket for each connection",
        ),
        pytest.param(
            (listener(OTHER),),
            "service 'web': port 80 is held by pid 7 (nginx, uid 0 of other.service); stop that first",
            id="another unit",
        ),
        pytest.param(
            (listener(OTHER)._replace(address="::"),),
            "service 'web': port 80 is held by pid 7 (nginx, uid 0 of other.service); stop that first",
            id="another unit on IPv6",
        ),
    ],
)
def test_a_port_that_somebody_else_holds(holders: Tuple[Any, ...], error: str) -> None:
    """By listeners, and by the socket units that they belong to."""
    listeners = tuple(it for it in holders if isinstance(it, Listener))
    sockets = tuple(it for it in holders if isinstance(it, SocketUnit))
    judged = case(listeners=listeners, sockets=sockets)
    (decision,) = decide(judged.host, [judged.service])
    assert decision.error == error


RESOLVER = listener(OTHER, address="127.0.0.53%lo")
BESIDE = "port 80 is held by pid 7 (nginx, uid 0 of other.service) on 127.0.0.53%lo; a program that binds it on all"


@pytest.mark.parametrize(
    ("description", "listeners", "begins"),
    [
        pytest.param({}, (RESOLVER,), BESIDE, id="it may be in the way"),
        pytest.param({}, (RESOLVER, listener(process(), address="10.0.0.1")), "", id="it is not"),
        pytest.param({"addresses": "10.0.0.1"}, (), "", id="the service says where it listens"),
        pytest.param(
            {"strategy": "redirect", "backend_ports": {80: 8080}}, (RESOLVER,), "", id="the service binds another port"
        ),
    ],
)
def test_who_holds_a_port_on_one_address_is_told(description: Any, listeners: Any, begins: str) -> None:
    judged = case(description=description, listeners=listeners)
    (decision,) = decide(judged.host, [judged.service])
    told = [it for it in decision.warnings if "is held by" in it]
    assert (len(told), all(it.startswith(begins) for it in told)) == (bool(begins), True)


@pytest.mark.parametrize(
    ("description", "holder", "error"),
    [
        pytest.param({"addresses": "10.0.0.1"}, listener(OTHER, address="10.0.0.1"), True, id="on its address"),
        pytest.param({"unit": "web@1.service"}, listener(process(unit="web@2.service")), False, id="a sibling"),
        pytest.param({"unit": "web@1.service"}, listener(process(unit="mail@2.service")), True, id="no sibling"),
    ],
)
def test_who_shares_a_port(description: Any, holder: Listener, error: bool) -> None:
    name = description.get("unit", "web.service")
    judged = case(description=description, listeners=(holder,), properties={"Id": name})
    (decision,) = decide(judged.host, [judged.service])
    assert ("port 80 is held by" in decision.error) is error


@pytest.mark.parametrize(("uid", "kept"), [(990, True), (991, False)])
def test_a_rule_that_two_services_need_stays_for_the_other(uid: int, kept: bool) -> None:
    rule = "/etc/authbind/byport/80"
    ports = {"authbind_ports": (authbind_port(allowed=True, own_rules=(rule,)),)}
    wrapped = {"unit_fields": {"dropin_strategy": "authbind"}, **ports}
    gone = case(description={"state": "absent", "addresses": "10.0.0.1"}, **wrapped)
    stays = {"name": "other", "addresses": "10.0.0.2", "unit": "other.service", "strategy": "authbind"}
    account = WEB._replace(uid=uid)
    other = case(name="other", description=stays, account=account, **{**wrapped, "properties": {"Id": "other.service"}})
    file = RuleFile(path=rule, uid=990, gid=0, mode=0o500, content="")
    observation, services = together([gone, other], authbind_rules=(file,), records=())
    decided = decide(observation, [services[0]._replace(strategy="authbind"), services[1]])
    groups = removals(cases_of(observation, services), decided)
    paths = {it.path for group in groups for it in group.desired.entries}
    assert (rule not in paths) is kept
    assert "/etc/systemd/system/web.service.d/50-privport.conf" in paths


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        pytest.param({}, {"strategy": "authbind"}, "its unit is also that of service 'other'", id="one drop-in"),
        pytest.param({}, {"strategy": "setcap"}, "its program is also that of service 'other'", id="ambient cleared"),
        pytest.param({"strategy": "authbind"}, {"strategy": "setcap"}, "which gets setcap", id="preload ignored"),
        pytest.param({}, {}, "", id="the same"),
    ],
)
def test_services_that_exclude_each_other(first: Dict[str, Any], second: Dict[str, Any], told: str) -> None:
    cases = [
        case(description=first, authbind_ports=(authbind_port(),)),
        case(
            name="other", description={"name": "other", "ports": [443], **second}, authbind_ports=(authbind_port(443),)
        ),
    ]
    observation, services = together(cases)
    decision = decide(observation, services)[0]
    assert told in decision.error
    assert bool(told) is bool(decision.error)
