# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a snapshot of what may change on a host, and brings the host back to it."""

from __future__ import annotations

import base64
import stat
import time
from typing import Callable, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._apply import keep as keeping
from ansible_collections.netbind.privport.plugins.module_utils._apply import own_units
from ansible_collections.netbind.privport.plugins.module_utils._core.managed import snapshot as core
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import is_script
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.snapshot import (
    FILE,
    FOLDER,
    LINK,
    MISSING,
    OTHER,
    Change,
    Entry,
    KernelSetting,
    ProgramFile,
    Scope,
    Snapshot,
    UnitState,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe
from ansible_collections.netbind.privport.plugins.module_utils._observe.program import why_failed

_PAUSE_SECONDS = 0.25
# systemd-system.conf(5), DefaultTimeoutStartSec=: 90 seconds, and as many for stopping.
_RESTART_SECONDS = 200.0


class Restored(NamedTuple):
    """What was done, what could not be done, each a sentence, and the changed files as diff mode shows them."""

    changed: bool
    done: tuple[str, ...]
    left: tuple[str, ...]
    diff: tuple[dict[str, str], ...]


def take(host: Host, services: Sequence[Service]) -> Snapshot:
    """The host as it is, for these services. Raises PrivportError."""
    observation = observe(host, services)
    taken = _look(host, core.scope(observation), held=core.held_ports(observation, services))
    return taken._replace(programs=tuple(it for it in taken.programs if it.mode >= 0))


def _look(host: Host, scope: Scope, *, held: tuple[core.Held, ...] = ()) -> Snapshot:
    return Snapshot(
        format=core.FORMAT,
        entries=tuple(_entry(host, path) for path in scope.paths),
        programs=tuple(_program(host, path) for path in scope.programs),
        settings=_settings(host),
        units=_unit_states(host, scope.units),
        own_units=_unit_states(host, scope.own_units),
        held=held,
    )


def _settings(host: Host) -> tuple[KernelSetting, ...]:
    value = host.read(sysctl.LIVE)
    return () if value is None else (KernelSetting(path=sysctl.LIVE, value=value.strip()),)


def _entry(host: Host, path: str) -> Entry:
    status = host.status_of_itself(path)
    if status is None:
        return Entry(path=path)
    plain = {"path": path, "uid": status.uid, "gid": status.gid, "mode": status.permissions}
    if stat.S_ISDIR(status.mode):
        return Entry(**plain, kind=FOLDER)
    if stat.S_ISLNK(status.mode):
        return Entry(**plain, kind=LINK, content=host.link_target(path) or "")
    content = host.read(path) if stat.S_ISREG(status.mode) else None
    if content is None:
        return Entry(**plain, kind=OTHER)
    return Entry(**plain, kind=FILE, content=base64.b64encode(content.encode(errors="surrogateescape")).decode())


def _program(host: Host, path: str) -> ProgramFile:
    try:
        with host.open_regular(path) as file:
            status, value = file.status(), file.capability()
    except (HostError, OSError):
        return ProgramFile(path=path, uid=-1, gid=-1, mode=-1, capability=None)
    return ProgramFile(
        path=path,
        uid=status.uid,
        gid=status.gid,
        mode=status.permissions,
        capability=None if value is None else value.hex(),
    )


def _unit_states(host: Host, names: Sequence[str]) -> tuple[UnitState, ...]:
    states = own_units.states(host, names)
    return tuple(UnitState(name=name, active=it.active, invocation=it.invocation) for name, it in states.items())


def restore(host: Host, before: Snapshot, *, services: Sequence[Service], seconds: float, check_mode: bool) -> Restored:
    """Bring the host back to the snapshot as far as it goes, and wait until the services listen as they did.

    What fails is told in left, and the rest is done all the same. Raises PrivportError where the host cannot be
    looked at.
    """
    work = _Work(check_mode=check_mode)
    now = _look(host, core.scope_of(before))
    changes = core.changes_back(before, now)
    # First, or what watches a program would give back a capability that is taken from it.
    for name in core.newly_running(before, now):
        work.attempt(f"stopped {name}", _stop_own, host, name)
    _restore_files(host, changes, work=work)
    for setting in before.settings:
        if setting not in _settings(host):
            work.attempt(f"set {setting.path} back to {setting.value}", host.set_kernel, setting.path, setting.value)
    _restore_units(host, before, changes, work=work)
    changed = bool(work.done)
    if not check_mode:
        work.left.extend(_differing(host, before, left=work.left))
        missing = _wait_for(host, before, services=services, seconds=seconds)
        work.left.extend(_silent(it, services=services) for it in missing)
        work.done.extend(f"{it.service} listens on port {it.port} as before" for it in before.held if it not in missing)
    return Restored(
        changed=changed, done=tuple(work.done), left=tuple(work.left), diff=tuple(change.diff for change in changes)
    )


def _restore_files(host: Host, changes: Sequence[Change], *, work: _Work) -> None:
    for change in changes:
        if change.refusal:
            work.left.append(change.refusal)
        else:
            work.attempt(change.text, _make, host, change)


def _restore_units(host: Host, before: Snapshot, changes: Sequence[Change], *, work: _Work) -> None:
    if any(change.now.path.startswith(core.UNIT_FOLDER + "/") for change in changes):
        work.attempt("", _systemctl, host, "daemon-reload")
    own = _actions(host, before.own_units)
    actions = core.with_sockets(_actions(host, before.units), own=own, units=before.units)
    for was in (*actions, *own) if own else ():
        # A service may hold what one of ours is to take again, and a socket that is restarted may not get its port.
        work.attempt("", own_units.stop, host, [was.name])
    for was, action in (*own.items(), *actions.items()):
        work.attempt(core.unit_text(was, action), _bring, host, was, action)


def _actions(host: Host, before: Sequence[UnitState]) -> dict[UnitState, str]:
    """What is to be done about each unit that is not as it was."""
    states = zip(before, _unit_states(host, [it.name for it in before]))
    actions = {was: core.unit_action(was, now) for was, now in states}
    return {was: action for was, action in actions.items() if action}


class _Work:
    """Steps that are tried one after the other, and the sentences of what worked and of what did not."""

    def __init__(self, *, check_mode: bool) -> None:
        self._check_mode = check_mode
        self.done: list[str] = []
        self.left: list[str] = []

    def attempt(self, text: str, step: Callable[..., None], *arguments: object) -> None:
        try:
            if not self._check_mode:
                step(*arguments)
        except PrivportError as failure:
            self.left.append(str(failure))
        else:
            self.done.extend([text] if text else [])


def _systemctl(host: Host, *arguments: str) -> None:
    host.run(["systemctl", *arguments]).checked()


def _stop_own(host: Host, name: str) -> None:
    if name.endswith(".path"):
        keeping.stop(host, name)
    else:
        own_units.stop(host, [name])
        own_units.disable(host, [name])


def _make(host: Host, change: Change) -> None:
    if isinstance(change.before, ProgramFile):
        _set_capability(host, change.before)
    elif isinstance(change.now, Entry):
        _put(host, change.before, now=change.now)


def _set_capability(host: Host, program: ProgramFile) -> None:
    try:
        with host.open_regular(program.path) as file:
            if program.capability is None:
                file.remove_capability()
            else:
                file.set_capability(bytes.fromhex(program.capability))
    except OSError as failure:
        raise HostError(why_failed(failure, path=program.path)) from failure


def _put(host: Host, entry: Entry, *, now: Entry) -> None:
    owner = {"uid": entry.uid, "gid": entry.gid, "mode": entry.mode}
    if entry.kind == MISSING and now.kind == FOLDER:
        # Where somebody else has put a file there since, the folder stays.
        host.remove_folder_if_empty(entry.path)
    elif entry.kind == MISSING:
        host.remove(entry.path)
    elif entry.kind == FOLDER:
        host.make_folder(entry.path)
        host.set_owner(entry.path, **owner)
    elif entry.kind == LINK:
        host.link(entry.path, target=entry.content)
    else:
        content = base64.b64decode(entry.content).decode(errors="surrogateescape")
        host.write(entry.path, content=content, **owner)


def _bring(host: Host, was: UnitState, action: str) -> None:
    if is_script(was.name):
        own_units.stop(host, [was.name])
        (own_units.start if was.runs else own_units.disable)(host, [was.name])
        return
    # Failed starts in between must not keep it from starting now (systemd.unit(5), StartLimitBurst=).
    host.run(["systemctl", "reset-failed", "--", was.name])
    if action == "reset-failed":
        return
    done = host.run(["systemctl", action, "--", was.name], seconds=_RESTART_SECONDS)
    # One that was on its way before may never have got there.
    if was.active == "active" or action == "stop":
        done.checked()


def _differing(host: Host, before: Snapshot, *, left: Sequence[str]) -> list[str]:
    """What reads back otherwise although nothing failed. A folder stays where somebody else has a file in it."""
    again = core.changes_back(before, _look(host, core.scope_of(before)))
    paths = [it.now.path for it in again if not (isinstance(it.now, Entry) and it.now.kind == FOLDER)]
    return [f"{path} is not what it was before" for path in paths if not any(path in told for told in left)]


def _wait_for(host: Host, before: Snapshot, *, services: Sequence[Service], seconds: float) -> list[core.Held]:
    """The ports of the snapshot that are not listened on when the time is up."""
    deadline = time.monotonic() + seconds
    missing = _missing(host, before, services=services)
    while missing and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        missing = _missing(host, before, services=services)
    return missing


def _silent(held: core.Held, *, services: Sequence[Service]) -> str:
    unit = next((it.unit for it in services if it.name == held.service), "")
    advice = f"; see journalctl -u {unit}" if unit else ""
    return f"{held.service} listened on port {held.port} before and does not now{advice}"


def _missing(host: Host, before: Snapshot, *, services: Sequence[Service]) -> list[core.Held]:
    held = core.held_ports(observe(host, services), services) if before.held else ()
    return [it for it in before.held if it not in held]
