# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares our reading of capability texts with the real setcap, and our canonical text with the real getcap."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Callable

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    BITS,
    NAMES,
    FileCapabilities,
    format_text,
    format_xattr,
    parse_text,
    parse_xattr,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

XATTR = "security.capability"
TEXTS = 2000
# setcap reads these as options of its own before it looks at any text.
OPTIONS = ("-", "-f", "-h", "-n", "-q", "-r", "-v", "--license")


@dataclass(frozen=True)
class Difference:
    """A text that we refuse and that some setcap accepts; stored is what such a setcap may leave on the file."""

    seen: str
    rule: str
    applies: Callable[[str, str], bool]
    stored: Callable[[bytes | None], bool]


EMPTY = bytes.fromhex("0000000200000000000000000000000000000000")
DIFFERENCES = (
    Difference(
        seen="libcap 2.44 and 2.66 store an attribute that grants nothing; 2.75 refuses",
        rule="blank text is refused",
        applies=lambda text, _: not text.strip(" \t\n\v\f\r"),
        stored=lambda value: value == EMPTY,
    ),
    Difference(
        seen="2.66 drops effective capabilities that are neither permitted nor inheritable; 2.75 refuses",
        rule="an effective flag without a capability, or of some of those that are granted, is refused",
        applies=lambda _, reason: "effective flag" in reason,
        stored=lambda value: value is not None and value[0] == 1,
    ),
    Difference(
        seen="2.44 exits with 0 and stores nothing where only some of the granted capabilities are effective",
        rule="the same",
        applies=lambda _, reason: "effective flag" in reason,
        stored=lambda value: value is None,
    ),
    Difference(
        seen="strtoul(3) of glibc 2.38 and later reads 0b1010",
        rule="binary numbers are refused, as older hosts do",
        applies=lambda text, _: "0b" in text.lower(),
        stored=lambda value: value is not None,
    ),
)

# With the long s and the Kelvin sign, which fold into ASCII letters.
NEARBY = "=+-,eipEPIx_ \t\n01acks:.\xe9\u017f\u212a"

# Few names, so that clauses meet on the same capability.
FEW = ("cap_net_bind_service", "cap_net_raw", "cap_chown", "cap_checkpoint_restore", "10", "all")
ODD = (
    *("", "cap_", "net_raw", "cap_net_raw1", "cap_net_rawx", "08", "0x", "0b1", "1e", "al", "allp", "all_", "_"),
    "9" * 30,
)
FLAGS = ("ep", "ep", "ep", "ep", "eip", "eip", "pe", "p", "i", "e", "ei", "ip", "eep", "")
# Of clauses and of actions; most are refused where there are many.
FEWER = (1, 1, 1, 1, 2, 3)
BLANKS = (" ", " ", "\t", "\n", "  ", " \v", "\f", "\r\n")


def a_number(chance: Random) -> str:
    n = chance.randint(0, 70)
    return chance.choice((str(n), f"{n:#x}", f"0{n:o}", f"{n:#X}", f"000{n:o}"))


def a_name(chance: Random) -> str:
    few = chance.choice(FEW)
    name = chance.choice((few, few, few, chance.choice(NAMES), a_number(chance), chance.choice(ODD)))
    return chance.choice((str, str, str.upper, str.title))(name)


def a_clause(chance: Random) -> str:
    some = [chance.choice(FEW) for _name in range(chance.randint(1, 3))]
    odd = [a_name(chance) for _name in range(chance.randint(0, 4))]
    names = chance.choice((some, some, some, odd))
    signs = [chance.choice(("=", "=", "+", "-", "=+", "=-")) for _action in range(chance.choice(FEWER))]
    return ",".join(names) + "".join(sign + chance.choice(FLAGS) for sign in signs)


def a_text(chance: Random) -> str:
    """A text of the grammar, in three of seven cases with one to three characters changed."""
    parts = [chance.choice(("", "", "", " ", "\n"))]
    for _clause in range(chance.choice(FEWER)):
        parts += [a_clause(chance), chance.choice(BLANKS)]
    text = "".join(parts[: chance.choice((-1, len(parts)))])
    for _change in range(chance.choice((0, 0, 0, 0, 1, 2, 3))):
        at = chance.randint(0, len(text))
        new = "".join(chance.choice(NEARBY) for _character in range(chance.randint(0, 2)))
        text = text[:at] + new + text[at + chance.randint(0, 2) :]
    return text


# The others are not made by Hypothesis, which takes longer to make a text than setcap to read it.
KNOWN = (
    "cap_net_bind_service=ep",
    "CAP_NET_BIND_SERVICE=+ep",
    "",
    "=ep cap_net_raw-p",
    "cap_chown=e cap_chown+ep-e",
    "0b1010=ep",
    "41,all,42=ep",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert shutil.which("setcap"), "setcap is needed: apt-get install libcap2-bin"
    file = tmp_path_factory.mktemp("setcap") / "program"
    file.touch()
    return file


def really(text: str, *, program: Path) -> tuple[bool, bytes | None]:
    """Whether setcap accepts the text, and what it leaves on the file."""
    with contextlib.suppress(OSError):
        os.removexattr(program, XATTR)
    done = subprocess.run(
        ["setcap", text, str(program)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    try:
        return done.returncode == 0, os.getxattr(program, XATTR)
    except OSError:
        return done.returncode == 0, None


def our_reading(text: str) -> tuple[bytes | None, str]:
    """The bytes that we would store, else why not."""
    try:
        return format_xattr(parse_text(text)), ""
    except InvalidInput as refusal:
        return None, str(refusal)


def outcome(text: str, *, program: Path) -> str:
    """How the two readings of the text relate; fails where none of the known differences explains it."""
    accepted, stored = really(text, program=program)
    ours, reason = our_reading(text)
    if ours is not None:
        assert accepted, f"we accept {text!r}, setcap does not"
        assert ours == stored, text
        return "both accept"
    explained = [row for row in DIFFERENCES if row.applies(text, reason) and row.stored(stored)]
    assert not accepted or explained, f"setcap accepts {text!r} and stores {stored!r}; we say: {reason}"
    return "both refuse" if not accepted else explained[0].rule


def test_acceptance_and_bytes_are_those_of_setcap(program: Path) -> None:
    chance = Random(0)
    texts = {*KNOWN}
    while len(texts) < TEXTS:
        texts |= {a_text(chance)} - {*OPTIONS}
    tally = Counter(outcome(text, program=program) for text in sorted(texts))
    assert tally["both accept"] > TEXTS // 5, tally
    assert tally["both refuse"] > TEXTS // 5, tally


sets = st.one_of(st.frozensets(st.sampled_from((0, 5, 10, 13, 40, 41, 63))), st.frozensets(st.integers(0, BITS - 1)))
# As many capabilities permitted as inheritable.
halves = st.integers(1, 20).map(lambda n: (frozenset(range(n)), frozenset(range(n, 2 * n))))
most = st.frozensets(st.integers(0, 40), max_size=4).map(lambda few: frozenset(range(41)) - few)


@settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    many=st.lists(
        st.one_of(
            st.builds(
                FileCapabilities,
                permitted=st.one_of(sets, most),
                inheritable=st.one_of(sets, st.just(frozenset()), most),
                effective=st.booleans(),
                rootid=st.none(),
            ),
            st.builds(lambda pair, effective: FileCapabilities(*pair, effective), halves, st.booleans()),
        ),
        min_size=50,
        max_size=50,
    )
)
def test_canonical_text_is_that_of_getcap(many: list[FileCapabilities], program: Path) -> None:
    files = [program.with_name(f"f{index}") for index in range(len(many))]
    for file, caps in zip(files, many):
        file.touch()
        os.setxattr(file, XATTR, format_xattr(caps))
    printed = subprocess.run(
        ["getcap", *(file.name for file in files)], cwd=program.parent, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    assert printed == [f"{file.name} {format_text(caps)}" for file, caps in zip(files, many)]


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(caps=st.builds(FileCapabilities, permitted=sets, inheritable=sets, effective=st.booleans(), rootid=st.none()))
def test_bytes_and_text_lead_back(caps: FileCapabilities) -> None:
    assert parse_xattr(format_xattr(caps)) == caps
    assume(not caps.is_empty)
    assert parse_text(format_text(caps)) == caps
