# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would write on a host, as text: for whoever brings it there by other means."""

from __future__ import annotations

from typing import Iterator, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import grants, together
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    FILE,
    LINK,
    MISSING,
    Desired,
    Entry,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import manager_of
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.registry import SUPERVISORS

_NOTHING = "nothing is to be written"


def files_text(cases: Sequence[Case], decisions: Sequence[Decision]) -> str:
    """Each file with its path, owner and mode, and the commands that then bring all of it into force.

    The cases are those of the decisions. It is what the engine would be given. Raises PrivportError.
    """
    wanted = together(grants(cases, decisions))
    parts = [_entry(it) for it in wanted.entries]
    commands = [*_commands(wanted), *_starts(decisions)]
    if commands:
        parts.append("\n".join(["# then, as root:", *commands]))
    return "\n\n".join(parts) or _NOTHING


def _entry(entry: Entry) -> str:
    if entry.kind == MISSING:
        return f"# {entry.path} is to be removed"
    if entry.kind == LINK:
        return f"# {entry.path} is to be a link to {entry.content}"
    what = "" if entry.kind == FILE else f", a {entry.kind}"
    heading = f"# {entry.path} (mode {entry.mode:04o}, owner {entry.uid}:{entry.gid}{what})"
    return f"{heading}\n{entry.content}".rstrip("\n")


def _commands(wanted: Desired) -> Iterator[str]:
    for attribute in wanted.attributes:
        shown = attribute.shown.strip()
        yield f"setcap {shown} {attribute.path}" if shown else f"setcap -r {attribute.path}"
    for setting in wanted.settings:
        yield f"echo {setting.value} >{setting.path}"
    if wanted.entries:
        yield "systemctl daemon-reload"
    for verb, names in (("stop", wanted.stopped), ("start", wanted.running)):
        if names:
            yield f"systemctl {verb} {' '.join(names)}"


def _starts(decisions: Sequence[Decision]) -> Iterator[str]:
    for verb in ("restart", "start"):
        names = dict.fromkeys(it.unit for it in decisions if verb in it.pending and it.unit)
        units = [it for it in names if manager_of(it) is None]
        if units:
            yield f"systemctl {verb} {' '.join(units)}"
        for manager in filter(None, map(manager_of, names)):
            yield from (" ".join(argv) for argv in SUPERVISORS[manager.kind].commands(verb, manager.name))
