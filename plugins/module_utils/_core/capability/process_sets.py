# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process holds, thread by thread, against what it was granted."""

from __future__ import annotations

from typing import Callable, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import FileCapabilities, name_of
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, Process
from ansible_collections.netbind.privport.plugins.module_utils._core.process.status import ProcessStatus


class CapabilitySets(NamedTuple):
    """The capability sets of a thread that decide what it may do (capabilities(7)), by name."""

    effective: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()
    ambient: frozenset[str] = frozenset()


# As /proc/PID/status names them.
_FIELDS: dict[str, Callable[[CapabilitySets], frozenset[str]]] = {
    "CapEff": lambda sets: sets.effective,
    "CapPrm": lambda sets: sets.permitted,
    "CapAmb": lambda sets: sets.ambient,
}


def sets_of(status: ProcessStatus) -> CapabilitySets:
    return CapabilitySets(
        effective=frozenset(status.effective),
        permitted=frozenset(status.permitted),
        ambient=frozenset(status.ambient),
    )


def by_exec(*, ambient: frozenset[str], file: FileCapabilities | None) -> CapabilitySets:
    """What execve(2) gives a user that is not root (capabilities(7), "Transformation of capabilities").

    ambient is the unit's set, which systemd makes inheritable too. A file with the attribute, even an empty one,
    clears it.
    """
    if file is None:
        return CapabilitySets(effective=ambient, permitted=ambient, ambient=ambient)
    inheritable = ambient & frozenset(name_of(number) for number in file.inheritable)
    permitted = frozenset(name_of(number) for number in file.permitted) | inheritable
    return CapabilitySets(effective=permitted if file.effective else frozenset(), permitted=permitted)


class Expected(NamedTuple):
    """What each thread of a process must hold, and what it may hold at most; authbind: libauthbind must be mapped."""

    least: CapabilitySets = CapabilitySets()
    most: CapabilitySets = CapabilitySets()
    authbind: bool = False

    def lacking(self, process: Process) -> tuple[str, ...]:
        """What is not there, such as 'cap_net_bind_service in CapEff, CapPrm of thread 7'."""
        unmapped = ("libauthbind",) if self.authbind and process.authbind is False else ()
        return unmapped + _phrases(process, lambda status: _beyond(self.least, sets_of(status)))

    def exceeding(self, process: Process) -> tuple[str, ...]:
        """What is there beside, as lacking() tells it. Of root nothing is told: it may have everything."""
        return _phrases(process, self._excess)

    def is_met_by(self, process: Process) -> bool | None:
        """Whether a process was started with what is granted, and without an older grant.

        None where it does not show: it is hidden, or the process may have given it up after it bound its ports. The
        main thread alone is judged: what others gave up by themselves, no restart brings back.
        """
        status = process.status
        if any(CAPABILITY in names for names in self._excess(status).values()):
            return False
        if _beyond(self.least, sets_of(status)):
            return None
        return process.authbind if self.authbind else True

    def _excess(self, status: ProcessStatus) -> dict[str, frozenset[str]]:
        return {} if status.is_root else _beyond(sets_of(status), self.most)


def _beyond(sets: CapabilitySets, limit: CapabilitySets) -> dict[str, frozenset[str]]:
    """What sets has and limit has not, by field."""
    differences = {name: of(sets) - of(limit) for name, of in _FIELDS.items()}
    return {name: names for name, names in differences.items() if names}


def _phrases(process: Process, difference: Callable[[ProcessStatus], dict[str, frozenset[str]]]) -> tuple[str, ...]:
    """What differs in the main thread, then what differs in others, threads of one difference together."""
    main = difference(process.status)
    threads: dict[str, list[str]] = {}
    for thread in process.unlike:
        found = difference(thread.status)
        if found:
            threads.setdefault(_phrase(found), []).append(str(thread.tid))
    told = [f"{phrase} of thread {', '.join(tids)}" for phrase, tids in threads.items()]
    return ((_phrase(main),) if main else ()) + tuple(told)


def _phrase(difference: dict[str, frozenset[str]]) -> str:
    names = sorted(frozenset().union(*difference.values()))
    return f"{', '.join(names)} in {', '.join(difference)}"
