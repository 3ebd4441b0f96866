# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the capabilities of a file come to (capabilities(7), "File capabilities")."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import SETCAP, Grant, Remark
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import is_interpreter
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import (
    ProgramFile,
    in_vain,
    shown,
    who_writes,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    ALL,
    CAP_NET_BIND_SERVICE,
    FileCapabilities,
    describe,
    name_of,
    parse_xattr,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat

# Whoever has one of these can give himself all others (capabilities(7)).
_MAKES_ROOT = (
    *("cap_setuid", "cap_setfcap", "cap_sys_admin", "cap_sys_ptrace", "cap_sys_module", "cap_dac_override"),
    *("cap_sys_rawio", "cap_fowner", "cap_chown", "cap_dac_read_search", "cap_setgid", "cap_bpf", "cap_setpcap"),
)
_RAISED = "permitted alone is in effect only once the program itself raises it (cap_set_proc(3)), which nobody can tell"
_OTHERS_EXECUTE, _GROUP_EXECUTES = 0o001, 0o010


class CapableFile(NamedTuple):
    """A file with the attribute security.capability; program is None where it cannot be opened."""

    path: str
    attribute: bytes
    program: ProgramFile | None
    # Whether its file system is one that a boot makes anew.
    volatile: bool
    # The units that execute it.
    units: Tuple[str, ...]


def grant_of_file(file: CapableFile) -> Grant | None:
    """The grant that the attribute is; None where it has nothing to do with ports and makes nobody root."""
    try:
        held = parse_xattr(file.attribute)
    except UnknownFormat as problem:
        return _unread(file, str(problem))
    if CAP_NET_BIND_SERVICE not in held.named and not held.is_empty:
        made = [name for name in map(name_of, sorted(held.permitted)) if name in _MAKES_ROOT]
        return _of_root(file, held, made) if made else None
    why_not = _why_not(file, held)
    return Grant(
        mechanism=SETCAP,
        subject=shown(file.path),
        holders=_holders(file),
        effective=None if why_not == _RAISED or (file.program is None and not why_not) else not why_not,
        why_not=why_not,
        persistent=not file.volatile,
        file=file.path,
        evidence=describe(held),
        units=file.units,
        remarks=tuple(_remarks(file, held, why_not)),
    )


def _unread(file: CapableFile, problem: str) -> Grant:
    return Grant(
        mechanism=SETCAP,
        subject=shown(file.path),
        holders=_holders(file),
        effective=None,
        why_not=f"the attribute security.capability cannot be read: {problem}",
        file=file.path,
        evidence=f"security.capability 0x{file.attribute.hex()}",
        units=file.units,
    )


def _of_root(file: CapableFile, held: FileCapabilities, made: list[str]) -> Grant:
    text = f"{shown(file.path)} has {', '.join(made)}, by which whoever executes it can become root"
    return Grant(
        mechanism=SETCAP,
        subject=shown(file.path),
        holders=_holders(file),
        file=file.path,
        evidence=describe(held),
        persistent=not file.volatile,
        units=file.units,
        remarks=(Remark("setcap-makes-root", text),),
    )


def _holders(file: CapableFile) -> Tuple[str, ...]:
    if file.program is None:
        return ()
    inode = file.program.inode
    if inode.mode & _OTHERS_EXECUTE:
        return ("every user",)
    members = tuple(name for _uid, name in inode.members)
    group = (f"group {inode.group}", *members) if inode.mode & _GROUP_EXECUTES else ()
    return (inode.owner, *group)


def _why_not(file: CapableFile, held: FileCapabilities) -> str:
    if held.is_empty:
        return "the attribute holds no capability"
    if held.foreign:
        return "the attribute counts in another user namespace alone (capabilities(7), Namespaced file capabilities)"
    if CAP_NET_BIND_SERVICE not in held.permitted:
        return "inheritable alone gives nothing to a user who does not have the capability already"
    if not held.effective:
        return _RAISED
    found = in_vain(file.program) if file.program is not None else ()
    return found[0] if found else ""


def _remarks(file: CapableFile, held: FileCapabilities, why_not: str) -> Iterator[Remark]:
    path = shown(file.path)
    if held.is_empty:
        yield Remark("setcap-empty-attribute", f"{path} has an empty attribute security.capability")
        return
    if why_not and why_not != _RAISED:
        yield Remark("setcap-without-effect", f"{path} has {describe(held)} without effect: {why_not}")
    if held.permitted >= ALL:
        yield Remark("setcap-all-capabilities", f"{path} has all capabilities: whoever executes it is root")
    if file.program is None:
        return
    for text in who_writes(file.program, refused=True):
        yield Remark("setcap-writable-program", text)
    if file.program.inode.mode & _OTHERS_EXECUTE and is_interpreter(file.path):
        yield Remark(
            "setcap-shared-interpreter", f"{path} runs what its caller hands it, and every user can execute it"
        )
    if len(file.units) > 1:
        names = ", ".join(file.units)
        yield Remark("setcap-shared-program", f"{path} is executed by {names}, and each of them gets the capability")
