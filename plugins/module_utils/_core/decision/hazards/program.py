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
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command import WRAPPERS
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.namespace import namespace

_S_ISUID, _S_ISGID = 0o4000, 0o2000


def launcher(case: Case) -> Reason | None:
    """A program whose business is to execute another one, to which its capabilities do not pass."""
    program = case.facts.program
    if program is None or posixpath.basename(program.real_path) not in (*WRAPPERS, "chroot"):
        return None
    text = "it starts another program, which its file capability does not reach; name that one as executable"
    return Reason("launcher", text, program.real_path)


def loader_environment(case: Case) -> Reason | None:
    """A program that gains a capability starts securely, and then its loader ignores LD_LIBRARY_PATH (ld.so(8))."""
    unit = case.facts.unit
    if unit is None or "LD_LIBRARY_PATH" not in unit.says("Environment").split():
        return None
    text = "whether the program starts without LD_LIBRARY_PATH, which a file capability makes void, is not known"
    return Unknown("loader_environment", text, f"Environment=LD_LIBRARY_PATH=… in {unit.name}")


def image(case: Case) -> Reason | None:
    """A unit with files of an image: what it executes is not to be seen (systemd.exec(5), RootImage=)."""
    found = namespace(case.facts.unit.properties, exists=lambda path: True).image if case.facts.unit else ""
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
            return Unknown("unread_program", f"of what kind its {name} is cannot be read", unread[name])
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
        text = "which file capabilities the program has cannot be read, and some clear ambient ones and LD_PRELOAD"
        return Unknown("other_capability", text, case.facts.unread["capability"])
    program = _image(case)
    if program is None or program.capability is None:
        return None
    # Of an interpreter not even the one that binds is this service's to remove, nor an empty attribute.
    another = case.facts.interpreter is not None or (program.shared_interpreter and program.capability)
    another = another or not case.may_take_attribute
    if not another and not program.obstacle and not other_capabilities(program):
        return None
    text = "file capabilities that others gave the program make the kernel clear ambient capabilities and LD_PRELOAD"
    return Reason("other_capability", text, f"{program.real_path} {program.capability or '='}")


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
