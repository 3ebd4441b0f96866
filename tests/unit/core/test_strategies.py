# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each strategy asks of a host, what it leaves to do, and how its grants are seen."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies import ambient, authbind
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Authbind, Process
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    render_ambient,
    render_authbind,
)
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    AUTHBIND,
    BIND,
    BINDS,
    CAP,
    SERVER,
    WEB,
    ambient_process,
    authbind_port,
    case,
    codes,
    doubts,
    listener,
    network,
    prefixed,
    process,
    setcap_process,
    socket_unit,
)

ROOT_TEXT = {"User": ""}
OPEN_TO_ALL = (
    f"{SERVER} has mode 0755: every user who can execute it gets {CAP} with it; a group of the service's own and mode "
    "0750 keep it to the service"
)
TAKEN = (listener(process()), listener(process(), port=443))


@pytest.mark.parametrize(
    ("start", "ports", "expected"),
    [
        (1024, [80], ("privileged",)),
        (80, [80, 443], ()),
        (81, [80, 443], ("privileged",)),
        (0, [1], ()),
        (2048, [1500], ("privileged",)),
        (2048, [2048], ()),
    ],
)
def test_unneeded_asks_where_the_service_runs(start: int, ports: Any, expected: Tuple[str, ...]) -> None:
    description = {"ports": ports}
    assert codes("unneeded", host_fields={"unprivileged_port_start": start}, description=description) == expected
    there = network(is_host=False, path="/run/netns/a", unprivileged_port_start=start)
    assert codes("unneeded", network=there, description=description) == expected


@pytest.mark.parametrize(("port", "expected"), [(1023, ("privileged",)), (1024, ())])
def test_unneeded_does_not_know_who_may_bind(port: int, expected: Tuple[str, ...]) -> None:
    fields = {"network": network(unprivileged_port_start=None), "description": {"ports": [port]}}
    assert (codes("unneeded", **fields), doubts("unneeded", **fields)) == ((), expected)


@pytest.mark.parametrize(
    ("sockets", "listeners", "found"),
    [
        pytest.param((), (), ("privileged",), id="none"),
        pytest.param((socket_unit("80", "443"),), TAKEN, (), id="all are handed over"),
        pytest.param((socket_unit("80"),), TAKEN, ("privileged",), id="some are not"),
        pytest.param((socket_unit("80", "443/udp"),), TAKEN, ("privileged",), id="another protocol"),
        pytest.param((socket_unit("80", "443", active=False),), TAKEN, ("privileged",), id="it does not run"),
        pytest.param((socket_unit("80", "443", accept=True),), TAKEN, ("privileged",), id="one for each connection"),
        pytest.param((socket_unit("80", "443", triggers=("a.service",)),), TAKEN, ("privileged",), id="another's"),
        pytest.param((socket_unit("80", "443"),), (), ("socket_activation",) * 1, id="not taken yet"),
    ],
)
def test_sockets_that_systemd_hands_over(sockets: Any, listeners: Any, found: Tuple[str, ...]) -> None:
    fields = {"sockets": sockets, "listeners": listeners, "description": {"ports": [80, 443]}}
    assert codes("unneeded", **fields) + doubts("unneeded", **fields) == found


@pytest.mark.parametrize(
    "properties",
    [
        {"RestrictAddressFamilies": ""},
        {"SystemCallFilter": "~bind listen socket"},
        {"SocketBindDeny": "any"},
        {"PrivateNetwork": "yes"},
    ],
)
@pytest.mark.parametrize(("ports", "in_the_way"), [(["80"], True), (["80", "8080"], False)])
def test_what_is_in_the_way_of_a_bind_is_nothing_to_a_handed_socket(
    properties: Dict[str, str], ports: Any, in_the_way: bool
) -> None:
    description = {"ports": [80, 8080], "socket_activation": True}
    found = codes("unneeded", sockets=(socket_unit(*ports),), description=description, properties=properties)
    assert bool(found) is in_the_way


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"PrivateNetwork": "yes"}, ("private_network",)),
        ({"PrivateNetwork": "yes", "JoinsNamespaceOf": "a.service"}, ()),
        ({"RestrictAddressFamilies": "AF_UNIX"}, ("address_families",)),
        ({"SocketBindDeny": "8080"}, ("socket_bind_deny",)),
        ({"PrivateUsers": "yes", "NoNewPrivileges": "yes", "CapabilityBoundingSet": ""}, ()),
    ],
)
def test_what_closes_an_open_port(properties: Dict[str, str], expected: Tuple[str, ...]) -> None:
    assert codes("unneeded", properties=properties, description={"ports": [8080]}) == expected


@pytest.mark.parametrize(
    ("host_fields", "expected"),
    [
        ({"systemd": None}, ("no_systemd",)),
        ({"systemd": 228}, ("old_systemd",)),
        ({"systemd": 229}, ()),
    ],
)
def test_ambient_needs_systemd(host_fields: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    assert codes("ambient", host_fields=host_fields) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, ("no_authbind",)),
        (Authbind(program=AUTHBIND, helper_setuid=False, helper_nosuid=False), ("authbind_helper",)),
        (Authbind(program=AUTHBIND, helper_setuid=True, helper_nosuid=True), ("authbind_helper",)),
    ],
)
def test_authbind_needs_its_helper(found: Any, expected: Tuple[str, ...]) -> None:
    assert codes("authbind", host_fields={"authbind": found}) == expected


def test_authbind_ends_at_1023() -> None:
    fields = {"host_fields": {"unprivileged_port_start": 2048}}
    assert codes("authbind", description={"ports": [1023]}, **fields) == ()
    assert codes("authbind", description={"ports": [1024]}, **fields) == ("high_port",)


@pytest.mark.parametrize(
    ("user", "properties", "prefix", "expected"),
    [
        ("web", ROOT_TEXT, "", ()),
        ("root", ROOT_TEXT, "", ("runs_as_root",)),
        ("web", ROOT_TEXT, "+", ("runs_as_root",)),
        ("web", {"User": "www"}, "", ("other_user",)),
    ],
)
def test_ambient_can_set_the_user(
    user: str, properties: Mapping[str, str], prefix: str, expected: Tuple[str, ...]
) -> None:
    fields = {"properties": properties, "description": {"user": user}, **prefixed(prefix)}
    assert codes("ambient", **fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"properties": ROOT_TEXT, "description": {"user": "web"}}, "web"),
        ({"properties": {"User": "web"}, "description": {"user": "web"}}, ""),
        (
            {"description": {"user": "web"}, "unit_fields": {"dropin_strategy": "ambient", "dropin_user": "web"}},
            "web",
        ),
        ({"properties": ROOT_TEXT}, ""),
        ({"unit": None, "description": {"user": "web"}}, ""),
    ],
)
def test_the_user_that_ambient_sets(fields: Dict[str, Any], expected: str) -> None:
    assert ambient.unit_user(case(**fields)) == expected


GRANTED = {"AmbientCapabilities": CAP}
OURS = {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN}
STOPPED = {"ActiveState": "inactive"}


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        pytest.param({"unit_fields": {"process": process()}}, ("dropin", "restart"), id="nothing granted"),
        pytest.param({"properties": STOPPED}, ("dropin", "start"), id="nothing runs"),
        pytest.param(
            {"properties": GRANTED, "unit_fields": {**OURS, "process": ambient_process()}}, (), id="converged"
        ),
        pytest.param(
            {"properties": GRANTED, "unit_fields": {"process": ambient_process()}}, (), id="the unit's own grant"
        ),
        pytest.param(
            {"properties": GRANTED, "unit_fields": {"process": ambient_process(), "interrupted": True}},
            ("dropin",),
            id="what systemd has not yet been told is gone",
        ),
        pytest.param(
            {"properties": GRANTED, "unit_fields": {**OURS, "process": ambient_process(), "interrupted": True}},
            ("dropin",),
            id="a killed run left something",
        ),
        pytest.param(
            {"properties": GRANTED, "unit_fields": {**OURS, "process": process()}}, ("restart",), id="not restarted"
        ),
        pytest.param({"unit_fields": {**OURS, "process": process()}}, ("dropin", "restart"), id="not in force"),
        pytest.param(
            {"unit_fields": {**OURS, "process": ambient_process()}, "properties": {}}, ("dropin",), id="lost on disk"
        ),
        pytest.param(
            {"properties": GRANTED, "unit_fields": OURS},
            ("restart",),
            id="no process to look at: written by a run that was interrupted before the restart",
        ),
        pytest.param({}, ("dropin", "restart"), id="no process to look at"),
        pytest.param(
            {"properties": GRANTED, "unit_fields": OURS, "listeners": (listener(ambient_process()),)},
            (),
            id="no main process, and who listens has it",
        ),
        pytest.param(
            {"properties": GRANTED, "unit_fields": OURS, "listeners": (listener(process()),)},
            (),
            id="no main process, and who listens gave it up",
        ),
        pytest.param(
            {"properties": GRANTED, "unit_fields": {**OURS, "process": process()}, "listeners": (listener(process()),)},
            (),
            id="it listens, and gave it up",
        ),
        pytest.param(
            {
                "properties": GRANTED,
                "unit_fields": {**OURS, "process": process()},
                "listeners": (listener(process(unit="other.service")),),
            },
            ("restart",),
            id="another listens",
        ),
        pytest.param(
            {
                "description": {"user": "web"},
                "properties": GRANTED,
                "unit_fields": {
                    **OURS,
                    "dropin_text": render_ambient(capabilities=[CAP], user="web"),
                    "dropin_user": "web",
                    "process": process(uid=0),
                },
                "listeners": (listener(process(uid=0)),),
            },
            ("restart",),
            id="it listens as another user",
        ),
        pytest.param(
            {
                "description": {"user": "web"},
                "properties": {**GRANTED, "User": ""},
                "unit_fields": {"process": ambient_process(uid=0)},
            },
            ("dropin", "restart"),
            id="root with the capability, and a user declared",
        ),
        pytest.param(
            {
                "properties": GRANTED,
                "unit_fields": {**OURS, "dropin_text": AMBIENT_DROPIN + "Nice=1\n", "process": ambient_process()},
            },
            ("dropin",),
            id="edited by hand",
        ),
        pytest.param({"unit": None}, ("dropin",), id="no unit"),
    ],
)
def test_pending_of_ambient(fields: Dict[str, Any], steps: Tuple[str, ...]) -> None:
    assert STRATEGIES["ambient"].pending(case(**fields)) == steps


@pytest.mark.parametrize(("found", "steps"), [(process(), ("restart",)), (ambient_process(), ())])
def test_what_this_run_granted_is_in_no_process_that_does_not_show_it(found: Process, steps: Tuple[str, ...]) -> None:
    serving = case(properties=GRANTED, unit_fields={**OURS, "process": found}, listeners=(listener(found),))
    assert STRATEGIES["ambient"].pending(serving) == ()
    assert STRATEGIES["ambient"].pending(serving._replace(granted_now=True)) == steps


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({"unit_fields": {"process": process()}}, ("xattr", "restart")),
        ({"program_fields": BINDS, "unit_fields": {"process": setcap_process()}}, ()),
        ({"program_fields": BINDS, "unit_fields": {"process": process()}}, ("restart",)),
        ({"program_fields": BINDS, "unit_fields": {"process": ambient_process()}}, ("restart",)),
        ({"program_fields": BINDS, "unit": None}, ()),
        ({"program": None, "unit": None}, ("xattr",)),
    ],
)
def test_pending_of_setcap(fields: Dict[str, Any], steps: Tuple[str, ...]) -> None:
    assert STRATEGIES["setcap"].pending(case(**fields)) == steps


WRAPPED = {
    "properties": {"ExecStart": f"{{ path={AUTHBIND} ; argv[]={AUTHBIND} {SERVER} ; status=0/0 }}"},
    "unit_fields": {
        "dropin_strategy": "authbind",
        "dropin_text": render_authbind(program=AUTHBIND, commands=[Command("", SERVER)], deep=False),
    },
}
ALLOWED = {"authbind_ports": (authbind_port(allowed=True, own_rules=("/etc/authbind/byport/80",)),)}


def children_of(path: str) -> str:
    return f"every program that {path} starts in web.service gets {CAP} as well"


def wrapped(**unit_fields: Any) -> Dict[str, Any]:
    return {**WRAPPED, "unit_fields": {**WRAPPED["unit_fields"], **unit_fields}}


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        pytest.param({"unit_fields": {"process": process()}}, ("rules", "dropin", "restart"), id="nothing granted"),
        pytest.param({**wrapped(process=process(authbind=True)), **ALLOWED}, (), id="converged"),
        pytest.param({**wrapped(process=process()), **ALLOWED}, ("restart",), id="started without authbind"),
        pytest.param(
            {**wrapped(process=process(authbind=None)), **ALLOWED, "listeners": (listener(known=False),)},
            (),
            id="closed to us",
        ),
        pytest.param(wrapped(process=process(authbind=True)), ("rules", "restart"), id="was refused its port"),
        pytest.param(
            {**wrapped(process=process(authbind=True)), "listeners": (listener(process()),)},
            ("rules",),
            id="listens already",
        ),
        pytest.param({**ALLOWED, "unit": None}, (), id="no unit"),
        pytest.param(
            {**wrapped(process=process(authbind=True), interrupted=True), **ALLOWED},
            ("dropin",),
            id="a killed run left something",
        ),
        pytest.param({**ALLOWED, "host_fields": {"authbind": None}}, ("dropin", "restart"), id="no authbind"),
    ],
)
def test_pending_of_authbind(fields: Dict[str, Any], steps: Tuple[str, ...]) -> None:
    assert STRATEGIES["authbind"].pending(case(**fields)) == steps


@pytest.mark.parametrize(
    ("command", "form", "deep"),
    [
        (SERVER, "elf-dynamic", False),
        (SERVER, "script", True),
        (f"/usr/bin/env {SERVER}", "elf-dynamic", True),
        (f"/bin/sh -c 'exec {SERVER}'", "elf-dynamic", True),
        ("/usr/bin/python3 /srv/app.py", "elf-dynamic", False),
        ("", "elf-dynamic", False),
    ],
)
def test_authbind_goes_deep_for_wrappers(command: str, form: str, deep: bool) -> None:
    commands = (Command("", command),) if command else ()
    judged = case(unit_fields={"commands": commands}, program_fields={"form": form})
    assert authbind.deep(judged) is deep


@pytest.mark.parametrize(
    ("name", "fields", "granted"),
    [
        ("unneeded", {}, False),
        ("ambient", {"unit_fields": {"dropin_strategy": "ambient"}}, True),
        ("ambient", {"properties": GRANTED}, False),
        ("ambient", {"unit_fields": {"interrupted": True}}, True),
        ("ambient", {"unit": None}, False),
        ("setcap", {"program_fields": BINDS}, True),
        ("setcap", {"program_fields": {"capability": f"{CAP}=i"}}, True),
        ("setcap", {"program_fields": {"capability": "cap_net_raw=ep"}}, False),
        ("setcap", {"program_fields": {"capability": None}}, False),
        ("setcap", {"program": None}, False),
        ("setcap", {"program_fields": {"path": "/usr/bin/python3.11", "attribute": BIND, **BINDS}}, False),
        pytest.param(
            "setcap",
            {"program_fields": {"path": "/opt/web/python3", "mode": 0o750, **BINDS}},
            True,
            id="an interpreter of its own",
        ),
        pytest.param("setcap", {"program_fields": {"capability": ""}}, True, id="empty breaks ambient"),
        pytest.param(
            "setcap",
            {"program_fields": {"path": "/usr/bin/python3.11", "capability": ""}},
            True,
            id="interpreter's too",
        ),
        ("authbind", ALLOWED, True),
        ("authbind", wrapped(), True),
        ("authbind", {}, False),
    ],
)
def test_granted(name: str, fields: Dict[str, Any], granted: bool) -> None:
    assert STRATEGIES[name].granted(case(**fields)) is granted


@pytest.mark.parametrize(
    ("name", "fields", "part"),
    [
        ("unneeded", {"host_fields": {"unprivileged_port_start": 0}}, "ip_unprivileged_port_start=0"),
        (
            "unneeded",
            {"network": network(is_host=False, path="/run/netns/a", unprivileged_port_start=80)},
            "ip_unprivileged_port_start=80 in /run/netns/a",
        ),
        ("unneeded", {"sockets": (socket_unit("80"),)}, "web.socket binds port 80 for it"),
        ("ambient", {}, "a drop-in gives cap_net_bind_service to web.service alone"),
        ("ambient", {"properties": GRANTED}, "web.service itself grants"),
        ("ambient", {"unit": None}, "to web alone"),
        ("setcap", {}, SERVER),
        ("setcap", {"program": None}, "its program"),
        ("authbind", {"account": WEB}, "user web"),
        ("authbind", {"account": None}, "user ?"),
    ],
)
def test_why(name: str, fields: Dict[str, Any], part: str) -> None:
    assert part in STRATEGIES[name].why(case(**fields))


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("setcap", {"program_fields": {"warnings": ("wide",), "mode": 0o750}}, ("wide",)),
        ("setcap", {"program_fields": {"warnings": ("wide",)}}, ("wide", OPEN_TO_ALL)),
        ("setcap", {"program": None}, ()),
        ("authbind", {"authbind_ports": (authbind_port(warnings=("open",)),)}, ("open",)),
        ("ambient", {}, ()),
        ("ambient", {"unit": None}, ()),
        ("ambient", {"program": None}, ()),
        (
            "ambient",
            {"properties": ROOT_TEXT, "description": {"user": "web"}},
            ("its program runs as web from the start: what it did as root later, such as chroot(2), fails now",),
        ),
        ("ambient", {"program_fields": {"form": "script"}}, (children_of(SERVER),)),
        ("ambient", {"program_fields": {"path": "/bin/sh"}}, (children_of("/bin/sh"),)),
        ("ambient", {"program_fields": {"path": "/usr/bin/env"}}, (children_of("/usr/bin/env"),)),
        ("unneeded", {}, ()),
    ],
)
def test_warnings(name: str, fields: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    assert STRATEGIES[name].warnings(case(**fields)) == expected


def test_authbind_without_a_unit_says_who_must_start_it() -> None:
    assert "yourself" in STRATEGIES["authbind"].warnings(case(unit=None))[0]


@pytest.mark.parametrize(
    ("kept", "keep", "steps"),
    [
        ("no", None, ()),
        ("no", False, ()),
        ("no", True, ("keep",)),
        ("in part", True, ("keep",)),
        ("in part", False, ("keep",)),
        ("yes", True, ()),
        ("yes", False, ("keep",)),
        ("yes", None, ()),
    ],
)
def test_pending_of_what_an_upgrade_takes(kept: str, keep: Optional[bool], steps: Tuple[str, ...]) -> None:
    judged = case(program_fields={**BINDS, "kept": kept}, unit_fields={"process": setcap_process()})
    judged = judged._replace(service=judged.service._replace(keep=keep))
    assert STRATEGIES["setcap"].pending(judged) == steps


def test_units_that_keep_a_capability_are_a_grant() -> None:
    fields = {"program_fields": {"capability": None, "kept": "in part"}}
    assert STRATEGIES["setcap"].granted(case(**fields))
