# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What privport_superserver does to a machine in memory, whose daemons read their files when they are told to."""

from __future__ import annotations

import re
from typing import Any, Callable, List, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import daemons
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    PrivportError,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver import inetd, xinetd
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.modules import privport_superserver
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost, process_files

UNITS = "/etc/systemd/system"
STEM = "privport-superserver-web"
FILE = f"/etc/xinetd.d/{STEM}"
OTHERS = "# of others\n90 stream tcp nowait casez /bin/cat cat"
PIDS = {"xinetd.service": 700, "inetd.service": 701}


class Machine(FakeHost):
    """A systemd that runs what has a file, and two daemons; each reload may fail, as often as failures says."""

    failures = 0

    def __init__(self, **fields: Any) -> None:
        files = {"/etc/inetd.conf": OTHERS, "/etc/xinetd.conf": "defaults\n{\n}\nincludedir /etc/xinetd.d\n"}
        files = {**files, "/proc/net/if_inet6": "", "/sys/fs/cgroup/cgroup.controllers": "cpu"}
        for unit, pid in PIDS.items():
            files.update(process_files(pid=str(pid), unit=unit))
        programs = ("systemctl", "ss", "xinetd", "inetd", "tcpserver", "tcpsvd")
        super().__init__(**{"programs": programs, **fields, "files": {**files, **fields.get("files", {})}})
        self.active: List[str] = []
        self.held: dict[str, List[int]] = {unit: [] for unit in PIDS}
        self.read_again()

    def read_again(self) -> None:
        """Each daemon's ports, as its files say; the sockets' inodes are the ports."""
        text = self.files["/etc/inetd.conf"]
        self.held["inetd.service"] = [port.number for port in inetd.ports_of(text)]
        of_xinetd = [text for path, text in self.files.items() if path.startswith("/etc/xinetd.d/")]
        self.held["xinetd.service"] = [port.number for text in of_xinetd for port in xinetd.ports_of(text)]
        self.show_sockets()

    def show_sockets(self) -> None:
        lines = []
        for unit, pid in PIDS.items():
            for path in [path for path in self.links if path.startswith(f"/proc/{pid}/fd/")]:
                del self.links[path]
            for number in self.held[unit]:
                self.links[f"/proc/{pid}/fd/{number}"] = f"socket:[{number}]"
                lines.append(f"tcp LISTEN 0 128 0.0.0.0:{number} 0.0.0.0:* ino:{number} sk:1 <->\n")
        self.ss = "".join(lines)

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        if argv[0] == "ss" or argv[1] == "--version":
            return super().run(argv)
        if argv[1] == "show":
            names = argv[argv.index("--") + 1 :]
            return self._said(argv, "\n".join(map(self.shown, names)))
        self.ran.append(tuple(argv))
        names = argv[argv.index("--") + 1 :] if "--" in argv else []
        if argv[1] == "try-reload-or-restart":
            if self.failures:
                self.failures -= 1
                return Completed(argv=tuple(argv), rc=1, stdout="", stderr="that fails")
            self.read_again()
        if argv[1] == "start":
            self.active += [name for name in names if f"{UNITS}/{name}" in self.files]
        if argv[1] == "stop":
            self.active = [name for name in self.active if name not in names]
        return self._said(argv, "")

    def shown(self, name: str) -> str:
        state = "active" if name in (*self.active, *PIDS) else "inactive"
        return f"Id={name}\nActiveState={state}\nNeedDaemonReload=no\nUnitFileState=enabled\nCanReload=yes\n"

    @property
    def reloaded(self) -> List[str]:
        return [argv[-1] for argv in self.ran if "try-reload-or-restart" in argv]

    @property
    def made(self) -> List[str]:
        return sorted(path for path in (*self.files, *self.links) if STEM in path)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "_MOST_SECONDS", 0.0)


def run(host: FakeHost, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    plain = {"name": "web", "ports": [80], "superserver": "xinetd", "command": "/usr/bin/python3 -x", "user": "web"}
    more: dict[str, Any] = {"families": [], "options": {}, "state": "present"}
    return privport_superserver.run({**plain, **more, **options}, host=host, check_mode=check_mode)


LINKS = {
    server: f"{UNITS}/{target}.wants/{STEM}{ending}"
    for server, target, ending in (
        ("systemd", "sockets.target", ".socket"),
        ("tcpserver", "multi-user.target", "-80.service"),
        ("tcpsvd", "multi-user.target", "-80.service"),
    )
}
PATHS = {
    "systemd": [LINKS["systemd"], f"{UNITS}/{STEM}.socket", f"{UNITS}/{STEM}@.service"],
    "xinetd": [FILE],
    "inetd": [],
    "tcpserver": [LINKS["tcpserver"], f"{UNITS}/{STEM}-80.service"],
    "tcpsvd": [LINKS["tcpsvd"], f"{UNITS}/{STEM}-80.service"],
}


@pytest.mark.parametrize("server", PATHS)
def test_there_and_back(server: str) -> None:
    host = Machine()
    at_first = dict(host.files)
    foreseen = run(host, superserver=server, check_mode=True)
    assert (host.files, host.active, host.reloaded) == (at_first, [], [])
    done = run(host, superserver=server)
    assert done == foreseen
    assert done["changed"] is True
    assert (host.made, host.active) == (sorted(PATHS[server]), done["units"])
    assert host.reloaded == ([f"{server}.service"] if f"{server}.service" in PIDS else [])
    assert run(host, superserver=server)["changed"] is False
    gone = run(host, state="absent")
    assert gone["changed"] is True
    assert (host.files, host.made, host.active) == (at_first, [], [])
    assert host.held == {"xinetd.service": [], "inetd.service": [90]}
    assert run(host, state="absent")["changed"] is False


@pytest.mark.parametrize("before", PATHS)
@pytest.mark.parametrize("after", PATHS)
def test_from_one_server_to_another(before: str, after: str) -> None:
    host = Machine()
    run(host, superserver=before)
    done = run(host, superserver=after)
    assert done["changed"] is (before != after)
    assert (host.made, host.active) == (sorted(PATHS[after]), done["units"])
    held = {unit for unit, ports in host.held.items() if 80 in ports}
    assert held == {f"{after}.service"} & {*PIDS}
    assert 90 in host.held["inetd.service"]


def test_what_is_not_named_any_more_goes() -> None:
    host = Machine()
    run(host, superserver="tcpsvd", ports=[80, 81])
    run(host, superserver="tcpsvd", ports=[81])
    assert host.active == [f"{STEM}-81.service"]
    run(host, ports=["82-83"])
    assert (host.active, host.held["xinetd.service"]) == ([], [82, 83])


def test_another_user_is_told_to_the_daemon() -> None:
    host = Machine()
    run(host)
    host.ran.clear()
    assert run(host, options={"instances": "9"})["changed"] is True
    assert host.reloaded == ["xinetd.service"]


def test_what_a_killed_run_did_not_tell_its_daemon_is_told() -> None:
    host = Machine()
    run(host)
    host.held["xinetd.service"] = []
    host.show_sockets()
    host.ran.clear()
    assert run(host)["changed"] is True
    assert (host.reloaded, host.held["xinetd.service"]) == (["xinetd.service"], [80])


class Killed(BaseException):
    """The end of a run, at any point."""


@pytest.mark.parametrize("server", PIDS)
@pytest.mark.parametrize("goal", ["present", "absent"])
def test_a_daemon_is_told_what_a_killed_run_wrote(server: str, goal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host, name = Machine(), server.partition(".")[0]
    run(host, superserver=name)

    def killed(*_arguments: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(daemons, "reload", killed)
        with pytest.raises(Killed):
            run(host, state="absent")
    assert 80 in host.held[server]
    assert run(host, superserver=name, state=goal)["changed"] is True
    assert (80 in host.held[server]) is (goal == "present")
    assert run(host, superserver=name, state=goal)["changed"] is False
    assert not any(path.startswith("/run/netbind.privport") for path in host.files)


def test_a_reload_that_fails_is_taken_back() -> None:
    host = Machine()
    at_first = dict(host.files)
    host.failures = 1
    with pytest.raises(HostError, match="that fails; the change was taken back"):
        run(host)
    assert host.files == at_first
    assert host.reloaded == ["xinetd.service"] * 2


def test_a_daemon_that_does_not_take_the_port_is_told() -> None:
    host = Machine()
    host.read_again = lambda: None  # type: ignore[method-assign]
    with pytest.raises(HostError, match="does not serve port 80; see journalctl"):
        run(host)
    assert host.made == []


def stranger(host: Machine) -> None:
    host.files["/etc/inetd.conf"] += "\n80 stream tcp nowait casez /bin/cat cat\n"
    host.read_again()


def foreign(host: Machine) -> None:
    host.files[FILE] = "service web\n{\n}\n"


def nothing(host: Machine) -> None:
    """As it is."""


@pytest.mark.parametrize(
    ("prepare", "options", "error", "said"),
    [
        (stranger, {}, Refused, "port 80 is held by pid 701"),
        (foreign, {}, Refused, "was not written by this collection"),
        (nothing, {"user": "nobody"}, Refused, "user is 'nobody', which does not exist"),
        (nothing, {"superserver": "inetd", "options": {"log": "yes"}}, Refused, "inetd cannot write to the log"),
        (nothing, {"superserver": "s6"}, Refused, "s6-networking"),
        (nothing, {"superserver": None}, InvalidInput, "superserver is missing"),
        (nothing, {"command": None}, InvalidInput, "command is missing"),
        (nothing, {"name": " "}, InvalidInput, "name is empty"),
        (nothing, {"ports": []}, InvalidInput, "ports"),
        (nothing, {"options": {"cps": "many"}}, InvalidInput, "cps"),
    ],
    ids=str,
)
def test_what_is_refused(
    prepare: Callable[[Machine], None], options: dict[str, Any], error: type[PrivportError], said: str
) -> None:
    host = Machine()
    prepare(host)
    before = dict(host.files)
    with pytest.raises(error) as refused:
        run(host, **options)
    assert re.search(said, str(refused.value))
    assert (host.files, host.reloaded) == (before, [])
