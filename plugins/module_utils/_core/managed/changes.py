# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that lead from the resources of a host as they are to those that are wanted, in their order."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    FILE,
    FOLDER,
    LINK,
    MISSING,
    Attribute,
    Desired,
    Entry,
    KernelSetting,
    Reload,
    State,
    folder_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER

Resource = Union[Entry, Attribute, KernelSetting]


class Change(NamedTuple):
    """One resource becomes what it is to be.

    refusal says why it is left as it is although it differs, '' where it is not. keeps_folder: when a file goes, its
    folder stays.
    """

    now: Resource
    then: Resource
    refusal: str = ""
    keeps_folder: bool = False

    @property
    def path(self) -> str:
        return self.then.path

    @property
    def takes(self) -> bool:
        """Whether something goes: a file, a folder, or an attribute."""
        if isinstance(self.then, Attribute):
            return self.then.value is None
        return isinstance(self.then, Entry) and self.then.kind == MISSING

    @property
    def concerns_systemd(self) -> bool:
        """Whether systemd has to read its files again."""
        return self.path.startswith(f"{UNIT_FOLDER}/") and isinstance(self.then, Entry)

    @property
    def text(self) -> str:
        """What was done, a sentence without its subject."""
        then = self.then
        if isinstance(then, KernelSetting):
            return f"set {self.path} to {then.value}"
        if isinstance(then, Attribute):
            return _attribute_text(self.now.shown.strip(), then.shown.strip(), path=self.path)
        if then.kind == MISSING:
            return f"removed {self.path}"
        verb = {FOLDER: "made", LINK: "linked"}.get(then.kind, "wrote")
        return f"{verb} {self.path}"


def undo_text(change: Change) -> str:
    """The same of a change that brings back what was there before."""
    then = change.then
    if isinstance(then, Attribute) and then.shown:
        return f"gave {change.path} its {then.shown.strip()} back"
    if isinstance(then, Entry) and then.kind != MISSING:
        return f"put {change.path} back"
    if isinstance(then, KernelSetting):
        return f"set {change.path} back to {then.value}"
    return change.text


def _attribute_text(before: str, after: str, *, path: str) -> str:
    if not after:
        # describe() of what holds no capability.
        return f"took {before if before not in ('', '=') else 'an empty attribute'} from {path}"
    return f"gave {path} {after}"


def changes(now: State, desired: Desired) -> Tuple[Change, ...]:
    """The changes to files, attributes and settings, in the order in which they are made.

    What gives comes before what takes, folders before what is in them, and a file before the setting that it keeps.
    """
    found = [
        *_of_entries(now, desired.entries),
        *_of_attributes(now.attributes, desired.attributes),
        *_of_settings(now.settings, desired.settings),
    ]
    return tuple(sorted(found, key=_rank))


def _of_entries(now: State, wanted: Sequence[Entry]) -> Iterable[Change]:
    folders = {it.path for it in wanted if it.kind == FOLDER}
    for then in wanted:
        change = Change(now.entries.get(then.path, Entry(then.path)), then)
        if _differs(change):
            yield change._replace(refusal=_refusal(change), keeps_folder=folder_of(then.path) in folders)


def _differs(change: Change) -> bool:
    """A folder is made or removed only: its owner and mode are not the collection's."""
    now, then = change.now, change.then
    if isinstance(now, Entry) and isinstance(then, Entry) and FOLDER in (now.kind, then.kind):
        return now.kind != then.kind
    return now != then


def _refusal(change: Change) -> str:
    now, then = change.now, change.then
    # A link in the place of a drop-in, to /dev/null mostly, is how people keep a drop-in of that name out.
    linked = isinstance(now, Entry) and isinstance(then, Entry) and (now.kind, then.kind) == (LINK, FILE)
    if isinstance(now, Entry) and (now.is_foreign or linked):
        return f"{now.path} was not written by this collection and is left as it is; remove or rename it first"
    return ""


def _of_settings(now: Mapping[str, KernelSetting], wanted: Sequence[KernelSetting]) -> Iterable[Change]:
    for then in wanted:
        found = now.get(then.path)
        if found is not None and found != then:
            yield Change(found, then)


def _of_attributes(now: Mapping[str, Attribute], wanted: Sequence[Attribute]) -> Iterable[Change]:
    for then in wanted:
        found = now.get(then.path, Attribute(then.path, None))
        if found.value != then.value:
            yield Change(found, then, refusal=_other_file(found, then))


def _other_file(now: Attribute, then: Attribute) -> str:
    """Whoever may write the file that is there now would get the privilege."""
    looked_at = then.mode >= 0
    if then.value is None or not looked_at or (now.uid, now.gid, now.mode) == (then.uid, then.gid, then.mode):
        return ""
    gets = then.shown.strip()
    return f"{now.path} is gone or was replaced by a file of another owner or mode, and gets no {gets}"


def _rank(change: Change) -> Tuple[int, int]:
    then = change.then
    if isinstance(then, KernelSetting):
        # The file tells that the live value is the collection's: it is the first to come and the last to go.
        return (2, 0)
    if isinstance(then, Attribute):
        return (1, 0) if then.value is not None else (4, 0)
    if then.kind == MISSING:
        return (6 if isinstance(change.now, Entry) and change.now.kind == FOLDER else 5, 0)
    return (0, {FOLDER: 0, FILE: 1, LINK: 2}.get(then.kind, 3))


def scope(desired: Iterable[Desired]) -> Desired:
    """All that is looked at for these: each path, and the folder that goes with it."""
    entries: Dict[str, Entry] = {}
    attributes: List[str] = []
    settings: List[str] = []
    units: List[str] = []
    reloads: List[Reload] = []
    for it in desired:
        for entry in it.entries:
            folder = folder_of(entry.path)
            if folder:
                entries.setdefault(folder, Entry(folder))
            entries.setdefault(entry.path, Entry(entry.path))
        attributes += [attribute.path for attribute in it.attributes]
        settings += [setting.path for setting in it.settings]
        reloads += it.reloads
        units += [*it.running, *it.stopped, *it.with_service]
    return Desired(
        entries=tuple(entries.values()),
        attributes=tuple(Attribute(path, None) for path in dict.fromkeys(attributes)),
        settings=tuple(KernelSetting(path, "") for path in dict.fromkeys(settings)),
        running=tuple(dict.fromkeys(units)),
        reloads=tuple({it.key: it for it in reloads}.values()),
    )


def as_desired(before: State, *, of: Optional[Desired] = None) -> Desired:
    """What brings the host back to a state; of names the resources if not all of it is meant."""
    only = None if of is None else scope([of])
    entries = before.entries.values() if only is None else [before.entries[it.path] for it in only.entries]
    attributes = before.attributes.values() if only is None else [before.attributes[it.path] for it in only.attributes]
    settings = before.settings.values() if only is None else _known(before.settings, [it.path for it in only.settings])
    names = tuple(before.units) if only is None else only.running
    return Desired(
        entries=tuple(entries),
        attributes=tuple(attributes),
        settings=tuple(settings),
        running=tuple(name for name in names if before.units[name].runs),
        stopped=tuple(name for name in names if not before.units[name].runs),
        reloads=tuple(it for it in before.reloads if only is None or it.key in [other.key for other in only.reloads]),
    )


def _known(found: Mapping[str, KernelSetting], paths: Sequence[str]) -> List[KernelSetting]:
    return [found[path] for path in paths if path in found]
