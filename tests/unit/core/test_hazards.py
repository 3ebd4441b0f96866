# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hazard closes which strategy, on every measured systemd."""

from __future__ import annotations

from typing import Any, Dict, Set, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import format_xattr, parse_text
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    BINDS,
    CAP,
    SERVER,
    authbind_port,
    beside,
    case,
    codes,
    doubts,
    network,
    prefixed,
    process,
    program,
    started,
    unit,
)

HERE = format_xattr(parse_text(f"{CAP}=ep")).hex()
ELSEWHERE = format_xattr(parse_text(f"{CAP}=ep")._replace(rootid=1000)).hex()
SYSTEMDS = (247, 252, 257)
CALLS = "bind capget capset clone execve listen prctl socket wait4"
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


def script_of(**fields: Any) -> Dict[str, Any]:
    """A script and its interpreter, of which fields tell."""
    script = program(form="script", interpreter=("/opt/lua",))
    return {"program": script, "interpreter": program(path="/opt/lua", **fields)}


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
        row(*["private_users"] * 3, "UserNamespacePath", properties={"UserNamespacePath": "/run/userns"}),
        # As systemd 262 shows net, no and unset.
        row(*["private_users"] * 3, "DelegateNamespaces", properties={"DelegateNamespaces": "1073741824"}),
        row(*["private_users"] * 3, "DelegateNamespaces", properties={"DelegateNamespaces": "0"}),
        row("", "", "", "no DelegateNamespaces", properties={"DelegateNamespaces": "18446744073709551615"}),
        row(*["user_namespace"] * 3, "unshare", **started("unshare --user /a")),
        row("user_namespace", "user_namespace", "user_namespace", "podman", **started("podman run web")),
        row("launcher", "", "", "flock", **started("flock /a /b"), program_fields={"path": "/usr/bin/flock"}),
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
        row("", "", "", "its own User= in a later drop-in", unit_fields={"overriding": {"User": "/zz.conf"}}),
        row("", "later_dropin", "", "command reset", unit_fields={"overriding": {"ExecStart": "/zz.conf"}}),
        row("launcher", "", "", "launcher", program_fields={"path": "/usr/bin/env"}),
        row("", *["capability_at_start"] * 2, "setcap at start", **beside(f"+/sbin/setcap {CAP}=ep {SERVER}")),
        row("", *["capability_at_start"] * 2, "behind sh", **beside(f"+sh -c 'setcap {CAP}=ep {SERVER}'")),
        row("capability_at_start", "", "", "setcap -r at start", **beside(f"+setcap -r {SERVER}")),
        row("", "", "", "setcap of another program", **beside(f"+setcap {CAP}=ep {SERVER}2")),
        row("", "", "", "another command", **beside(f"+mkdir {SERVER}")),
        row("", "secure_bits", "", "SecureBits", properties={"SecureBits": "1"}),
        row("", "secure_bits", "", "SecureBits, ambient", properties={"SecureBits": "1", "AmbientCapabilities": CAP}),
        row(
            "",
            "",
            "",
            "SecureBits, no_new_privs, ambient",
            properties={"SecureBits": "1", "AmbientCapabilities": CAP, "NoNewPrivileges": "yes"},
        ),
        row("", "", "", "other SecureBits", properties={"SecureBits": "16"}),
        row(
            "",
            "other_capability",
            "other_capability",
            "a shared interpreter's",
            program_fields={"path": "/usr/bin/python3.11", "refusals": ("an interpreter",), "attribute": HERE, **BINDS},
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
        row("", "", "", "NetworkNamespacePath", properties={"NetworkNamespacePath": "/run/netns/a"}),
        row("", "", "", "a shared network", properties={"PrivateNetwork": "yes", "JoinsNamespaceOf": "a.service"}),
        row(
            "", "", "", "NetworkNamespacePath wins", properties={"PrivateNetwork": "yes", "NetworkNamespacePath": "/a"}
        ),
        row("", "", "drops_privileges", "runuser", **started("runuser -u web -- /a", user="")),
        row("", "environment_lost", "drops_privileges", "sudo", **started("sudo -u web /a", user="")),
        row(*["runs_as_root"] * 3, "runuser to root", **started("runuser -u root /a", user="")),
        row(*["runs_as_root"] * 3, "env of root", **started("env A=b /a", user="")),
        row("", "", "", "env", **started("env A=b /a")),
        row("", "environment_lost", "", "env -i", **started("env -i /a")),
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
        row(*["no_account"] * 3, "no account", account=None),
        row(*["not_executable"] * 3, "hidden", not_executable="ProtectHome=yes hides it"),
        row("", "authbind_closed", "", "authbind hidden", authbind_closed="InaccessiblePaths=/etc/authbind hides it"),
        row("", "foreign_dropin", "foreign_dropin", "another's drop-in", unit_fields={"foreign_dropin": "/a.conf"}),
        row("", "no_command", "", "no command", unit_fields={"commands": ()}),
        row(*["other_user"] * 3, "runs as another", properties={"User": "www"}),
        row("", "", "", "User by number", properties={"User": "990"}),
        row("", "rules", "", "closed by a rule", authbind_ports=(authbind_port(refusal="not executable"),)),
    ],
)
def test_hazards(expected: Dict[str, str], fields: Dict[str, Any], systemd: int) -> None:
    found = {name: codes(name, **fields, host_fields={"systemd": systemd}) for name in expected}
    assert found == {name: ((code,) if code else ()) for name, code in expected.items()}


@pytest.mark.parametrize(
    ("keep", "fields", "expected"),
    [
        pytest.param(None, {"attribute": ELSEWHERE}, ("other_namespace",), id="a capability for another namespace"),
        pytest.param(None, {"attribute": HERE}, (), id="one for all of them"),
        pytest.param(None, {"unkept": "not for root alone to write"}, (), id="nothing is to be kept"),
        pytest.param(False, {"unkept": "not for root alone to write"}, (), id="nothing is to be kept, as was said"),
        pytest.param(True, {"unkept": "not for root alone to write"}, ("not_kept",), id="it cannot be kept"),
        pytest.param(True, {}, (), id="it can be kept"),
    ],
)
def test_a_capability_that_would_not_stay(keep: Any, fields: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    judged = case(program_fields=fields)
    judged = judged._replace(service=judged.service._replace(keep=keep))
    assert tuple(it.code for it in STRATEGIES["setcap"].blockers(judged)) == expected


def test_nothing_keeps_a_capability_without_systemd() -> None:
    judged = case(host_fields={"systemd": None}, unit=None)
    judged = judged._replace(service=judged.service._replace(keep=True))
    assert [it.code for it in STRATEGIES["setcap"].blockers(judged)] == ["not_kept"]


def test_rules_need_a_user() -> None:
    assert codes("authbind", account=None, properties={"User": ""}) == ("no_user", "runs_as_root")
    assert codes("authbind", account=None, unit=None, description={"strategy": "authbind"}) == ("no_user",)


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
            {"AmbientCapabilities": CAP}, {"dropin_text": AMBIENT_DROPIN}, {"setcap", "authbind"}, id="ours, which goes"
        ),
    ],
)
@pytest.mark.parametrize(("by", "code"), [("LockPersonality", "implied_"), ("NoNewPrivileges", "")])
def test_what_lifts_no_new_privs(
    by: str, code: str, properties: Dict[str, str], unit_fields: Dict[str, Any], refused: Set[str]
) -> None:
    fields = {"properties": {by: "yes", **properties}, "unit_fields": unit_fields}
    assert {name for name in ("setcap", "authbind") if f"{code}no_new_privs" in codes(name, **fields)} == refused


@pytest.mark.parametrize(
    ("properties", "systemd", "refused"),
    [
        ({"LockPersonality": "yes"}, 257, False),
        ({"SystemCallFilter": CALLS}, 257, False),
        ({"LockPersonality": "yes"}, 252, True),
        ({"SystemCallFilter": "~capset"}, 257, True),
        ({"LockPersonality": "yes", "DynamicUser": "yes"}, 257, True),
        ({}, 257, True),
    ],
)
def test_what_systemd_keeps_until_it_executes(properties: Dict[str, str], systemd: int, refused: bool) -> None:
    fields = {"properties": {"NoNewPrivileges": "yes", **properties}, "host_fields": {"systemd": systemd}}
    assert (codes if refused else doubts)("setcap", **fields) == ("no_new_privs",)
    assert codes("authbind", **fields) == ("no_new_privs",)


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
    ("limits", "fields", "expected"),
    [
        pytest.param({}, {}, ((), (), ()), id="none"),
        pytest.param({"no_new_privs": True}, {}, ((), ("no_new_privs",), ("no_new_privs",)), id="no_new_privs"),
        pytest.param(
            {"no_new_privs": True},
            {"unit": None},
            (("no_unit",), ("no_new_privs",), ("no_unit", "no_new_privs")),
            id="without a unit",
        ),
        pytest.param({"bounding": ("cap_chown",)}, {}, (("bounding_set",),) * 3, id="the bounding set"),
    ],
)
def test_limits_of_the_whole_host(limits: Dict[str, Any], fields: Dict[str, Any], expected: Tuple[Any, ...]) -> None:
    init = process(pid=1, uid=0).status._replace(**limits)
    found = tuple(codes(name, host_fields={"init": init}, **fields) for name in ("ambient", "setcap", "authbind"))
    assert found == expected
    assert codes("ambient", host_fields={"init": None}) == ()


@pytest.mark.parametrize(
    ("properties", "setcap", "unknown"),
    [
        pytest.param({"RootImage": "/srv/root.img"}, ("image",), (("image",), ()), id="all files"),
        pytest.param({"RootMStack": "/srv/x.mstack"}, (), (("image",), ("image",)), id="layers"),
        pytest.param({"MountImages": "/srv/x.img:/opt"}, (), (("image",), ("image",)), id="a folder's"),
        pytest.param({"ExtensionDirectories": "/srv/x"}, (), (("image",), ("image",)), id="those over /usr"),
        pytest.param({"RootImage": "", "MountImages": ""}, (), ((), ()), id="none"),
    ],
)
def test_programs_of_an_image(properties: Dict[str, str], setcap: Tuple[str, ...], unknown: Tuple[Any, ...]) -> None:
    assert codes("setcap", properties=properties) == setcap
    assert (doubts("ambient", properties=properties), doubts("setcap", properties=properties)) == unknown
    assert doubts("authbind", properties=properties) == unknown[0]


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
        ("ipv4:tcpany", "", None),
        ("ipv4:tcp:any", "", None),
        ("ipv4:tcpany ipv6:tcp", "", True),
        ("ipv4:tcpany ipv6:tcp", "ipv6:80", None),
        ("ipv6", "", None),
        ("ipv4", "ipv4:80-90", False),
        ("tcp80", "", True),
        ("tcp:80-90", "", True),
        ("udp80-90", "", False),
        ("70-79", "", False),
        ("443\n79-81", "", True),
        ("any", "80", False),
        ("any", "ipv4:tcp80", None),
        ("any", "443", True),
        ("any", "udp80", True),
        ("of some later form", "", None),
        ("any", "of some later form", None),
        ("of some later form", "80", False),
        ("any of some later form", "", True),
        ("", "443", False),
    ],
)
@pytest.mark.parametrize("ports", [[80], ["80/udp"]])
def test_socket_bind_deny(deny: str, allow: str, closed: bool, ports: Any) -> None:
    if ports == ["80/udp"]:
        # The table is written for TCP.
        of_tcp = ("ipv4:tcpany", "ipv4:tcp:any", "ipv4:tcpany ipv6:tcp", "tcp80", "tcp:80-90")
        closed = False if deny in of_tcp else closed
        closed = {("udp80-90", ""): True, ("any", "ipv4:tcp80"): True, ("any", "udp80"): False}.get(
            (deny, allow), closed
        )
    fields = {"properties": {"SocketBindDeny": deny, "SocketBindAllow": allow}, "description": {"ports": ports}}
    assert codes("ambient", **fields) == (("socket_bind_deny",) if closed else ())
    assert doubts("ambient", **fields) == (("socket_bind_deny",) if closed is None else ())


@pytest.mark.parametrize("call", ["clone", "execve", "wait4"])
def test_the_helper_needs_more_calls_than_the_service(call: str) -> None:
    fields = {"properties": {"SystemCallFilter": f"~{call}"}, "host_fields": {"systemd": 257}}
    assert {name: codes(name, **fields) for name in ("setcap", "authbind", "ambient")} == {
        "setcap": (),
        "authbind": ("system_calls",),
        "ambient": (),
    }


@pytest.mark.parametrize(
    ("prefix", "line", "program"),
    [("", "env /a", "/a"), ("-@", "/usr/bin/env name /a", "/a"), ("@", "/usr/bin/env", ""), ("", "/a b", "/a")],
)
def test_what_a_unit_launches(prefix: str, line: str, program: str) -> None:
    assert (
        unit(commands=(Command(prefix=prefix, line=line), Command(prefix="", line="/other"))).launch.program == program
    )
    assert unit(commands=()).launch.program == ""


@pytest.mark.parametrize(
    ("line", "description", "refused"),
    [
        ("/usr/bin/supervisord -n", {"user": "web"}, True),
        ("/usr/bin/python3 /usr/bin/supervisord", {"user": "web"}, True),
        ("/usr/sbin/server", {"user": "web"}, False),
        ("/usr/sbin/server -c /usr/bin/supervisord", {"user": "web"}, False),
    ],
)
def test_a_supervisor_of_root(line: str, description: Dict[str, str], refused: bool) -> None:
    found = codes("ambient", **started(line, user=""), description=description)
    assert found == (("supervisor",) if refused else ())


@pytest.mark.parametrize(
    ("user", "path", "refused"),
    [("", "/zz.conf", True), ("root", "/zz.conf", True), ("web", "/zz.conf", False), ("", "", False)],
)
def test_a_later_user_of_a_unit_of_roots(user: str, path: str, refused: bool) -> None:
    overriding = {"User": path} if path else {}
    fields = {"properties": {"User": user}, "unit_fields": {"overriding": overriding}, "description": {"user": "web"}}
    assert codes("ambient", **fields) == (("later_dropin",) if refused else ())


@pytest.mark.parametrize("name", ["ambient", "authbind"])
@pytest.mark.parametrize(("path", "refused"), [("/zz.conf", True), ("", False)])
def test_a_later_dropin_that_narrows_what_may_be_widened(name: str, path: str, refused: bool) -> None:
    fields = {
        "properties": {"PrivateUsers": "yes"},
        "unit_fields": {"overriding": {"PrivateUsers": path} if path else {}},
        "description": {"widen": ["private_users"]},
    }
    assert ("later_dropin" in codes(name, **fields)) is refused


@pytest.mark.parametrize(
    ("shared", "expected"),
    [({}, (("private_network",), ("privileged",))), ({"JoinsNamespaceOf": "a.service"}, ((), ("privileged",)))],
)
def test_a_network_of_its_own_that_is_not_there_yet(shared: Dict[str, str], expected: Tuple[Any, Any]) -> None:
    fields = {
        "properties": {"PrivateNetwork": "yes", **shared},
        "network": network(is_host=False, unprivileged_port_start=None),
    }
    assert (codes("unneeded", **fields), doubts("unneeded", **fields)) == expected


@pytest.mark.parametrize(
    ("name", "evidence"),
    [("PrivateUsersEx", "PrivateUsers=self in web.service"), ("PrivateUsers", "PrivateUsers=self in web.service")],
)
def test_evidence_is_written_as_in_unit_files(name: str, evidence: str) -> None:
    judged = case(properties={"PrivateUsers": "no", name: "self"})
    assert [it.evidence for it in STRATEGIES["ambient"].blockers(judged)] == [evidence]


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ("LD_LIBRARY_PATH PATH", ""),
        ("NODE_OPTIONS PATH TMPDIR", "web.service sets NODE_OPTIONS, TMPDIR, which"),
        ("", ""),
    ],
)
def test_variables_that_a_file_capability_makes_void(environment: str, told: str) -> None:
    warnings = STRATEGIES["setcap"].warnings(case(properties={"Environment": environment}))
    assert [told in it for it in warnings if "ignores" in it] == ([True] if told else [])


INTERPRETER = {"path": "/usr/bin/node", "attribute": HERE, "executed_by": ("a.service",), **BINDS}


@pytest.mark.parametrize("of_script", [False, True])
@pytest.mark.parametrize(
    ("strategy", "told"), [("auto", "keeps it; a.service"), ("ambient", "away; a.service"), ("setcap", "it is managed")]
)
def test_a_capability_of_an_interpreter(strategy: str, told: str, of_script: bool) -> None:
    refused = {"refusals": ("an interpreter",)}
    judged = case(
        **(
            {"program": program(form="script", **refused), "interpreter": program(**INTERPRETER)}
            if of_script
            else {"program_fields": {**INTERPRETER, **refused}}
        ),
        description={"strategy": strategy},
    )
    (decision,) = decide(judged.host, [judged.service])
    kept = strategy != "ambient"
    assert (decision.strategy, decision.surplus) == (("setcap", ()) if kept else ("ambient", ("setcap",)))
    assert any(told in it for it in decision.warnings)


def test_what_a_unit_gives_its_program_comes_back() -> None:
    judged = case(**beside(f"+setcap {CAP}=ep {SERVER}"), description={"state": "absent"})
    (decision,) = decide(judged.host, [judged.service])
    assert any("gives the program a file capability again" in it for it in decision.warnings)
