# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and units of the collection's own come, change and go, whole or not at all, on a machine in memory."""

from __future__ import annotations

from typing import Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import installation
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    MARK,
    File,
    Installation,
    Installed,
    Plan,
    plain_name,
    plan,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, Refused
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import temporaries
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost

UNIT = "/etc/systemd/system/privport-x.service"
LINK = "/etc/systemd/system/multi-user.target.wants/privport-x.service"
CONFIG = "/etc/netbind.privport/x.conf"
NAME = "privport-x.service"
WANTED = Installation(
    files=(File(UNIT, text=f"{MARK}\n[Service]\n"), File(CONFIG, text=f"{MARK}\n1\n"), File(LINK, target=UNIT)),
    units=(NAME,),
)
OTHER = Installation(files=(WANTED.files[0], File(CONFIG, text=f"{MARK}\n2\n"), WANTED.files[2]), units=(NAME,))
NOTHING = Installation()


class Machine(FakeHost):
    """A systemd with one unit; failing names the command that fails, as often as failures says."""

    active = False
    unread = False
    failing = ""
    failures = 2

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
        if command in ("start", "stop"):
            self.active = command == "start" and UNIT in self.files
        return self._said(argv, "")

    @property
    def commands(self) -> list[str]:
        return [argv[1] for argv in self.ran]


def look(host: FakeHost) -> Installed:
    return installation.look(host, paths=[UNIT, CONFIG, LINK], names=[NAME])


def planned(host: FakeHost, wanted: Installation) -> Plan:
    return plan(look(host), wanted)


def installed() -> Machine:
    host = Machine()
    installation.apply(host, planned(host, WANTED))
    host.ran.clear()
    return host


def test_it_comes_and_goes() -> None:
    host = Machine()
    before = dict(host.files), dict(host.links)
    assert look(host).nothing
    assert [it["before_header"] for it in planned(host, WANTED).diffs] == [UNIT, CONFIG, LINK]
    installation.apply(host, planned(host, WANTED))
    assert (host.commands, host.active) == (["daemon-reload", "start"], True)
    assert not planned(host, WANTED).changed
    assert [it["after"] for it in planned(host, NOTHING).diffs] == ["", "", ""]
    installation.apply(host, planned(host, NOTHING))
    assert host.commands[2:] == ["stop", "daemon-reload"]
    assert (look(host).nothing, planned(host, NOTHING).changed) == (True, False)
    host.files.pop("/etc/systemd/system/multi-user.target.wants/", None)
    assert (host.files, host.links) == before


def test_a_changed_file_is_not_in_force_before_it_is_whole() -> None:
    host = installed()
    assert [it.path for it in planned(host, OTHER).written] == [CONFIG]
    installation.apply(host, planned(host, OTHER))
    assert (host.commands, host.files[CONFIG]) == (["stop", "start"], OTHER.files[1].text)


@pytest.mark.parametrize("lost", [UNIT, CONFIG, LINK, "active", "read", "leftover"])
def test_what_is_incomplete_is_made_whole(lost: str) -> None:
    host = installed()
    host.files.pop(lost, None)
    host.links.pop(lost, None)
    host.active = lost != "active"
    host.unread = lost == "read"
    if lost == "leftover":
        host.files[temporaries(CONFIG)[0]] = "half"
    assert planned(host, WANTED).changed
    if lost != "read":
        installation.apply(host, planned(host, WANTED))
        assert not planned(host, WANTED).changed


@pytest.mark.parametrize("command", ["start", "daemon-reload"])
@pytest.mark.parametrize("before", [NOTHING, OTHER], ids=["nothing was there", "another was there"])
def test_what_fails_is_taken_back(command: str, before: Installation) -> None:
    host = Machine()
    if before.files:
        installation.apply(host, planned(host, before))
        # So that systemd is to be asked to read the file again.
        host.files[UNIT] += "# older\n"
    was = dict(host.files), dict(host.links), host.active

    host.failing, host.failures = command, 1
    with pytest.raises(HostError, match=f"{command} fails"):
        installation.apply(host, planned(host, WANTED))
    host.files.pop("/etc/systemd/system/multi-user.target.wants/", None)
    was[0].pop("/etc/systemd/system/multi-user.target.wants/", None)
    assert (host.files, host.links, host.active) == was


@pytest.mark.parametrize("left", temporaries(CONFIG))
def test_the_folder_that_a_killed_removal_left_goes(left: str) -> None:
    host = Machine(files={"/etc/netbind.privport/": "", left: "half"})
    installation.apply(host, planned(host, NOTHING))
    assert not [path for path in host.files if path.startswith(("/etc/netbind", left))]


def test_the_folder_that_a_killed_run_made_for_a_link_goes() -> None:
    host = Machine()
    host.make_folder(LINK.rpartition("/")[0])
    host.files[UNIT] = WANTED.files[0].text
    installation.apply(host, planned(host, NOTHING))
    assert not [path for path in host.files if path.startswith("/etc/systemd/system/")]


def test_what_does_not_start_is_told() -> None:
    class Silent(Machine):
        def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
            done = super().run(argv, seconds=seconds)
            self.active = False
            return done

    host = Silent()
    with pytest.raises(HostError, match=r"privport-x\.service does not run; see systemctl status"):
        installation.apply(host, planned(host, WANTED))
    assert look(host).nothing


def test_what_cannot_be_taken_back_is_told() -> None:
    host = installed()
    host.failing = "start"
    with pytest.raises(HostError, match=r"start fails; what was changed could not be taken back: .*start fails"):
        installation.apply(host, planned(host, OTHER))


@pytest.mark.parametrize(
    ("service", "plain"),
    [("web", "web"), ("my-web", r"my\x2dweb"), (".a b/c", r"\x2ea\x20b\x2fc"), ("ü", r"\xc3\xbc")],
)
def test_names_of_services_in_names_of_files(service: str, plain: str) -> None:
    assert plain_name(service) == plain


def test_somebody_elses_file_is_left_alone() -> None:
    host = Machine(files={CONFIG: "mine\n"})
    assert look(host).foreign == (CONFIG,)
    with pytest.raises(Refused, match=r"x\.conf was not written by this collection"):
        planned(host, WANTED)
    assert not planned(host, NOTHING).changed
