# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the file that the kernel loads does to a grant."""

from __future__ import annotations

import posixpath

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    CAP_NET_BIND_SERVICE,
    parse_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Program
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command import LAUNCHERS, follow
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.namespace import image_setting

_S_ISUID, _S_ISGID = 0o4000, 0o2000


def launcher(case: Case) -> Reason | None:
    """A program whose business is to execute another one, to which its capabilities do not pass."""
    program = case.facts.program
    if program is None or posixpath.basename(program.real_path) not in LAUNCHERS:
        return None
    text = "it starts another program, which its file capability does not reach; name that one as executable"
    return Reason("launcher", text, program.real_path)


def secure_environment(case: Case) -> tuple[str, ...]:
    """The variables of the unit that a program with a file capability does not heed, as a sentence; () for none.

    The observation names those that secure-execution mode takes away (ld.so(8)), and PATH, which it does not.
    """
    unit = case.facts.unit
    names = (
        [name for name in unit.says("Environment").split() if name not in ("PATH", "LD_LIBRARY_PATH")] if unit else []
    )
    if unit is None or not names:
        return ()
    return (
        f"{unit.name} sets {', '.join(names)}, which a program with a file capability ignores (ld.so(8), AT_SECURE)",
    )


def loader_environment(case: Case) -> Reason | None:
    """A program that gains a capability starts securely, and then its loader ignores LD_LIBRARY_PATH (ld.so(8))."""
    unit = case.facts.unit
    if unit is None or "LD_LIBRARY_PATH" not in unit.says("Environment").split():
        return None
    text = "with a file capability the loader ignores LD_LIBRARY_PATH, and the program may not start without it"
    return Unknown("loader_environment", text, f"Environment=LD_LIBRARY_PATH=… in {unit.name}")


def image(case: Case) -> Reason | None:
    """A unit with files of an image: what it executes is not to be seen (systemd.exec(5), RootImage=)."""
    found = image_setting(case.facts.unit.properties) if case.facts.unit else ""
    if not found:
        return None
    return Unknown("image", "its program may come from an image, which cannot be looked at", found)


def image_of_root(case: Case) -> Reason | None:
    """Nothing of the host's own files is there (systemd.exec(5), RootImage=): not the program with its capability."""
    unit = case.facts.unit
    if unit is None or not unit.says("RootImage"):
        return image(case)
    text = "its program comes from an image, which a file capability of the host's does not reach"
    return Reason("image", text, f"RootImage={unit.says('RootImage')} in {unit.name}")


def unread_program(case: Case) -> Reason | None:
    """A file that is there, but not to be looked at: it may be of any of the kinds that void a grant."""
    unread = case.facts.unread
    for name in ("program", "interpreter"):
        if name in unread:
            return Unknown("unread_program", f"its {name} cannot be read, so that its kind is not known", unread[name])
    return None


def _image(case: Case) -> Program | None:
    """The file that the kernel loads: of a script its interpreter, where that was found."""
    return case.facts.interpreter or case.facts.program


def setuid_program(case: Case) -> Reason | None:
    """A set-user-ID or set-group-ID program to another id loses ambient capabilities and LD_PRELOAD."""
    program, account = _image(case), case.facts.account
    if program is None:
        return None
    to_user = program.mode & _S_ISUID and (account is None or program.uid != account.uid)
    to_group = program.mode & _S_ISGID and (account is None or program.gid != account.gid)
    if not (to_user or to_group):
        return None
    text = "a set-user-ID or set-group-ID program starts without ambient capabilities and LD_PRELOAD"
    return Reason("setuid_program", text, f"mode {program.mode & 0o7777:04o} of {program.real_path}")


def other_capability(case: Case) -> Reason | None:
    """A file capability that is not ours to remove, even an empty one, voids the ambient set (capabilities(7))."""
    if "capability" in case.facts.unread:
        text = "the program's file capabilities cannot be read, and some void ambient capabilities and LD_PRELOAD"
        return Unknown("other_capability", text, case.facts.unread["capability"])
    program = _image(case)
    if program is None or program.capability is None:
        return None
    # Of an interpreter nothing is taken away but the capability that serves this service.
    takes = case.may_take_attribute and program is case.granted_file
    if takes and not program.obstacle and not other_capabilities(program):
        return None
    text = "the program has other file capabilities, which void ambient capabilities and LD_PRELOAD"
    return Reason("other_capability", text, f"{program.real_path} {program.capability or '='}")


def _setcap_at_start(case: Case) -> tuple[str, bool]:
    """The line of the unit by which each start runs setcap(8) on the program, and whether that takes away."""
    unit, program = case.facts.unit, case.facts.program
    if unit is None or program is None:
        return "", False
    for command in unit.other_commands.get("ExecStartPre", ()):
        words = command.line.replace("'", " ").replace('"', " ").split()
        runs = posixpath.basename(follow(command.words).program) == "setcap"
        if runs and not {program.path, program.real_path}.isdisjoint(words):
            return f"ExecStartPre={command} in {unit.name}", "-r" in words
    return "", False


def capability_at_start(case: Case) -> Reason | None:
    """The unit itself gives its program a file capability: that voids ambient capabilities and LD_PRELOAD."""
    line, takes = _setcap_at_start(case)
    if not line or takes:
        return None
    text = "each start of the unit gives the program a file capability, which clears ambient ones and LD_PRELOAD"
    return Reason("capability_at_start", text, line)


def capability_lost_at_start(case: Case) -> Reason | None:
    line, takes = _setcap_at_start(case)
    if not takes:
        return None
    return Reason("capability_at_start", "each start of the unit takes the program's file capability away", line)


def comes_back(case: Case) -> str:
    """That what is taken from the program is back with the unit's next start, a sentence; '' where it is not."""
    line, takes = _setcap_at_start(case)
    return f"each start of its unit gives the program a file capability again: {line}" if line and not takes else ""


def other_permitted(case: Case) -> Reason | None:
    """Only a capability that the program gains makes its start secure, so that LD_PRELOAD is ignored (ld.so(8))."""
    program = _image(case)
    if "capability" in case.facts.unread:
        return other_capability(case)
    if program is None or not program.capability or not parse_text(program.capability).permitted:
        return None
    return other_capability(case)


def other_capabilities(program: Program | None) -> tuple[int, ...]:
    """The file's capabilities but the one that binds ports, as numbers."""
    if program is None or not program.capability:
        return ()
    held = parse_text(program.capability)
    return tuple(sorted((held.permitted | held.inheritable) - {CAP_NET_BIND_SERVICE}))
