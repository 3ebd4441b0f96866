# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one engine that changes a host: it looks at resources, brings them to what is wanted, and reads them back.

An undo is the same way with the state before as what is wanted.
"""

from __future__ import annotations

import stat
from typing import Callable, Dict, Iterable, List, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import daemons, own_units
from ansible_collections.netbind.privport.plugins.module_utils._apply.trials import judge
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.changes import (
    Change,
    changes,
    scope,
    undo_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import is_script
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    FILE,
    FOLDER,
    LINK,
    MISSING,
    OTHER,
    Attribute,
    Desired,
    Entry,
    KernelSetting,
    Reload,
    State,
    folder_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    PrivportError,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.report.diff import diff_of
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.program import why_failed


class Attempts:
    """Steps that are made one after the other: the sentences of those that worked, and of those that did not.

    In an undo a step that fails is told in failed and the rest is made all the same; otherwise its HostError passes
    through.
    """

    def __init__(self, *, undoing: bool) -> None:
        self.undoing = undoing
        self.done: List[str] = []
        self.failed: List[str] = []

    def make(self, text: str, step: Callable[..., object], *arguments: object) -> None:
        """Make a step; text tells it in the past tense, '' for one that nobody has to be told of."""
        try:
            step(*arguments)
        except PrivportError as failure:
            if not self.undoing:
                raise
            self.failed.append(str(failure))
        else:
            self.done.extend([text] if text else [])


class Way(NamedTuple):
    """From the resources as they are to those that are wanted.

    anew: something is missing that the files may not tell. systemd reads its files again, and the collection's own
    units that are to run are started anew. kept: those that go on as they run, whatever changes.
    """

    now: State
    wanted: Desired
    anew: bool = False
    kept: Tuple[str, ...] = ()

    @property
    def changes(self) -> Tuple[Change, ...]:
        return changes(self.now, self.wanted)

    @property
    def refusals(self) -> Tuple[str, ...]:
        return tuple(it.refusal for it in self.changes if it.refusal)

    @property
    def stopped(self) -> Tuple[str, ...]:
        """The collection's own units that run and are not to."""
        return tuple(name for name in self.wanted.stopped if self.now.units[name].runs)

    @property
    def restarted(self) -> Tuple[str, ...]:
        """Those that run and are to, but with what there is then."""
        stale = self.anew or bool(self.changes)
        there = [name for name in (*self.wanted.running, *self.wanted.with_service) if name not in self.kept]
        return tuple(name for name in there if (stale or name in self._unread) and self.now.units[name].runs)

    @property
    def started(self) -> Tuple[str, ...]:
        """Those that are to run, and do not or only by half."""
        return tuple(name for name in self.wanted.running if not self.now.units[name].works)

    @property
    def served(self) -> Tuple[Tuple[Reload, ...], ...]:
        """What somebody else's daemons are to serve, a group for each."""
        found: Dict[str, List[Reload]] = {}
        for it in self.wanted.reloads:
            found.setdefault(it.unit, []).append(it)
        return tuple(map(tuple, found.values()))

    def is_unserved(self, group: Sequence[Reload]) -> bool:
        """Whether a daemon has to read its files again: they change, or it does not serve what they say."""
        changed, held = {it.path for it in self.changes}, {it.key: it.held for it in self.now.reloads}
        return self.anew or any(it.file in changed or held.get(it.key) is not it.held for it in group)

    @property
    def concerns_systemd(self) -> bool:
        named = [*self.now.leftovers, *(it.path for it in self.wanted.entries if self.anew)]
        changed = [it.path for it in self.changes if not it.refusal]
        return bool(self._unread) or any(path.startswith(f"{UNIT_FOLDER}/") for path in (*named, *changed))

    @property
    def _unread(self) -> Tuple[str, ...]:
        """The units whose files systemd has not read."""
        return tuple(name for name, it in self.now.units.items() if it.unread and not is_script(name))

    @property
    def is_done(self) -> bool:
        """Whether all is as it is wanted."""
        acted = self.stopped or self.started or self.anew or self._unread or any(map(self.is_unserved, self.served))
        return not (acted or self.changes or self.now.leftovers)

    @property
    def diffs(self) -> List[Dict[str, str]]:
        """As diff mode shows it."""
        left = [(path, "what an interrupted run left\n", "") for path in self.now.leftovers]
        return diff_of([*((it.path, it.now.shown, it.then.shown) for it in self.changes), *left])


def look(host: Host, wanted: Iterable[Desired]) -> State:
    """The resources that these name, as they are, with the folders that go with their files."""
    asked = scope(wanted)
    return State(
        entries={it.path: entry_at(host, it.path) for it in asked.entries},
        leftovers=tuple(left for it in asked.entries for left in host.leftovers(it.path)),
        attributes={it.path: _attribute(host, it.path) for it in asked.attributes},
        settings={it.path: KernelSetting(it.path, text.strip()) for it, text in _settings(host, asked.settings)},
        units=own_units.states(host, asked.running),
        reloads=daemons.states(host, asked.reloads),
    )


def _settings(host: Host, asked: Sequence[KernelSetting]) -> Iterable[Tuple[KernelSetting, str]]:
    for it in asked:
        text = host.read(it.path)
        if text is not None:
            yield it, text


def entry_at(host: Host, path: str) -> Entry:
    """What the path names."""
    status = host.status_of_itself(path)
    if status is None:
        return Entry(path)
    owned = Entry(path, uid=status.uid, gid=status.gid, mode=status.permissions)
    if stat.S_ISDIR(status.mode):
        return owned._replace(kind=FOLDER)
    if stat.S_ISLNK(status.mode):
        return Entry(path, kind=LINK, content=host.link_target(path) or "", mode=0o777)
    text = host.read(path) if stat.S_ISREG(status.mode) else None
    return owned._replace(kind=OTHER) if text is None else owned._replace(kind=FILE, content=text)


def _attribute(host: Host, path: str) -> Attribute:
    try:
        with host.open_regular(path) as file:
            status, value = file.status(), file.capability()
    except (HostError, OSError):
        return Attribute(path, None)
    return Attribute(path, None if value is None else value.hex(), status.uid, status.gid, status.permissions)


def way(host: Host, wanted: Desired, *, anew: bool = False) -> Way:
    """The way from the host as it is. Raises Refused where somebody else's file is in it."""
    found = Way(look(host, [wanted]), wanted, anew=anew)
    if found.refusals:
        raise Refused("; ".join(found.refusals))
    return found


def bring(
    host: Host,
    way: Way,
    *,
    attempts: Attempts,
    between: Callable[[], None] = lambda: None,
    stop_first: bool = False,
) -> None:
    """Bring the resources to what is wanted, with one daemon-reload for all that is written.

    between is called when everything is granted and everything that is to stop has stopped, before the collection's
    own units start: the services start anew there. stop_first: a unit that is to run with other files stops before
    they change, and not just before it starts. Where there is no journal nothing else tells whoever comes after a kill
    that it runs with older ones.
    """
    made = [change for change in way.changes if not change.refusal]
    attempts.failed.extend(way.refusals)
    last = [change for change in made if change.takes and _is_of(change, way.stopped)]
    first = [change for change in made if change not in last]
    for trial in way.wanted.trials:
        attempts.make("", judge, host, trial)
    # What a killed undo has put back already, its daemon may not have read.
    served = [group for group in way.served if attempts.undoing or way.is_unserved(group)]
    for group in served:
        attempts.make("", daemons.remember, host, group[0].unit)
    # First, or what watches a program would give back a capability that is taken from it.
    watching = [name for name in way.stopped if name.endswith(".path")]
    _stop(host, way, watching, attempts=attempts)
    if stop_first:
        _stop(host, way, way.restarted, attempts=attempts)
    _make(host, [change for change in first if not change.takes], attempts=attempts)
    _make(host, [change for change in first if change.takes and change.concerns_systemd], attempts=attempts)
    _clear(host, way, attempts=attempts)
    if way.concerns_systemd:
        attempts.make("", reload, host)
    _make(host, [change for change in first if change.takes and not change.concerns_systemd], attempts=attempts)
    running = () if stop_first else way.restarted
    _stop(host, way, [name for name in (*way.stopped, *running) if name not in watching], attempts=attempts)
    for name in way.stopped:
        attempts.make("", own_units.disable, host, [name])
    for argv in way.wanted.unload:
        attempts.make("", host.run, argv)
    for group in served:
        attempts.make(f"reloaded {group[0].unit}", daemons.reload, host, group)
    between()
    _start(host, way, attempts=attempts)
    _make(host, last, attempts=attempts)
    if any(change.concerns_systemd for change in last):
        attempts.make("", reload, host)


def _is_of(change: Change, units: Sequence[str]) -> bool:
    """Whether this is the file of one of these units: without it a unit cannot do what it does when it stops."""
    return change.path.rpartition("/")[2] in units and not folder_of(change.path).endswith(".wants")


def _clear(host: Host, way: Way, *, attempts: Attempts) -> None:
    """Remove what killed runs left: temporary files, and the folders that they made for files that are to be gone."""
    for it in way.wanted.entries:
        folder = folder_of(it.path)
        if it.kind != MISSING or way.now.entries[it.path].kind != MISSING or folder in way.wanted.written:
            continue
        if way.now.leftovers and host.leftovers(it.path):
            # The folder goes before the temporary file: nothing else tells of it.
            attempts.make("", make, host, Change(it, it))
        elif folder and way.now.entries[folder].kind == FOLDER:
            attempts.make("", host.remove_folder_if_empty, folder)
    attempts.make("", host.discard, way.now.leftovers)


def _stop(host: Host, way: Way, names: Sequence[str], *, attempts: Attempts) -> None:
    for name in dict.fromkeys(names):
        # What its service starts again does not take that service with it.
        attempts.make(f"stopped {name}", _stop_one, host, name, name in way.wanted.with_service)


def _start(host: Host, way: Way, *, attempts: Attempts) -> None:
    for name in way.wanted.running:
        if name in way.restarted or not own_units.states(host, [name])[name].works:
            attempts.make(f"started {name}", own_units.start, host, [name])


def _stop_one(host: Host, name: str, alone: bool) -> None:
    own_units.stop(host, [name], alone=alone)
    if name.endswith(".path"):
        # And what it may just have started: neither gives anything back any more.
        own_units.stop(host, [name[: -len(".path")] + ".service"])


def reload(host: Host) -> None:
    """Have systemd read its files again. Raises HostError."""
    host.run(["systemctl", "daemon-reload"]).checked()


def _make(host: Host, made: Sequence[Change], *, attempts: Attempts) -> None:
    for change in made:
        attempts.make(undo_text(change) if attempts.undoing else change.text, make, host, change)


def make(host: Host, change: Change) -> None:
    """Make one change, whole or not at all. Raises HostError."""
    now, then = change.now, change.then
    if isinstance(then, Attribute):
        _set_attribute(host, then)
    elif isinstance(then, KernelSetting):
        host.set_kernel(then.path, then.value)
    elif isinstance(now, Entry):
        _put(host, then, now=now, keeps_folder=change.keeps_folder)


def _set_attribute(host: Host, then: Attribute) -> None:
    try:
        with host.open_regular(then.path) as file:
            if then.value is None:
                file.remove_capability()
            else:
                file.set_capability(bytes.fromhex(then.value))
    except OSError as failure:
        raise HostError(why_failed(failure, path=then.path)) from failure


def _put(host: Host, then: Entry, *, now: Entry, keeps_folder: bool) -> None:
    owner = {"uid": then.uid, "gid": then.gid, "mode": then.mode}
    if then.kind == MISSING and now.kind == FOLDER:
        # Where somebody else has put a file there since, the folder stays.
        host.remove_folder_if_empty(then.path)
    elif then.kind == MISSING:
        host.remove(then.path, with_folder=bool(folder_of(then.path)) and not keeps_folder)
    elif then.kind == FOLDER:
        host.make_folder(then.path)
        host.set_owner(then.path, **owner)
    elif then.kind == LINK:
        host.make_folder(then.path.rpartition("/")[0])
        host.link(then.path, target=then.content)
    else:
        host.write(then.path, content=then.content, **owner)


def differing(now: State, wanted: Desired) -> Tuple[str, ...]:
    """The resources that are otherwise than wanted. A folder stays where somebody else has a file in it."""
    left = (it for it in changes(now, wanted) if not (isinstance(it.now, Entry) and it.now.kind == FOLDER and it.takes))
    return tuple(it.path for it in left)
