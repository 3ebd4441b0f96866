# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening sockets, against what ss of three releases and the kernel print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, Set, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.process.sockets import (
    Socket,
    parse_listen,
    parse_proc_net,
    parse_ss,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FIXTURES = Path(__file__).parents[1] / "fixtures"
IPROUTES = ("5.9", "6.1", "6.15")
EXPECTED = {
    ("tcp", "127.0.0.1", 80, False),
    ("tcp", "::1", 80, True),
    ("tcp", "0.0.0.0", 81, False),
    ("tcp", "::", 82, True),
    ("tcp", "0.0.0.0%lo", 83, False),
    ("tcp", "::", 443, False),
    ("udp", "0.0.0.0", 443, False),
    ("udp", "::1", 443, True),
}


def read(name: str) -> str:
    return (FIXTURES / name).read_text(encoding="utf-8")


def identity(socket: Socket) -> Tuple[str, str, int, bool]:
    return (socket.protocol, socket.address, socket.port, socket.v6only)


@pytest.mark.parametrize("iproute", IPROUTES)
def test_ss(iproute: str) -> None:
    text = read(f"ss-iproute2-{iproute}.txt")
    found = parse_ss(text)
    assert {identity(socket) for socket in found} == EXPECTED
    assert [str(socket.inode) for socket in found] == re.findall(r"ino:(\d+)", text)


@pytest.mark.parametrize("iproute", IPROUTES)
def test_a_process_that_imitates_another(iproute: str) -> None:
    text = read(f"ss-processes-iproute2-{iproute}.txt")
    assert 'users:(("x",pid=1,fd=3",pid=' in text
    assert [str(socket.inode) for socket in parse_ss(text)] == re.findall(r"ino:(\d+)", text)


LINE = "tcp LISTEN 0 128 {address} 0.0.0.0:* {rest}"


@pytest.mark.parametrize(
    ("address", "expected", "port"),
    [
        ("*:80", "::", 80),
        ("[::]:80", "::", 80),
        ("*%eth0:80", "::%eth0", 80),
        ("0.0.0.0%eth0:80", "0.0.0.0%eth0", 80),
        ("[fe80::1]%eth0:80", "fe80::1%eth0", 80),
        ("[::ffff:192.0.2.1]:443", "::ffff:192.0.2.1", 443),
    ],
)
def test_addresses(address: str, expected: str, port: int) -> None:
    (socket,) = parse_ss(LINE.format(address=address, rest="ino:7 sk:1 cgroup:/ <->"))
    assert (socket.address, socket.port) == (expected, port)


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param("ino:7 sk:1 <->", id="of root"),
        pytest.param("uid:990 ino:7 sk:1 cgroup:/a <->", id="of a user"),
        pytest.param("uid:990 ino:7 sk:1 cgroup:/a ino:8 sk:2 <->", id="a cgroup that imitates an inode"),
        pytest.param(
            "uid:990 ino:7 sk:1 cgroup:/a\x0ctcp LISTEN 0 1 *:80 *:* ino:8 <->", id="a cgroup with a form feed"
        ),
        pytest.param('users:(("x")) ino:8 sk:1",pid=9,fd=3)) uid:990 ino:7 sk:1 <->', id="a name that imitates one"),
    ],
)
def test_the_inode_is_the_kernels(rest: str) -> None:
    assert [socket.inode for socket in parse_ss(LINE.format(address="*:80", rest=rest))] == [7]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "tcp ESTAB 0 0 127.0.0.1:80 127.0.0.1:4000 ino:7",
        LINE.format(address="*:http", rest="ino:7"),
        LINE.format(address="*:80", rest="sk:1 cgroup:/ino:7"),
        "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port",
    ],
)
def test_unknown_lines_are_quoted(line: str) -> None:
    with pytest.raises(UnknownFormat, match=re.escape(repr(line.strip()))):
        parse_ss(line)


def test_nothing_listens() -> None:
    assert parse_ss("") == parse_ss("\n \n") == ()


def sockets_of(protocol: str, version: str) -> Tuple[Socket, ...]:
    text = read(f"proc-net-{protocol}{version}-linux6.18.txt")
    return parse_proc_net(text, protocol=protocol, little_endian=True)


def test_proc_net_tells_the_same_as_ss() -> None:
    by_ss: Dict[int, Any] = {socket.inode: socket for socket in parse_ss(read("ss-iproute2-6.1.txt"))}
    found = [it for protocol in ("tcp", "udp") for version in ("", "6") for it in sockets_of(protocol, version)]
    seen: Set[int] = set()
    for socket in found:
        if socket.inode not in by_ss:
            # sshd of the host that this was captured on.
            assert socket.port == 22
            continue
        other = by_ss[socket.inode]
        assert (socket.protocol, socket.address, socket.port) == (
            other.protocol,
            other.address.partition("%")[0],
            other.port,
        )
        seen.add(socket.inode)
    assert seen == set(by_ss)


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000   990        0 7 1 0 100\n"


@pytest.mark.parametrize(
    ("address", "little_endian", "expected"),
    [
        ("0100007F:0050", True, ("127.0.0.1", 80)),
        ("7F000001:0050", False, ("127.0.0.1", 80)),
        ("00000000000000000000000001000000:01BB", True, ("::1", 443)),
        ("00000000000000000000000000000001:01BB", False, ("::1", 443)),
        ("0000000000000000FFFF0000010200C0:0050", True, ("::ffff:192.0.2.1", 80)),
    ],
)
def test_the_byte_order_of_the_machine(address: str, little_endian: bool, expected: Tuple[str, int]) -> None:
    text = HEAD + ROW.format(address=address, state="0A")
    (socket,) = parse_proc_net(text, protocol="tcp", little_endian=little_endian)
    assert socket.port == expected[1]
    # Pythons differ in how they write mapped addresses.
    assert socket.address in (expected[0], expected[0].replace("192.0.2.1", "c000:201"))


@pytest.mark.parametrize(
    ("protocol", "state", "count"), [("tcp", "0A", 1), ("tcp", "01", 0), ("udp", "07", 1), ("udp", "01", 0)]
)
def test_only_what_listens(protocol: str, state: str, count: int) -> None:
    text = HEAD + ROW.format(address="0100007F:0050", state=state)
    assert len(parse_proc_net(text, protocol=protocol, little_endian=True)) == count


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        ROW.format(address="0100007F", state="0A"),
        ROW.format(address="0100007:0050", state="0A"),
        ROW.format(address="0100007F00000000:0050", state="0A"),
        ROW.format(address="0100007F:00:50", state="0A"),
        ROW.format(address="G100007F:0050", state="0A"),
        "   0: 0100007F:0050 00000000:0000 0A",
    ],
)
def test_unknown_lines_of_proc_net_are_quoted(line: str) -> None:
    with pytest.raises(UnknownFormat, match=re.escape(repr(line.strip()))):
        parse_proc_net(HEAD + line, protocol="tcp", little_endian=True)


def test_an_empty_table() -> None:
    assert parse_proc_net(HEAD, protocol="tcp", little_endian=True) == ()
    assert parse_proc_net("", protocol="tcp", little_endian=True) == ()


WORDS = st.sampled_from(
    [
        "tcp",
        "udp",
        "LISTEN",
        "UNCONN",
        "0",
        "128",
        "*:80",
        "[::1]:443",
        "x:99999999",
        "ino:7",
        "uid:1",
        'users:(("',
        "))",
    ]
) | st.text(max_size=6)
LINES = st.lists(st.lists(WORDS, max_size=10).map(" ".join), max_size=3).map("\n".join)
CELLS = st.sampled_from(["0:", "0100007F:0050", "00000000:0000", "0A", "07", "990", "0", "7", "::", "FFFF:"]) | st.text(
    max_size=6
)
ROWS = st.lists(st.lists(CELLS, min_size=9, max_size=12).map(" ".join), max_size=3).map(
    lambda rows: "\n".join(["head", *rows])
)


@given(text=st.text() | LINES)
@settings(deadline=None, derandomize=True)
def test_ss_is_total(text: str) -> None:
    try:
        parse_ss(text)
    except UnknownFormat:
        return


@given(text=st.text() | ROWS, protocol=st.sampled_from(["tcp", "udp"]), little_endian=st.booleans())
@settings(deadline=None, derandomize=True)
def test_proc_net_is_total(text: str, protocol: str, little_endian: bool) -> None:
    try:
        parse_proc_net(text, protocol=protocol, little_endian=little_endian)
    except UnknownFormat:
        return


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("0.0.0.0:80 (Stream)\n[::]:443 (Datagram)", (("tcp", 80), ("udp", 443))),
        ("[fe80::1%eth0]:80 (Stream)", (("tcp", 80),)),
        ("[fe80::1]:80%eth0 (Stream)", (("tcp", 80),)),
        ("/run/a b:80 (Stream)\n@abstract (Datagram)\n/dev/x (FIFO)\nkobject-uevent 1 (Netlink)", ()),
        ("/mq (Message Queue)\n/run/x (SequentialPacket)\nvsock:2:80 (Stream)", ()),
    ],
)
def test_what_a_socket_unit_listens_on(text: str, expected: object) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize("line", ["0.0.0.0:80", "80 Stream", "80 ()"])
def test_a_socket_of_no_kind(line: str) -> None:
    with pytest.raises(UnknownFormat, match=re.escape(repr(line))):
        parse_listen(line)
