# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and units come, change and go by one task, whole or not at all, on a machine in memory."""

from __future__ import annotations

from typing import Any, Callable, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import task
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import MARK, plain_name
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, file, gone, link
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, Refused
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import temporaries
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost

UNIT = "/etc/systemd/system/privport-x.service"
LINK = "/etc/systemd/system/multi-user.target.wants/privport-x.service"
CONFIG = "/etc/netbind.privport/x.conf"
NAME = "privport-x.service"
PATHS = (UNIT, CONFIG, LINK)


def installation(config: str) -> Desired:
    entries = (file(UNIT, f"{MARK}\n[Service]\n"), file(CONFIG, f"{MARK}\n{config}\n"), link(LINK, UNIT))
    return Desired(entries=entries, running=(NAME,))


WANTED, OTHER = installation("1"), installation("2")
NOTHING = Desired(entries=tuple(map(gone, reversed(PATHS))), stopped=(NAME,))


class Machine(FakeHost):
    """A systemd with one unit; failing names the command that fails, as often as failures says."""

    active = False
    unread = False
    failing = ""
    failures = 2
    on_stop: Callable[[], None] = staticmethod(lambda: None)

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        command = argv[1]
        if command == "show":
            state = "active" if self.active else "inactive"
            stale = "yes" if self.unread else "no"
            return self._said(argv, f"Id={NAME}\nActiveState={state}\nNeedDaemonReload={stale}\n")
        self.ran.append(tuple(argv))
        if command == self.failing and self.failures:
            self.failures -= 1
            return Completed(argv=tuple(argv), rc=1, stdout="", stderr=f"{command} fails")
        if command == "daemon-reload":
            self.unread = False
        if command == "stop":
            self.on_stop()
        if command in ("start", "stop"):
            self.active = command == "start" and UNIT in self.files
        return self._said(argv, "")

    @property
    def commands(self) -> list[str]:
        return [argv[1] for argv in self.ran]


def apply(host: FakeHost, wanted: Desired, *, check_mode: bool = False, **options: Any) -> task.Applied:
    return task.apply(host, wanted, check_mode=check_mode, **options)


def installed() -> Machine:
    host = Machine()
    apply(host, WANTED)
    host.ran.clear()
    return host


def own(host: Machine) -> dict[str, str]:
    there = {**host.files, **host.links}
    return {path: text for path, text in there.items() if path.startswith(("/etc/systemd/", "/etc/netbind"))}


def test_it_comes_and_goes() -> None:
    host = Machine()
    before = dict(host.files), dict(host.links)
    foreseen = apply(host, WANTED, check_mode=True)
    assert (host.files, host.links, host.commands) == (*before, [])
    assert apply(host, WANTED) == foreseen
    assert (foreseen.changed, [it["before_header"] for it in foreseen.diffs]) == (True, [UNIT, CONFIG, LINK])
    assert (host.commands, host.active) == (["daemon-reload", "reset-failed", "start"], True)
    assert apply(host, WANTED) == task.Applied(changed=False, diffs=[])
    assert [it["after"] for it in apply(host, NOTHING).diffs] == ["", "", ""]
    assert host.commands[3:] == ["daemon-reload", "stop", "daemon-reload"]
    assert apply(host, NOTHING) == task.Applied(changed=False, diffs=[])
    assert (host.files, host.links) == before


def test_a_unit_stops_before_its_files_change() -> None:
    host = installed()
    at_stop: list[str] = []
    host.on_stop = lambda: at_stop.append(host.files[CONFIG])
    assert [it["before_header"] for it in apply(host, OTHER).diffs] == [CONFIG]
    assert (host.commands, at_stop) == (["stop", "reset-failed", "start"], [WANTED.entries[1].content])
    assert host.files[CONFIG] == OTHER.entries[1].content


@pytest.mark.parametrize("lost", [UNIT, CONFIG, LINK, "active", "read", "leftover", "mode", "owner"])
def test_what_is_incomplete_is_made_whole(lost: str) -> None:
    host = installed()
    host.files.pop(lost, None)
    host.links.pop(lost, None)
    host.active = lost != "active"
    host.unread = lost == "read"
    if lost == "leftover":
        host.files[temporaries(CONFIG)[0]] = "half"
    elif lost == "mode":
        host.modes[CONFIG] = 0o600
    elif lost == "owner":
        host.owners[UNIT] = (1000, 0)
    assert apply(host, WANTED, check_mode=True).changed
    assert apply(host, WANTED).changed
    assert not apply(host, WANTED).changed
    assert host.active


@pytest.mark.parametrize("left", temporaries(CONFIG))
def test_what_a_killed_run_left_is_told(left: str) -> None:
    host = installed()
    host.files[left] = "half"
    (shown,) = apply(host, WANTED).diffs
    assert (shown["before_header"], shown["after"]) == (left, "")
    assert left not in host.files


def test_what_is_in_place_and_not_in_force_is_read_again() -> None:
    host = installed()
    assert apply(host, WANTED, anew=True).changed
    assert host.commands == ["stop", "daemon-reload", "reset-failed", "start"]


@pytest.mark.parametrize("command", ["start", "daemon-reload"])
@pytest.mark.parametrize("before", [NOTHING, OTHER], ids=["nothing was there", "another was there"])
def test_what_fails_is_taken_back(command: str, before: Desired) -> None:
    host = Machine()
    apply(host, before)
    if before is OTHER:
        # So that systemd is to be asked to read the file again.
        host.files[UNIT] += "# older\n"
    was = own(host), host.active

    host.failing, host.failures = command, 1
    with pytest.raises(HostError, match=f"{command} fails; the change was taken back$"):
        apply(host, WANTED)
    assert (own(host), host.active) == was


def test_what_is_not_in_force_is_taken_back() -> None:
    def refuse() -> None:
        raise HostError("it is not in force")

    host = installed()
    with pytest.raises(HostError, match=r"^it is not in force; the change was taken back$"):
        apply(host, OTHER, verify=refuse)
    assert (host.files[CONFIG], host.active) == (WANTED.entries[1].content, True)
    with pytest.raises(HostError, match=r"^it is not in force$"):
        apply(host, WANTED, anew=True, verify=refuse)


def test_what_reads_back_otherwise_is_told() -> None:
    class Forgetful(Machine):
        def write(self, path: str, *, content: str, uid: int = 0, gid: int = 0, mode: int = 0o644) -> None:
            super().write(path, content=content if path == UNIT else f"{MARK}\nother\n", uid=uid, gid=gid, mode=mode)

    host = Forgetful()
    with pytest.raises(HostError, match=rf"^{CONFIG} reads back otherwise than written.*; the change was taken back$"):
        apply(host, WANTED)
    assert own(host) == {}


@pytest.mark.parametrize("left", temporaries(CONFIG))
def test_the_folder_that_a_killed_removal_left_goes(left: str) -> None:
    host = Machine(files={"/etc/netbind.privport/": "", left: "half"})
    apply(host, NOTHING)
    assert not [path for path in host.files if path.startswith(("/etc/netbind", left))]


def test_the_folder_that_a_killed_run_made_for_a_link_goes() -> None:
    host = Machine()
    host.make_folder(LINK.rpartition("/")[0])
    host.files[UNIT] = WANTED.entries[0].content
    apply(host, NOTHING)
    assert own(host) == {}


@pytest.mark.parametrize("failing", ["", "daemon-reload"])
def test_an_empty_folder_that_was_there_before(failing: str) -> None:
    host = Machine()
    host.make_folder("/etc/systemd/system/x.service.d")
    before = dict(host.files)
    host.failing, host.failures = failing, 1
    wanted = Desired(entries=(file("/etc/systemd/system/x.service.d/a.conf", f"{MARK}\n"), gone(CONFIG)))
    if failing:
        with pytest.raises(HostError, match=r"the change was taken back$"):
            apply(host, wanted)
        assert host.files == before
    else:
        assert apply(host, wanted).changed


def test_what_does_not_start_is_told() -> None:
    class Silent(Machine):
        def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
            done = super().run(argv, seconds=seconds)
            self.active = False
            return done

    host = Silent()
    with pytest.raises(HostError, match=r"privport-x\.service does not run; see systemctl status"):
        apply(host, WANTED)
    assert own(host) == {}


def test_what_runs_no_more_is_told() -> None:
    host = installed()
    host.failing = "start"
    with pytest.raises(HostError, match=r"start fails; the change was taken back as far as that allows$"):
        apply(host, OTHER)


def test_what_else_fails_is_told() -> None:
    def refuse() -> None:
        host.failing = "start"
        raise HostError("it is not in force")

    host = installed()
    with pytest.raises(HostError, match=r"^it is not in force; the change was taken back, but .*start fails$"):
        apply(host, OTHER, verify=refuse)


def test_what_cannot_be_taken_back_is_told() -> None:
    class Stuck(Machine):
        def remove(self, path: str, *, with_folder: bool = False) -> None:
            raise HostError(f"{path} cannot be removed")

    host = Stuck()
    host.failing = "start"
    with pytest.raises(HostError, match=rf"the change could not be taken back: .*{UNIT} cannot be removed"):
        apply(host, WANTED)


@pytest.mark.parametrize(
    ("service", "plain"),
    [("web", "web"), ("my-web", r"my\x2dweb"), (".a b/c", r"\x2ea\x20b\x2fc"), ("ü", r"\xc3\xbc")],
)
def test_names_of_services_in_names_of_files(service: str, plain: str) -> None:
    assert plain_name(service) == plain


@pytest.mark.parametrize("path", [CONFIG, UNIT])
@pytest.mark.parametrize("check_mode", [True, False])
def test_somebody_elses_file_is_left_alone(path: str, check_mode: bool) -> None:
    host = Machine(files={path: "mine\n"})
    with pytest.raises(Refused, match=f"{path} was not written by this collection"):
        apply(host, WANTED, check_mode=check_mode)
    assert (host.wrote, host.commands) == ([], [])
