# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server starts for a connection, seen on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.process.status import parse_groups
from ansible_collections.netbind.privport.plugins.module_utils._host import started
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

CAT = os.path.realpath("/bin/cat")
# Like inetd: a child that has the connection and nothing else. What it starts is the rest of its command line.
SERVER = """
import os, signal, socket, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
kind, command = sys.argv[1], sys.argv[2:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as server:
    server.bind(("127.0.0.1", 0))
    if kind == "tcp":
        server.listen()
    print(server.getsockname()[1], flush=True)
    while True:
        got = server if kind == "udp" else server.accept()[0]
        if kind == "udp":
            server.recvfrom(1, socket.MSG_PEEK)
        pid = os.fork()
        if pid == 0:
            os.dup2(got.fileno(), 0)
            os.dup2(got.fileno(), 1)
            os.execv(command[0], command)
        if kind == "udp":
            signal.pause()
        got.close()
"""


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[int]:
    kind, command = request.param
    argv = [sys.executable, "-c", SERVER, kind, *command]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


def look(port: int, *, protocol: str = "tcp", program: str = CAT) -> Any:
    return Host().started("127.0.0.1", port, protocol=protocol, programs=[program])


@pytest.mark.parametrize("served", [("tcp", [CAT])], indirect=True)
def test_a_program_that_serves_a_connection(served: int) -> None:
    record, groups = look(served)
    assert (record.executable, record.user) == (CAT, Host().user_name(os.getuid()))
    assert parse_groups(groups)["Gid"] == (os.getgid(),) * 4
    assert set(parse_groups(groups)["Groups"]) == set(os.getgroups())


# An empty datagram is an end to cat.
@pytest.mark.parametrize("served", [("udp", ["/bin/sleep", "30"])], indirect=True)
def test_a_program_that_gets_the_socket(served: int) -> None:
    found = look(served, protocol="udp", program=os.path.realpath("/bin/sleep"))
    assert found is not None
    os.kill(found[0].pid, 9)


@pytest.mark.parametrize("served", [("tcp", ["/bin/true"]), ("tcp", ["/bin/echo", "hello"])], indirect=True)
def test_a_program_that_ends_before_it_is_seen(served: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(started, "_TRIES", 2)
    assert look(served) is None


@pytest.mark.parametrize("served", [("tcp", ["/bin/sleep", "30"])], indirect=True)
def test_another_program_is_not_it(served: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(started, "_START_SECONDS", 0.1)
    monkeypatch.setattr(started, "_TRIES", 1)
    assert look(served) is None


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    assert look(closed) is None


def test_a_status_without_groups() -> None:
    with pytest.raises(UnknownFormat):
        parse_groups(Path("/proc/version").read_text(encoding="utf-8"))
