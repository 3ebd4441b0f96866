# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a file capability before it is set: which requests and which files are refused, and of what is warned."""

from __future__ import annotations

from typing import Callable, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import (
    OTHER,
    SCRIPT,
    Executable,
    is_interpreter,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    ALL,
    CAP_NET_BIND_SERVICE,
    FileCapabilities,
    merge,
    name_of,
    without,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, Refused

DEFAULT_TEXT = "cap_net_bind_service=ep"
# The ways out that end two of the refusals.
OF_SCRIPT = "use another strategy, or the compiled program itself"
OF_INTERPRETER = "grant it to a private copy of mode 0750"

_SETID, _STICKY = 0o6000, 0o1000
_GROUP_WRITES, _OTHERS_WRITE, _OTHERS_EXECUTE = 0o020, 0o002, 0o001


class Inode(NamedTuple):
    """The owner and the mode of a file or folder; members are the group's accounts as (uid, name).

    listed are those that an access control list lets write by entries of their own; the mode's bits of the group then
    are what the file's own group may do.
    """

    path: str
    mode: int
    uid: int
    owner: str
    group: str
    members: tuple[tuple[int, str], ...] = ()
    listed: tuple[tuple[int, str], ...] = ()


class ProgramFile(NamedTuple):
    """What decides about a grant to a program's file; folders are its parents up to /, the nearest first."""

    inode: Inode
    folders: tuple[Inode, ...]
    executable: Executable
    nosuid: bool
    # Its libraries that are found beside it alone (executable.origin_folders), as paths.
    origin_libraries: tuple[str, ...] = ()


class Judgement(NamedTuple):
    """Why a grant is refused, and what to tell beside it: sentences for the user."""

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class _Rule(NamedTuple):
    """Applies when `when` is true of an inode and of the program's file to which it belongs."""

    refused: bool
    when: Callable[[Inode, Inode], bool]
    text: str


def _owned_by_another(inode: Inode, file: Inode) -> bool:
    return inode.uid not in (0, file.uid)


def _strangers(inode: Inode, file: Inode) -> tuple[str, ...]:
    if not inode.mode & _GROUP_WRITES:
        return ()
    return tuple(name for uid, name in inode.members if uid not in (0, file.uid))


def _listed_strangers(inode: Inode, file: Inode) -> tuple[str, ...]:
    return tuple(name for uid, name in inode.listed if uid not in (0, file.uid))


def _replaceable(inode: Inode) -> bool:
    # The sticky bit of a folder keeps users from renaming what is not theirs (inode(7)).
    return not inode.mode & _STICKY


# Another user is one who is neither root nor the file's owner. A group without such members is only warned of:
# every account that joins it can write. Whoever can write in a parent folder can put a file of his own where the
# next run grants the capability.
_FILE_RULES = (
    _Rule(
        refused=True,
        when=lambda file, _: bool(file.mode & _OTHERS_WRITE),
        text="every user can write {path}, and thus run code with the capability; use chmod o-w",
    ),
    _Rule(
        refused=True,
        when=lambda file, _: bool(_strangers(file, file)),
        text="{strangers} can write {path} as group {group}, and thus run code with the capability; use chmod g-w",
    ),
    _Rule(
        refused=True,
        when=lambda file, _: bool(_listed_strangers(file, file)),
        text="{listed} can write {path} by its access control list, and thus run code with the capability; "
        "use setfacl --remove-all",
    ),
    _Rule(
        refused=False,
        when=lambda file, _: bool(file.mode & _GROUP_WRITES) and not _strangers(file, file),
        text="{path} is writable by its group {group}: everyone who joins it can run code with the capability",
    ),
    _Rule(
        refused=False,
        when=lambda file, _: file.uid != 0,
        text="{path} belongs to {owner}, who can put other code into it and run that with the capability",
    ),
    _Rule(
        refused=False,
        when=lambda file, _: bool(file.mode & _SETID),
        text="{path} has mode {mode}: it also runs with its owner's or group's identity, whoever starts it",
    ),
)
_FOLDER_RULES = (
    _Rule(
        refused=True,
        when=_owned_by_another,
        text="{owner} owns the folder {path} and can replace the file; give the folder to root",
    ),
    _Rule(
        refused=True,
        when=lambda folder, _: bool(folder.mode & _OTHERS_WRITE) and _replaceable(folder),
        text="every user can write in the folder {path} and replace the file; use chmod o-w",
    ),
    _Rule(
        refused=True,
        when=lambda folder, file: bool(_strangers(folder, file)) and _replaceable(folder),
        text="{strangers} can write in the folder {path} as group {group} and replace the file; use chmod g-w",
    ),
    _Rule(
        refused=True,
        when=lambda folder, file: bool(_listed_strangers(folder, file)) and _replaceable(folder),
        text="{listed} can write in the folder {path} by its access control list and replace the file; "
        "use setfacl --remove-all",
    ),
)


def judge(program: ProgramFile, *, allow_interpreter: bool = False) -> Judgement:
    """Why a grant to this file would be in vain or dangerous, and what is worth a warning."""
    refusals = [*in_vain(program), *who_writes(program, refused=True)]
    warnings = [*who_writes(program, refused=False)]
    shared = _shared_interpreter(program)
    if shared:
        (warnings if allow_interpreter else refusals).append(shared)
    if program.executable.form == OTHER:
        warnings.append(f"{shown(program.inode.path)} is neither an ELF program nor a script; it may not run at all")
    return Judgement(refusals=tuple(refusals), warnings=tuple(warnings))


def who_writes(program: ProgramFile, *, refused: bool) -> tuple[str, ...]:
    """Who may put other code into the file or in its place, refused or only warned of; a sentence each."""
    judged = ((program.inode, _FILE_RULES), *((folder, _FOLDER_RULES) for folder in program.folders))
    return tuple(
        _fill(rule.text, inode=inode, file=program.inode)
        for inode, rules in judged
        for rule in rules
        if rule.refused is refused and rule.when(inode, program.inode)
    )


def in_vain(program: ProgramFile) -> tuple[str, ...]:
    """Why a capability of this file would have no effect, or keep it from starting; a sentence each."""
    path = shown(program.inode.path)
    found = []
    if program.executable.form == SCRIPT:
        found.append(
            f"{path} is a script run by {' '.join(program.executable.interpreter)}, and the kernel ignores the "
            f"capabilities of a script; {OF_SCRIPT}"
        )
    if program.nosuid:
        found.append(
            f"{path} is on a mount with the option nosuid, where the kernel ignores file capabilities; "
            "remount it with suid or move the program"
        )
    tokens = [name for name in program.executable.needed if "$" in name]
    if tokens:
        found.append(
            f"{path} needs {tokens[0]}, which the loader of a program with capabilities refuses (ld.so(8), Dynamic "
            "string tokens), so it would not start; name that library without its folder (patchelf --replace-needed)"
        )
    elif program.origin_libraries:
        library = shown(program.origin_libraries[0])
        found.append(
            f"{path} finds {library} beside itself ($ORIGIN), where the loader of a program with capabilities does not "
            "look, so it would not start; name that folder in /etc/ld.so.conf.d and run ldconfig"
        )
    return tuple(found)


def _shared_interpreter(program: ProgramFile) -> str:
    inode = program.inode
    if not is_interpreter(inode.path) or not inode.mode & _OTHERS_EXECUTE:
        return ""
    return (
        f"{shown(inode.path)} is an interpreter that every user can execute, and each would get the capability; "
        f"{OF_INTERPRETER}"
    )


def _fill(text: str, *, inode: Inode, file: Inode) -> str:
    return text.format(
        path=shown(inode.path),
        owner=inode.owner,
        group=inode.group,
        mode=f"{inode.mode & 0o7777:04o}",
        strangers=", ".join(_strangers(inode, file)),
        listed=", ".join(_listed_strangers(inode, file)),
    )


def shown(path: str) -> str:
    """A path as a sentence can hold it: quoted where it has blanks or what does not print."""
    return path if path.isprintable() and " " not in path else repr(path)


def check_request(wanted: FileCapabilities, *, text: str) -> None:
    """Raises Refused when the set that the option capabilities asks for does not bind or holds everything."""
    if wanted.permitted >= ALL:
        raise Refused(
            f"capabilities {text!r} grants all capabilities, which makes everyone who runs the file root; "
            f"name those that are needed, as in {DEFAULT_TEXT}"
        )
    if not wanted.binds:
        raise Refused(f"capabilities {text!r} does not bind: {_why_not(wanted)}; use {DEFAULT_TEXT}")


def _why_not(wanted: FileCapabilities) -> str:
    if CAP_NET_BIND_SERVICE not in wanted.named:
        return "cap_net_bind_service is not in it"
    if CAP_NET_BIND_SERVICE not in wanted.permitted:
        return "inheritable alone gives nothing to a user who does not have the capability already"
    return "permitted alone is not in effect when the program starts"


def outcome_present(
    existing: FileCapabilities | None, *, wanted: FileCapabilities, keep_others: bool
) -> FileCapabilities:
    """What the file shall have: exactly wanted, or with the file's other capabilities beside it."""
    return merge(existing, wanted) if keep_others else wanted


def outcome_absent(
    existing: FileCapabilities | None, *, unwanted: FileCapabilities | None, text: str
) -> FileCapabilities | None:
    """What the file shall have when all (unwanted is None) or the unwanted capabilities go; None for no attribute."""
    if unwanted is not None and unwanted.is_empty:
        raise InvalidInput(f"capabilities {text!r} names nothing to remove; leave the option out to remove all")
    if existing is None or unwanted is None:
        return None
    return without(existing, unwanted.named)


def side_effects(existing: FileCapabilities | None, outcome: FileCapabilities) -> tuple[str, ...]:
    """Warnings about capabilities that the file had and that become effective with the one that is added."""
    if existing is None or existing.effective:
        return ()
    raised = existing.permitted & outcome.permitted - {CAP_NET_BIND_SERVICE}
    if not raised:
        return ()
    names = ", ".join(name_of(number) for number in sorted(raised))
    return (f"{names} is now effective too when the program starts: Linux has one effective flag for the whole file",)


class Ground(NamedTuple):
    """Whether this process can change the attribute where the file lies."""

    read_only: bool
    unchangeable: bool
    keeps_attributes: bool
    may_set: bool


def obstacle(ground: Ground, *, path: str) -> str:
    """Why changing the attribute will fail, in the kernel's order (vfs_setxattr); '' when nothing is in the way."""
    for there, text in (
        (ground.read_only, READ_ONLY),
        (ground.unchangeable, UNCHANGEABLE),
        (not ground.keeps_attributes, NO_ATTRIBUTES),
        (not ground.may_set, NOT_PERMITTED),
    ):
        if there:
            return text.format(path=shown(path))
    return ""


READ_ONLY = "{path} is on a read-only file system; remount it read-write first"
UNCHANGEABLE = "{path} is immutable or append-only (lsattr shows i or a); use chattr -i -a first"
NO_ATTRIBUTES = "{path} is on a file system without extended attributes, such as ramfs; move it to another one"
NOT_PERMITTED = "changing the capabilities of {path} needs CAP_SETFCAP, which this process lacks; use become: true"
