# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategy that has systemd bind the ports: when it fits, what it leaves to do, and what it shares with others."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import File, Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, SocketOptions
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import FAIL, PASS, UNKNOWN, Probe
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import prove
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import socket_unit
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    BINDS,
    CAP,
    ambient_process,
    case,
    codes,
    listener,
    network,
    process,
    program,
    together,
)
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    socket_unit as socket,
)

DECLARED = {"socket_activation": True}
SYSTEMD = process(pid=1, unit="init.scope", executable="/usr/lib/systemd/systemd", uid=0, uids=(0,) * 4)
HANDED = socket_unit.Handed(
    unit="web.service", ports=(Port(80),), families=(), options=SocketOptions(), program="/usr/sbin/server"
)
PATHS, NAME = socket_unit.paths("web.service"), "web.socket"
NOTHING = Installed(paths=PATHS, units=(NAME,))
REQUIRES = {"Requires": "system.slice web.socket sysinit.target"}
NGINX = "/usr/sbin/nginx"


def installed(**fields: Any) -> Dict[str, Installed]:
    return {"socket": Installed(**{"paths": PATHS, "units": (NAME,), "files": HANDED.files, **fields})}


def converged(*, owners: Tuple[Any, ...] = (process(), SYSTEMD), **changed: Any) -> Dict[str, Any]:
    """The fields of a case in which nothing is left to do, but what is changed."""
    plain: Dict[str, Any] = {
        "description": DECLARED,
        "properties": REQUIRES,
        "unit_fields": {
            "dropin_strategy": "socket",
            "dropin_text": HANDED.dropin,
            "process": process(),
        },
        "sockets": (socket("80"),),
        "listeners": (listener(*owners, address="::"),),
        "installed": installed(active=(NAME,)),
    }
    return {**plain, **changed}


def of_unit(**fields: Any) -> Dict[str, Any]:
    return {**converged()["unit_fields"], **fields}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"description": DECLARED}, ()),
        ({"description": {"strategy": "socket"}}, ()),
        ({}, ("only_when_declared",)),
        ({"description": DECLARED, "host_fields": {"systemd": None}}, ("no_systemd",)),
        ({"description": DECLARED, "unit": None}, ("no_unit",)),
        ({"description": DECLARED, "properties": {"User": ""}}, ("runs_as_root",)),
        ({"description": DECLARED, "program_fields": {"takes_sockets": False}}, ("takes_no_sockets",)),
        ({"description": DECLARED, "program_fields": {"takes_sockets": True}}, ()),
        ({"description": DECLARED, "program": None}, ()),
        ({"description": DECLARED, "not_executable": "no such file"}, ("not_executable",)),
        ({"description": DECLARED, "unit_fields": {"foreign_dropin": "/etc/x.conf"}}, ("foreign_dropin",)),
        ({"description": {**DECLARED, "socket": {"address_allow": ["::1"]}}}, ("address_allow",)),
        ({"description": {**DECLARED, "addresses": "fe80::1 ::1"}}, ("unbound_address",)),
        ({"description": {**DECLARED, "addresses": "192.0.2.1%eth0"}}, ("unbound_address",)),
        ({"description": {**DECLARED, "addresses": "fe80::1%eth0 ::1 192.0.2.1 169.254.0.1"}}, ()),
        ({"description": DECLARED, "installed": {"socket": Installed(foreign=(PATHS[0],))}}, ("foreign_socket",)),
        ({"description": DECLARED, "sockets": (socket("8080", name="admin.socket"),)}, ("foreign_socket",)),
        ({"description": DECLARED, "sockets": (socket("80", name="o.socket", triggers=("o.service",)),)}, ()),
        (converged(), ()),
        ({"description": DECLARED, "properties": {"NetworkNamespacePath": "/run/netns/a"}}, ("other_network",)),
        (
            {"description": DECLARED, "properties": {"PrivateNetwork": "yes", "JoinsNamespaceOf": "a.service"}},
            ("other_network",),
        ),
        ({"description": DECLARED, "properties": {"JoinsNamespaceOf": "a.service"}}, ()),
        (
            {
                "description": DECLARED,
                "unit_fields": {"commands": (Command(prefix="", line="/usr/bin/sudo -u web /usr/sbin/server"),)},
            },
            ("environment_lost",),
        ),
        (
            {
                "description": DECLARED,
                "properties": {"User": ""},
                "unit_fields": {"commands": (Command(prefix="", line="runuser -u web -- /usr/sbin/server"),)},
            },
            ("runs_as_root",),
        ),
        (
            {
                "description": DECLARED,
                "properties": {"User": ""},
                "unit_fields": {"commands": (Command(prefix="", line="setpriv --reuid web -- /usr/sbin/server"),)},
            },
            (),
        ),
        ({"description": DECLARED, "properties": {"SystemCallFilter": "~accept accept4"}}, ("system_calls",)),
        ({"description": DECLARED, "properties": {"SystemCallFilter": "~accept"}}, ()),
        ({"description": DECLARED, "program_fields": {"mode": 0o4755}}, ("setuid_program",)),
        ({"description": DECLARED, "interpreter": program(mode=0o4755)}, ("setuid_program",)),
        # None of these is in the way of a socket that is there already.
        *(
            ({"description": DECLARED, "properties": {name: value}}, ())
            for name, value in {
                "NoNewPrivileges": "yes",
                "DynamicUser": "yes",
                "PrivateUsers": "yes",
                "PrivateNetwork": "yes",
                "SocketBindDeny": "any",
                "RestrictAddressFamilies": "AF_UNIX",
                "CapabilityBoundingSet": "",
                "SystemCallFilter": "~bind socket listen",
            }.items()
        ),
    ],
)
def test_it_fits(fields: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    assert codes("socket", **fields) == expected


@pytest.mark.parametrize(
    ("fields", "pending"),
    [
        pytest.param(converged(), (), id="nothing"),
        pytest.param(
            {"description": DECLARED, "unit_fields": {"process": process()}}, ("socket", "restart"), id="everything"
        ),
        pytest.param(
            {"description": DECLARED, "properties": {"ActiveState": "failed"}}, ("socket", "start"), id="down"
        ),
        pytest.param(converged(installed=installed()), ("restart",), id="the socket unit does not run"),
        pytest.param(converged(owners=(SYSTEMD,)), ("restart",), id="the service has no descriptor"),
        pytest.param(converged(owners=(process(),)), ("restart",), id="it holds one of its own"),
        pytest.param(converged(listeners=(listener(known=False),)), (), id="the holders are hidden"),
        pytest.param(converged(installed=installed(active=(NAME,), unread=(NAME,))), ("socket",), id="unread"),
        pytest.param(converged(properties={}), ("socket",), id="the drop-in is not read"),
        pytest.param(
            converged(installed=installed(active=(NAME,), leftovers=("/x",))), ("socket",), id="left by a killed run"
        ),
        pytest.param(converged(unit_fields=of_unit(interrupted=True)), ("socket",), id="left of the drop-in"),
        pytest.param(converged(unit_fields=of_unit(dropin_text=AMBIENT_DROPIN)), ("socket",), id="another drop-in"),
        pytest.param(converged(unit_fields=of_unit(process=ambient_process())), ("restart",), id="an older grant"),
        pytest.param(
            converged(description={**DECLARED, "socket": {"backlog": 9}}),
            ("socket",),
            id="other settings are asked for",
        ),
        pytest.param(
            converged(
                description={**DECLARED, "ports": [80, 443]},
                installed=installed(active=(NAME,)),
            ),
            ("socket", "restart"),
            id="another port is asked for",
        ),
    ],
)
def test_it_leaves_to_do(fields: Dict[str, Any], pending: Tuple[str, ...]) -> None:
    assert STRATEGIES["socket"].pending(case(**fields)) == pending


def test_a_service_without_a_unit_has_none() -> None:
    found = case(description=DECLARED, unit=None)
    assert STRATEGIES["socket"].pending(found) == ("socket",)
    assert not STRATEGIES["socket"].granted(found)
    assert STRATEGIES["socket"].warnings(found) == ()
    assert STRATEGIES["socket"].why(found).startswith("web has systemd bind")


@pytest.mark.parametrize(
    ("fields", "granted"),
    [
        ({}, False),
        ({"installed": {"socket": NOTHING}}, False),
        ({"installed": {"socket": Installed(paths=PATHS, foreign=(PATHS[0],))}}, False),
        ({"installed": installed(files=(File(PATHS[0], text="# Managed by netbind.privport\n"),))}, True),
        ({"installed": {"socket": Installed(units=(NAME,), active=(NAME,))}}, True),
        ({"unit_fields": {"dropin_strategy": "socket"}}, True),
        ({"unit_fields": {"dropin_strategy": "ambient"}}, False),
    ],
)
def test_how_it_is_seen(fields: Dict[str, Any], granted: bool) -> None:
    assert STRATEGIES["socket"].granted(case(**fields)) is granted


def test_nginx_is_told_how_to_listen() -> None:
    commands = {"commands": (Command(prefix="", line=f"{NGINX} -g 'daemon off;'"),)}
    found = case(description={**DECLARED, "families": ["ipv4"]}, unit_fields=commands)
    (warning,) = STRATEGIES["socket"].warnings(found)
    assert "must say 'listen 0.0.0.0:80'" in warning
    assert STRATEGIES["socket"].warnings(case(description=DECLARED)) == ()


def decision(found: Case, *others: Case) -> Any:
    return decide(*together([found, *others]))[0]


@pytest.mark.parametrize(
    ("fields", "chosen", "surplus", "voiding"),
    [
        pytest.param({"description": DECLARED}, "socket", (), (), id="first of all"),
        pytest.param(converged(), "socket", (), (), id="nothing rests on what it put there"),
        pytest.param(converged(description={}), "ambient", ("socket",), ("socket",), id="no longer declared"),
        pytest.param(
            converged(description={**DECLARED, "strategy": "setcap"}),
            "setcap",
            ("socket",),
            ("socket",),
            id="to setcap",
        ),
        pytest.param(
            {"description": DECLARED, "unit_fields": {"dropin_strategy": "ambient"}},
            "socket",
            (),
            (),
            id="from ambient",
        ),
        pytest.param(
            {"description": DECLARED, "program_fields": BINDS}, "socket", ("setcap",), ("setcap",), id="from setcap"
        ),
        pytest.param(
            {"description": DECLARED, "unit_fields": {"dropin_strategy": "authbind"}},
            "socket",
            ("authbind",),
            (),
            id="from authbind",
        ),
        pytest.param(
            {"sockets": (socket("80", name="mine.socket"),), "listeners": (listener(process(), SYSTEMD),)},
            "unneeded",
            (),
            (),
            id="somebody else's hands it over",
        ),
    ],
)
def test_what_is_chosen_beside_it(
    fields: Dict[str, Any], chosen: str, surplus: Tuple[str, ...], voiding: Tuple[str, ...]
) -> None:
    found = decision(case(**fields))
    assert (found.strategy, found.surplus, found.voiding, found.error) == (chosen, surplus, voiding, "")


@pytest.mark.parametrize(
    ("owners", "retained"), [((process(), SYSTEMD), True), ((process(),), False), ((SYSTEMD,), False)]
)
def test_what_goes_after_the_proof_has_the_service_start_anew(owners: Any, retained: bool) -> None:
    """The sockets that it was handed prove nothing of a port that is free for all."""
    found = decision(case(**converged(owners=owners, network=network(unprivileged_port_start=80), description={})))
    assert (found.strategy, found.surplus, found.voiding) == ("unneeded", ("socket",), ())
    assert bool(found.retained) is retained


def test_ours_is_no_reason_to_warn() -> None:
    idle = converged(sockets=(socket("80", active=False),), installed=installed())
    assert decision(case(**idle)).warnings == ()


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"socket_activation": True}, "a unit has one socket unit; declare one service with all ports"),
        ({"strategy": "ambient"}, "a unit has one drop-in; give both the same strategy"),
        ({"strategy": "setcap"}, ""),
    ],
)
def test_two_services_of_one_unit(second: Mapping[str, Any], said: str) -> None:
    first = case(description=DECLARED)
    other = case(description={"name": "b", "ports": [81], **second}, name="b")
    error = decision(first, other).error
    assert (said in error) if said else (error == "")


V6 = listener(SYSTEMD, address="::", v6only=True)


@pytest.mark.parametrize(
    ("fields", "owner", "said"),
    [
        pytest.param(converged(), PASS, "is held by web: pid 42", id="both hold it"),
        pytest.param(converged(owners=(SYSTEMD,)), FAIL, "has not accepted it yet; look whether", id="not taken"),
        pytest.param(
            converged(owners=(SYSTEMD,), properties={**REQUIRES, "ActiveState": "inactive"}),
            UNKNOWN,
            "has not accepted it yet",
            id="not started",
        ),
        pytest.param(
            converged(listeners=(listener(process(), SYSTEMD), V6)),
            FAIL,
            "port 80 on :: is held by web.socket",
            id="one",
        ),
        pytest.param(
            {**converged(), "installed": {}, "listeners": (listener(SYSTEMD),)},
            UNKNOWN,
            "has not accepted it yet",
            id="somebody else's",
        ),
    ],
)
def test_who_has_to_hold_it(fields: Dict[str, Any], owner: str, said: str) -> None:
    (evidence,) = prove(case(**fields), probes={Port(80): Probe(connect={"::": "", "0.0.0.0": ""})})
    (check,) = [it for it in evidence.checks if it.code == "owner"]
    assert check.verdict == owner
    assert said in check.text


def test_the_proof_asks_for_no_capability() -> None:
    found = converged(unit_fields=of_unit(process=ambient_process()), owners=(ambient_process(), SYSTEMD))
    (evidence,) = prove(case(**found), probes={})
    (held,) = [it for it in evidence.checks if it.code == "held"]
    assert (evidence.strategy, held.verdict) == ("socket", FAIL)
    assert CAP in held.text
