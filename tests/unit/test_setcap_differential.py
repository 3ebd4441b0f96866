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
from hypothesis import HealthCheck, assume, example, given, settings
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
        rule="effective is none of the granted capabilities or all of them, else the text is refused",
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
names = st.sampled_from(("cap_net_bind_service", "cap_net_raw", "cap_chown", "cap_checkpoint_restore", "10", "all"))
numbers = st.integers(0, 70).flatmap(lambda n: st.sampled_from((str(n), f"{n:#x}", f"0{n:o}", f"{n:#X}", f"000{n:o}")))
odd_names = st.sampled_from(
    (
        "",
        "cap_",
        "net_raw",
        "cap_net_raw1",
        "cap_net_rawx",
        "08",
        "0x",
        "0b1",
        "1e",
        "al",
        "allp",
        "all_",
        "_",
        "9" * 30,
    )
)
any_name = st.one_of(names, names, names, st.sampled_from(NAMES), numbers, odd_names)
cased = st.tuples(any_name, st.sampled_from((str, str, str.upper, str.title))).map(lambda pair: pair[1](pair[0]))
name_list = st.one_of(
    st.lists(names, min_size=1, max_size=3).map(",".join),
    st.lists(cased, min_size=0, max_size=4).map(",".join),
)
flags = st.sampled_from(("ep", "ep", "eip", "pe", "p", "i", "e", "ei", "ip", "eep", ""))
actions = st.lists(
    st.tuples(st.sampled_from(("=", "+", "+", "-", "=+", "=-")), flags).map("".join), min_size=1, max_size=3
).map("".join)
clause = st.tuples(name_list, actions).map("".join)
blank = st.sampled_from((" ", " ", "\t", "\n", "  ", " \v", "\f", "\r\n"))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A text of the grammar, half the time with one to three characters changed."""
    parts = [draw(st.sampled_from(("", "", "", " ", "\n")))]
    for one in draw(st.lists(clause, min_size=1, max_size=3)):
        parts += [one, draw(blank)]
    text = "".join(parts[: draw(st.sampled_from((-1, len(parts))))])
    for _change in range(draw(st.sampled_from((0, 0, 0, 1, 2, 3)))):
        at = draw(st.integers(0, len(text)))
        gone = draw(st.integers(0, 2))
        text = text[:at] + draw(st.text(NEARBY, max_size=2)) + text[at + gone :]
    return text


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert shutil.which("setcap"), "setcap is needed: apt-get install libcap2-bin"
    file = tmp_path_factory.mktemp("setcap") / "program"
    file.touch()
    return file


@pytest.fixture(scope="module")
def tally() -> Counter[str]:
    return Counter()


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


@example(text="cap_net_bind_service=ep")
@example(text="CAP_NET_BIND_SERVICE=+ep")
@example(text="")
@example(text="=ep cap_net_raw-p")
@example(text="cap_chown=e cap_chown+ep-e")
@example(text="0b1010=ep")
@example(text="41,all,42=ep")
@settings(max_examples=TEXTS, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(text=texts())
def test_acceptance_and_bytes_are_those_of_setcap(text: str, program: Path, tally: Counter[str]) -> None:
    assume(text not in OPTIONS)
    accepted, stored = really(text, program=program)
    ours, reason = our_reading(text)
    if ours is not None:
        assert accepted, f"we accept {text!r}, setcap does not"
        assert ours == stored, text
        tally["both accept"] += 1
        return
    explained = [row for row in DIFFERENCES if row.applies(text, reason) and row.stored(stored)]
    assert not accepted or explained, f"setcap accepts {text!r} and stores {stored!r}; we say: {reason}"
    tally["both refuse" if not accepted else explained[0].rule] += 1


def test_comparison_met_both_answers(tally: Counter[str]) -> None:
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
