# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which libraries a program needs and where it looks for them, told from its bytes."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Optional, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import (
    Executable,
    origin_folders,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

LOAD, DYNAMIC = 1, 2
NEEDED, STRTAB, STRSZ, RPATH, RUNPATH = 1, 5, 10, 15, 29
STRINGS = b"\0liba.so\0libb.so.1\0$ORIGIN/lib::/opt/x\0/old\0"
LIBA, LIBB, PATH, OLD = (STRINGS.index(text) for text in (b"liba", b"libb", b"$ORIGIN", b"/old"))
ADDRESS = 0x10000


def program(
    *entries: Tuple[int, int], bits: int = 64, order: str = "<", strings_at: int = ADDRESS, loaded: bool = True
) -> bytes:
    """A program with these dynamic entries (elf(5)) beside those for its strings, which are loaded at ADDRESS."""
    wide = bits == 64
    header_size, segment_size = (64, 56) if wide else (52, 32)
    at = header_size + 2 * segment_size
    pairs = [*entries, (STRTAB, strings_at), (STRSZ, len(STRINGS)), (0, 0)]
    dynamic = b"".join(struct.pack(order + ("qQ" if wide else "iI"), *pair) for pair in pairs)
    sizes = ((LOAD if loaded else 4, at, ADDRESS, len(STRINGS)), (DYNAMIC, at + len(STRINGS), 0, len(dynamic)))
    segments = b"".join(
        struct.pack(order + "IIQQQQQQ", kind, 0, offset, address, 0, size, 0, 0)
        if wide
        else struct.pack(order + "8I", kind, offset, address, 0, size, 0, 0, 0)
        for kind, offset, address, size in sizes
    )
    numbers = (3, 62, 1, 0, header_size, 0, 0, header_size, segment_size, 2, 0, 0, 0)
    header = struct.pack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), *numbers)
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    return ident + header + segments + STRINGS + dynamic


def read(data: bytes) -> Executable:
    return parse(lambda offset, length: data[offset : offset + length])


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("entries", "needed", "library_path"),
    [
        ((), (), ()),
        (((NEEDED, LIBA), (NEEDED, LIBB)), ("liba.so", "libb.so.1"), ()),
        (((NEEDED, LIBA), (RUNPATH, PATH)), ("liba.so",), ("$ORIGIN/lib", "/opt/x")),
        (((RPATH, PATH),), (), ("$ORIGIN/lib", "/opt/x")),
        (((RPATH, PATH), (RUNPATH, OLD)), (), ("/old",)),
        (((NEEDED, 9999), (RUNPATH, 9999)), ("",), ()),
    ],
)
def test_what_a_program_needs(
    bits: int, order: str, entries: Tuple[Tuple[int, int], ...], needed: Tuple[str, ...], library_path: Tuple[str, ...]
) -> None:
    found = read(program(*entries, bits=bits, order=order))
    assert (found.needed, found.library_path) == (needed, library_path)


@pytest.mark.parametrize("data", [program((NEEDED, LIBA), strings_at=1), program((NEEDED, LIBA), loaded=False)])
def test_what_is_not_loaded_is_nothing(data: bytes) -> None:
    found = read(data)
    assert (found.form, found.needed) == ("elf-static", ())


@given(st.binary(max_size=200), st.integers(0, 300))
def test_a_corrupt_program_is_read_all_the_same(noise: bytes, at: int) -> None:
    data = program((NEEDED, LIBA), (RUNPATH, PATH))
    read(data[:at] + noise + data[at + len(noise) :])


REAL = [sys.executable, *filter(None, map(shutil.which, ("ls", "ssh", "podman", "getcap")))]


@pytest.mark.parametrize("path", REAL)
def test_real_programs_need_what_patchelf_says(path: str) -> None:
    said = subprocess.run(["patchelf", "--print-needed", path], capture_output=True, text=True, check=True).stdout
    with open(path, "rb") as file:
        assert list(read(file.read()).needed) == said.split()


@pytest.mark.parametrize("path", ["$ORIGIN/../lib", "${ORIGIN}/private:/opt/lib", "/opt/lib"])
@pytest.mark.parametrize("option", ["--force-rpath", None])
def test_a_path_that_patchelf_wrote(tmp_path: Path, path: str, option: Optional[str]) -> None:
    copy = tmp_path / "ls"
    shutil.copy(str(shutil.which("ls")), copy)
    subprocess.run(["patchelf", *([option] if option else []), "--set-rpath", path, str(copy)], check=True)
    assert list(read(copy.read_bytes()).library_path) == path.split(":")


@pytest.mark.parametrize(
    ("library_path", "folders"),
    [
        ((), ()),
        (("/opt/lib",), ()),
        (("$ORIGIN",), ("/opt/java/bin",)),
        (("$ORIGIN/../lib", "/usr/lib", "${ORIGIN}/x"), ("/opt/java/lib", "/opt/java/bin/x")),
        (("$ORIGINAL/lib",), ()),
    ],
)
def test_where_a_program_looks_beside_itself(library_path: Tuple[str, ...], folders: Tuple[str, ...]) -> None:
    java = Executable(form="elf-dynamic", library_path=library_path)
    assert origin_folders(java, path="/opt/java/bin/java") == folders
