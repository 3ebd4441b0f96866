# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hazard closes which strategy, on every measured systemd."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Set, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model import Authbind
from ansible_collections.netbind.privport.plugins.module_utils._core.strategies import STRATEGIES, ambient, authbind
from ansible_collections.netbind.privport.plugins.module_utils._core.unit import Command, render_authbind
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    AUTHBIND,
    CAP,
    SERVER,
    WEB,
    ambient_process,
    authbind_port,
    case,
    listener,
    process,
    program,
    setcap_process,
)

SYSTEMDS = (247, 252, 257)
CALLS = "bind capget capset listen prctl socket"
IMPLYING = {
    "SystemCallFilter": CALLS,
    "SystemCallArchitectures": "native",
    "SystemCallLog": "bind",
    "RestrictAddressFamilies": "AF_INET AF_INET6",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "MemoryDenyWriteExecute": "yes",
    "LockPersonality": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
}
ROOT_TEXT = {"User": ""}


def codes(name: str, **fields: Any) -> Tuple[str, ...]:
    return tuple(reason.code for reason in STRATEGIES[name].blockers(case(**fields)))


def prefixed(prefix: str) -> Dict[str, Any]:
    return {"unit_fields": {"commands": (Command(prefix=prefix, line=SERVER),)}}


def script_of(**fields: Any) -> Dict[str, Any]:
    """A script and its interpreter, of which fields tell."""
    script = program(form="script", interpreter=("/opt/lua",))
    return {"program": script, "interpreter": program(path="/opt/lua", **fields)}


BINDS = {"capability": f"{CAP}=ep", "binds": True}


def row(setcap: str, authbind: str, ambient: str, _id: str, **fields: Any) -> Any:
    """A row of the table of hazards: each strategy's reason, '' where it works all the same."""
    return pytest.param({"setcap": setcap, "authbind": authbind, "ambient": ambient}, fields, id=_id)


@pytest.mark.parametrize("systemd", SYSTEMDS)
@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        row("", "", "", "plain"),
        row("no_new_privs", "no_new_privs", "", "NoNewPrivileges", properties={"NoNewPrivileges": "yes"}),
        row("no_new_privs", "no_new_privs", "", "DynamicUser", properties={"DynamicUser": "yes"}),
        row("", "", "", "PrivateTmp", properties={"PrivateTmp": "yes"}),
        row("", "", "", "ProtectSystem", properties={"ProtectSystem": "strict"}),
        row("", "", "", "ProtectHome", properties={"ProtectHome": "yes"}),
        row(*["private_users"] * 3, "PrivateUsers", properties={"PrivateUsers": "yes"}),
        row(*["private_users"] * 3, "PrivateUsersEx", properties={"PrivateUsersEx": "identity"}),
        row(*["bounding_set"] * 3, "CapabilityBoundingSet", properties={"CapabilityBoundingSet": "cap_chown"}),
        row(*["bounding_set"] * 3, "no capability at all", properties={"CapabilityBoundingSet": ""}),
        row("program_refused", "", "", "nosuid mount", program_fields={"nosuid": True, "refusals": ("nosuid",)}),
        row("program_refused", "", "", "script", program_fields={"form": "script", "refusals": ("a script",)}),
        row("", "preload_in_vain", "", "static ELF", program_fields={"form": "elf-static"}),
        row("", "preload_in_vain", "", "Go", program_fields={"form": "go"}),
        row(*["setuid_program"] * 3, "setuid", program_fields={"mode": 0o4755}),
        row("", "setuid_program", "setuid_program", "setgid", program_fields={"mode": 0o2755}),
        row("", "", "", "setuid to the same user", program_fields={"mode": 0o6755, "uid": 990, "gid": 990}),
        row("", "other_capability", "other_capability", "other", program_fields={"capability": "cap_net_raw=ep"}),
        row("", "other_capability", "other_capability", "permitted", program_fields={"capability": "cap_net_raw=p"}),
        row("", "", "other_capability", "inheritable", program_fields={"capability": "cap_net_raw=i"}),
        row("", "setuid_program", "setuid_program", "setuid interpreter", **script_of(mode=0o4755)),
        row("", "other_capability", "other_capability", "interpreter's", **script_of(capability="cap_net_raw=ep")),
        row("", "", "other_capability", "interpreter's, empty", **script_of(capability="")),
        row("", "preload_in_vain", "", "static interpreter", **script_of(form="elf-static")),
        row("", "", "later_dropin", "ambient reset", unit_fields={"overriding": {"AmbientCapabilities": "/zz.conf"}}),
        row("", "later_dropin", "", "command reset", unit_fields={"overriding": {"ExecStart": "/zz.conf"}}),
        row("launcher", "", "", "launcher", program_fields={"path": "/usr/bin/env"}),
        row("", "secure_bits", "", "SecureBits", properties={"SecureBits": "1"}),
        row("", "", "", "other SecureBits", properties={"SecureBits": "16"}),
        row(
            "program_refused",
            "other_capability",
            "other_capability",
            "a shared interpreter's",
            program_fields={"path": "/usr/bin/python3.11", "refusals": ("an interpreter",), **BINDS},
        ),
        row("", "", "", "empty attribute, to be removed", program_fields={"capability": ""}),
        row("unchangeable", "", "", "read-only", program_fields={"obstacle": "read-only"}),
        row("", "other_capability", "other_capability", "baked in", program_fields={"obstacle": "read-only", **BINDS}),
        row(
            "unchangeable",
            "",
            "other_capability",
            "an empty attribute baked in",
            program_fields={"obstacle": "read-only", "capability": ""},
        ),
        row("", "", "", "its own capability", program_fields={"capability": f"{CAP}=ep", "binds": True}),
        row(*["private_network"] * 3, "NetworkNamespacePath", properties={"NetworkNamespacePath": "/run/netns/a"}),
        row(*["private_network"] * 3, "PrivateNetwork", properties={"PrivateNetwork": "yes"}),
        row(*["socket_bind_deny"] * 3, "SocketBindDeny", properties={"SocketBindDeny": "any"}),
        row(*["runs_as_root"] * 3, "no User", properties={"User": ""}),
        row(*["runs_as_root"] * 3, "User=root", properties={"User": "root"}),
        row(*["runs_as_root"] * 3, "User=0", properties={"User": "0"}),
        row(*["runs_as_root"] * 3, "plus", **prefixed("+")),
        row(*["runs_as_root"] * 3, "exclamation", **prefixed("-!")),
        row("", "", "", "double exclamation", **prefixed("!!")),
        row("", "", "", "minus and colon", **prefixed("-:")),
        row("", "command_prefix", "", "at", **prefixed("@")),
        row("", "", "no_unit", "no unit", unit=None, description={"strategy": "authbind"}),
        row("", "no_unit", "no_unit", "no unit, auto", unit=None),
        row("no_program", "", "", "no program", program=None),
        row("", "no_user", "", "no account", account=None),
        row("", "no_command", "", "no command", unit_fields={"commands": ()}),
        row(*["other_user"] * 3, "runs as another", properties={"User": "www"}),
        row("", "", "", "User by number", properties={"User": "990"}),
        row("", "rules", "", "closed by a rule", authbind_ports=(authbind_port(refusal="not executable"),)),
    ],
)
def test_hazards(expected: Dict[str, str], fields: Dict[str, Any], systemd: int) -> None:
    found = {name: codes(name, **fields, host_fields={"systemd": systemd}) for name in expected}
    assert found == {name: ((code,) if code else ()) for name, code in expected.items()}


@pytest.mark.parametrize("name", IMPLYING)
@pytest.mark.parametrize("systemd", SYSTEMDS)
def test_implied_no_new_privs(name: str, systemd: int) -> None:
    fields = {"properties": {name: IMPLYING[name]}, "host_fields": {"systemd": systemd}}
    expected = () if systemd == 257 else ("implied_no_new_privs",)
    assert codes("setcap", **fields) == codes("authbind", **fields) == expected
    assert codes("ambient", **fields) == ()


@pytest.mark.parametrize(
    ("properties", "unit_fields", "refused"),
    [
        pytest.param({"AmbientCapabilities": "cap_chown"}, {}, {"authbind"}, id="ambient capabilities of its own"),
        pytest.param({"AmbientCapabilities": CAP}, {}, set(), id="that capability of its own"),
        pytest.param(
            {"AmbientCapabilities": CAP}, {"dropin_strategy": "ambient"}, {"setcap", "authbind"}, id="ours, which goes"
        ),
    ],
)
@pytest.mark.parametrize(("by", "code"), [("LockPersonality", "implied_"), ("NoNewPrivileges", "")])
def test_what_lifts_no_new_privs(
    by: str, code: str, properties: Dict[str, str], unit_fields: Dict[str, Any], refused: Set[str]
) -> None:
    fields = {"properties": {by: "yes", **properties}, "unit_fields": unit_fields}
    assert {name for name in ("setcap", "authbind") if f"{code}no_new_privs" in codes(name, **fields)} == refused


@pytest.mark.parametrize("value", ["~capset", "~capget:EPERM", "~prctl", CALLS.replace("capset", "capset2")])
@pytest.mark.parametrize("systemd", SYSTEMDS)
def test_a_filter_that_still_implies_no_new_privs(value: str, systemd: int) -> None:
    fields = {"properties": {"SystemCallFilter": value}, "host_fields": {"systemd": systemd}}
    assert codes("setcap", **fields) == codes("authbind", **fields) == ("implied_no_new_privs",)
    assert codes("ambient", **fields) == ()


@pytest.mark.parametrize(
    "properties", [{"LockPersonality": "yes", "User": "root"}, {"LockPersonality": "no", "SystemCallFilter": "~"}]
)
def test_what_does_not_imply_no_new_privs(properties: Dict[str, str]) -> None:
    assert "implied_no_new_privs" not in codes("setcap", properties=properties)


@pytest.mark.parametrize(
    ("value", "closed"),
    [
        ("~", False),
        ("~bind", True),
        ("~connect listen:EPERM", True),
        ("~connect:EPERM rebind", False),
        (CALLS, False),
        (CALLS.replace("bind", "connect"), True),
        (CALLS.replace("bind", "bind:EPERM"), False),
    ],
)
@pytest.mark.parametrize("name", ["setcap", "authbind", "ambient"])
def test_system_calls(name: str, value: str, closed: bool) -> None:
    fields = {"properties": {"SystemCallFilter": value}, "host_fields": {"systemd": 257}}
    assert codes(name, **fields) == (("system_calls",) if closed else ())


@pytest.mark.parametrize(
    ("features", "closed"), [(("-BPF_FRAMEWORK",), False), (("+BPF_FRAMEWORK",), True), ((), True)]
)
def test_a_systemd_that_ignores_socket_bind_deny(features: Tuple[str, ...], closed: bool) -> None:
    fields = {"properties": {"SocketBindDeny": "any"}, "host_fields": {"systemd_features": features}}
    assert codes("ambient", **fields) == (("socket_bind_deny",) if closed else ())


@pytest.mark.parametrize(
    ("value", "closed"),
    [
        ("~", False),
        ("~AF_UNIX", False),
        ("~AF_INET", False),
        ("~AF_INET AF_INET6", True),
        ("AF_UNIX AF_NETLINK", True),
        ("AF_INET", False),
        ("AF_UNIX AF_INET6", False),
        pytest.param("", True, id="none"),
    ],
)
@pytest.mark.parametrize("name", ["setcap", "authbind", "ambient"])
def test_address_families(name: str, value: str, closed: bool) -> None:
    fields = {"properties": {"RestrictAddressFamilies": value}, "host_fields": {"systemd": 257}}
    assert codes(name, **fields) == (("address_families",) if closed else ())


@pytest.mark.parametrize(
    ("deny", "allow", "closed"),
    [
        # As systemctl prints them, without the last colon, and as systemd.resource-control(5) writes them.
        ("any", "", True),
        ("ipv4:tcpany", "", True),
        ("ipv4:tcp:any", "", True),
        ("tcp80", "", True),
        ("tcp:80-90", "", True),
        ("udp80-90", "", False),
        ("70-79", "", False),
        ("443\n79-81", "", True),
        ("any", "80", False),
        ("any", "ipv4:tcp80", False),
        ("any", "443", True),
        ("any", "udp80", True),
        ("of some later form", "", True),
        ("any", "of some later form", True),
        ("", "443", False),
    ],
)
@pytest.mark.parametrize("ports", [[80], ["80/udp"]])
def test_socket_bind_deny(deny: str, allow: str, closed: bool, ports: Any) -> None:
    if ports == ["80/udp"]:
        # The table is written for TCP.
        closed = {"ipv4:tcpany": False, "ipv4:tcp:any": False, "tcp80": False, "tcp:80-90": False}.get(deny, closed)
        closed = {("udp80-90", ""): True, ("any", "ipv4:tcp80"): True, ("any", "udp80"): False}.get(
            (deny, allow), closed
        )
    fields = {"properties": {"SocketBindDeny": deny, "SocketBindAllow": allow}, "description": {"ports": ports}}
    assert codes("ambient", **fields) == (("socket_bind_deny",) if closed else ())


@pytest.mark.parametrize(
    ("start", "ports", "expected"),
    [
        (1024, [80], ("privileged",)),
        (80, [80, 443], ()),
        (81, [80, 443], ("privileged",)),
        (0, [1], ()),
        (2048, [1500], ("privileged",)),
        (2048, [2048], ()),
        (None, [1024], ()),
        (None, [1023], ("privileged",)),
    ],
)
def test_unneeded_asks_the_host(start: int, ports: Any, expected: Tuple[str, ...]) -> None:
    assert codes("unneeded", host_fields={"unprivileged_port_start": start}, description={"ports": ports}) == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"PrivateNetwork": "yes"}, ("private_network",)),
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
            {"properties": GRANTED, "unit_fields": {**OURS, "process": process()}}, ("restart",), id="not restarted"
        ),
        pytest.param({"unit_fields": {**OURS, "process": process()}}, ("dropin", "restart"), id="not in force"),
        pytest.param(
            {"unit_fields": {**OURS, "process": ambient_process()}, "properties": {}}, ("dropin",), id="lost on disk"
        ),
        pytest.param({"properties": GRANTED, "unit_fields": OURS}, (), id="no process to look at, nothing changes"),
        pytest.param({}, ("dropin", "restart"), id="no process to look at"),
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


def wrapped(**unit_fields: Any) -> Dict[str, Any]:
    return {**WRAPPED, "unit_fields": {**WRAPPED["unit_fields"], **unit_fields}}


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        pytest.param({"unit_fields": {"process": process()}}, ("rules", "dropin", "restart"), id="nothing granted"),
        pytest.param({**wrapped(process=process(authbind=True)), **ALLOWED}, (), id="converged"),
        pytest.param({**wrapped(process=process()), **ALLOWED}, ("restart",), id="started without authbind"),
        pytest.param({**wrapped(process=process(authbind=None)), **ALLOWED}, (), id="closed to us"),
        pytest.param(wrapped(process=process(authbind=True)), ("rules", "restart"), id="was refused its port"),
        pytest.param(
            {**wrapped(process=process(authbind=True)), "listeners": (listener(process()),)},
            ("rules",),
            id="listens already",
        ),
        pytest.param({**ALLOWED, "unit": None}, (), id="no unit"),
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
        ("ambient", {"unit": None}, False),
        ("setcap", {"program_fields": BINDS}, True),
        ("setcap", {"program_fields": {"capability": f"{CAP}=i"}}, True),
        ("setcap", {"program_fields": {"capability": "cap_net_raw=ep"}}, False),
        ("setcap", {"program_fields": {"capability": None}}, False),
        ("setcap", {"program": None}, False),
        ("setcap", {"program_fields": {"path": "/usr/bin/python3.11", **BINDS}}, False),
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
    ("name", "found", "held"),
    [
        ("unneeded", process(), True),
        ("ambient", ambient_process(), True),
        ("ambient", setcap_process(), False),
        ("setcap", setcap_process(), True),
        ("setcap", ambient_process(), False),
        ("setcap", process(permitted=(CAP,)), False),
        ("authbind", process(authbind=True), True),
        ("authbind", process(authbind=False), False),
        ("authbind", process(authbind=None), None),
    ],
)
def test_holds(name: str, found: Any, held: Any) -> None:
    assert STRATEGIES[name].holds(found) is held


@pytest.mark.parametrize(
    ("name", "fields", "part"),
    [
        ("unneeded", {"host_fields": {"unprivileged_port_start": 0}}, "ip_unprivileged_port_start=0"),
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
        ("setcap", {"program_fields": {"warnings": ("wide",)}}, ("wide",)),
        ("setcap", {"program": None}, ()),
        ("authbind", {"authbind_ports": (authbind_port(warnings=("open",)),)}, ("open",)),
        ("ambient", {}, ()),
        ("unneeded", {}, ()),
    ],
)
def test_warnings(name: str, fields: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    assert STRATEGIES[name].warnings(case(**fields)) == expected


def test_authbind_without_a_unit_says_who_must_start_it() -> None:
    assert "yourself" in STRATEGIES["authbind"].warnings(case(unit=None))[0]
