# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of program a file is: which mechanisms can give it a port depends on that.

Sources: execve(2) for scripts, elf(5), and debug/buildinfo of Go for its sections.
"""

from __future__ import annotations

import posixpath
import re
import struct
from typing import Callable, NamedTuple

SCRIPT = "script"
ELF_DYNAMIC = "elf-dynamic"
ELF_STATIC = "elf-static"
GO = "go"
OTHER = "other"

ReadAt = Callable[[int, int], bytes]


class Executable(NamedTuple):
    """form is one of the constants above; interpreter holds the words of a #! line, else nothing.

    Of an ELF program: machine is its e_machine, loader the path that PT_INTERP names, '' for none; needed holds the
    names of its libraries, library_path the folders where it looks for them first, as the file writes them.
    """

    form: str
    interpreter: tuple[str, ...] = ()
    machine: int = 0
    loader: str = ""
    needed: tuple[str, ...] = ()
    library_path: tuple[str, ...] = ()

    @property
    def preloads(self) -> bool:
        """Whether LD_PRELOAD reaches its calls of the C library: neither a static program nor Go's own calls."""
        return self.form in (SCRIPT, ELF_DYNAMIC)


# include/uapi/linux/binfmts.h: BINPRM_BUF_SIZE.
_LINE_LIMIT = 256
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 15, 29
_E_TYPES = (2, 3)  # ET_EXEC and ET_DYN; a core or an object file is no program.
_GO_SECTIONS = (b".go.buildinfo", b".note.go.buildid")
# More than linkers write: a corrupt header must not make the reader fetch or loop for long.
_MOST_ENTRIES = 4096
_MOST_BYTES = 1 << 20
_LAST_OFFSET = 1 << 62
# include/uapi/linux/limits.h, with the byte that ends a name.
_NAME_MAX, _PATH_MAX = 256, 4096


def parse(read_at: ReadAt) -> Executable:
    """What the program is that read_at(offset, length) reads from; fewer bytes than asked for mean its end.

    Total: a truncated or corrupt file is of form OTHER. Only what the kernel needs counts as corrupt: without
    readable section headers a program still runs, it is just not known to be Go.
    """
    head = read_at(0, _LINE_LIMIT)
    if head.startswith(b"#!"):
        words = _interpreter(head)
        return Executable(form=SCRIPT, interpreter=words) if words else Executable(form=OTHER)
    try:
        return _elf(head, read_at)
    except (struct.error, _CorruptError):
        return Executable(form=OTHER)


def _interpreter(head: bytes) -> tuple[str, ...]:
    line = head[2:].split(b"\n", 1)[0].split(b"\0", 1)[0]
    return tuple(word.decode(errors="surrogateescape") for word in line.split())


class _CorruptError(Exception):
    """The headers do not describe a program."""


class _Layout(NamedTuple):
    """The file header from e_type on, a program header, a section header and a dynamic entry of elf(5), for struct.

    at holds the positions of p_offset, p_vaddr and p_filesz.
    """

    header: str
    program: str
    section: str
    dynamic: str
    at: tuple[int, int, int]


_CLASSES = {
    1: _Layout(header="HHIIIIIHHHHHH", program="8I", section="10I", dynamic="iI", at=(1, 2, 4)),
    2: _Layout(header="HHIQQQIHHHHHH", program="IIQQQQQQ", section="IIQQQQIIQQ", dynamic="qQ", at=(2, 3, 5)),
}
# e_machine by what uname(2) calls a machine: its own, and those that its kernel may run beside it.
_MACHINES = {
    "x86_64": (62, 3),
    "aarch64": (183, 40),
    "i686": (3,),
    "armv7l": (40,),
    "ppc64le": (21,),
    "s390x": (22,),
    "riscv64": (243,),
}
_ORDERS = {1: "<", 2: ">"}
# Positions of sh_name, sh_offset and sh_size in either form.
_NAME, _OFFSET, _SIZE = 0, 4, 5


def _elf(head: bytes, read_at: ReadAt) -> Executable:
    layout, order = _CLASSES.get(_byte(head, 4)), _ORDERS.get(_byte(head, 5))
    if not head.startswith(b"\x7fELF") or layout is None or order is None:
        raise _CorruptError
    fields = struct.unpack_from(order + layout.header, head, 16)
    programs_at, sections_at = fields[4:6]
    program_size, programs, section_size, sections, names_index = fields[8:13]
    table = _table(read_at, order + layout.program, at=programs_at, size=program_size, count=programs)
    if fields[0] not in _E_TYPES or not table:
        raise _CorruptError
    try:
        headers = _table(read_at, order + layout.section, at=sections_at, size=section_size, count=sections)
        names = _section_names(read_at, headers, names_index)
    except (struct.error, _CorruptError):
        names = ()
    segments = tuple(_Segment(entry[0], *(entry[index] for index in layout.at)) for entry in table)
    loaders = [segment for segment in segments if segment.kind == _PT_INTERP]
    form = ELF_DYNAMIC if loaders else ELF_STATIC
    needed, library_path = _libraries(read_at, segments, form=order + layout.dynamic)
    return Executable(
        form=GO if any(name in _GO_SECTIONS for name in names) else form,
        machine=fields[1],
        loader=_text(_read(read_at, loaders[0].offset, loaders[0].size)) if loaders else "",
        needed=needed,
        library_path=library_path,
    )


class _Segment(NamedTuple):
    """Its type, where it is in the file and in memory, and its length in the file."""

    kind: int
    offset: int
    address: int
    size: int


def _libraries(
    read_at: ReadAt, segments: tuple[_Segment, ...], *, form: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The libraries that the program needs, and where it looks for them first; nothing where that is corrupt."""
    try:
        entries = [entry for it in segments if it.kind == _PT_DYNAMIC for entry in _dynamic(read_at, it, form=form)]
        values = {entry[0]: entry[1] for entry in entries}
        names_at, size = _offset(values[_DT_STRTAB], segments), values[_DT_STRSZ]
    except (struct.error, KeyError, _CorruptError):
        return (), ()

    def name(at: int, *, longest: int) -> str:
        # The table of a large program is large, and few of its names are of interest.
        return _text(_read(read_at, names_at + at, min(longest, max(0, size - at))))

    try:
        needed = tuple(name(value, longest=_NAME_MAX) for tag, value in entries if tag == _DT_NEEDED)
        # ld.so(8): DT_RPATH counts only where there is no DT_RUNPATH.
        path = values.get(_DT_RUNPATH, values.get(_DT_RPATH))
        return needed, () if path is None else tuple(filter(None, name(path, longest=_PATH_MAX).split(":")))
    except _CorruptError:
        return (), ()


def _dynamic(read_at: ReadAt, segment: _Segment, *, form: str) -> tuple[tuple[int, ...], ...]:
    size = struct.calcsize(form)
    return _table(read_at, form, at=segment.offset, size=size, count=segment.size // size)


def _offset(address: int, segments: tuple[_Segment, ...]) -> int:
    """Where in the file what is loaded at an address is."""
    for it in segments:
        if it.kind == _PT_LOAD and it.address <= address < it.address + it.size:
            return it.offset + address - it.address
    raise _CorruptError


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode(errors="surrogateescape")


def _byte(data: bytes, index: int) -> int:
    return data[index] if index < len(data) else 0


def _table(read_at: ReadAt, form: str, *, at: int, size: int, count: int) -> tuple[tuple[int, ...], ...]:
    if count > _MOST_ENTRIES:
        raise _CorruptError
    data = _read(read_at, at, size * count)
    return tuple(struct.unpack_from(form, data, index * size) for index in range(count))


def _section_names(read_at: ReadAt, headers: tuple[tuple[int, ...], ...], index: int) -> tuple[bytes, ...]:
    if index >= len(headers):
        return ()
    names = _read(read_at, headers[index][_OFFSET], headers[index][_SIZE])
    return tuple(names[header[_NAME] :].split(b"\0", 1)[0] for header in headers)


def _read(read_at: ReadAt, at: int, length: int) -> bytes:
    if at > _LAST_OFFSET or length > _MOST_BYTES:
        raise _CorruptError
    return read_at(at, length)


# Programs that run whatever code their caller hands them, under the names that distributions give them:
# python3.11, perl5.36-x86_64-linux-gnu, php8.2, ld-linux-x86-64.so.2.
_INTERPRETERS = (
    *("python", "pypy", "node", "nodejs", "deno", "bun", "perl", "ruby", "jruby", "java", "php", "php-cgi", "phpdbg"),
    *("lua", "luajit", "tclsh", "wish", "expect", "sh", "bash", "rbash", "dash", "ash", "ksh", "ksh93", "mksh", "zsh"),
    *("fish", "csh", "tcsh", "busybox", "toybox", "awk", "gawk", "mawk", "guile", "racket", "sbcl", "clisp", "ocaml"),
    *("ghci", "runghc", "swipl", "erl", "beam", "beam.smp", "escript", "elixir", "R", "Rscript", "julia", "octave"),
    *("mono", "dotnet", "pwsh", "gjs", "qjs", "gdb"),
)
_VERSION = r"(?:-?\d+(?:\.\d+)*[a-z]{0,2})?(?:-dbg|-static|-[a-z0-9_]+-linux-[a-z]+)?"
_LOADER = r"ld(?:-[a-z0-9_-]+)?\.so(?:\.\d+)?"


def is_interpreter(path: str) -> bool:
    """Whether the base name is that of an interpreter or loader that a host's users share."""
    name = path.rsplit("/", 1)[-1]
    # Compiled for few programs: on a host each expression is compiled anew on every run.
    begins = [it for it in _INTERPRETERS if name.startswith(it)]
    if any(re.fullmatch(_VERSION, name[len(it) :]) for it in begins):
        return True
    return name.startswith("ld") and re.fullmatch(_LOADER, name) is not None


# ld.so(8), "Dynamic string tokens".
_ORIGIN = r"\$(?:ORIGIN\b|\{ORIGIN\})"


def origin_folders(program: Executable, *, path: str) -> tuple[str, ...]:
    """Where a program at path looks for its libraries beside itself; nowhere in secure-execution mode (ld.so(8))."""
    folder = posixpath.dirname(path)
    found = (re.sub(_ORIGIN, folder.replace("\\", r"\\"), it) for it in program.library_path if re.search(_ORIGIN, it))
    return tuple(posixpath.normpath(it) for it in found)


def runs_on(program: Executable, *, machine: str) -> bool:
    """Whether the kernel of a machine, as uname(2) names it, loads such a file; yes where that cannot be told."""
    if program.form == OTHER:
        return False
    return program.form == SCRIPT or program.machine in _MACHINES.get(machine, (program.machine,))
