# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection may change on a host for some services, as it is at one moment, and the way back to it.

The types of the annotations are looked up on the host, whose Python may be 3.8 (see document.load).
"""

from __future__ import annotations

import base64
import posixpath
from typing import Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind import rules as authbind
from ansible_collections.netbind.privport.plugins.module_utils._core.capability import keep
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import describe, parse_xattr
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    SCRIPT_FOLDER,
    is_script,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation, ServiceFacts
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.socket_unit import socket_name
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    DROPIN_NAME,
    UNIT_FOLDER,
    dropin_path,
    parse_own_dropin,
)

FORMAT = 1
MISSING, FILE, FOLDER, LINK, OTHER = "missing", "file", "folder", "link", "other"
# systemctl(1), is-active: what has a process, or is on its way to one.
_RUNNING = ("active", "reloading", "activating", "refreshing")


class Entry(NamedTuple):
    """What a path names, a link itself included; kind is one of the five above."""

    path: str
    kind: str = MISSING
    uid: int = 0
    gid: int = 0
    mode: int = 0
    # The bytes of a file as base64, the target of a link.
    content: str = ""

    @property
    def text(self) -> str:
        """The entry as diff mode shows it."""
        if self.kind == MISSING:
            return ""
        head = f"{self.kind} {self.uid}:{self.gid} {self.mode:04o}\n"
        body = base64.b64decode(self.content).decode("utf-8", "replace") if self.kind == FILE else self.content
        return head + body


class ProgramFile(NamedTuple):
    """A program's file and the hex text of its security.capability, None for no such attribute.

    uid, gid and mode are -1 where there is no file (any more).
    """

    path: str
    uid: int
    gid: int
    mode: int
    capability: Optional[str]

    @property
    def text(self) -> str:
        """The capabilities as getcap prints them, '' for none."""
        if self.capability is None:
            return ""
        try:
            return describe(parse_xattr(bytes.fromhex(self.capability)))
        except UnknownFormat:
            return f"security.capability 0x{self.capability}"


class UnitState(NamedTuple):
    """A unit's ActiveState and InvocationID (systemd.exec(5)), which is another one after every start."""

    name: str
    active: str
    invocation: str

    @property
    def runs(self) -> bool:
        return self.active in _RUNNING


class Held(NamedTuple):
    """A port, as text, that a process of the service listened on."""

    service: str
    port: str


class KernelSetting(NamedTuple):
    """A file below /proc/sys and its text."""

    path: str
    value: str


class Snapshot(NamedTuple):
    """Everything that may change, by path or by name."""

    format: int
    entries: Tuple[Entry, ...]
    programs: Tuple[ProgramFile, ...]
    settings: Tuple[KernelSetting, ...]
    units: Tuple[UnitState, ...]
    # The collection's own.
    own_units: Tuple[UnitState, ...]
    held: Tuple[Held, ...]


class Scope(NamedTuple):
    """What may change for some services: paths of files and folders, of programs, and names of units."""

    paths: Tuple[str, ...]
    programs: Tuple[str, ...]
    units: Tuple[str, ...]
    own_units: Tuple[str, ...]


class Change(NamedTuple):
    """One step back: what is there now becomes what was there before; text tells it in the past tense."""

    before: Union[Entry, ProgramFile]
    now: Union[Entry, ProgramFile]
    text: str
    # Why it is not made although it differs; '' where it is.
    refusal: str = ""

    @property
    def diff(self) -> dict[str, str]:
        header = {"before_header": self.now.path, "after_header": self.now.path}
        return {**header, "before": self.now.text, "after": self.before.text}


def scope(observation: Observation) -> Scope:
    """What the role may change for the services of the observation."""
    facts = observation.services
    return Scope(
        paths=tuple(sorted({path for it in facts for path in _paths(it)})),
        programs=tuple(sorted({it.program.real_path for it in facts if it.program is not None})),
        units=tuple(sorted({it.unit.name for it in facts if it.unit is not None})),
        own_units=tuple(sorted({name for it in facts for name in _own_units(it, systemd=observation.systemd)})),
    )


def scope_of(snapshot: Snapshot) -> Scope:
    """What was looked at for the snapshot, to be looked at again."""
    return Scope(
        paths=tuple(it.path for it in snapshot.entries),
        programs=tuple(it.path for it in snapshot.programs),
        units=tuple(it.name for it in snapshot.units),
        own_units=tuple(it.name for it in snapshot.own_units),
    )


_SYSCTL = (posixpath.dirname(sysctl.OWN_PATH), sysctl.OWN_PATH)


def _paths(facts: ServiceFacts) -> tuple[str, ...]:
    installed = [path for it in facts.installed.values() for path in it.paths]
    folders = {posixpath.dirname(path) for path in installed} - {UNIT_FOLDER, SCRIPT_FOLDER}
    return (*_dropin(facts), *_rules(facts), *_keep(facts), *_SYSCTL, *folders, *installed)


def _own_units(facts: ServiceFacts, *, systemd: Optional[int]) -> tuple[str, ...]:
    kept = (posixpath.basename(path) for path in _keep(facts)[1:2])
    names = (*kept, *(name for it in facts.installed.values() for name in it.units))
    return tuple(name for name in names if systemd is not None or is_script(name))


def _dropin(facts: ServiceFacts) -> tuple[str, ...]:
    if facts.unit is None:
        return ()
    path = dropin_path(unit=facts.unit.name, dropin=DROPIN_NAME)
    return (posixpath.dirname(path), path)


def _keep(facts: ServiceFacts) -> tuple[str, ...]:
    return keep.paths(facts.program.real_path) if facts.program is not None else ()


def _rules(facts: ServiceFacts) -> tuple[str, ...]:
    """Every rule file that is written or removed for the service's user, and the folders that are made for them."""
    account = facts.account
    if account is None or not facts.authbind_ports:
        return ()
    written = [
        path
        for it in facts.authbind_ports
        for path in (authbind.byport_path(it.port), authbind.byuid_path(port=it.port, uid=account.uid), *it.own_rules)
    ]
    return (authbind.ROOT, authbind.BYPORT, authbind.BYUID, *written)


def held_ports(observation: Observation, services: Sequence[Service]) -> tuple[Held, ...]:
    """The ports that the services' own processes listen on."""
    found = []
    for service, facts in zip(services, observation.services):
        case = Case(host=observation, service=service, facts=facts)
        for port in service.listens:
            if case.listens(port):
                found.append(Held(service=service.name, port=str(port)))
    return tuple(found)


def changes_back(before: Snapshot, now: Snapshot) -> tuple[Change, ...]:
    """The steps from now to before, in their order: what gives comes back before what took its place goes."""
    entries = [_entry_change(*pair) for pair in zip(before.entries, now.entries) if _restorable(*pair)]
    programs = [_program_change(*pair) for pair in zip(before.programs, now.programs) if _capability_differs(*pair)]
    return tuple(sorted([*entries, *programs], key=_rank))


def _restorable(before: Entry, now: Entry) -> bool:
    """A folder is made or removed only, for its mode is not the collection's; what is no file is left alone."""
    if OTHER in (before.kind, now.kind) or before == now:
        return False
    return before.kind != now.kind or before.kind != FOLDER


def _capability_differs(before: ProgramFile, now: ProgramFile) -> bool:
    return before.capability != now.capability


def _rank(change: Change) -> tuple[int, str]:
    before = change.before
    if isinstance(before, ProgramFile):
        return (2 if before.capability is not None else 3, before.path)
    if before.kind == MISSING:
        # The file before the folder that it is in.
        return (5 if change.now.path == before.path and _is_folder(change.now) else 4, before.path)
    return (0 if before.kind == FOLDER else 1, before.path)


def _is_folder(now: Union[Entry, ProgramFile]) -> bool:
    return isinstance(now, Entry) and now.kind == FOLDER


def _entry_change(before: Entry, now: Entry) -> Change:
    text = f"removed {before.path}" if before.kind == MISSING else f"put {before.path} back"
    refusal = ""
    if _is_dropin(now) and parse_own_dropin(_decoded(now)) is None:
        refusal = f"{now.path} was written by somebody else meanwhile and is left as it is"
    return Change(before=before, now=now, text=text, refusal=refusal)


def _is_dropin(entry: Entry) -> bool:
    return entry.kind == FILE and entry.path.startswith(UNIT_FOLDER + "/")


def _decoded(entry: Entry) -> str:
    return base64.b64decode(entry.content).decode(errors="surrogateescape")


def _program_change(before: ProgramFile, now: ProgramFile) -> Change:
    if before.capability is None:
        return Change(before=before, now=now, text=f"took {now.text} from {now.path}")
    # Whoever may write the file that is there now would get the privilege.
    replaced = (before.uid, before.gid, before.mode) != (now.uid, now.gid, now.mode)
    refusal = f"{now.path} is gone or was replaced by a file of another owner or mode, and gets no {before.text}"
    text = f"gave {now.path} its {before.text} back"
    return Change(before=before, now=now, text=text, refusal=refusal if replaced else "")


def newly_running(before: Snapshot, now: Snapshot) -> Tuple[str, ...]:
    """The collection's own units that run and did not run before."""
    return tuple(it.name for was, it in zip(before.own_units, now.own_units) if it.runs and not was.runs)


def unit_action(before: UnitState, now: UnitState) -> str:
    """'restart', 'stop', 'reset-failed' or '': what brings a unit to the state before, once its files are restored.

    What still runs since before is left alone: a process keeps what it was started with.
    """
    if before.runs:
        return "" if now.runs and now.invocation == before.invocation else "restart"
    if now.runs:
        return "stop"
    return "reset-failed" if now.active == "failed" and before.active == "inactive" else ""


def with_sockets(
    actions: Mapping[UnitState, str], *, own: Mapping[UnitState, str], units: Sequence[UnitState]
) -> dict[UnitState, str]:
    """What is to be done about the units, where socket units of ours come back: with each its service has to start.

    systemd starts no socket unit of a service that runs without it.
    """
    back = {was.name for was in own if was.runs}
    again = {was: "restart" for was in units if was.runs and socket_name(was.name) in back}
    return {**again, **actions}


def unit_text(before: UnitState, action: str) -> str:
    """The sentence that tells what was done to a unit."""
    if action == "restart":
        return f"restarted {before.name}"
    done = {"stop": "stopped", "reset-failed": "reset the failure of"}[action]
    return f"{done} {before.name}, which was {before.active} before"
