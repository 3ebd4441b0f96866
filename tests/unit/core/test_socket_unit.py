# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a socket unit and of the drop-in beside it, and where they lie."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import SocketOptions, parse_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import socket_unit
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    parse_own_dropin,
    parse_unit_file,
)
from ansible_collections.netbind.privport.tests.unit.core.cases import listener, process

SYSTEMD = process(pid=1, unit="init.scope", executable="/usr/lib/systemd/systemd", uid=0)
SERVER = process()


def handed(
    ports: Sequence[Any] = (80,), families: Tuple[str, ...] = (), program: str = "/usr/bin/node", **options: Any
) -> socket_unit.Handed:
    return socket_unit.Handed(
        unit="web.service",
        ports=parse_ports(ports, where="ports"),
        families=families,
        options=SocketOptions(**options),
        program=program,
    )


def settings(wanted: socket_unit.Handed, section: str = "Socket") -> Tuple[str, ...]:
    found = parse_unit_file(wanted.files[0].text)
    return tuple(f"{it.key}={it.value}" for it in found if it.section == section)


BOTH = ("ipv4", "ipv6")
NGINX = "/usr/sbin/nginx"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (handed(), ("ListenStream=80", "BindIPv6Only=both")),
        (handed(families=BOTH), ("ListenStream=80", "BindIPv6Only=both")),
        (handed(families=("ipv4",)), ("ListenStream=0.0.0.0:80", "BindIPv6Only=ipv6-only")),
        (handed(families=("ipv6",)), ("ListenStream=[::]:80", "BindIPv6Only=ipv6-only")),
        (handed(program=NGINX), ("ListenStream=80", "BindIPv6Only=both")),
        (
            handed(families=BOTH, program=NGINX),
            ("ListenStream=0.0.0.0:80", "ListenStream=[::]:80", "BindIPv6Only=ipv6-only"),
        ),
        (
            handed(["443/udp", "80-81", 443]),
            ("ListenStream=80", "ListenStream=81", "ListenStream=443", "ListenDatagram=443", "BindIPv6Only=both"),
        ),
        (
            handed(
                backlog=9, no_delay=True, reuse_port=False, address_allow=("10.0.0.0/8", "::1"), address_deny=("any",)
            ),
            (
                "ListenStream=80",
                "BindIPv6Only=both",
                "Backlog=9",
                "NoDelay=yes",
                "ReusePort=no",
                "IPAddressAllow=10.0.0.0/8 ::1",
                "IPAddressDeny=any",
            ),
        ),
        (handed()._replace(interface="eth0"), ("ListenStream=80", "BindIPv6Only=both", "BindToDevice=eth0")),
        (
            handed()._replace(only=("fe80::1%eth0",)),
            ("ListenStream=[fe80::1]:80%%eth0", "BindIPv6Only=ipv6-only", "FreeBind=yes"),
        ),
        (
            handed()._replace(only=("192.0.2.1", "::1")),
            ("ListenStream=192.0.2.1:80", "ListenStream=[::1]:80", "BindIPv6Only=ipv6-only", "FreeBind=yes"),
        ),
    ],
)
def test_the_sockets(wanted: socket_unit.Handed, expected: Tuple[str, ...]) -> None:
    assert settings(wanted) == expected


def test_a_boot_starts_it() -> None:
    file, link = handed().files
    assert settings(handed(), "Install") == ("WantedBy=sockets.target",)
    assert (file.path, link.target) == ("/etc/systemd/system/web.socket",) * 2
    assert link.path == "/etc/systemd/system/sockets.target.wants/web.socket"
    assert file.text.startswith("# Managed by netbind.privport (socket); state=absent removes this file.\n")


@pytest.mark.parametrize(
    ("wanted", "environment"),
    [
        (handed(), ""),
        (handed(program=""), ""),
        (handed(program="nginx-ui"), ""),
        (handed(program=NGINX), "NGINX=3:"),
        (handed(program="nginx", families=BOTH), "NGINX=3:4:"),
        (handed([80, 443, "443/udp"], program=NGINX, families=BOTH), "NGINX=3:4:5:6:7:8:"),
    ],
)
def test_the_drop_in(wanted: socket_unit.Handed, environment: str) -> None:
    own = parse_own_dropin(wanted.dropin)
    assert own is not None
    assert own.strategy == "socket"
    said = [(it.section, it.key, it.value) for it in own.settings]
    assert said[:2] == [("Unit", "Requires", "web.socket"), ("Unit", "After", "web.socket")]
    assert said[2:] == ([("Service", "Environment", environment)] if environment else [])


@pytest.mark.parametrize(
    ("families", "lines"),
    [
        ((), ("listen [::]:80 ipv6only=off", "listen [::]:443 ipv6only=off udp")),
        (("ipv4",), ("listen 0.0.0.0:80", "listen 0.0.0.0:443 udp")),
        (BOTH, ("listen 0.0.0.0:80", "listen [::]:80", "listen 0.0.0.0:443 udp", "listen [::]:443 udp")),
    ],
)
def test_what_nginx_has_to_say(families: Tuple[str, ...], lines: Tuple[str, ...]) -> None:
    assert handed([80, "443/udp"], families=families, program=NGINX).listen_lines == lines


@pytest.mark.parametrize(
    ("unit", "name", "template"),
    [
        ("web.service", "web.socket", ""),
        ("a.b.service", "a.b.socket", ""),
        ("web@1.service", "web@1.socket", "web@.socket"),
        ("web@a@b.service", "web@a@b.socket", "web@.socket"),
    ],
)
def test_names(unit: str, name: str, template: str) -> None:
    assert socket_unit.socket_name(unit) == name
    elsewhere = socket_unit.paths_elsewhere(unit)
    assert f"/usr/lib/systemd/system/{name}" in elsewhere
    assert f"/etc/systemd/system/{name}" not in elsewhere
    assert (f"/etc/systemd/system/{template}" in elsewhere) is bool(template)


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({}, False),
        ({"address_deny": ("any",)}, False),
        ({"address_deny": ("any",), "address_allow": ("::1",)}, False),
        ({"address_allow": ("::1",)}, True),
    ],
)
def test_who_is_allowed_has_to_be_denied_otherwise(options: Dict[str, Any], refused: bool) -> None:
    assert ("add address_deny: [any]" in socket_unit.refusal(SocketOptions(**options))) is refused


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        pytest.param((), False, id="nobody listens"),
        pytest.param((listener(SERVER, SYSTEMD),), True, id="both"),
        pytest.param((listener(SYSTEMD),), False, id="systemd alone"),
        pytest.param((listener(SERVER),), False, id="the service alone"),
        pytest.param((listener(SERVER), listener(SYSTEMD)), False, id="each one of its own"),
        pytest.param((listener(SYSTEMD), listener(SERVER, SYSTEMD)), True, id="one of two is taken"),
        pytest.param((listener(known=False),), None, id="hidden"),
    ],
)
def test_who_holds_a_socket(listeners: Any, expected: Optional[bool]) -> None:
    assert socket_unit.is_handed(listeners, owns=lambda it: it.unit == "web.service") is expected
