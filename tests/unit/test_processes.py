# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a socket, and what its process is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import processes
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    PID,
    FakeHost,
    proc_status,
    process_files,
    socket_links,
)
from ansible_collections.netbind.privport.tests.unit.observed import (
    INODES,
    PLAIN,
    SS,
    TABLES,
    UNIT_FILE,
    machine,
    observe,
    only,
)

COLLECTIONS = Path(__file__).parents[2] / ".collections"


def read(host: Host) -> Process:
    record = host.process(105)
    assert record is not None
    return processes.read_process(record)


def test_owners_are_found_by_inode_whatever_the_name_says() -> None:
    # The comm of the process imitates pid 1, which exists and holds nothing.
    host = machine(files=process_files(pid="1", uid=0, unit="init.scope"))
    found = only(host).listeners
    assert [(it.protocol, it.address, it.port, it.v6only) for it in found] == [
        ("tcp", "127.0.0.1", 80, False),
        ("tcp", "::1", 80, True),
    ]
    assert [[owner.pid for owner in it.owners] for it in found] == [[105], [105]]
    assert found[0].owners[0].status.name == 'x",pid=1,fd=3))'
    assert all(it.owners_known for it in found)


def test_a_socket_with_two_owners() -> None:
    host = machine(files=process_files(pid="7", unit="other.service"), links=socket_links(INODES[:1], pid="7"))
    assert [[owner.unit for owner in it.owners] for it in only(host).listeners] == [
        ["plain.service", "other.service"],
        ["plain.service"],
    ]


def test_a_process_that_is_gone_again() -> None:
    host = machine(links=socket_links(INODES, pid="7"))
    assert [[owner.pid for owner in it.owners] for it in only(host).listeners] == [[105], [105]]


@pytest.mark.parametrize(
    ("uid", "links", "known"),
    [
        pytest.param(0, {}, True, id="root sees that nobody holds it"),
        pytest.param(1000, {}, False, id="a user cannot tell"),
        pytest.param(1000, socket_links(INODES), True, id="a user sees his own"),
    ],
)
def test_whether_owners_are_known(uid: int, links: Any, known: bool) -> None:
    host = FakeHost(files={**UNIT_FILE, **process_files()}, links=links, units=[PLAIN], sockets=SS, uid=uid)
    assert {it.owners_known for it in only(host).listeners} == {known}


def test_ss_is_asked_for_the_ports_alone_and_never_for_names() -> None:
    host = machine()
    observe(host, ports=[443, 80, "443/udp"])
    (asked,) = [argv for argv in host.ran if argv[0] == "ss"]
    assert asked[-1] == "sport = :80 or sport = :443"
    assert not [word for word in asked[1:-1] if "p" in word]


@pytest.mark.parametrize(
    ("ports", "ranges", "expression"),
    [
        ([80], ((80, 80),), "sport = :80"),
        ([80, 443], ((80, 80), (443, 443)), "sport = :80 or sport = :443"),
        ([5060, *range(10000, 20001)], ((5060, 5060), (10000, 20000)), None),
        ([81, 80], ((80, 81),), "( sport >= :80 and sport <= :81 )"),
    ],
    ids=["one", "two", "a wide range", "neighbours"],
)
def test_ports_are_asked_for_as_ranges(ports: Any, ranges: Any, expression: Any) -> None:
    wanted = [Port(number, protocol) for number in ports for protocol in ("tcp", "udp")]
    assert processes.ranges_of(wanted) == ranges
    host = machine()
    host.sockets(ranges)
    assert expression in (host.ran[-1][-1], None)


def test_this_machines_ss_takes_ranges(listening: Tuple[int, int]) -> None:
    first, last = sorted(listening)
    found = processes.parse_sockets(Host().sockets(((first, last), (1, 1))), [Port(first), Port(last)])
    assert {(it.protocol, it.port) for it in found} == {("tcp", first), ("tcp", last)}


@pytest.fixture
def listening() -> Iterator[Tuple[int, int]]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield one.getsockname()[1], other.getsockname()[1]


def test_sockets_without_their_holders() -> None:
    seen = machine().sockets(((80, 80),), holders=False)
    assert (len(processes.parse_sockets(seen, [Port(80)])), seen.holders, seen.processes) == (2, {}, {})


def test_a_daemon_is_found_by_its_file() -> None:
    host = machine(files={"/run/a.pid": f"{PID}\n", "/run/b.pid": "x", "/run/c.pid": "4242"})
    found = [host.daemon(f"/run/{name}.pid") for name in "abcd"]
    assert [it.pid if it else None for it in found] == [105, None, None, None]


def test_other_ports_and_protocols_do_not_count() -> None:
    assert {(it.protocol, it.port) for it in only(machine(), ports=["443/udp"]).listeners} == {("udp", 443)}
    assert only(machine(), ports=[4430]).listeners == ()


def test_without_ss_the_kernels_tables_are_read_and_that_is_said() -> None:
    host = machine(programs=("systemctl",), files=TABLES)
    found = observe(host)
    assert found.socket_source == "/proc/net"
    assert observe(machine()).socket_source == "ss"
    assert [argv for argv in host.ran if argv[0] == "ss"] == []
    assert [(it.address, [owner.pid for owner in it.owners]) for it in found.services[0].listeners] == [
        ("127.0.0.1", [105]),
        ("::1", [105]),
    ]


def test_without_proc_net_nothing_listens() -> None:
    assert only(machine(programs=("systemctl",))).listeners == ()


@pytest.mark.parametrize(
    ("maps", "expected"),
    [("7f00 r-xp 0 0 0 /usr/lib/authbind/libauthbind.so.1\n", True), ("7f00 r-xp 0 0 0 /bin/a\n", False), (None, None)],
)
def test_whether_authbind_is_mapped(maps: Any, expected: Any) -> None:
    host = machine()
    host.files.pop(f"/proc/{PID}/maps")
    host.files.update({f"/proc/{PID}/maps": maps} if maps else {})
    found = read(host)
    assert found.authbind is expected


@pytest.mark.parametrize(
    ("parents", "ancestors"),
    [
        ({40: 7, 7: 1}, (40, 7)),
        ({}, (40,)),
        # A number was given anew while the chain was read.
        ({40: 7, 7: 40}, (40, 7)),
    ],
)
def test_the_processes_above_a_process(parents: Any, ancestors: Any) -> None:
    above = {f"/proc/{pid}/status": f"PPid:\t{parent}\n" for pid, parent in parents.items()}
    host = machine(files=above)
    host.files[f"/proc/{PID}/status"] = proc_status().replace("PPid:\t1\n", "PPid:\t40\n")
    record = host.process(int(PID))
    assert record is not None
    assert record.ancestors == ancestors


@pytest.mark.parametrize(("namespace", "effective"), [((4, 1), ("cap_net_bind_service",)), ((4, 2), ())])
def test_what_a_process_holds_in_a_user_namespace_of_its_own_is_nothing_here(namespace: Any, effective: Any) -> None:
    host = machine()
    found = host.namespace
    host.namespace = lambda path: namespace if path == f"/proc/{PID}/ns/user" else found(path)  # type: ignore[method-assign]
    status = read(host).status
    assert (status.effective, status.permitted, status.ambient) == (effective, effective, effective)


def test_threads_that_differ_are_told_and_one_that_ends_is_left_out() -> None:
    folder = f"/proc/{PID}/task"
    host = machine(
        files={
            f"{folder}/106/status": proc_status(),
            f"{folder}/107/status": proc_status(caps="0"),
            f"{folder}/108/status": proc_status(uid=0),
            f"{folder}/109/stat": "",
            f"{folder}/110/status": "",
        }
    )
    found = read(host)
    assert found.threads == 4
    assert [(it.tid, it.status.uid, it.status.effective) for it in found.unlike] == [
        (107, 990, ()),
        (108, 0, ("cap_net_bind_service",)),
    ]


@pytest.mark.parametrize(
    ("links", "executable", "replaced"),
    [
        ({}, "/usr/bin/python3.11", False),
        ({f"/proc/{PID}/exe": "/usr/bin/python3.11 (deleted)"}, "/usr/bin/python3.11", True),
        ({f"/proc/{PID}/exe": None}, "", None),
    ],
    ids=["the same", "replaced", "closed to us"],
)
def test_the_file_that_a_process_executes(links: Any, executable: str, replaced: Any) -> None:
    host = machine(links=links)
    host.links = {path: target for path, target in host.links.items() if target}
    found = read(host)
    assert (found.executable, found.replaced) == (executable, replaced)


def test_whether_two_paths_are_one_file(tmp_path: Path) -> None:
    file, link, other = tmp_path / "file", tmp_path / "link", tmp_path / "other"
    file.touch()
    other.touch()
    link.symlink_to(file)
    assert Host().same_file(str(link), str(file)) is True
    assert Host().same_file(str(file), str(other)) is False
    assert Host().same_file(str(file), str(tmp_path / "gone")) is False
    assert Host().same_file(str(tmp_path / "gone"), str(file)) is None


def test_the_same_sockets_are_the_same_answer() -> None:
    """Whatever the order in which a process sees texts (object.__hash__)."""
    script = (
        "import socket\n"
        "from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host\n"
        "held = [socket.create_server(('127.0.0.1', 0)) for _ in range(4)]\n"
        "found = Host()._holders({__import__('os').fstat(it.fileno()).st_ino for it in held})\n"
        "print(list(found) == sorted(found))\n"
    )
    for seed in "1234":
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(COLLECTIONS)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout == "True\n"
