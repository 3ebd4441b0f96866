# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that start a program for each connection: their files as text, what they cannot do, and who else can."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, Reload, file
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.model.superserver_options import (
    SuperserverOptions,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver import inetd, servers, xinetd
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import (
    Daemon,
    Ground,
    Request,
    Shared,
    is_of,
    names,
    runs,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import commands_of, quoted
from hypothesis import given
from hypothesis import strategies as st

XINETD_CONF = "defaults\n{\n}\n\nincludedir /etc/xinetd.d\n"
OTHERS = "127.0.0.1:90 stream tcp4 nowait casez /bin/cat cat\n# no end"
GROUND = Ground(
    programs={name: f"/usr/bin/{program}" for name, program in servers.PROGRAMS.items() if name not in ("s6", "nosh")},
    daemons={name: Daemon(unit, active=True, at_boot=True, reloads=True) for name, unit in servers.DAEMONS.items()},
    systemd=257,
    ipv6=True,
    filters=True,
    inetd=Shared(OTHERS, uid=0, gid=5, mode=0o640),
    xinetd=XINETD_CONF,
)
OLD = GROUND._replace(systemd=252)


def request(server: str, *ports: Any, **fields: Any) -> Request:
    options = {name: fields.pop(name) for name in SuperserverOptions._fields if name in fields}
    asked: Dict[str, Any] = {"name": "a.b", "command": ("/opt/who", "a", "$b%c"), "user": "web", "uid": 990, "gid": 991}
    return Request(
        **{**asked, "server": server, "ports": ports or (Port(79),), "options": SuperserverOptions(**options), **fields}
    )


def texts(asked: Request, ground: Ground = GROUND) -> Dict[str, str]:
    found = servers.desired(asked, ground, found=Installed(), planned=Desired())
    return {path: it.content for path, it in found.written.items()}


def lines(asked: Request, ending: str, ground: Ground = GROUND) -> List[str]:
    """The lines of the one file whose path ends so."""
    (text,) = [text for path, text in texts(asked, ground).items() if path.endswith(ending) and ".wants/" not in path]
    return text.split("\n")


UDP = Port(69, "udp")
EVERYTHING: Dict[str, Any] = {
    "only_from": ("10.0.0.0/8", "10.1.2.3/32", "fd43:80::3/128", "fd43:81::/32"),
    "instances": 20,
    "per_source": 5,
    "cps": 50,
    "log": True,
    "addresses": ("10.1.2.3", "::1"),
}
SOCKET = "superserver-a.b.socket"


@pytest.mark.parametrize(
    ("asked", "ending", "expected"),
    [
        (
            request("systemd"),
            SOCKET,
            ["ListenStream=0.0.0.0:79", "ListenStream=[::]:79", "Accept=yes", "TriggerLimitIntervalSec=0"],
        ),
        (
            request("systemd", **EVERYTHING),
            SOCKET,
            [
                *("ListenStream=10.1.2.3:79", "ListenStream=[::1]:79", "FreeBind=yes", "MaxConnections=20"),
                *(
                    "MaxConnectionsPerSource=5",
                    "PollLimitBurst=50",
                    "IPAddressDeny=any",
                    "IPAddressAllow=10.0.0.0/8 10.1.2.3/32 fd43:80::3/128 fd43:81::/32",
                ),
            ],
        ),
        (request("systemd", families=("ipv4",)), SOCKET, ["ListenStream=0.0.0.0:79"]),
        (request("systemd", addresses=("fe80::1%eth0",)), SOCKET, ["ListenStream=[fe80::1]:79%%eth0"]),
        (
            request("systemd"),
            "b@.service",
            [
                *('ExecStart=-/opt/who a "$$b%%c"'.replace('"', ""), "User=web", "StandardInput=socket"),
                *("NoNewPrivileges=yes", "CapabilityBoundingSet=", "PrivateTmp=yes", "ProtectSystem=full"),
            ],
        ),
        # A single socket, for its program gets it.
        (
            request("systemd", UDP),
            "-69-udp.socket",
            ["ListenDatagram=[::]:69", "BindIPv6Only=both", "Accept=no"],
        ),
        (
            request("systemd", UDP),
            "-69-udp.service",
            ["ExecStart=/opt/who a $$b%%c", "PartOf=privport-superserver-a.b-69-udp.socket"],
        ),
        (
            request("xinetd", **EVERYTHING),
            r"superserver-a\x2eb",
            [
                *("\tport = 79", "\tbind = 10.1.2.3", "\tbind = ::1", "\tflags = IPv4", "\tflags = IPv6"),
                *("\tuser = web", "\tgroups = yes", "\tserver = /opt/who", "\tserver_args = a $b%c", "\twait = no"),
                *(
                    "\tonly_from = 10.0.0.0/8 10.1.2.3 fd43:80::3 fd43:81::/32",
                    "\tinstances = 20",
                    "\tper_source = 5",
                    "\tcps = 50 1",
                ),
                *("\tlog_type = SYSLOG daemon info", "\tdisable = no"),
            ],
        ),
        (
            request("xinetd", UDP),
            r"superserver-a\x2eb",
            ["\tsocket_type = dgram", "\tprotocol = udp", "\twait = yes", "\tflags = IPv6"],
        ),
        (request("inetd"), "inetd.conf", ["79 stream tcp nowait web /opt/who who a $b%c"]),
        (request("inetd", cps=5), "inetd.conf", ["79 stream tcp nowait.300 web /opt/who who a $b%c"]),
        (
            request("inetd", UDP, addresses=("10.1.2.3", "::1")),
            "inetd.conf",
            ["10.1.2.3:69 dgram udp4 wait web /opt/who who a $b%c", "[::1]:69 dgram udp6 wait web /opt/who who a $b%c"],
        ),
        (
            request("inetd", families=("ipv6",), wait=True),
            "inetd.conf",
            ["79 stream tcp6 wait web /opt/who who a $b%c"],
        ),
        (
            request("tcpserver", instances=9, log=True, only_from=("10.0.0.0/8",)),
            "-79.service",
            [
                "ExecStart=/usr/bin/tcpserver -v -H -R -l 0 -c 9 -u 990 -g 991 0 79 /opt/who a $$b%%c",
                "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETGID CAP_SETUID",
                "IPAddressDeny=any",
            ],
        ),
        (
            request("tcpsvd", per_source=2, addresses=("10.1.2.3",), command=("/opt/who", "a b", "")),
            "-79.service",
            ['ExecStart=/usr/bin/tcpsvd -l 0 -C 2 -u web 10.1.2.3 79 /opt/who "a b" ""'],
        ),
    ],
    ids=str,
)
def test_what_is_written(asked: Request, ending: str, expected: Sequence[str]) -> None:
    found = lines(asked, ending)
    assert [line for line in expected if line not in found] == [], found
    assert "Managed by netbind.privport (superserver)" in found[0]


def test_without_ipv6_it_is_left_out() -> None:
    ground = GROUND._replace(ipv6=False)
    assert "ListenStream=[::]:79" not in lines(request("systemd"), SOCKET, ground)
    assert "79 stream tcp4 nowait web /opt/who who a $b%c" in lines(request("inetd"), "inetd.conf", ground)
    assert "\tflags = IPv4" in lines(request("xinetd"), r"a\x2eb", ground)


def off(name: str, **fields: Any) -> Ground:
    daemon = GROUND.daemons[name]._replace(**fields)
    return GROUND._replace(daemons={**GROUND.daemons, name: daemon})


@pytest.mark.parametrize(
    ("asked", "ground", "code", "text"),
    [
        (request("systemd", **EVERYTHING), OLD, "inexpressible", "cps.*; say superserver: xinetd"),
        (
            request("systemd", only_from=("::1/128",)),
            GROUND._replace(filters=False),
            "inexpressible",
            "say superserver: x",
        ),
        (request("xinetd", command=("/opt/a", "b c")), GROUND, "inexpressible", "systemd or tcpserver or tcpsvd"),
        (request("xinetd", command=("/opt/a", "")), GROUND, "inexpressible", "an empty word"),
        (request("inetd", only_from=("::1/128",)), GROUND, "inexpressible", r"\(only_from\); say superserver: systemd"),
        (request("inetd", instances=1), GROUND, "inexpressible", "instances"),
        (request("inetd", log=True), GROUND, "inexpressible", "log"),
        (request("tcpserver", UDP), GROUND, "inexpressible", "UDP; say superserver: systemd or xinetd or inetd"),
        (request("tcpserver", per_source=1), GROUND, "inexpressible", "or tcpsvd"),
        (request("tcpserver", families=("ipv6",)), GROUND, "inexpressible", "IPv6"),
        (request("tcpsvd", addresses=("10.0.0.1", "10.0.0.2")), GROUND, "inexpressible", "several addresses"),
        (request("tcpsvd", wait=True), GROUND, "inexpressible", "wait"),
        (request("tcpserver", uid=-1), GROUND, "no_account", "does not exist"),
        (request("xinetd"), GROUND._replace(programs={}), "no_server", "install the package xinetd"),
        (request("inetd"), GROUND._replace(programs={}), "no_server", "install the package openbsd-inetd"),
        (
            request("xinetd"),
            off("xinetd", active=False),
            "server_off",
            "does not run; start it, .* enable --now xinetd",
        ),
        (request("inetd"), off("inetd", at_boot=False), "server_off", "is not started by a boot"),
        (request("inetd"), off("inetd", reloads=False), "server_off", "cannot be reloaded"),
        (request("inetd"), GROUND._replace(inetd=None), "server_configuration", "make an empty one"),
        (request("xinetd"), GROUND._replace(xinetd="defaults\n{\n}\n"), "server_configuration", "add 'includedir"),
        (
            request("xinetd"),
            GROUND._replace(xinetd=XINETD_CONF.replace("{", "{\n enabled = ftp")),
            "server_configuration",
            "name that in enabled",
        ),
        (request("systemd"), GROUND._replace(systemd=None), "no_systemd", "where systemd runs the host"),
        (request("systemd", families=("ipv6",)), GROUND._replace(ipv6=False), "no_ipv6", "ipv4 alone"),
        (request("s6"), GROUND, "server_unsupported", "s6-networking.*say superserver: systemd"),
        (request("nosh"), GROUND, "server_unsupported", "Debian does not ship"),
    ],
    ids=str,
)
def test_what_keeps_it_from_serving(asked: Request, ground: Ground, code: str, text: str) -> None:
    found = servers.obstacles(asked, ground)
    assert [it.code for it in found][:1] == [code]
    assert any(re.search(text, it.text) for it in found), found


@pytest.mark.parametrize("server", [name for name in servers.SERVERS if name not in ("s6", "nosh")])
def test_what_needs_nothing_special_is_served_by_each(server: str) -> None:
    assert servers.obstacles(request(server), GROUND) == ()


@pytest.mark.parametrize(
    ("asked", "ground", "told"),
    [
        (request("inetd"), GROUND, "more than 256 times"),
        (request("inetd", cps=9), GROUND, ""),
        (request("inetd", UDP), GROUND, ""),
        (request("tcpserver"), GROUND, "all groups of web but the primary one"),
        (
            request("xinetd"),
            GROUND._replace(xinetd=XINETD_CONF.replace("{", "{\n only_from = 10.0.0.1\n cps = 5 30")),
            "only_from = 10.0.0.1, cps = 5 30",
        ),
        (request("xinetd"), GROUND, ""),
        (request("systemd"), GROUND, ""),
    ],
    ids=str,
)
def test_what_is_told(asked: Request, ground: Ground, told: str) -> None:
    found = servers.SERVERS[asked.server].warnings(asked, ground)
    assert told in "".join(found)
    assert bool(told) is bool(found)


@given(before=st.text(st.characters(codec="utf-8"), max_size=60), cps=st.sampled_from([None, 5]))
def test_every_byte_of_others_lines_stays(before: str, cps: Any) -> None:
    ground = GROUND._replace(inetd=Shared(before))
    asked = request("inetd", cps=cps)
    written = texts(asked, ground)[inetd.PATH]
    assert written.endswith(before)
    again = ground._replace(inetd=Shared(written))
    assert texts(request("inetd", cps=7), again)[inetd.PATH].count("stream") == before.count("stream") + 1
    gone = servers.absent("a.b", again, found=Installed(), planned=Desired())
    assert gone.written[inetd.PATH].content == before


def test_services_of_one_inetd_share_its_file() -> None:
    planned = servers.desired(request("inetd"), GROUND, found=Installed(), planned=Desired())
    both = servers.desired(request("inetd", Port(80), name="c"), GROUND, found=Installed(), planned=planned)
    text = both.written[inetd.PATH].content
    assert "\n79 stream" in text
    assert "\n80 stream" in text
    assert both.written[inetd.PATH] == file(inetd.PATH, text, mode=0o640, gid=5)
    there = GROUND._replace(inetd=Shared(text))
    assert servers.is_there("c", there, Installed())
    left = servers.absent("c", there, found=Installed(), planned=Desired())
    assert "\n80 stream" not in left.written[inetd.PATH].content
    assert left.reloads == (Reload("inetd.service", inetd.PATH, "80", held=False),)


def test_what_a_killed_run_left_goes() -> None:
    left = GROUND._replace(inetd=Shared(OTHERS, leftovers=("/etc/.privport-1",)))
    gone = servers.absent("a.b", left, found=Installed(), planned=Desired())
    assert gone.written[inetd.PATH].content == OTHERS
    assert not servers.is_complete(request("xinetd"), left, found_of(request("xinetd")))
    stale = off("xinetd", stale=True)
    assert not servers.is_complete(request("xinetd"), stale, found_of(request("xinetd")))
    told = servers.absent("a.b", stale, found=Installed(), planned=Desired())
    assert told.reloads == (Reload("xinetd.service", "", "", held=False),)
    assert servers.may_hold("a.b", stale, Installed()) == {"xinetd.service"}
    assert servers.may_hold("a.b", GROUND, Installed()) == set()


def test_a_mark_without_its_end_takes_nobodys_lines() -> None:
    whole = texts(request("inetd"))[inetd.PATH]
    begin = whole.split("\n")[0] + "\n"
    assert inetd.without_block(begin + OTHERS, service="a.b") == OTHERS
    assert inetd.without_block("x" + begin, service="a.b") == "x" + begin


def found_of(asked: Request) -> Installed:
    server = servers.SERVERS[asked.server]
    return Installed(files=server.files(asked, GROUND), active=server.units(asked), units=server.units(asked))


@pytest.mark.parametrize("name", ["xinetd", "tcpserver", "systemd"])
def test_what_was_there_of_another_server_goes(name: str) -> None:
    before = request(name)
    wanted = servers.desired(request("inetd"), GROUND, found=found_of(before), planned=Desired())
    gone = {it.path for it in wanted.entries if it.kind == "missing"}
    assert {it.path for it in servers.SERVERS[name].files(before, GROUND)} <= gone
    assert wanted.stopped == servers.SERVERS[name].units(before)
    freed = Reload("xinetd.service", xinetd.path("a.b"), "79", held=False)
    assert (freed in wanted.reloads) is (name == "xinetd")
    assert Reload("inetd.service", inetd.PATH, "79", held=True) in wanted.reloads


@pytest.mark.parametrize("name", ["xinetd", "tcpserver", "systemd"])
def test_what_is_in_place(name: str) -> None:
    asked, found = request(name), found_of(request(name))
    assert servers.is_complete(asked, GROUND, found)
    for other in (
        found._replace(files=()),
        found._replace(unread=("x",)),
        found._replace(leftovers=("x",)),
        *([found._replace(active=())] if found.active else []),
    ):
        assert not servers.is_complete(asked, GROUND, other)
    assert not servers.is_complete(asked._replace(user="mail", uid=8), GROUND, found)
    lines_of_another = GROUND._replace(inetd=Shared(texts(request("inetd"))[inetd.PATH]))
    assert not servers.is_complete(asked, lines_of_another, found)


def test_which_daemon_serves_it() -> None:
    by_lines = GROUND._replace(inetd=Shared(texts(request("inetd"))[inetd.PATH]))
    assert servers.daemon_of("a.b", by_lines, Installed()) == "inetd.service"
    assert servers.daemon_of("a.b", GROUND, found_of(request("xinetd"))) == "xinetd.service"
    assert servers.daemon_of("a.b", GROUND, found_of(request("systemd"))) == ""
    assert servers.daemon_of("a.b", None, Installed()) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("service a\n{\n port = 79\n socket_type = stream\n}\n", (Port(79),)),
        ("service a\n{\n port = 69\n socket_type = dgram\n}\n", (Port(69, "udp"),)),
        # Without blanks around the sign the line is dropped.
        ("service a\n{\n port=79\n}\n", ()),
        ("service a\n{\n# port = 79\n}\n", ()),
        (" port = 79\n", ()),
        ("service a\n{\n port = 79\n", ()),
        ("service a\n{\n port = ftp\n}\n", ()),
    ],
    ids=["tcp", "udp", "no blanks", "a comment", "outside", "no end", "a name"],
)
def test_the_ports_of_an_xinetd_file(text: str, expected: Tuple[Port, ...]) -> None:
    assert xinetd.ports_of(text) == expected


def test_attributes_of_xinetd_are_added() -> None:
    (section,) = xinetd.parse("defaults\n{\n only_from = 10.0.0.1\n only_from += 10.0.0.2\n}\n")
    assert section == xinetd.Section("", {"only_from": "10.0.0.1 10.0.0.2"})


@given(st.text(max_size=80))
def test_the_parser_of_xinetd_is_total(text: str) -> None:
    xinetd.parse(text)
    inetd.ports_of(text)


@pytest.mark.parametrize("server", ["xinetd", "inetd"])
def test_what_is_written_is_read_back(server: str) -> None:
    ports = (Port(79), Port(80), UDP)
    wanted = servers.desired(request(server, *ports), GROUND, found=Installed(), planned=Desired())
    (text,) = [it.content for it in wanted.written.values()]
    read = xinetd.ports_of(text) if server == "xinetd" else inetd.ports_of(inetd.block_of(text, service="a.b"))
    assert read == ports


def test_the_names_of_a_service_are_no_other_services() -> None:
    assert all(is_of(name, service="a") for name in names("a", (Port(79), UDP)))
    assert not any(is_of(name, service="a") for name in names("a-79", (Port(79), UDP)))
    assert not any(is_of(name, service="a") for name in names("ab", (Port(79),)))


@pytest.mark.parametrize("server", ["systemd", "tcpserver", "tcpsvd"])
def test_all_that_is_written_is_looked_for(server: str) -> None:
    asked = request(server, Port(79), *([UDP] if server == "systemd" else []))
    known = names("a.b", asked.ports)
    written = [path.rpartition("/")[2] for path in texts(asked)]
    assert set(written) <= set(known)
    assert set(servers.SERVERS[server].units(asked)) == {name for name in written if runs(name)}


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\n\r\0"), max_size=8), max_size=4))
def test_a_command_line_of_systemd_has_the_words_that_were_given(words: List[str]) -> None:
    (command,) = commands_of(quoted(["/opt/who", *words]))
    assert command.prefix == ""
    path, *arguments = command.words
    assert (path, [it.replace("%%", "%").replace("$$", "$") for it in arguments]) == ("/opt/who", words)


def test_what_is_somebody_elses_is_not_its() -> None:
    assert not servers.is_there("a.b", GROUND, Installed(foreign=(xinetd.path("a.b"),)))
