# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service descriptions: what is accepted, and one sentence for what is not."""

from __future__ import annotations

import re
import timeit
from typing import Any, Dict, List

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import (
    Port,
    Service,
    SocketOptions,
    parse_ports,
    parse_services,
    port_words,
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
        (80, [Port(80)]),
        ("80,443/udp", [Port(80), Port(443, "udp")]),
        (" 80 81,\n82, ", [Port(80), Port(81), Port(82)]),
        (["80", " 443", "90 91"], [Port(80), Port(90), Port(91), Port(443)]),
    ],
)
def test_ports(values: Any, ports: List[Port]) -> None:
    assert list(parse_ports(values, where="ports")) == ports


@pytest.mark.parametrize(
    "values",
    [
        *[[0], [65536], [-1], ["81-80"], ["80-"], ["80/sctp"], ["http"], [""], [True], [None]],
        *[[80.0], [[80]], [], "", ",", True, None, {80: 80}, ["9" * 5000], ["٨٠"]],
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
        ({"unit": "web@"}, "unit", "web@.service"),
        ({"unit": "web@", "instances": "a, b 1"}, "instances", ("a", "b", "1")),
        ({"unit": None}, "unit", ""),
        ({"executable": "/opt/my server"}, "executable", "/opt/my server"),
        ({"user": "web"}, "user", "web"),
        ({"user": 990}, "user", "990"),
        ({"name": 389}, "name", "389"),
        ({}, "strategy", "auto"),
        ({"strategy": "setcap"}, "strategy", "setcap"),
        ({"socket_activation": True}, "socket_activation", True),
        ({"backend_ports": {80: 8080}}, "backend_ports", {"80": 8080}),
        ({"backend_ports": {"80": "8080"}}, "backend_ports", {"80": 8080}),
        ({"families": ["ipv6", "ipv4", "ipv6"]}, "families", ("ipv4", "ipv6")),
        ({"forward_with": "haproxy"}, "forward_with", "haproxy"),
        ({"addresses": ["192.0.2.1", "2001:DB8:0::1", "192.0.2.1"]}, "addresses", ("192.0.2.1", "2001:db8::1")),
        ({"addresses": "192.0.2.1 fe80::1%eth0"}, "addresses", ("192.0.2.1", "fe80::1%eth0")),
        ({"timeout": "90"}, "timeout", 90),
        ({"widen": "private_users bounding_set"}, "widen", ("bounding_set", "private_users")),
        ({"listens": "on_demand"}, "listens", "on_demand"),
        ({}, "timeout", None),
        ({}, "socket", SocketOptions()),
        ({"socket": {"backlog": 9, "no_delay": True}}, "socket", SocketOptions(backlog=9, no_delay=True)),
        (
            {"socket": {"reuse_port": False, "address_allow": ["10.0.0.0/8", "::1", "localhost"]}},
            "socket",
            SocketOptions(reuse_port=False, address_allow=("10.0.0.0/8", "::1/128", "localhost")),
        ),
        ({"state": "absent"}, "state", "absent"),
        ({"socket_activation": "yes"}, "socket_activation", True),
        ({"backend_ports": "{80: 8080}"}, "backend_ports", {"80": 8080}),
        ({"families": "ipv4"}, "families", ("ipv4",)),
        ({"families": "ipv6, ipv4"}, "families", ("ipv4", "ipv6")),
        ({"socket": '{"backlog": "9", "no_delay": "off"}'}, "socket", SocketOptions(backlog=9, no_delay=False)),
        ({"socket": {"address_deny": "any ::1"}}, "socket", SocketOptions(address_deny=("any", "::1/128"))),
        # What Ansible makes of keys that are not given.
        ({"unit": None, "strategy": None, "socket": None, "families": None}, "strategy", "auto"),
        ({"socket": {"backlog": None, "address_allow": None}}, "socket", SocketOptions()),
    ],
)
def test_keys(fields: Dict[str, Any], attribute: str, value: Any) -> None:
    assert getattr(parse_services([described(**fields)])[0], attribute) == value


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "has the name ''"),
        ({"name": " "}, "has the name ' '"),
        ({"name": True}, "name is True; write it as text"),
        ({"name": "a\nb"}, "name is 'a\\nb'; it cannot hold a newline"),
        ({"port": 80}, "unknown key 'port'"),
        ({7: 80}, "unknown key '7'"),
        ({"ports": None}, "ports is empty"),
        ({"unit": "../etc/passwd"}, "unit is '../etc/passwd'"),
        ({"unit": "a\nb"}, "unit is 'a\\nb'"),
        ({"unit": "web", "instances": "a"}, "instances is given, and unit is 'web.service', no template; write unit"),
        ({"instances": ["a"]}, "instances is given, and unit is '', no template; write unit: NAME@.service"),
        ({"unit": "web@", "instances": ["a/b"]}, "instances is 'web@a/b.service'; write the name of a service unit"),
        ({"unit": "web.socket"}, "unit is 'web.socket'"),
        ({"unit": True}, "unit is True; write it as text"),
        ({"executable": "caddy"}, "executable is 'caddy'; write the absolute path"),
        ({"executable": "/a\0b"}, "cannot hold a newline or NUL"),
        ({"user": ["web"]}, "user is ['web']"),
        ({"user": True}, "user is True"),
        ({"strategy": "magic"}, "choose one of auto, unneeded, socket, ambient"),
        ({"strategy": ["auto"]}, "strategy is ['auto']"),
        ({"socket_activation": "maybe"}, "socket_activation is 'maybe'; write true or false"),
        ({"backend_ports": [8080]}, "write a mapping"),
        ({"backend_ports": "80:8080"}, "backend_ports is '80:8080'; write a mapping such as {80: 8080}"),
        ({"families": {"ipv4": True}}, "families is {'ipv4': True}; write a list such as [ipv4, ipv6]"),
        ({"families": "ipv4,ipx"}, "families is 'ipx'; choose one of ipv4, ipv6"),
        ({"backend_ports": {80: 0}}, "backend_ports port is 0; write a whole number from 1 to 65535"),
        ({"backend_ports": {"80-90": 8080}}, "backend_ports port is '80-90'; write a whole number"),
        ({"backend_ports": {80: "8080/udp"}}, "backend_ports port is '8080/udp'; write a whole number"),
        ({"addresses": ["web"]}, "addresses holds 'web'; write addresses, such as [192.0.2.10, '2001:db8::1']"),
        ({"addresses": ["10.0.0.0/8"]}, "addresses holds '10.0.0.0/8'; write addresses"),
        ({"addresses": ["::"]}, "addresses holds '::'; leave addresses out, which stands for all of them"),
        ({"addresses": {"a": 1}}, "addresses is {'a': 1}; write a list such as [192.0.2.10"),
        (
            {"addresses": ["::1"], "families": "ipv4"},
            "families holds ipv4, and addresses none of that family; add one, or leave families out",
        ),
        ({"listens": "never"}, "listens is 'never'; choose one of always, on_demand"),
        ({"widen": "all"}, "widen is 'all'; choose one of bounding_set, private_users"),
        ({"timeout": "soon"}, "timeout is 'soon'; write a whole number of at least 0"),
        ({"forward_with": "rinetd"}, "forward_with is 'rinetd'; choose one of proxyd, socat"),
        ({"socket": ["backlog"]}, "socket is ['backlog']; write a mapping"),
        ({"socket": "{backlog: 9}"}, "socket is '{backlog: 9}'; write a mapping such as {\"backlog\": 512}"),
        ({"socket": {"size": 1}}, "socket: unknown key 'size'; the keys are backlog"),
        ({"socket": {"backlog": 0}}, "socket backlog is 0"),
        ({"socket": {"backlog": True}}, "socket backlog is True"),
        ({"socket": {"no_delay": "maybe"}}, "socket no_delay is 'maybe'; write true or false"),
        ({"socket": {"address_deny": {"any": 1}}}, "socket address_deny is {'any': 1}; write a list"),
        ({"socket": {"address_deny": ["web"]}}, "socket address_deny holds 'web'; write addresses"),
        ({"socket": {"address_deny": [10]}}, "socket address_deny holds '10'; write addresses"),
        ({"state": "started"}, "choose one of present, absent"),
    ],
)
def test_refused_with_a_sentence(fields: Dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        parse_services([{**described(), **fields}])


@given(st.lists(st.tuples(st.integers(1, 99), st.sampled_from(["tcp", "udp"]))))
def test_ports_in_the_fewest_words(found: Any) -> None:
    ports = tuple(sorted({Port(*it) for it in found}))
    assert not ports or parse_ports(port_words(ports), where="ports") == ports


def test_a_range_is_one_word() -> None:
    written = ["80", "81", "90-92", "443/udp", "10000-20000/udp"]
    assert port_words(parse_ports(written, where="ports")) == tuple(written)


def test_where_a_service_listens() -> None:
    (service,) = parse_services([described(ports=["80/udp", 443], backend_ports={80: 8080})])
    assert [service.backend(port) for port in service.ports] == [Port(8080, "udp"), None]
    assert service.all_ports == (Port(80, "udp"), Port(443), Port(8080, "udp"))


@pytest.mark.parametrize(
    "descriptions", [None, "web", "", {"name": "web"}, '{"name": "web"}', [5], [["name"]], "[5]"], ids=repr
)
def test_not_a_list_of_descriptions(descriptions: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^services(\[0\])? is "):
        parse_services(descriptions)


@pytest.mark.parametrize(
    "descriptions",
    [
        '[{"name": "web", "ports": [80]}]',
        ' [{"name": "web", "ports": "80"}] ',
        "[{'name': 'web', 'ports': [80]}]",
        ['{"name": "web", "ports": 80}'],
    ],
)
def test_descriptions_as_text(descriptions: Any) -> None:
    assert parse_services(descriptions) == parse_services([described()])


def test_each_service_that_is_wrong_has_its_line() -> None:
    wrong = [described(ports=[0]), described(name="right", ports=[81]), described(name="mail", user=True)]
    with pytest.raises(InvalidInput) as told:
        parse_services(wrong)
    assert [line.partition(";")[0] for line in str(told.value).splitlines()] == [
        "service 'web': ports holds '0'",
        "service 'mail': user is True",
    ]


def test_many_ports_are_read_in_time_that_grows_as_they_do() -> None:
    def seconds(ports: int) -> float:
        rows = [[f"{first}/udp" for first in range(1, ports)], f"1-{ports}/udp"]
        return min(timeit.repeat(lambda: [parse_services([described(ports=row)]) for row in rows], number=1, repeat=3))

    assert seconds(40_000) < 30 * seconds(4_000)


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (described(), "name is used by two services"),
        (described(name="other"), "ports holds 80, which service 'web' has too"),
        (described(name="other", ports=["70-90"]), "ports holds 80, which service 'web' has too"),
        (described(name="other", addresses="::1"), "name them in both by addresses"),
    ],
)
def test_two_services_that_clash(second: Dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        parse_services([described(), second])


@pytest.mark.parametrize(
    ("one", "two", "share"),
    [
        ({"addresses": "192.0.2.1"}, {"addresses": "192.0.2.2 ::1"}, True),
        ({"addresses": "192.0.2.1"}, {"addresses": ["192.0.2.2", "192.0.2.1"]}, False),
        ({"addresses": "192.0.2.1"}, {}, False),
        ({"unit": "kresd@1"}, {"unit": "kresd@2"}, True),
        ({"unit": "kresd@1"}, {"unit": "knot@2"}, False),
        ({"unit": "a"}, {"unit": "b"}, False),
    ],
)
def test_who_may_have_a_port_in_common(one: Dict[str, Any], two: Dict[str, Any], share: bool) -> None:
    services = [described(**one), described(name="other", **two)]
    if share:
        assert len(parse_services(services)) == 2
    else:
        with pytest.raises(InvalidInput, match=r"ports holds 80, which service 'web' has too"):
            parse_services(services)


@pytest.mark.parametrize(
    ("listening", "v6only", "address", "expected"),
    [
        ("192.0.2.1", False, "192.0.2.1", True),
        ("192.0.2.1%eth0", False, "192.0.2.1", True),
        ("127.0.0.53%lo", False, "192.0.2.1", False),
        ("0.0.0.0", False, "192.0.2.1", True),
        ("0.0.0.0", False, "::1", False),
        ("::", False, "192.0.2.1", True),
        ("::", True, "192.0.2.1", False),
        ("::", None, "192.0.2.1", True),
        ("::", True, "::1", True),
        ("::ffff:192.0.2.1", False, "192.0.2.1", True),
        ("fe80::1%eth0", False, "fe80::1%eth0", True),
        ("fe80::1%eth0", False, "fe80::1%eth1", False),
        ("fe80::1%eth0", False, "fe80::1", True),
        ("192.0.2.1", False, "::ffff:192.0.2.1", True),
    ],
)
def test_which_sockets_concern_a_service(listening: str, v6only: Any, address: str, expected: bool) -> None:
    (service,) = parse_services([described(addresses=[address])])
    assert service.serves_by(listening, v6only=v6only) is expected
    assert Service(name="any", ports=service.ports).serves_by(listening, v6only=v6only)


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
