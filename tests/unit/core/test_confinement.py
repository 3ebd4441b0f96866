# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SELinux and AppArmor say, and the commands that follow from it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement import policy as confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.policy import (
    Access,
    Confinement,
    PortType,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from hypothesis import given
from hypothesis import strategies as st

from . import cases

FIXTURES = Path(__file__).parents[1] / "fixtures"
TYPES = confinement.parse_port_types((FIXTURES / "semanage-port-policycoreutils3.4.txt").read_text(encoding="utf-8"))
HTTPD = "system_u:system_r:httpd_t:s0"
LOCAL = (PortType("http_port_t", "tcp", ((81, 81),)), PortType("other_port_t", "tcp", ((81, 81),)))


def test_the_types_of_ports() -> None:
    found = {(it.name, it.protocol): it.ranges for it in TYPES}
    assert found["http_port_t", "tcp"] == tuple((n, n) for n in (80, 443, 488, 8008, 8009, 8443, 8448))
    assert found["http_cache_port_t", "tcp"][-1] == (10001, 10010)
    assert found["hi_reserved_port_t", "udp"] == ((512, 1023),)


@pytest.mark.parametrize(
    "line", ["http_port_t", "http_port_t tcp", "http_port_t xtp 80", "http_port_t tcp 80,81", "a tcp 1-"]
)
def test_a_line_of_another_form(line: str) -> None:
    with pytest.raises(UnknownFormat, match=repr(line)):
        confinement.parse_port_types(f"{line}\n")


@pytest.mark.parametrize(
    ("port", "types", "expected", "defined"),
    [
        (Port(80), TYPES, ("http_port_t",), True),
        (Port(81), TYPES, ("reserved_port_t",), False),
        (Port(666), TYPES, ("hi_reserved_port_t",), False),
        (Port(53, "udp"), TYPES, ("dns_port_t",), True),
        (Port(80, "udp"), TYPES, ("reserved_port_t",), False),
        (Port(10005), TYPES, ("http_cache_port_t",), False),
        (Port(81), LOCAL, ("http_port_t", "other_port_t"), True),
        (Port(81), (), (), False),
    ],
)
def test_the_type_of_a_port(port: Port, types: Any, expected: Tuple[str, ...], defined: bool) -> None:
    assert confinement.types_of(port, types) == expected
    assert confinement.is_defined(port, types) is defined


def name_bind(port_type: str, *, allowed: bool = False, domain: str = HTTPD) -> Access:
    return Access(domain, f"system_u:object_r:{port_type}:s0", "tcp_socket", "name_bind", allowed)


@pytest.mark.parametrize(
    ("port", "bindable", "command"),
    [
        (Port(81), ("ftp_port_t", "http_cache_port_t", "http_port_t"), "semanage port -a -t http_port_t -p tcp 81"),
        (Port(53), ("http_port_t",), "semanage port -m -t http_port_t -p tcp 53"),
        (Port(81), (), "semodule -i privport.cil: (allow httpd_t reserved_port_t (tcp_socket (name_bind)))"),
    ],
)
def test_a_port_that_the_domain_may_not_bind(port: Port, bindable: Tuple[str, ...], command: str) -> None:
    (found,) = confinement.judge_port(name_bind("reserved_port_t"), port=port, types=TYPES, bindable=bindable)
    assert (found.code, found.text.endswith(command)) == ("selinux_port", True)


def test_what_is_allowed_is_no_refusal() -> None:
    allowed = name_bind("http_port_t", allowed=True)
    assert confinement.judge_port(allowed, port=Port(80), types=TYPES, bindable=()) == ()
    assert confinement.judge_access(allowed, code="x") == ()


@pytest.mark.parametrize(
    ("source", "target", "rule"),
    [
        (HTTPD, HTTPD, "(allow httpd_t self (capability (net_bind_service)))"),
        (HTTPD, "system_u:object_r:lib_t:s0", "(allow httpd_t lib_t (capability (net_bind_service)))"),
        ("u:r:a_t", "u:r:b_t", "(allow a_t b_t (capability (net_bind_service)))"),
    ],
)
def test_the_rule_that_would_allow_it(source: str, target: str, rule: str) -> None:
    (found,) = confinement.judge_access(Access(source, target, "capability", "net_bind_service", False), code="x")
    assert found.text.endswith(f"run: semodule -i privport.cil: {rule}")


def test_a_context_of_another_form() -> None:
    with pytest.raises(UnknownFormat, match="'unlabeled' is no SELinux context"):
        confinement.type_of_context("unlabeled")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server (enforce)\n", ("server", "enforce")),
        ("unconfined\n", ("unconfined", "")),
        ("/opt/x* (complain)", ("/opt/x*", "complain")),
        ("with (blank) (enforce)\n", ("with (blank)", "enforce")),
        ("nvidia_modprobe//kmod (kill)\n", ("nvidia_modprobe//kmod", "kill")),
        ("", ("", "")),
    ],
)
def test_a_label_of_apparmor(text: str, expected: Tuple[str, str]) -> None:
    assert confinement.parse_label(text) == expected


def test_the_loaded_profiles() -> None:
    found = confinement.parse_profiles((FIXTURES / "apparmor-profiles-linux6.1.txt").read_text(encoding="utf-8"))
    assert found["with blank"] == found["/opt/x*"] == found["server"] == "enforce"
    assert (found["complaining"], len(found)) == ("complain", 8)
    with pytest.raises(UnknownFormat, match="'server'"):
        confinement.parse_profiles("server\n")


@pytest.mark.parametrize(
    ("profile", "text", "found"),
    [
        ("server", "profile server /opt/server {\n", True),
        ("server", "include <tunables/global>\n  profile server{\n", True),
        ("server//child", "profile server /opt/server {\n", True),
        ("/opt/x*", "/opt/x* {\n", True),
        ("with blank", 'profile "with blank" "/opt/my server" {\n', True),
        ("server", "# profile server\nprofile server2 {\n", False),
        ("/opt/x", "/opt/xy {\n", False),
    ],
)
def test_the_file_of_a_profile(profile: str, text: str, found: bool) -> None:
    texts = {"/etc/apparmor.d/other": "profile other {\n", "/etc/apparmor.d/it": text}
    assert confinement.profile_file(profile, texts=texts) == ("/etc/apparmor.d/it" if found else "")


@pytest.mark.parametrize(
    ("stage", "by_itself", "by_authbind"),
    [
        ("bind", "capability net_bind_service,", "/usr/lib/authbind/helper Ux,"),
        ("socket", "network,", "network,"),
        ("library", "capability net_bind_service,", "/usr/lib/authbind/libauthbind.so.* mr,"),
    ],
)
def test_the_line_that_allows_it(stage: str, by_itself: str, by_authbind: str) -> None:
    assert (confinement.capability_rule(stage), confinement.helper_rule(stage)) == (by_itself, by_authbind)


@pytest.mark.parametrize(("path", "named"), [("/etc/apparmor.d/it", "/etc/apparmor.d/it"), ("", "FILE")])
def test_a_bind_that_the_profile_refused(path: str, named: str) -> None:
    (found,) = confinement.judge_trial(
        "bind", profile="server", mode="enforce", path=path, rule_of=confinement.capability_rule
    )
    assert "'capability net_bind_service,'" in found.text
    assert found.text.endswith(f"run: apparmor_parser -r {named}")
    assert found.evidence == "the bind that was tried in profile server (enforce) is refused"


@pytest.mark.parametrize(("path", "end"), [("/etc/apparmor.d/it", "-r /etc/apparmor.d/it"), ("", "that defines it")])
def test_a_profile_that_is_not_loaded(path: str, end: str) -> None:
    found = confinement.not_loaded("server", path=path)
    assert (found.code, found.evidence) == ("apparmor", "AppArmorProfile=server")
    assert found.text.endswith(end)


def test_a_bind_that_worked() -> None:
    rule_of = confinement.capability_rule
    assert confinement.judge_trial("", profile="x", mode="enforce", path="", rule_of=rule_of) == ()


OWN = (Reason("apparmor", "no capability", "x"), Reason("selinux_port", "no port", "x"))
HELPER = (Reason("selinux_authbind", "no helper", "x"),)


def confined(*, enforced: bool = True, unknown: Tuple[str, ...] = ()) -> Confinement:
    return Confinement("AppArmor", "server", enforced=enforced, refusals=OWN, authbind=HELPER, unknown=unknown)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, {}),
        (confined(enforced=False), {}),
        (
            confined(),
            {
                "ambient": ("apparmor", "selinux_port"),
                "setcap": ("apparmor", "selinux_port"),
                "authbind": ("selinux_authbind",),
            },
        ),
    ],
)
def test_strategies_are_refused_for_what_is_enforced(
    found: Optional[Confinement], expected: Dict[str, Tuple[str, ...]]
) -> None:
    codes = {name: cases.codes(name, confinement=found) for name in ("ambient", "setcap", "authbind")}
    assert {name: reasons for name, reasons in codes.items() if reasons} == expected


def test_a_port_that_needs_no_privilege_needs_its_label() -> None:
    host = {"unprivileged_port_start": 80}
    assert cases.codes("unneeded", confinement=confined(), host_fields=host) == ("selinux_port",)


@pytest.mark.parametrize(
    ("found", "warnings"),
    [
        (None, ()),
        (
            confined(enforced=False),
            tuple(
                f"AppArmor does not enforce this now, and would refuse it: no {what}" for what in ("capability", "port")
            ),
        ),
        (
            Confinement("SELinux", "x", enforced=True, refusals=(), authbind=(), unknown=("which type?",)),
            ("strategy ambient is tried, and the proof decides: which type? (x)",),
        ),
    ],
)
def test_what_is_warned_of(found: Optional[Confinement], warnings: Tuple[str, ...]) -> None:
    case = cases.case(confinement=found)
    assert decide(case.host, [case.service])[0].warnings == warnings


@given(st.text())
def test_parsers_are_total(text: str) -> None:
    confinement.parse_label(text)
    for parse in (confinement.parse_port_types, confinement.parse_profiles):
        with contextlib.suppress(UnknownFormat):
            parse(text)  # type: ignore[operator]
