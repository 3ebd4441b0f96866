# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a host back to what it was before a run, and remembers on disk what that was while the run goes on."""

from __future__ import annotations

import json
import time
from typing import Dict, List, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import managed, own_units, starts
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.changes import as_desired
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Desired,
    State,
    UnitState,
    merged,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.undo import (
    FORMAT,
    Before,
    Held,
    unit_action,
    unit_text,
    with_sockets,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump, load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, parse_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import advice_to_look, is_unit
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import session_of
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import processes
from ansible_collections.netbind.privport.plugins.module_utils._observe.view import JOURNAL

_PAUSE_SECONDS = 0.25
# systemd-system.conf(5), DefaultTimeoutStartSec=: 90 seconds, and as many for stopping.
_RESTART_SECONDS = 200.0


class Restored(NamedTuple):
    """What was done, and what could not be done, each a sentence.

    broken: a file, an attribute or systemd itself refused, and another try may go further.
    """

    done: Tuple[str, ...] = ()
    left: Tuple[str, ...] = ()
    broken: bool = False


def remember(host: Host, before: Before) -> None:
    """Write the journal, fsynced. Raises HostError."""
    host.write(JOURNAL, content=json.dumps(dump(before)), mode=0o600)


def forget(host: Host) -> None:
    """Remove the journal, and its folder where nothing else is in it. Raises HostError."""
    host.remove(JOURNAL, with_folder=True)


def is_interrupted(host: Host) -> bool:
    """Whether a run was ended while it changed this host, or before that."""
    return host.status_of_itself(JOURNAL) is not None or bool(host.leftovers(JOURNAL))


def finish_interrupted(host: Host, *, seconds: float) -> Restored:
    """Bring to an end the undo of a run that was killed; nothing to do where none was. Hold the lock.

    Raises HostError where the journal cannot be understood, and where another try may go further.
    """
    text = host.read(JOURNAL)
    if text is None:
        forget(host)
        return Restored()
    try:
        before = load(Before, json.loads(text), where=JOURNAL)
        if before.format != FORMAT:
            raise ValueError(f"its format is {before.format}, not {FORMAT}")
    except (ValueError, InvalidInput) as failure:
        raise HostError(
            f"{JOURNAL} tells how the host was before a run that was interrupted, and cannot be understood "
            f"({failure}); look at it, put right what it names, and remove it"
        ) from failure
    restored = restore(host, before, seconds=seconds)
    if restored.broken:
        raise HostError(f"an earlier run was interrupted, and its undo cannot be finished: {'; '.join(restored.left)}")
    forget(host)
    return restored


def restore(host: Host, before: Before, *, seconds: float) -> Restored:
    """Bring the host back as far as it goes, and wait until the services listen as they did.

    What fails is told in left, and the rest is done all the same.
    """
    host.begin()
    attempts = managed.Attempts(undoing=True)
    wanted = as_desired(before.state)
    now = managed.look(host, [wanted])
    kept = tuple(name for name, was in before.state.units.items() if not unit_action(was, now.units[name]))
    back = managed.Way(now, wanted, kept=kept)
    managed.bring(host, back, attempts=attempts, between=lambda: _free(host, before, back, attempts=attempts))
    broken = len(attempts.failed) > len(back.refusals)
    for was, action in _actions(host, before, back.now).items():
        attempts.make(unit_text(was, action), _bring_unit, host, was, action)
    left = list(attempts.failed)
    left += [
        f"{path} is not what it was before"
        for path in managed.differing(managed.look(host, [wanted]), wanted)
        if not any(path in told for told in left)
    ]
    missing = _await(host, before.held, seconds=seconds)
    left += [_silent(it) for it in missing]
    done = [
        *attempts.done,
        *(f"{it.service} listens on port {it.port} as before" for it in before.held if it not in missing),
    ]
    return Restored(done=tuple(done), left=tuple(left), broken=broken)


def _free(host: Host, before: Before, back: managed.Way, *, attempts: managed.Attempts) -> None:
    """Stop the services that hold what a unit of the collection's is to take again."""
    if any(name not in back.kept for name in back.wanted.running):
        for was in _actions(host, before, back.now):
            attempts.make("", own_units.stop, host, [was.path])


def _actions(host: Host, before: Before, now: State) -> Dict[UnitState, str]:
    """What is to be done about each unit that is not as it was."""
    states = own_units.states(host, [was.path for was in before.units])
    found = {was: unit_action(was, states[was.path]) for was in before.units}
    back = [name for name, was in before.state.units.items() if unit_action(was, now.units[name]) == "restart"]
    return with_sockets({was: action for was, action in found.items() if action}, back=back, units=before.units)


def _bring_unit(host: Host, was: UnitState, action: str) -> None:
    if not is_unit(was.path):
        # That it fails again is how it was.
        if action != "reset-failed":
            starts.bring(host, action, [was.path])
        return
    # Failed starts in between must not keep it from starting now (systemd.unit(5), StartLimitBurst=); one that failed
    # before may be there for nothing but that.
    if was.active != "failed":
        host.run(["systemctl", "reset-failed", "--", was.path])
    if action == "reset-failed":
        return
    done = host.run(["systemctl", action, "--", was.path], seconds=_RESTART_SECONDS)
    # One that was on its way before may never have got there.
    if was.active == "active" or action == "stop":
        done.checked()


def _await(host: Host, held: Sequence[Held], *, seconds: float) -> List[Held]:
    """The ports that are not listened on when the time is up."""
    deadline = time.monotonic() + seconds
    missing = _missing(host, held)
    while missing and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        missing = _missing(host, held)
    return missing


def _missing(host: Host, held: Sequence[Held]) -> List[Held]:
    host.begin()
    ports = {it: parse_ports([it.port], where=JOURNAL)[0] for it in held}
    there = processes.listeners(host, sorted(set(ports.values())))
    return [it for it, port in ports.items() if not any(_is_of(on, it, port=port) for on in there)]


def _is_of(on: Listener, held: Held, *, port: Port) -> bool:
    """Whether the socket is the service's, or systemd's for it: others may have the port on other addresses.

    A unit's login has a control group of its own, and another one after each start.
    """
    if (on.port, on.protocol) != (port.number, port.protocol):
        return False
    supervised = bool(held.unit) and not is_unit(held.unit)
    if not on.owners_known or supervised:
        return True
    return any(held.unit in ("", it.unit) or it.pid == 1 or session_of(it.unit) for it in on.owners)


def _silent(held: Held) -> str:
    advice = f"; {advice_to_look(held.unit)}" if held.unit else ""
    return f"{held.service} listened on port {held.port} before and does not now{advice}"


def part_of(before: Before, *, wanted: Sequence[Desired], units: Sequence[str], services: Sequence[str]) -> Before:
    """What of it concerns the resources that these name, and the units and ports of these services."""
    of = Desired()
    for it in wanted:
        of = merged(of, it)
    only = as_desired(before.state, of=of)
    return before._replace(
        state=State(
            entries={it.path: it for it in only.entries},
            attributes={it.path: it for it in only.attributes},
            settings={it.path: it for it in only.settings},
            units={name: before.state.units[name] for name in (*only.running, *only.stopped)},
            reloads=only.reloads,
        ),
        units=tuple(it for it in before.units if it.path in units),
        held=tuple(it for it in before.held if it.service in services),
    )
