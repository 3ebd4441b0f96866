# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service descriptions: what is accepted, and one sentence for what is not."""

from __future__ import annotations

import re
from typing import Any, Dict, List

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import (
    Port,
    Service,
    SocketOptions,
    parse_ports,
    parse_services,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        ([80], [Port(80)]),
        (["80"], [Port(80)]),
        (["80/tcp", 80], [Port(80)]),
        (["443/udp", 443], [Port(443), Port(443, "udp")]),
        (["80-82"], [Port(80), Port(81), Port(82)]),
        (["80-81/udp", 79], [Port(79), Port(80, "udp"), Port(81, "udp")]),
        ((1, 65535), [Port(1), Port(65535)]),
    ],
)
def test_ports(values: Any, ports: List[Port]) -> None:
    assert list(parse_ports(values, where="ports")) == ports


@pytest.mark.parametrize(
    "values",
    [
        *[[0], [65536], [-1], ["81-80"], ["80-"], ["80/sctp"], ["http"], [""], [" 80"], ["80\n"], [True], [None]],
        *[[80.0], [[80]], [], "80", 80, None, {80: 80}, ["9" * 5000], ["٨٠"]],
    ],
    ids=repr,
)
def test_ports_that_are_none(values: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^here"):
        parse_ports(values, where="here")


def test_a_port_is_written_as_people_write_it() -> None:
    assert [str(port) for port in (Port(80), Port(443, "udp"))] == ["80", "443/udp"]


def described(**fields: Any) -> Dict[str, Any]:
    return {"name": "web", "ports": [80], **fields}


@pytest.mark.parametrize(
    ("fields", "attribute", "value"),
    [
        ({"unit": "caddy"}, "unit", "caddy.service"),
        ({"unit": "web@1"}, "unit", "web@1.service"),
        ({"unit": None}, "unit", ""),
        ({"executable": "/opt/my server"}, "executable", "/opt/my server"),
        ({"user": "web"}, "user", "web"),
        ({"user": 990}, "user", "990"),
        ({}, "strategy", "auto"),
        ({"strategy": "setcap"}, "strategy", "setcap"),
        ({"socket_activation": True}, "socket_activation", True),
        ({"backend_ports": {80: 8080}}, "backend_ports", {"80": 8080}),
        ({"backend_ports": {"80": "8080"}}, "backend_ports", {"80": 8080}),
        ({"families": ["ipv6", "ipv4", "ipv6"]}, "families", ("ipv4", "ipv6")),
        ({"forward_with": "haproxy"}, "forward_with", "haproxy"),
        ({}, "socket", SocketOptions()),
        ({"socket": {"backlog": 9, "no_delay": True}}, "socket", SocketOptions(backlog=9, no_delay=True)),
        (
            {"socket": {"reuse_port": False, "address_allow": ["10.0.0.0/8", "::1", "localhost"]}},
            "socket",
            SocketOptions(reuse_port=False, address_allow=("10.0.0.0/8", "::1/128", "localhost")),
        ),
        ({"state": "absent"}, "state", "absent"),
    ],
)
def test_keys(fields: Dict[str, Any], attribute: str, value: Any) -> None:
    assert getattr(parse_services([described(**fields)])[0], attribute) == value


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "has the name ''"),
        ({"name": " "}, "has the name ' '"),
        ({"name": 5}, "has the name 5"),
        ({"port": 80}, "unknown key 'port'"),
        ({7: 80}, "unknown key '7'"),
        ({"ports": None}, "ports is empty"),
        ({"unit": "../etc/passwd"}, "unit is '../etc/passwd'"),
        ({"unit": "a\nb"}, "unit is 'a\\nb'"),
        ({"unit": "web@.service"}, "a template; name one of its instances"),
        ({"unit": "web.socket"}, "unit is 'web.socket'"),
        ({"unit": 5}, "unit is 5"),
        ({"executable": "caddy"}, "executable is 'caddy'; write the absolute path"),
        ({"executable": "/a\0b"}, "cannot hold a newline or NUL"),
        ({"user": ["web"]}, "user is ['web']"),
        ({"user": True}, "user is True"),
        ({"strategy": "magic"}, "choose one of auto, unneeded, socket, ambient"),
        ({"strategy": ["auto"]}, "strategy is ['auto']"),
        ({"socket_activation": "yes"}, "write true or false"),
        ({"backend_ports": [8080]}, "write a mapping"),
        ({"families": "ipv4"}, "families is 'ipv4'; write a list of ipv4 and ipv6"),
        ({"families": ["ipx"]}, "families is ['ipx']; write a list of ipv4 and ipv6"),
        ({"backend_ports": {80: 0}}, "ports go from 1 to 65535"),
        ({"backend_ports": {"80-90": 8080}}, "'80-90'; write single ports"),
        ({"backend_ports": {80: "8080/udp"}}, "'8080/udp'; write single ports"),
        ({"forward_with": "rinetd"}, "forward_with is 'rinetd'; choose one of proxyd, socat"),
        ({"socket": ["backlog"]}, "socket is ['backlog']; write a mapping"),
        ({"socket": {"size": 1}}, "socket holds the key 'size'; the keys are backlog"),
        ({"socket": {"backlog": 0}}, "socket backlog is 0"),
        ({"socket": {"backlog": True}}, "socket backlog is True"),
        ({"socket": {"no_delay": "yes"}}, "socket no_delay is 'yes'; write true or false"),
        ({"socket": {"address_deny": "any"}}, "socket address_deny is 'any'; write a list"),
        ({"socket": {"address_deny": ["web"]}}, "socket address_deny holds 'web'; write addresses"),
        ({"socket": {"address_deny": [10]}}, "socket address_deny holds 10; write addresses"),
        ({"state": "started"}, "choose one of present, absent"),
    ],
)
def test_refused_with_a_sentence(fields: Dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        parse_services([{**described(), **fields}])


def test_where_a_service_listens() -> None:
    (service,) = parse_services([described(ports=["80/udp", 443], backend_ports={80: 8080})])
    assert [service.backend(port) for port in service.ports] == [Port(8080, "udp"), None]
    assert service.listens == (Port(80, "udp"), Port(443), Port(8080, "udp"))


@pytest.mark.parametrize("descriptions", [None, "web", {"name": "web"}, [5], [["name"]]], ids=repr)
def test_not_a_list_of_descriptions(descriptions: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^services "):
        parse_services(descriptions)


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (described(), "name is used by two services"),
        (described(name="other"), "ports holds 80, which service 'web' has too"),
        (described(name="other", ports=["70-90"]), "ports holds 80, which service 'web' has too"),
    ],
)
def test_two_services_that_clash(second: Dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        parse_services([described(), second])


@pytest.mark.parametrize("second", [described(name="b", ports=["80/udp"]), described(name="b", state="absent")])
def test_two_services_that_do_not(second: Dict[str, Any]) -> None:
    assert len(parse_services([described(), second])) == 2


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
JSON = st.recursive(SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part))
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("web") | JSON,
        "ports": st.lists(st.integers(0, 70000) | st.from_regex(r"[0-9]{1,6}(-[0-9]+)?(/\w+)?", fullmatch=True)) | JSON,
        **{
            key: st.just("x") | JSON
            for key in ("unit", "executable", "user", "strategy", "backend_ports", "families", "state")
        },
    },
)


@given(st.lists(NEAR | JSON, max_size=3) | JSON)
@settings(deadline=None, derandomize=True)
def test_total(descriptions: Any) -> None:
    try:
        services = parse_services(descriptions)
    except InvalidInput:
        return
    assert all(isinstance(it, Service) and it.ports for it in services)
