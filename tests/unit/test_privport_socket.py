# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What privport_socket does to a machine in memory, whose systemd keeps to Requires=, and what it takes back."""

from __future__ import annotations

import contextlib
import tempfile
from typing import Any, Iterator, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_own_dropin
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed, OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import temporaries
from ansible_collections.netbind.privport.plugins.modules import privport_socket
from ansible_collections.netbind.privport.tests.unit.core.test_executable import elf
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    FakeHost,
    captured_unit,
    process_files,
    socket_links,
)

SOCKET = "/etc/systemd/system/plain.socket"
LINK = "/etc/systemd/system/sockets.target.wants/plain.socket"
DROPIN = "/etc/systemd/system/plain.service.d/50-privport.conf"
HIERARCHY = {"/sys/fs/cgroup/cgroup.controllers": "cpu memory\n"}
HELD = 'tcp LISTEN 0 4096 *:80 *:* users:(("a",pid=105,fd=3)) ino:7001 sk:1 cgroup:/x v6only:0 <->\n'


class Machine(FakeHost):
    """Units plain.service, which runs, and plain.socket, as far as there is a file of it.

    failing names the systemctl command that fails, after as many that work as later says.
    """

    active = False
    service_active = True
    failing = ""
    later = 0
    failures = 1

    def __init__(self, **fields: Any) -> None:
        properties = {**captured_unit("plain.service"), "MainPID": "105", "Requires": "sysinit.target"}
        files = {**process_files(), "/etc/systemd/system/plain.service": "[Service]\nExecStart=/usr/bin/server\n"}
        super().__init__(
            files={**files, **fields.pop("files", {})},
            links=socket_links([7001]),
            units=[{**properties, **fields.pop("properties", {})}],
            **fields,
        )
        self.loaded: dict[str, str] = {}

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        command = argv[1]
        if command == self.failing:
            if self.later:
                self.later -= 1
            elif self.failures:
                self.failures -= 1
                return Completed(argv=tuple(argv), rc=1, stdout="", stderr=f"{command} fails")
        if command == "start" and self.service_active:
            # systemd refuses it, for the service runs already.
            return Completed(argv=tuple(argv), rc=1, stdout="", stderr="start fails")
        if command == "stop":
            self.active = False
            alone = "--job-mode=ignore-dependencies" in argv
            self.service_active = alone or "plain.socket" not in self.units["plain.service"]["Requires"]
        elif command == "show" and "plain.socket" in argv:
            return self._said(argv, self._of_socket())
        return super().run(argv, seconds=seconds)

    def _of_socket(self) -> str:
        stale = self.files.get(SOCKET, "") != self.loaded.get(SOCKET, "")
        active = "active" if self.active else "inactive"
        return f"Id=plain.socket\nActiveState={active}\nNeedDaemonReload={'yes' if stale else 'no'}\n"

    def _reload(self) -> str:
        super()._reload()
        own = parse_own_dropin(self.files.get(DROPIN))
        requires = own.first("Requires") if own else ""
        self.units["plain.service"]["Requires"] = f"sysinit.target {requires}".strip()
        self.loaded = dict(self.files)
        return ""

    def restart(self) -> None:
        """As systemctl restart plain.service."""
        self.active = self.active or SOCKET in self.loaded
        self.service_active = True
        self.ss = HELD
        self.links["/proc/1/fd/40"] = "socket:[7001]"
        self.files.update(process_files(pid="1", unit="init.scope", uid=0))

    @property
    def own(self) -> dict[str, str]:
        """The collection's files and links."""
        return {path: text for path, text in {**self.files, **self.links}.items() if path in (SOCKET, LINK, DROPIN)}


def run(host: Machine, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    params = {"unit": "plain", "ports": [80], "families": [], "state": "present", **options}
    params = {**dict.fromkeys(["backlog", "no_delay", "reuse_port", "address_allow", "address_deny"]), **params}
    return privport_socket.run(params, host=host, check_mode=check_mode)


def converged() -> Machine:
    host = Machine()
    run(host)
    host.restart()
    return host


def test_a_text_that_ansible_split_at_its_commas_means_the_same() -> None:
    written = {"ports": ["80", " 443/udp"], "families": ["ipv4", " ipv6"]}
    meant = {"ports": [80, "443/udp"], "families": ["ipv4", "ipv6"]}
    assert run(Machine(), check_mode=True, **written) == run(Machine(), check_mode=True, **meant)


def test_there_and_back() -> None:
    host = Machine()
    foreseen = run(host, check_mode=True)
    assert host.own == {}
    assert run(host) == foreseen
    assert (foreseen["changed"], foreseen["restart_required"], host.active) == (True, True, False)
    assert sorted(host.own) == sorted([SOCKET, LINK, DROPIN])
    host.restart()
    again = run(host)
    assert (again["changed"], again["restart_required"], again["diff"]) == (False, False, [])
    foreseen = run(host, check_mode=True, state="absent")
    assert run(host, state="absent") == foreseen
    assert (host.own, host.active, host.service_active) == ({}, False, True)
    assert foreseen["restart_required"] is True
    gone = run(host, state="absent")
    assert (gone["changed"], gone["restart_required"]) == (False, False)


def test_another_setting_waits_for_the_next_start_and_leaves_the_service_running() -> None:
    host = converged()
    assert run(host, backlog=9)["restart_required"] is True
    assert (host.active, host.service_active) == (False, True)
    assert "Backlog=9" in host.own[SOCKET]
    assert "Requires=plain.socket" in host.own[DROPIN]


def test_a_socket_unit_that_does_not_run_is_told() -> None:
    host = converged()
    host.active, host.ss = False, ""
    again = run(host)
    assert (again["changed"], again["restart_required"]) == (False, True)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_systemd_has_not_read_is_read(state: str) -> None:
    host = converged()
    host.units["plain.service"]["Requires"] = "plain.socket" if state == "absent" else ""
    if state == "absent":
        for path in (SOCKET, LINK, DROPIN):
            host.remove(path)
    assert run(host, state=state)["changed"] is True
    assert ("plain.socket" in host.units["plain.service"]["Requires"]) is (state == "present")
    assert run(host, state=state)["changed"] is False


def test_a_file_that_systemd_has_not_read_is_read() -> None:
    host = converged()
    host.loaded[SOCKET] = "older"
    assert run(host)["restart_required"] is True
    assert (run(host)["changed"], host.active, host.service_active) == (False, False, True)


def test_a_socket_unit_without_its_file_is_stopped() -> None:
    host = Machine()
    host.active = True
    assert run(host)["restart_required"] is True
    assert (host.active, host.service_active, run(host)["changed"]) == (False, True, False)


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("path", [SOCKET, DROPIN])
def test_what_a_killed_run_left_goes(path: str, state: str) -> None:
    host = converged()
    left = temporaries(path)[0]
    host.files[left] = "half"
    assert run(host, state=state)["changed"] is True
    assert left not in host.files
    assert run(host, state=state)["changed"] is False


def test_the_drop_in_of_another_strategy_is_replaced_and_not_removed() -> None:
    host = Machine()
    host.files[DROPIN] = "# Managed by netbind.privport (ambient); state=absent removes this file.\n[Service]\n"
    assert run(host, state="absent")["changed"] is False
    run(host)
    host.restart()
    assert "(socket)" in host.files[DROPIN]
    host.files[DROPIN] = "# Managed by netbind.privport (ambient); state=absent removes this file.\n[Service]\n"
    host.run(["systemctl", "daemon-reload"])
    assert run(host, state="absent")["changed"] is True
    assert (list(host.own), host.service_active) == ([DROPIN], True)


@pytest.mark.parametrize(
    ("start", "options", "failing", "later"),
    [
        (Machine, {}, "daemon-reload", 0),
        (converged, {"backlog": 9}, "daemon-reload", 0),
        (converged, {"backlog": 9}, "stop", 0),
        (converged, {"state": "absent"}, "stop", 0),
        (converged, {"state": "absent"}, "daemon-reload", 0),
        (converged, {"state": "absent"}, "daemon-reload", 1),
    ],
)
def test_what_fails_is_taken_back(start: Any, options: dict[str, Any], failing: str, later: int) -> None:
    host = start()
    before = host.own
    host.failing, host.later = failing, later
    with pytest.raises(HostError, match=f"{failing} fails; the change was taken back$"):
        run(host, **options)
    assert (host.own, host.service_active) == (before, True)


def test_what_systemd_does_not_learn_is_told() -> None:
    host = Machine()
    host.failing, host.failures = "daemon-reload", 9
    with pytest.raises(HostError, match=r"daemon-reload fails; the change was taken back as far as that allows$"):
        run(host)
    assert host.own == {}


def test_a_drop_in_that_is_not_in_force_is_told() -> None:
    host = Machine()
    host.units["plain.service"]["Requires"] = ""
    host._reload = lambda: ""  # type: ignore[method-assign]
    with pytest.raises(HostError, match=r"does not come into force.*the change was taken back"):
        run(host)
    assert host.own == {}


@pytest.mark.parametrize(
    "path",
    [
        SOCKET,
        "/usr/lib/systemd/system/plain.socket",
        "/run/systemd/transient/plain.socket",
    ],
)
def test_somebody_elses_socket_unit_stays(path: str) -> None:
    host = Machine(files={path: "[Socket]\nListenStream=80\n"})
    host.active, host.links[LINK] = True, path
    with pytest.raises(Refused, match=rf"^plain\.socket is somebody else's \({path}\); keep that one"):
        run(host)
    assert run(host, state="absent")["changed"] is False
    assert (host.active, path in host.files, LINK in host.links) == (True, True, True)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"ports": []}, InvalidInput, "^ports is empty"),
        ({"ports": ["x"]}, InvalidInput, "^ports holds 'x'"),
        ({"families": ["ipx"]}, InvalidInput, "^families is 'ipx'"),
        ({"backlog": 0}, InvalidInput, "^option backlog is 0"),
        ({"address_deny": ["10.0.0.300"]}, InvalidInput, "^option address_deny holds '10.0.0.300'"),
        ({"address_allow": ["::1"]}, Refused, r"^address_allow is \[::1/128\] without address_deny"),
        ({"address_deny": ["any"]}, Refused, "^address_deny is given, which systemd ignores"),
        ({"unit": "web@.service"}, InvalidInput, "a template"),
    ],
)
def test_an_error_is_one_sentence(options: dict[str, Any], error: type[Exception], said: str) -> None:
    host = Machine()
    with pytest.raises(error, match=said):
        run(host, **options)
    assert host.own == {}


def test_addresses_are_denied_where_systemd_can() -> None:
    host = Machine(files=HIERARCHY)
    run(host, address_deny=["any"], address_allow=["10.0.0.0/8"])
    assert "IPAddressAllow=10.0.0.0/8\nIPAddressDeny=any\n" in host.own[SOCKET]


GO_PROGRAM = elf(sections=(".text", ".go.buildinfo"))
CADDY = b"github.com/caddyserver/caddy/v2"
# How much of a file is read at once, less what is before the content.
BORDER = (1 << 20) - len(GO_PROGRAM)


class Caddy(Machine):
    """Its program is a caddy that holds these bytes."""

    content = b""

    @contextlib.contextmanager
    def open_regular(self, path: str) -> Iterator[OpenFile]:  # type: ignore[override]
        with tempfile.TemporaryFile() as file:
            file.write(GO_PROGRAM + self.content)
            file.flush()
            yield OpenFile(path=path, descriptor=file.fileno())


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (CADDY + b" unixgram", True),
        (b"", False),
        (b"github.com/other/server", False),
        (CADDY + b"...fdgram...", False),
        # At the border of what is read at once.
        (b"." * (BORDER - 10) + CADDY, True),
        (CADDY + b"." * (BORDER - len(CADDY) - 3) + b"fdgram", False),
        (CADDY + b"." * (BORDER - len(CADDY)) + b"fdgram", False),
    ],
)
def test_a_caddy_that_takes_no_sockets_is_refused(content: bytes, refused: bool) -> None:
    program = {"/opt/caddy": "", "/etc/systemd/system/plain.service": "[Service]\nExecStart=/opt/caddy run\n"}
    host = Caddy(files=program)
    host.content = content
    if not refused:
        assert run(host)["changed"] is True
        return
    with pytest.raises(Refused, match=r"^/opt/caddy is a caddy that takes no sockets .* caddy 2\.9"):
        run(host)
    assert host.own == {}
