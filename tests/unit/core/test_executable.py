# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of program a file is, told from its bytes."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import (
    Executable,
    ReadAt,
    is_interpreter,
    parse,
    runs_on,
)
from hypothesis import given, settings
from hypothesis import strategies as st

LOAD, INTERP = 1, 3


def reader(data: bytes) -> ReadAt:
    def read_at(offset: int, length: int) -> bytes:
        if offset >= 1 << 63:
            raise OverflowError("as os.pread() does")
        return data[offset : offset + length]

    return read_at


def elf(
    *,
    bits: int = 64,
    order: str = "<",
    kind: int = 3,
    segments: tuple[int, ...] = (LOAD,),
    sections: tuple[str, ...] = (),
) -> bytes:
    """A file with these headers and nothing else, as elf(5) lays them out."""
    wide = bits == 64
    header_size, segment_size, section_size = (64, 56, 64) if wide else (52, 32, 40)
    names = b"\0" + b"".join(name.encode() + b"\0" for name in sections) + b".shstrtab\0"
    at = header_size + segment_size * len(segments)
    rows, position = [], 1
    for name in (*sections, ".shstrtab"):
        rows.append((position, at if name == ".shstrtab" else 0, len(names) if name == ".shstrtab" else 0))
        position += len(name) + 1
    shape = "IIQQQQIIQQ" if wide else "10I"
    table = b"".join(struct.pack(order + shape, name, 1, 0, 0, offset, size, 0, 0, 1, 0) for name, offset, size in rows)
    header = struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        *(kind, 62, 1, 0, header_size, at + len(names) if sections else 0, 0),
        *(header_size, segment_size, len(segments), section_size),
        *((len(rows), len(rows) - 1) if sections else (0, 0)),
    )
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    end = at + len(names) + (len(table) if sections else 0)
    # p_offset and p_filesz of the loader's path, which is the file's end.
    path = b"/lib/ld.so\0"
    entry = (0, end, 0, 0, len(path), 0, 0) if wide else (end, 0, 0, len(path), 0, 0, 0)
    program = b"".join(struct.pack(order + ("IIQQQQQQ" if wide else "8I"), segment, *entry) for segment in segments)
    return ident + header + program + names + (table if sections else b"") + path


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("segments", "sections", "form"),
    [
        ((LOAD,), (), "elf-static"),
        ((LOAD,), (".text", ".go"), "elf-static"),
        ((LOAD, INTERP), (), "elf-dynamic"),
        ((INTERP, LOAD), (".text", ".data"), "elf-dynamic"),
        ((LOAD,), (".text", ".go.buildinfo"), "go"),
        ((LOAD, INTERP), (".note.go.buildid", ".text"), "go"),
        ((LOAD, INTERP), (".note.go.buildidx", "x.go.buildinfo"), "elf-dynamic"),
    ],
)
def test_elf(bits: int, order: str, segments: tuple[int, ...], sections: tuple[str, ...], form: str) -> None:
    data = elf(bits=bits, order=order, segments=segments, sections=sections)
    loader = "/lib/ld.so" if INTERP in segments else ""
    assert parse(reader(data)) == Executable(form=form, machine=62, loader=loader)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"#!/bin/sh\n", ("/bin/sh",)),
        (b"#! /usr/bin/env python3 -u\nprint()\n", ("/usr/bin/env", "python3", "-u")),
        (b"#!\t/usr/bin/perl\t-w\r\n", ("/usr/bin/perl", "-w")),
        (b"#!/bin/sh", ("/bin/sh",)),
        (b"#!/opt/\xff/x\n", ("/opt/\udcff/x",)),
    ],
)
def test_script(head: bytes, words: tuple[str, ...]) -> None:
    assert parse(reader(head)) == Executable(form="script", interpreter=words)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!",
        b"#! \t\n/bin/sh\n",
        b"\x7fELF",
        b"\x7fELF\x02\x01",
        b"\x7fELF\x03\x01" + bytes(100),
        b"\x7fELF\x02\x03" + bytes(100),
        b"MZ" + bytes(100),
        b"echo hello\n",
        elf(kind=1),
        elf(kind=4),
        elf(segments=()),
        elf()[:70],
        elf(segments=(LOAD, INTERP))[:130],
    ],
)
def test_anything_else_is_other(data: bytes) -> None:
    assert parse(reader(data)) == Executable(form="other")


def patched(data: bytes, *, at: int, form: str, value: int) -> bytes:
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


@pytest.mark.parametrize(
    ("at", "form", "value", "expected"),
    [
        (32, "<Q", 1 << 63, "other"),  # e_phoff
        (54, "<H", 1, "other"),  # e_phentsize: the second entry would lie in the first
        (56, "<H", 5000, "other"),  # e_phnum
        (40, "<Q", 1 << 63, "elf-dynamic"),  # e_shoff
        (60, "<H", 5000, "elf-dynamic"),  # e_shnum
        (62, "<H", 99, "elf-dynamic"),  # e_shstrndx
    ],
)
def test_corrupt_headers(at: int, form: str, value: int, expected: str) -> None:
    data = elf(segments=(INTERP, LOAD), sections=(".text", ".go.buildinfo"))
    assert parse(reader(patched(data, at=at, form=form, value=value))).form == expected


@settings(deadline=None, derandomize=True, database=None)
@given(
    data=st.binary(max_size=80).map(
        lambda tail: elf(segments=(LOAD, INTERP), sections=(".text", ".go.buildinfo")) + tail
    ),
    cut=st.integers(0, 600),
    at=st.integers(0, 300),
    noise=st.binary(max_size=12),
)
def test_never_raises(data: bytes, cut: int, at: int, noise: bytes) -> None:
    changed = data[:at] + noise + data[at + len(noise) :]
    assert parse(reader(changed[:cut])).form in ("elf-dynamic", "elf-static", "go", "other", "script")


def test_a_large_program_is_not_read_whole() -> None:
    data = elf(segments=(LOAD, INTERP), sections=(".text", ".go.buildinfo")) + bytes(5_000_000)
    asked: list[int] = []

    def read_at(offset: int, length: int) -> bytes:
        asked.append(length)
        return data[offset : offset + length]

    assert parse(read_at).form == "go"
    assert sum(asked) < 2000


@pytest.mark.parametrize(
    ("form", "preloads"),
    [("script", True), ("elf-dynamic", True), ("elf-static", False), ("go", False), ("other", False)],
)
def test_preloads(form: str, preloads: bool) -> None:
    assert Executable(form=form).preloads is preloads


INTERPRETERS = """python3 python3.11 python3.13t python python2.7 python3.11-dbg python3-dbg pypy3 node nodejs perl
perl5.36 perl5.36.0 perl5.36-x86_64-linux-gnu ruby ruby3.1 java php php8.2 php-cgi8.2 bash sh dash lua lua5.4 tclsh
tclsh8.6 busybox beam.smp ld-linux-x86-64.so.2 ld-linux.so.2 ld-musl-x86_64.so.1 ld.so gawk"""
PROGRAMS = """caddy nginx nodemon javac python3-config perldoc shutdown bashful rubyfmt httpd server php-fpm8.2 named
ldconfig lib.so.2 pythond java.jar"""


@pytest.mark.parametrize("name", INTERPRETERS.split())
def test_interpreters(name: str) -> None:
    assert is_interpreter(f"/usr/bin/{name}")
    assert is_interpreter(name)


@pytest.mark.parametrize("name", PROGRAMS.split())
def test_programs(name: str) -> None:
    assert not is_interpreter(f"/usr/bin/python3/{name}")


@pytest.mark.parametrize(
    ("program", "machine", "runs"),
    [
        (Executable(form="elf-dynamic", machine=62), "x86_64", True),
        (Executable(form="elf-static", machine=3), "x86_64", True),
        (Executable(form="go", machine=183), "x86_64", False),
        (Executable(form="elf-static", machine=183), "aarch64", True),
        (Executable(form="elf-static", machine=99), "a later machine", True),
        (Executable(form="script", interpreter=("/bin/sh",)), "x86_64", True),
        (Executable(form="other"), "x86_64", False),
    ],
)
def test_runs_on(program: Executable, machine: str, runs: bool) -> None:
    assert runs_on(program, machine=machine) is runs
