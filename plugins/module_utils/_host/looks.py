# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can be asked of a machine without changing it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, AbstractSet, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._host.processes import ProcessRecord
from ansible_collections.netbind.privport.plugins.module_utils._host.units import Shown, Units

if TYPE_CHECKING:
    from ansible_collections.netbind.privport.plugins.module_utils._host.capable_files import CapableFiles

# An outcome of connect().
CLOSED = "CLOSED"
# The methods that are questions: with plain arguments they can be asked again at any time, and answer with plain data.
LOOKS = (
    *(
        "account",
        "acl",
        "addresses",
        "ask",
        "attached_profile",
        "authbind_in_profile",
        "bind_as_stranger",
        "bind_in_profile",
    ),
    *("capability", "connect", "contains", "daemon", "effective_uid", "group", "group_name", "groups_of"),
    *("interface_address", "kernel_release", "leftovers", "link_target", "machine", "may_execute", "members"),
    *(
        "names_in",
        "namespace",
        "noexec",
        "nosuid",
        "process",
        "python",
        "query",
        "read",
        "resolve",
        "same_file",
        "saved_rules",
    ),
    *("security_label", "show_units", "socket_source", "sockets", "start_once", "started", "status", "status_lines"),
    *("status_of_itself", "texts_with", "supervised", "unit_file", "units_executing", "user_name", "which"),
)
# Those of an open file.
FILE_LOOKS = (
    *("acl", "capability", "contains", "flags", "head", "keeps_capability", "nosuid", "read_at", "read_only"),
    "status",
)


class Looks(Units):
    """This machine, to be looked at; what is seldom asked is imported when it is."""

    def begin(self) -> None:
        """From here on it is another look: nothing that was asked before is known still."""

    def locked(self, *, needed: bool) -> contextlib.AbstractContextManager[None]:
        """Nothing to hold: a look waits for nobody."""
        return contextlib.nullcontext()

    def end(self) -> None:
        """The look is over. Raises PrivportError where something was not answered, whoever went on without it."""
        from ansible_collections.netbind.privport.plugins.module_utils._host import another

        another.dismiss()

    def capable_files(self, tops: Sequence[str], *, ends: AbstractSet[str], seconds: float) -> CapableFiles:
        """Every file with capabilities below some folders, as far as the seconds reach (capable_files.py)."""
        from ansible_collections.netbind.privport.plugins.module_utils._host import capable_files

        return capable_files.capable_files(tops, ends=ends, seconds=seconds)

    def connect(self, address: str, port: int, *, staying: float = 0) -> str:
        """What comes of a TCP connection that is closed at once: '' or the name of an errno.

        CLOSED where the other side ends it within the seconds staying.
        """
        from ansible_collections.netbind.privport.plugins.module_utils._host import probe

        return probe.connect(address, port, staying=staying)

    def bind_as_stranger(self, port: int, *, protocol: str, family: str, own_uid: int) -> str | None:
        """What comes of bind(2) by a user whom nobody granted anything: '' or the name of an errno.

        protocol: 'tcp' or 'udp'. family: 'ipv4' or 'ipv6'. own_uid is no stranger's. None for one who may not become
        another user.
        """
        from ansible_collections.netbind.privport.plugins.module_utils._host import probe

        if self.effective_uid() != 0:
            return None
        return probe.bind_as_stranger(port, protocol=protocol, family=family, own_uid=own_uid)

    def start_once(self, text: str, instance: str) -> Tuple[str, int] | None:
        """Result= and ExecMainStatus= of a unit with this text that is started once and gone then.

        instance: what %i stands for in it. None where it could not be started, and for who is not root.
        """
        from ansible_collections.netbind.privport.plugins.module_utils._host import trial_unit

        return trial_unit.start_once(self.run, text, instance=instance) if self.effective_uid() == 0 else None

    def supervised(self, kind: str, name: str) -> Shown:
        """What a supervisor says of one of its services, as show_units() does of units, and its main process.

        kind: one of manager.KINDS.
        """
        from ansible_collections.netbind.privport.plugins.module_utils._host import supervisors

        return supervisors.show(self, kind, name)

    def started(
        self, address: str, port: int, *, protocol: str, programs: Sequence[str]
    ) -> Tuple[ProcessRecord, str] | None:
        """The process that a server starts for a connection, or for a datagram, and its groups.

        It is one of these programs, by the path of what the kernel loads. The groups are the lines Gid: and Groups: of
        proc_pid_status(5). None where it could not be seen.
        """
        from ansible_collections.netbind.privport.plugins.module_utils._host import started

        looking = started.Looking(self._holders, executes=lambda pid: self.link_target(f"/proc/{pid}/exe"))
        return started.look(started.Asked(address, port, protocol, programs), looking, see=self._with_groups)

    def _with_groups(self, pid: int) -> Tuple[ProcessRecord, str] | None:
        groups, record = self.status_lines(str(pid), ("Gid:", "Groups:")), self.process(pid)
        return (record, groups) if groups and record else None

    def interface_address(self, interface: str, family: str) -> str:
        """An address of a network interface, '' for none."""
        from ansible_collections.netbind.privport.plugins.module_utils._host import probe

        return probe.interface_address(interface, family)

    def addresses(self, family: str) -> tuple[str, ...]:
        """An address of each network interface but loopback."""
        from ansible_collections.netbind.privport.plugins.module_utils._host import probe

        return probe.addresses(family)

    def attached_profile(self, path: str) -> str | None:
        """The AppArmor label of what is started from this path; None where that cannot be tried."""
        from ansible_collections.netbind.privport.plugins.module_utils._host import trial

        return trial.attached_profile(path)

    def bind_in_profile(self, profile: str, *, port: int, protocol: str, comm: str) -> str | None:
        """What an AppArmor profile refuses of a bind(2) with all capabilities: '' for nothing, 'socket' or 'bind'.

        comm: the name of the process that tries it. None where it cannot be tried.
        """
        from ansible_collections.netbind.privport.plugins.module_utils._host import trial

        return trial.bind_in_profile(profile, wanted=trial.Socket(port, protocol, comm))

    def authbind_in_profile(
        self, profile: str, *, port: int, protocol: str, comm: str, uid: int, gid: int, groups: Sequence[int]
    ) -> str | None:
        """The same as this user through authbind, which has a rule for the port; it may also refuse the 'library'."""
        from ansible_collections.netbind.privport.plugins.module_utils._host import trial

        wanted, user = trial.Socket(port, protocol, comm), trial.User(uid, gid, tuple(groups))
        return trial.authbind_in_profile(profile, wanted=wanted, user=user)
