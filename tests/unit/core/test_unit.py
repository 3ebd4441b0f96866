# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units as text, against what systemd 247, 252 and 257 print."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import unit_name
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    Assignment,
    dropin_path,
    effective_commands,
    executable_of,
    granting,
    narrow,
    overriding,
    parse_own_dropin,
    parse_show,
    parse_unit_file,
    parse_version,
    render_ambient,
    render_authbind,
    search_path,
    split_paths,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FIXTURES = Path(__file__).parents[1] / "fixtures"
SYSTEMDS = (247, 252, 257)


def shown(systemd: int) -> Dict[str, Dict[str, str]]:
    text = (FIXTURES / f"systemctl-show-systemd{systemd}.txt").read_text(encoding="utf-8")
    return {properties["Id"]: properties for properties in parse_show(text)}


@pytest.mark.parametrize("systemd", SYSTEMDS)
def test_version(systemd: int) -> None:
    text = (FIXTURES / f"systemctl-version-systemd{systemd}.txt").read_text(encoding="utf-8")
    found = parse_version(text)
    assert found.version == systemd
    assert "+SECCOMP" in found.features
    assert ("-BPF_FRAMEWORK" in found.features) is (systemd == 252)


@pytest.mark.parametrize("text", ["", "systemd\n", "bash: systemctl: not found"])
def test_no_version(text: str) -> None:
    with pytest.raises(UnknownFormat, match="holds no version"):
        parse_version(text)


@pytest.mark.parametrize("systemd", SYSTEMDS)
def test_show_keeps_the_units_in_their_order(systemd: int) -> None:
    assert list(shown(systemd)) == [
        *["plain.service", "missing.service", "masked.service", "web@1.service"],
        *["hardened.service", "oneshot.service", "families.service", "broken.service"],
    ]


@pytest.mark.parametrize("systemd", SYSTEMDS)
@pytest.mark.parametrize(
    ("unit", "name", "value"),
    [
        ("plain.service", "LoadState", "loaded"),
        ("plain.service", "ActiveState", "active"),
        ("plain.service", "AmbientCapabilities", "cap_net_bind_service"),
        ("plain.service", "RestrictAddressFamilies", "~"),
        ("missing.service", "LoadState", "not-found"),
        ("masked.service", "LoadState", "masked"),
        ("broken.service", "LoadState", "bad-setting"),
        ("web@1.service", "FragmentPath", "/etc/systemd/system/web@.service"),
        ("web@1.service", "DropInPaths", "/etc/systemd/system/web@1.service.d/50-privport.conf"),
        ("hardened.service", "CapabilityBoundingSet", "cap_chown cap_net_raw"),
        ("hardened.service", "RestrictAddressFamilies", "AF_NETLINK AF_UNIX"),
        ("hardened.service", "NoNewPrivileges", "no"),
        ("oneshot.service", "RestrictAddressFamilies", "~AF_INET AF_INET6"),
        ("families.service", "RestrictAddressFamilies", ""),
        ("families.service", "NoNewPrivileges", "yes"),
    ],
)
def test_show(systemd: int, unit: str, name: str, value: str) -> None:
    assert shown(systemd)[unit][name] == value


@pytest.mark.parametrize("systemd", SYSTEMDS)
def test_show_keeps_commands_with_newlines_whole(systemd: int) -> None:
    command = shown(systemd)["oneshot.service"]["ExecStart"]
    assert "echo one\n\necho two=2 ;" in command
    assert command.count("{ path=") == 2


@pytest.mark.parametrize(
    ("systemd", "deny"),
    [(252, ["443", "udp80-90", "ipv4:tcpany", "any"]), (257, ["443", "udp80-90", "ipv4:tcpany", "any"])],
)
def test_show_joins_a_property_that_comes_several_times(systemd: int, deny: List[str]) -> None:
    assert shown(systemd)["hardened.service"]["SocketBindDeny"].split("\n") == deny


def test_show_ends_lines_at_newlines_alone() -> None:
    assert parse_show("Id=a\u2028b\x0cc\n\nId=d\n") == ({"Id": "a\u2028b\x0cc"}, {"Id": "d"})


@pytest.mark.parametrize("systemd", SYSTEMDS)
def test_paths_of_dropins(systemd: int) -> None:
    folder = "/etc/systemd/system/hardened.service.d"
    names = ["10 with blank.conf", "20'quote.conf", "30-plain.conf"]
    assert list(split_paths(shown(systemd)["hardened.service"]["DropInPaths"])) == [f"{folder}/{it}" for it in names]
    assert split_paths("") == ()


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        pytest.param(parse_show, "Id=a\nnonsense\n", id="no equals sign"),
        pytest.param(parse_show, "Unit a.service could not be found=", id="blanks in the key"),
        pytest.param(parse_show, "ExecStart={ path=/bin/true ; argv[]=", id="cut off"),
        pytest.param(split_paths, "'/etc", id="open quote"),
        pytest.param(parse_unit_file, "[Service\nA=1", id="an open section"),
    ],
)
def test_unknown_lines_are_quoted(parse: Any, text: str) -> None:
    with pytest.raises(UnknownFormat):
        parse(text)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("caddy", "caddy.service"),
        ("caddy.service", "caddy.service"),
        ("my.app", "my.app.service"),
        ("web@1", "web@1.service"),
        (r"a\x2db@c\x2dd.service", r"a\x2db@c\x2dd.service"),
        ("a:b_c-d", "a:b_c-d.service"),
    ],
)
def test_unit_name(name: str, full: str) -> None:
    assert unit_name(name, where="unit") == full


@pytest.mark.parametrize(
    "name",
    [
        *["", "/etc/passwd", "../x", "a/b", "a b", "a\nb", "a.service\n", "a\0", "web@.service", "web@", "@.service"],
        *["web.socket", "multi-user.target", "é", "a" * 248, "*.service"],
    ],
    ids=repr,
)
def test_unit_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"^unit is "):
        unit_name(name, where="unit")


def test_a_dropin_has_one_place() -> None:
    assert dropin_path(unit="a.service", dropin="50-privport") == "/etc/systemd/system/a.service.d/50-privport.conf"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a.conf", "a b", "a\n", "-x"], ids=repr)
def test_dropin_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"^dropin is "):
        dropin_path(unit="a.service", dropin=name)


@pytest.mark.parametrize(
    ("text", "settings_of_it"),
    [
        ("", []),
        ("# only\n; comments\n\n", []),
        ("[Service]\nUser=web\n", [("Service", "User", "web")]),
        ("[Service]\nUser = web \n", [("Service", "User", "web")]),
        ("[Service]\nEnvironment=A=1 B=2", [("Service", "Environment", "A=1 B=2")]),
        ("[Service]\nExecStart=", [("Service", "ExecStart", "")]),
        ("[Unit]\nAfter=a\n[Service]\nX-Own=1", [("Unit", "After", "a"), ("Service", "X-Own", "1")]),
        ("User=web", [("", "User", "web")]),
        ("i[Unit]\nA=1\n[Service]\nnonsense\n=5\nB=2", [("", "A", "1"), ("Service", "B", "2")]),
        pytest.param("[Service]\nExecStart=/a \\\n  b \\\n  c", [("Service", "ExecStart", "/a  b  c")], id="continued"),
        pytest.param("[S]\nA=1 \\\n# no\n; no\n 2", [("S", "A", "1  2")], id="comment inside"),
        pytest.param("[S]\nA=1 \\\n\n[S]\nB=2", [("S", "A", "1"), ("S", "B", "2")], id="an empty line ends it"),
        pytest.param("[S]\nA=1 \\", [("S", "A", "1")], id="continued at the end"),
        pytest.param("[S]\n\\\n\nA=1", [("S", "A", "1")], id="nothing continued"),
        pytest.param("[S]\nA=1\\\\\nB=2", [("S", "A", "1\\\\"), ("S", "B", "2")], id="two backslashes end it"),
        pytest.param("[S]\r\nA=1\r\n", [("S", "A", "1")], id="carriage returns"),
        pytest.param("[S]\nA=x\u2028B=y\x0cz", [("S", "A", "x\u2028B=y\x0cz")], id="other separators stay"),
    ],
)
def test_unit_file(text: str, settings_of_it: List[Tuple[str, str, str]]) -> None:
    assert list(parse_unit_file(text)) == [Assignment(*it) for it in settings_of_it]


def service(*lines: str) -> str:
    return "\n".join(["[Service]", *lines])


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ([], []),
        ([service("ExecStart=/a b")], [Command("", "/a b")]),
        ([service("ExecStart=/a", "ExecStart=/b")], [Command("", "/a"), Command("", "/b")]),
        ([service("ExecStart=/a"), service("ExecStart=", "ExecStart=/b")], [Command("", "/b")]),
        ([service("ExecStart=/a", "ExecStart=")], []),
        ([service("ExecStart=-@/a argv0")], [Command("-@", "/a argv0")]),
        ([service("ExecStart=!! /a")], [Command("!!", "/a")]),
        ([service("ExecStart=+")], []),
        ([service("ExecStart=/a ; -/b c")], [Command("", "/a"), Command("-", "/b c")]),
        (["[Unit]\nExecStart=/a"], []),
        ([service("ExecStartPre=/a")], []),
        ([service("ExecStart=sh -c 'a; b'")], [Command("", "sh -c 'a; b'")]),
    ],
)
def test_effective_commands(files: List[str], commands: List[Command]) -> None:
    assert list(effective_commands(files).get("ExecStart", ())) == commands


def test_all_commands_by_their_settings() -> None:
    files = [service("ExecStartPre=/a", "ExecStart=/b", "ExecReload=/c"), service("ExecStartPre=-/d", "ExecReload=")]
    assert effective_commands(files) == {
        "ExecStartPre": (Command("", "/a"), Command("-", "/d")),
        "ExecStart": (Command("", "/b"),),
    }


def test_commands_stay_roots_beside_a_user() -> None:
    of_root = {
        "ExecStartPre": (Command("", "mkdir /run/a"), Command("-", "/b"), Command("+", "/c"), Command("!!", "/d")),
        "ExecReload": (Command("-!", "/e"),),
    }
    text = render_ambient(capabilities=["cap_chown"], user="web", of_root=of_root)
    assert text.splitlines()[4:] == [
        *["ExecStartPre=", "ExecStartPre=!mkdir /run/a", "ExecStartPre=-!/b", "ExecStartPre=+/c", "ExecStartPre=!/d"],
        *["ExecReload=", "ExecReload=-!/e"],
    ]


@pytest.mark.parametrize(
    ("lines", "shown_command", "path"),
    [
        (["/a b"], "", "/a"),
        (["/a", "/b"], "{ path=/c ; argv[]=/c ; ignore_errors=no ; }", "/a"),
        (["/opt/%i/x b"], "{ path=/opt/1/x ; argv[]=/opt/1/x b ; ignore_errors=no ; }", "/opt/1/x"),
        (["/opt/%i/x b"], "", ""),
        ([], "", ""),
        ([], "{ path=/a ; argv[]=/a ; ignore_errors=no ; }", "/a"),
    ],
)
def test_executable(lines: List[str], shown_command: str, path: str) -> None:
    commands = [Command("", line) for line in lines]
    assert executable_of(commands, {"ExecStart": shown_command}) == path


def test_the_ambient_dropin() -> None:
    text = render_ambient(capabilities=["cap_net_bind_service"])
    assert text == (
        "# Managed by netbind.privport (ambient); state=absent removes this file.\n"
        "[Service]\n"
        "AmbientCapabilities=CAP_NET_BIND_SERVICE\n"
    )


def test_the_ambient_dropin_resets_the_bounding_set_and_sets_the_user() -> None:
    text = render_ambient(capabilities=["cap_chown"], bounding_set=["cap_chown", "cap_kill"], user="web")
    own = parse_own_dropin(text)
    assert own is not None
    assert [(it.key, it.value) for it in own.settings] == [
        ("User", "web"),
        ("AmbientCapabilities", "CAP_CHOWN"),
        ("CapabilityBoundingSet", ""),
        ("CapabilityBoundingSet", "CAP_CHOWN CAP_KILL"),
    ]
    assert (own.strategy, own.first("User"), own.first("Nice")) == ("ambient", "web", "")


@pytest.mark.parametrize(("deep", "wrapper"), [(False, "/usr/bin/authbind"), (True, "/usr/bin/authbind --deep")])
def test_the_authbind_dropin(deep: bool, wrapper: str) -> None:
    commands = [Command("-", "/a 'b c'"), Command("!!", "/d")]
    text = render_authbind(program="/usr/bin/authbind", commands=commands, deep=deep)
    assert [line for line in text.splitlines() if line.startswith("Exec")] == [
        *["ExecStart=", f"ExecStart=-{wrapper} /a 'b c'", f"ExecStart=!!{wrapper} /d"]
    ]
    assert effective_commands([service("ExecStart=/a"), text])["ExecStart"][1] == Command("!!", f"{wrapper} /d")


@pytest.mark.parametrize(
    "text",
    [None, "", "[Service]\nUser=web\n", "# managed by somebody\n", "[Service]\n# Managed by netbind.privport (x)"],
)
def test_dropins_of_others(text: Any) -> None:
    assert parse_own_dropin(text) is None


UNIT_TEXT = st.lists(
    st.sampled_from(
        ["[Service]", "ExecStart=", "ExecStart=+/a 'b", "A=1 \\", "# no", "\\", "=", "x", "", "{ path=", "\r"]
    )
    | st.text(max_size=12)
).map("\n".join)
OWN = st.just("# Managed by netbind.privport (ambient)\n")


@pytest.mark.parametrize(
    "parse",
    [
        parse_show,
        parse_unit_file,
        parse_version,
        split_paths,
        parse_own_dropin,
        lambda text: effective_commands([text]),
    ],
    ids=["show", "unit_file", "version", "paths", "own_dropin", "commands"],
)
@given(text=st.text() | UNIT_TEXT | st.builds("{}{}".format, OWN, UNIT_TEXT))
@settings(deadline=None, derandomize=True)
def test_total(parse: Any, text: str) -> None:
    try:
        parse(text)
    except UnknownFormat:
        return


@given(st.text(max_size=20))
@settings(deadline=None, derandomize=True)
def test_any_unit_name_is_safe_or_refused(name: str) -> None:
    try:
        full = unit_name(name, where="unit")
    except InvalidInput:
        return
    assert full.endswith(".service")
    assert not set(full) & set("/\n\0 ")


RESETS, OTHER = "[Service]\nAmbientCapabilities=\n", "[Service]\nAmbientCapabilities=CAP_A\n"


WIDENED = ("CapabilityBoundingSet", "PrivateUsers")


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("web.service.d/10.conf", RESETS + "ExecStart=\nExecStart=/usr/sbin/other\n", set()),
        ("web.service.d/50-privport.conf", "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n", set()),
        ("service.d/60.conf", "[Unit]\nExecStart=\n" + OTHER, set()),
        ("service.d/zz.conf", "[Service]\nAmbientCapabilities =\n", {"AmbientCapabilities"}),
        ("service.d/zz.conf", "[Service]\nAmbientCapabilities=~CAP_A cap_net_bind_service\n", {"AmbientCapabilities"}),
        ("service.d/zz.conf", "[Service]\nAmbientCapabilities=~CAP_A\n", set()),
        ("web.service.d/60.conf", RESETS + "ExecStart=\n", {"AmbientCapabilities", "ExecStart"}),
        ("web.service.d/60.conf", "[Service]\nUser=root\nExecStart=/b\n", {"User"}),
        ("web.service.d/60.conf", "[Service]\nPrivateUsers=yes\nCapabilityBoundingSet=\n", {*WIDENED}),
        ("web.service.d/60.conf", "[Service]\nPrivateUsers=no\nCapabilityBoundingSet=CAP_A\n", set()),
    ],
)
def test_later_dropins(path: str, text: str, expected: Any) -> None:
    assert overriding({path: text}, capability="cap_net_bind_service") == dict.fromkeys(expected, path)


def test_search_path() -> None:
    assert search_path({"ExecSearchPath": "/opt/bin /usr/bin"}) == ("/opt/bin", "/usr/bin")
    assert search_path({})[:2] == ("/usr/local/sbin", "/usr/local/bin")


GRANT, RESET = "[Service]\nAmbientCapabilities=CAP_CHOWN CAP_NET_BIND_SERVICE\n", "[Service]\nAmbientCapabilities=\n"
TAKEN = "[Service]\nAmbientCapabilities=~CAP_NET_BIND_SERVICE\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ()),
        ({"/a": GRANT}, ("/a",)),
        ({"/a": GRANT, "/b": GRANT + GRANT}, ("/a", "/b")),
        ({"/a": GRANT, "/b": RESET}, ()),
        ({"/a": GRANT, "/b": RESET, "/c": GRANT}, ("/c",)),
        ({"/a": GRANT, "/b": TAKEN}, ()),
        ({"/a": TAKEN, "/b": GRANT}, ("/b",)),
        ({"/a": "[Service]\nAmbientCapabilities=~CAP_CHOWN\n"}, ("/a",)),
        ({"/a": GRANT, "/b": "[Service]\nAmbientCapabilities=~CAP_CHOWN\n"}, ("/a",)),
        ({"/a": GRANT, "/b": "[Service]\nAmbientCapabilities=~\n"}, ("/b",)),
        ({"/a": "[Service]\nAmbientCapabilities=CAP_CHOWN\n"}, ()),
        ({"/a": "[Unit]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"}, ()),
    ],
)
def test_which_files_grant_a_capability(files: Any, expected: Any) -> None:
    assert granting(files, capability="cap_net_bind_service") == expected


BOUND, NO_USERS = "CapabilityBoundingSet", "PrivateUsers"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), ()),
        (("CapabilityBoundingSet=",), (BOUND,)),
        (("CapabilityBoundingSet=CAP_CHOWN",), (BOUND,)),
        (("CapabilityBoundingSet=CAP_CHOWN", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"), ()),
        (("CapabilityBoundingSet=", "CapabilityBoundingSet=cap_net_bind_service CAP_CHOWN"), ()),
        (("CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "CapabilityBoundingSet="), (BOUND,)),
        (("CapabilityBoundingSet=~CAP_NET_BIND_SERVICE",), (BOUND,)),
        (("CapabilityBoundingSet=~CAP_CHOWN",), ()),
        (("CapabilityBoundingSet=~CAP_CHOWN", "CapabilityBoundingSet=~CAP_NET_BIND_SERVICE CAP_KILL"), (BOUND,)),
        (("CapabilityBoundingSet=~CAP_NET_BIND_SERVICE", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"), ()),
        (("CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_KILL", "CapabilityBoundingSet=~CAP_KILL"), ()),
        (("CapabilityBoundingSet=CAP_CHOWN", "CapabilityBoundingSet=~"), ()),
        (("PrivateUsers=yes",), (NO_USERS,)),
        (("PrivateUsers=identity",), (NO_USERS,)),
        (("PrivateUsers=yes", "PrivateUsers=no"), ()),
        (("PrivateUsers=yes", "PrivateUsers="), ()),
        (("PrivateUsers=yes", "CapabilityBoundingSet="), (BOUND, NO_USERS)),
    ],
)
def test_what_keeps_the_capability_from_a_unit(lines: Tuple[str, ...], expected: Tuple[str, ...]) -> None:
    files = [f"[Service]\n{line}\n" for line in lines]
    assert narrow([*files, "[Unit]\nPrivateUsers=yes\n"], capability="cap_net_bind_service") == expected
