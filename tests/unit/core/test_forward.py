# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarders as text: what is asked for, what keeps it from being, and the files that come of it."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import forwarder as forward
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import init_script as forward_script
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding.forwarder import (
    Backend,
    Ground,
    Request,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import MARK, is_own
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import of_file
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import FORWARDERS
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_unit_file

GROUND = Ground(systemd=252, ipv6=True, programs={name: f"/usr/bin/{name}" for name in FORWARDERS})
SYSV: Dict[str, Any] = {"systemd": None, "init_scripts": True}
WEB = Request(name="web", ports=(Port(80),), backends={Port(80): Backend("127.0.0.1", 8080)}, unit="web.service")
UNITS = "/etc/systemd/system"
SOCKET, SERVICE = f"{UNITS}/privport-forward-web-80.socket", f"{UNITS}/privport-forward-web-80.service"
LINK = f"{UNITS}/web.service.wants/privport-forward-web-80.service"


def texts(request: Request = WEB, ground: Ground = GROUND) -> Dict[str, str]:
    return {file.path: of_file(file).shown for file in forward.installation(request, ground).files}


def values(text: str, key: str) -> List[str]:
    return [it.value for it in parse_unit_file(text) if it.key == key]


@pytest.mark.parametrize(
    ("program", "files", "units"),
    [
        ("", [SERVICE, SOCKET, LINK], [".socket", ".service"]),
        ("proxyd", [SERVICE, SOCKET, LINK], [".socket", ".service"]),
        ("socat", [SERVICE, LINK], [".service"]),
        ("haproxy", [SERVICE, SOCKET, "/etc/netbind.privport/web-80.haproxy.cfg", LINK], [".socket", ".service"]),
        ("nginx", [SERVICE, SOCKET, "/etc/netbind.privport/web-80.nginx.conf", LINK], [".socket", ".service"]),
    ],
)
def test_each_forwarder_has_units_of_its_own(program: str, files: List[str], units: List[str]) -> None:
    request = WEB._replace(forwarder=program)
    wanted = forward.installation(request, GROUND)
    assert [file.path for file in wanted.files] == files
    assert list(wanted.units) == [f"privport-forward-web-80{ending}" for ending in units]
    assert set(files) <= set(forward.paths("web", 80, unit="web.service"))
    assert all(file.text.startswith(MARK) for file in wanted.files if not file.target)
    assert forward.installation(request, GROUND, later=(80,)).units == ()


@pytest.mark.parametrize("program", FORWARDERS)
def test_no_forwarder_is_root(program: str) -> None:
    text = texts(WEB._replace(forwarder=program))[SERVICE]
    given = ["CAP_NET_BIND_SERVICE"] if program == "socat" else []
    assert values(text, "DynamicUser") == values(text, "NoNewPrivileges") == ["yes"]
    assert values(text, "AmbientCapabilities") == given
    assert values(text, "CapabilityBoundingSet") == (given or [""])


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({}, "/usr/bin/proxyd --connections-max=2048 127.0.0.1:8080"),
        ({"backends": {Port(80): Backend("::1", 81)}}, "/usr/bin/proxyd --connections-max=2048 ::1:81"),
        (
            {"forwarder": "socat"},
            "/usr/bin/socat TCP6-LISTEN:80,ipv6only=0,reuseaddr,backlog=4096,fork TCP4:127.0.0.1:8080",
        ),
        (
            {"forwarder": "socat", "families": ("ipv4",), "backends": {Port(80): Backend("::1", 81)}},
            "/usr/bin/socat TCP4-LISTEN:80,reuseaddr,backlog=4096,fork TCP6:[::1]:81",
        ),
        (
            {"forwarder": "socat", "families": ("ipv6",)},
            "/usr/bin/socat TCP6-LISTEN:80,ipv6only=1,reuseaddr,backlog=4096,fork TCP4:127.0.0.1:8080",
        ),
        ({"forwarder": "haproxy"}, "/usr/bin/haproxy -db -f /etc/netbind.privport/web-80.haproxy.cfg"),
        ({"forwarder": "nginx"}, "/usr/bin/nginx -c /etc/netbind.privport/web-80.nginx.conf"),
    ],
)
def test_commands(fields: Dict[str, Any], command: str) -> None:
    assert values(texts(WEB._replace(**fields))[SERVICE], "ExecStart") == [command]


def test_a_name_that_systemd_escapes() -> None:
    """A backslash in a file's name is one in a path, and two in a command line (systemd.service(5))."""
    request = WEB._replace(name="my-web", forwarder="haproxy")
    found = texts(request)
    text = found[rf"{UNITS}/privport-forward-my\x2dweb-80.service"]
    assert r"/etc/netbind.privport/my\x2dweb-80.haproxy.cfg" in found
    assert values(text, "ExecStart")[0].endswith(r"/my\\x2dweb-80.haproxy.cfg")
    assert values(text, "Requires") == [r"privport-forward-my\x2dweb-80.socket"]


@pytest.mark.parametrize(
    ("families", "ipv6", "streams", "descriptors"),
    [
        ((), True, ["0.0.0.0:80", "[::]:80"], "3:4:"),
        ((), False, ["0.0.0.0:80"], "3:"),
        (("ipv4",), True, ["0.0.0.0:80"], "3:"),
        (("ipv6",), True, ["[::]:80"], "3:"),
        (("ipv4", "ipv6"), True, ["0.0.0.0:80", "[::]:80"], "3:4:"),
    ],
)
def test_each_family_has_a_socket_of_its_own(
    families: Tuple[str, ...], ipv6: bool, streams: List[str], descriptors: str
) -> None:
    found = texts(WEB._replace(families=families, forwarder="nginx"), GROUND._replace(ipv6=ipv6))
    assert values(found[SOCKET], "ListenStream") == streams
    assert values(found[SOCKET], "BindIPv6Only") == ["ipv6-only"]
    assert values(found[SERVICE], "Environment") == [f"NGINX={descriptors}"]
    nginx = found["/etc/netbind.privport/web-80.nginx.conf"]
    listens = [line.split()[1].rstrip(";") for line in nginx.splitlines() if line.lstrip().startswith("listen ")]
    assert listens == streams
    # What nginx does not find among the sockets that it is handed, it would have to bind.
    assert "listen [::]:80 ipv6only=on;" in nginx or "[::]:80" not in streams
    haproxy = texts(WEB._replace(families=families, forwarder="haproxy"), GROUND._replace(ipv6=ipv6))
    assert haproxy["/etc/netbind.privport/web-80.haproxy.cfg"].count("bind fd@") == len(streams)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "/usr/bin/socat -ly TCP6-LISTEN:80,ipv6only=0,reuseaddr,backlog=4096,fork TCP4:127.0.0.1:8080 ||"),
        ({"backends": {Port(80): Backend("::1", 81)}}, "fork 'TCP6:[::1]:81' ||"),
        ({}, "# Short-Description: Port 80 forwarded to 127.0.0.1:8080\n"),
        ({}, "# Provides:          privport-forward-web-80\n"),
        ({}, "0A ' /proc/net/tcp"),
        ({}, ":0050 0+:0000"),
        ({}, "--no-new-privs --bounding-set=-all,+net_bind_service"),
    ],
)
def test_without_systemd_it_is_an_init_script(fields: Dict[str, Any], said: str) -> None:
    wanted = forward.installation(WEB._replace(**fields), GROUND._replace(**SYSV))
    (file,) = wanted.files
    assert (file.path, file.mode) == ("/etc/init.d/privport-forward-web-80", 0o755)
    assert wanted.units == ("privport-forward-web-80",)
    assert is_own(file.text)
    assert said in file.text
    assert forward.installation(WEB, GROUND._replace(**SYSV), later=(80,)).units == ()


@pytest.mark.parametrize(
    ("service", "name"),
    [("web", "web"), ("my-web", "my+2dweb"), ("a b/c", "a+20b+2fc"), ("ü", "+c3+bc"), ("a+", "a+2b")],
)
def test_names_of_init_scripts(service: str, name: str) -> None:
    assert forward_script.name(service, 80) == f"privport-forward-{name}-80"
    assert forward_script.port_of(forward_script.name(service, 80), service=service) == 80
    assert forward_script.port_of(forward_script.name(service, 80), service="other") is None


def test_each_init_script_has_a_user_of_its_own() -> None:
    users = [
        re.findall("--re[ug]id=([0-9]+)", forward_script.script("web", port, backend="", program="", arguments=""))
        for port in (80, 443)
    ]
    assert len({*users[0]}) == len({*users[1]}) == 1
    assert users[0] != users[1]
    assert all(61184 <= int(user) <= 65519 for found in users for user in found)


def test_a_forwarder_starts_with_its_socket() -> None:
    text = texts()[SERVICE]
    assert values(text, "Requires") == values(text, "After") == ["privport-forward-web-80.socket"]
    assert values(texts(WEB._replace(forwarder="socat"))[SERVICE], "Requires") == []


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("haproxy", "server backend 127.0.0.1:8080 send-proxy-v2"),
        ("nginx", "proxy_pass http://127.0.0.1:8080;"),
        ("nginx", "proxy_set_header Host $http_host;"),
        ("nginx", "proxy_set_header X-Real-IP $remote_addr;"),
        ("nginx", "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"),
        ("nginx", "proxy_set_header X-Forwarded-Proto $scheme;"),
        ("nginx", "proxy_set_header Upgrade $http_upgrade;"),
        ("nginx", "proxy_set_header Connection $forward_connection;"),
    ],
)
def test_the_client_is_told(program: str, said: str) -> None:
    request = WEB._replace(forwarder=program)
    assert f" {said}\n" in forward.configured(request, GROUND, port=Port(80))
    # What is judged alone has all of it but the sockets.
    trial = forward.configured(request, GROUND, port=Port(80), trial="/run/x")
    assert f" {said}\n" in trial
    assert "/run/x/socket" in trial
    assert "fd@" not in trial
    assert ":80;" not in trial


@pytest.mark.parametrize("program", ["", "socat"])
@pytest.mark.parametrize("unit", ["", "web.service"])
def test_a_restart_of_the_service_hands_over_the_port(program: str, unit: str) -> None:
    found = texts(WEB._replace(forwarder=program, unit=unit))
    link = f"{UNITS}/{unit or 'multi-user.target'}.wants/privport-forward-web-80.service"
    assert found[link] == f"link to {SERVICE}\n"
    assert values(found[SERVICE if program else SOCKET], "Before") == ([unit] if unit else [])


@pytest.mark.parametrize(
    ("request_fields", "ground_fields", "codes"),
    [
        ({}, {}, []),
        ({"ports": (Port(80, "udp"),)}, {}, ["tcp_only"]),
        ({"ports": (Port(80), Port(81))}, {}, ["no_backend"]),
        ({"backends": {Port(80): Backend("127.0.0.1", 80)}}, {}, ["own_backend"]),
        ({}, {"systemd": None}, ["no_systemd"]),
        ({}, SYSV, []),
        ({"forwarder": "socat"}, SYSV, []),
        ({"forwarder": "haproxy"}, SYSV, ["no_systemd"]),
        ({}, {**SYSV, "programs": {"proxyd": "/x"}}, ["no_forwarder"]),
        ({}, {"systemd": 234}, ["old_systemd"]),
        ({}, {"systemd": 235}, []),
        ({}, {"programs": {}}, ["no_forwarder"]),
        ({"forwarder": "haproxy"}, {"programs": {"proxyd": "/x"}}, ["no_forwarder"]),
        ({"families": ("ipv6",)}, {"ipv6": False}, ["no_ipv6"]),
        ({"families": ("ipv4",)}, {"ipv6": False}, []),
        (
            {"forwarder": "nginx", "ports": (Port(443),), "backends": {Port(443): Backend("::1", 8443)}},
            {},
            ["tls_port"],
        ),
    ],
)
def test_obstacles(request_fields: Dict[str, Any], ground_fields: Dict[str, Any], codes: List[str]) -> None:
    request, ground = WEB._replace(**request_fields), GROUND._replace(**ground_fields)
    found = forward.obstacles(request, ground)
    assert [it.code for it in found] == codes
    if codes:
        with pytest.raises(Refused) as refused:
            forward.installation(request, ground)
        assert str(refused.value) == f"{found[0].text} ({found[0].evidence})"


@pytest.mark.parametrize(
    ("given", "backend"),
    [
        (8080, Backend("127.0.0.1", 8080)),
        ("8080", Backend("127.0.0.1", 8080)),
        ("10.0.0.1:8080", Backend("10.0.0.1", 8080)),
        ("[::1]:8080", Backend("::1", 8080)),
        ("[0:0::1]:8080", Backend("::1", 8080)),
    ],
)
def test_backends(given: Any, backend: Backend) -> None:
    assert forward.parse_backends({"80": given}, where="backend_ports") == {80: backend}
    assert forward.parse_backends({80: str(backend)}, where="backend_ports") == {80: backend}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([80], r"backend_ports is \[80\], not a mapping|write a mapping"),
        ({80: "a:1"}, "holds 'a:1'; write an address"),
        ({80: "[1.2.3.4]:1"}, "write an address"),
        ({80: 0}, "holds 0; write ports"),
        ({80: 65536}, "holds 65536; write ports"),
        ({80: "127.0.0.1:0"}, "holds '0'; write ports"),
        ({80: True}, "holds True; write ports"),
        ({"x": 80}, "holds 'x'; write ports"),
        ({80: None}, "holds None; write ports"),
        ({80: "80/tcp"}, "holds '80/tcp'; write ports"),
    ],
)
def test_what_is_no_backend(given: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        forward.parse_backends(given, where="backend_ports")


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("privport-forward-web-80.socket", 80),
        ("privport-forward-web-8080.service", 8080),
        ("privport-forward-web-80.path", None),
        ("privport-forward-web-.socket", None),
        ("privport-forward-webx-80.socket", None),
        (r"privport-forward-web\x2d1-80.socket", None),
        ("web.service", None),
    ],
)
def test_what_belongs_to_a_service(name: str, port: Any) -> None:
    assert forward.port_of(name, service="web") == port


def test_where_it_goes_is_told() -> None:
    request = WEB._replace(backends={Port(80): Backend("::1", 8080)})
    assert forward.forwarded_to(texts(request)[SERVICE]) == Backend("::1", 8080)
    (script,) = texts(request, GROUND._replace(**SYSV)).values()
    assert forward.forwarded_to(script) == Backend("::1", 8080)
    assert forward.forwarded_to("[Unit]\n") is None
