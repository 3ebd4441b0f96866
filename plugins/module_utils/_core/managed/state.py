# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of a host that the collection manages: as they are, as they are to be, and the way between."""

from __future__ import annotations

import posixpath
from typing import Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import describe, parse_xattr
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    OWN_FOLDER,
    SCRIPT_FOLDER,
    XINETD_FOLDER,
    File,
    Installed,
    Trial,
    is_own,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision import openrc_settings
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER

MISSING, FILE, FOLDER, LINK, OTHER = "missing", "file", "folder", "link", "other"
# The names of files that are not complete yet, see _host/temporary.py.
_TEMPORARY = ".privport-"
# systemctl(1), is-active: what has a process, or is on its way to one.
_RUNNING = ("active", "reloading", "activating", "refreshing")


class Entry(NamedTuple):
    """What a path names, a link itself included; kind is one of the five above."""

    path: str
    kind: str = MISSING
    # The text of a file, undecodable bytes kept as surrogates; the target of a link.
    content: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0

    @property
    def shown(self) -> str:
        """The entry as diff mode shows it."""
        if self.kind == MISSING:
            return ""
        if self.kind == LINK:
            return f"link to {self.content}\n"
        return self.content if self.kind == FILE else f"{self.kind} {self.uid}:{self.gid} {self.mode:04o}\n"

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else wrote this file of a folder in which all that is the collection's tells so."""
        marked = self.path.startswith(tuple(f"{it}/" for it in (UNIT_FOLDER, SCRIPT_FOLDER, OWN_FOLDER, XINETD_FOLDER)))
        half = posixpath.basename(self.path).startswith(_TEMPORARY)
        return self.kind == OTHER or (self.kind == FILE and marked and not half and not is_own(self.content))


class Attribute(NamedTuple):
    """A program's file and the hex text of its security.capability, None for no such attribute.

    uid, gid and mode are those of the file; -1 where there is none, and where nobody looked.
    """

    path: str
    value: Optional[str]
    uid: int = -1
    gid: int = -1
    mode: int = -1

    @property
    def shown(self) -> str:
        """The capabilities as getcap prints them, '' for none."""
        if self.value is None:
            return ""
        try:
            return describe(parse_xattr(bytes.fromhex(self.value))) + "\n"
        except UnknownFormat:
            return f"security.capability 0x{self.value}\n"


class KernelSetting(NamedTuple):
    """A file below /proc/sys and its text."""

    path: str
    value: str

    @property
    def shown(self) -> str:
        return f"{self.value}\n"


class UnitState(NamedTuple):
    """A unit's ActiveState and InvocationID (systemd.exec(5)), which is another one after every start.

    unread: systemd has not read the unit's files since they changed. An init script counts as active while its daemon
    runs or a boot starts it, and as unread where only one of these is so.
    """

    path: str
    active: str
    invocation: str = ""
    unread: bool = False

    @property
    def runs(self) -> bool:
        return self.active in _RUNNING

    @property
    def works(self) -> bool:
        """Whether it has come to run, with the files that are there."""
        return self.active in ("active", "reloading") and not self.unread


class Reload(NamedTuple):
    """A port of somebody else's daemon, by its unit, that it serves by what a file says; held: whether it does.

    The daemon reads the file again where it changes, and loses no other service's connections by that. Of the port ''
    held means that a run was killed before it could tell the daemon of a change.
    """

    unit: str
    file: str
    port: str
    held: bool

    @property
    def key(self) -> Tuple[str, str]:
        return self.unit, self.port


class State(NamedTuple):
    """Resources by path or by name: all that one look was asked for.

    leftovers are the temporary files that a killed run left of a change to one of the paths.
    """

    entries: Mapping[str, Entry] = {}
    attributes: Mapping[str, Attribute] = {}
    settings: Mapping[str, KernelSetting] = {}
    # The collection's own units and init scripts.
    units: Mapping[str, UnitState] = {}
    leftovers: Tuple[str, ...] = ()
    reloads: Tuple[Reload, ...] = ()


class Desired(NamedTuple):
    """What is to become of the resources that a strategy holds for a service; what it does not name stays.

    running are the collection's own units and scripts that are to be active, in the order of their start; stopped
    those that are not to be; with_service those that a start of the service starts.
    unload are commands that take from the kernel what no unit may be left to take; each may fail.
    An entry of kind MISSING is to go, and its folder with it where nothing else is in it.
    """

    entries: Tuple[Entry, ...] = ()
    attributes: Tuple[Attribute, ...] = ()
    settings: Tuple[KernelSetting, ...] = ()
    running: Tuple[str, ...] = ()
    stopped: Tuple[str, ...] = ()
    with_service: Tuple[str, ...] = ()
    unload: Tuple[Tuple[str, ...], ...] = ()
    trials: Tuple[Trial, ...] = ()
    reloads: Tuple[Reload, ...] = ()

    @property
    def written(self) -> Mapping[str, Entry]:
        """The entries that are to be there, by path."""
        return {it.path: it for it in self.entries if it.kind != MISSING}


def file(path: str, text: str, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path=path, kind=FILE, content=text, uid=uid, gid=gid, mode=mode)


def link(path: str, target: str) -> Entry:
    return Entry(path=path, kind=LINK, content=target, mode=0o777)


def gone(path: str) -> Entry:
    return Entry(path=path)


def of_file(it: File) -> Entry:
    """The collection's own file, or link, as an entry."""
    return link(it.path, it.target) if it.target else file(it.path, it.text, mode=it.mode)


def without(found: Installed) -> Desired:
    """None of what was found, the first file last: it tells that there is something."""
    own = tuple(it.path for it in reversed(found.files))
    # What killed runs left of the others goes too.
    missing = (path for path in found.paths if path not in (*own, *found.foreign))
    return Desired(entries=tuple(map(gone, (*own, *missing))), stopped=found.units)


def merged(first: Desired, then: Desired) -> Desired:
    """Both together; of a resource that both name, what the second says."""
    stopped = dict.fromkeys((*first.stopped, *then.stopped))
    running = dict.fromkeys((*first.running, *then.running))
    with_service = dict.fromkeys((*first.with_service, *then.with_service))
    reloads = {it.key: it for it in (*first.reloads, *then.reloads)}
    return Desired(
        entries=_latest(first.entries, then.entries),
        attributes=_latest(first.attributes, then.attributes),
        settings=_latest(first.settings, then.settings),
        running=tuple(it for it in running if it not in then.stopped),
        stopped=tuple(it for it in stopped if it not in (*then.running, *then.with_service)),
        with_service=tuple(it for it in with_service if it not in then.stopped),
        unload=tuple(dict.fromkeys((*first.unload, *then.unload))),
        trials=(*first.trials, *then.trials),
        reloads=tuple(reloads.values()),
    )


Resource = TypeVar("Resource", Entry, Attribute, KernelSetting)


def _latest(first: Sequence[Resource], then: Sequence[Resource]) -> Tuple[Resource, ...]:
    replaced = {it.path for it in then}
    return tuple(it for it in first if it.path not in replaced) + tuple(then)


def folder_of(path: str) -> str:
    """The folder that goes with the last file in it, '' for one that is there without the collection too."""
    folder = posixpath.dirname(path)
    return folder if folder in (OWN_FOLDER, openrc_settings.FOLDER) or folder.startswith(f"{UNIT_FOLDER}/") else ""
