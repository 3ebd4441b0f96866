# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused, what is warned of and what results."""

from __future__ import annotations

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import Executable
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import (
    Ground,
    Inode,
    Judgement,
    ProgramFile,
    check_request,
    judge,
    obstacle,
    outcome_absent,
    outcome_present,
    shown,
    side_effects,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    FileCapabilities,
    format_text,
    parse_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, Refused

ROOT, ALICE, BOB = (0, "root"), (1000, "alice"), (1001, "bob")
FILE = Inode(path="/opt/app/server", mode=0o755, uid=0, owner="root", group="root")
FOLDER = Inode(path="/opt/app", mode=0o755, uid=0, owner="root", group="root")
ELF = Executable(form="elf-dynamic")


def program(
    *, file: Inode = FILE, folder: Inode = FOLDER, executable: Executable = ELF, nosuid: bool = False
) -> ProgramFile:
    return ProgramFile(inode=file, folders=(folder, FOLDER._replace(path="/")), executable=executable, nosuid=nosuid)


def by_alice(inode: Inode) -> Inode:
    return inode._replace(uid=1000, owner="alice")


def by_group(inode: Inode, *members: tuple[int, str]) -> Inode:
    return inode._replace(mode=inode.mode | 0o020, group="staff", members=members)


def test_an_ordinary_program_is_neither_refused_nor_warned_of() -> None:
    assert judge(program()) == Judgement()


@pytest.mark.parametrize(
    ("subject", "fragment"),
    [
        (program(nosuid=True), "option nosuid"),
        (program()._replace(origin_libraries=("/opt/app/lib/a.so",)), "finds /opt/app/lib/a.so beside itself"),
        (program(executable=Executable("script", ("/usr/bin/env", "python3"))), "a script run by /usr/bin/env python3"),
        (program(file=FILE._replace(mode=0o757)), "every user can write /opt/app/server"),
        (program(file=by_group(FILE, ALICE)), "alice can write /opt/app/server as group staff"),
        (program(file=by_group(FILE, ROOT, ALICE, BOB)), "alice, bob can write"),
        (program(file=by_group(by_alice(FILE), ALICE, BOB)), "bob can write /opt/app/server"),
        (program(file=FILE._replace(path="/usr/bin/python3.11")), "grant it to a private copy of mode 0750"),
        (
            program(executable=ELF._replace(needed=("libc.so.6", "$ORIGIN/lib/a.so"))),
            "needs $ORIGIN/lib/a.so, which the loader",
        ),
        (program(file=FILE._replace(listed=(ALICE,))), "alice can write /opt/app/server by its access control list"),
        (program(file=by_alice(FILE)._replace(listed=(ALICE, BOB))), "bob can write /opt/app/server by its access"),
        (program(folder=FOLDER._replace(listed=(ROOT, BOB))), "bob can write in the folder /opt/app by its access"),
        (program(folder=by_alice(FOLDER)), "alice owns the folder /opt/app"),
        (program(folder=by_alice(FOLDER)._replace(mode=0o1755)), "alice owns the folder /opt/app"),
        (program(folder=FOLDER._replace(mode=0o757)), "every user can write in the folder /opt/app"),
        (program(folder=by_group(FOLDER, BOB)), "bob can write in the folder /opt/app as group staff"),
        (program(file=by_alice(FILE), folder=by_group(by_alice(FOLDER), ALICE, BOB)), "bob can write in the folder"),
    ],
)
def test_refused(subject: ProgramFile, fragment: str) -> None:
    refusals = judge(subject).refusals
    assert len(refusals) == 1
    assert fragment in refusals[0]
    assert ", bob" not in refusals[0] or "alice, bob" in fragment


@pytest.mark.parametrize(
    ("subject", "fragment"),
    [
        (program(file=FILE._replace(mode=0o775)), "writable by its group root"),
        (program(file=by_group(FILE, ROOT)), "writable by its group staff"),
        (program(file=by_alice(FILE)), "belongs to alice"),
        (program(file=by_alice(FILE), folder=by_alice(FOLDER)), "belongs to alice"),
        (program(file=FILE._replace(mode=0o4755)), "has mode 4755"),
        (program(file=FILE._replace(mode=0o2755)), "has mode 2755"),
        (program(executable=Executable("other")), "neither an ELF program nor a script"),
    ],
)
def test_warned(subject: ProgramFile, fragment: str) -> None:
    judgement = judge(subject)
    assert judgement.refusals == ()
    assert len(judgement.warnings) == 1
    assert fragment in judgement.warnings[0]


@pytest.mark.parametrize(
    "subject",
    [
        program(folder=FOLDER._replace(mode=0o1777)),
        program(folder=by_group(FOLDER._replace(mode=0o1755), ALICE)),
        program(folder=by_group(FOLDER)),
        program(folder=FOLDER._replace(mode=0o1755, listed=(ALICE,))),
        program(file=FILE._replace(listed=(ROOT,))),
        program(folder=by_group(FOLDER, ROOT)),
        program(file=FILE._replace(path="/opt/app/python3", mode=0o750, group="svc")),
        program(executable=Executable("go")),
        program(executable=Executable("elf-static")),
    ],
)
def test_safe(subject: ProgramFile) -> None:
    assert judge(subject) == Judgement()


def test_an_allowed_interpreter_is_still_told() -> None:
    judgement = judge(program(file=FILE._replace(path="/usr/bin/node")), allow_interpreter=True)
    assert judgement.refusals == ()
    assert "every user can execute" in judgement.warnings[0]


def test_every_refusal_is_told() -> None:
    worst = program(file=FILE._replace(mode=0o777), folder=by_alice(FOLDER), nosuid=True)
    assert len(judge(worst).refusals) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cap_net_bind_service+p", "permitted alone"),
        ("cap_net_bind_service+i", "inheritable alone"),
        ("cap_net_bind_service+ei", "inheritable alone"),
        ("cap_net_raw=ep", "cap_net_bind_service is not in it"),
        ("=", "cap_net_bind_service is not in it"),
        ("=ep", "grants all capabilities"),
        ("all=ep", "grants all capabilities"),
        ("all=p", "grants all capabilities"),
    ],
)
def test_requests_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        check_request(parse_text(text), text=text)
    assert reason in str(refusal.value)
    assert repr(text) in str(refusal.value)
    assert "cap_net_bind_service=ep" in str(refusal.value)


@pytest.mark.parametrize("text", ["10=ep", "10=eip", "10,13=ep", "all=ep cap_sys_admin-ep"])
def test_requests_that_bind(text: str) -> None:
    check_request(parse_text(text), text=text)


def test_present_is_exact_unless_merged() -> None:
    held, wanted = parse_text("13=ep"), parse_text("10=ep")
    assert outcome_present(held, wanted=wanted, keep_others=False) == wanted
    assert outcome_present(held, wanted=wanted, keep_others=True) == parse_text("10,13=ep")


@pytest.mark.parametrize(
    ("held", "unwanted", "left"),
    [
        (None, None, None),
        (None, "10=ep", None),
        ("10,13=ep", None, None),
        ("=", None, None),
        ("=", "10=ep", None),
        ("10=eip", "10=ep", None),
        ("10,13=ep", "10=p", "cap_net_raw=ep"),
        ("13=ep", "10=ep", "cap_net_raw=ep"),
    ],
)
def test_absent(held: str | None, unwanted: str | None, left: str | None) -> None:
    outcome = outcome_absent(
        parse_text(held) if held else None, unwanted=parse_text(unwanted) if unwanted else None, text=unwanted or ""
    )
    assert (None if outcome is None else format_text(outcome)) == left


def test_absent_needs_a_name() -> None:
    with pytest.raises(InvalidInput, match="'10=' names nothing to remove"):
        outcome_absent(None, unwanted=FileCapabilities(), text="10=")


def test_side_effects() -> None:
    merged = parse_text("5,10,13=ep")
    assert side_effects(None, merged) == ()
    assert side_effects(parse_text("5,13=ep"), merged) == ()
    assert side_effects(parse_text("10=p"), merged) == ()
    assert side_effects(parse_text("13=p"), parse_text("10=ep")) == ()
    assert side_effects(parse_text("5,13=p"), merged)[0].startswith("cap_kill, cap_net_raw is now effective")


GROUND = Ground(read_only=False, unchangeable=False, keeps_attributes=True, may_set=True)


@pytest.mark.parametrize(
    ("ground", "fragment"),
    [
        (GROUND._replace(read_only=True, may_set=False), "/x is on a read-only file system"),
        (GROUND._replace(unchangeable=True, may_set=False), "/x is immutable"),
        (GROUND._replace(keeps_attributes=False), "without extended attributes"),
        (GROUND._replace(may_set=False), "needs CAP_SETFCAP"),
    ],
)
def test_obstacles(ground: Ground, fragment: str) -> None:
    assert fragment in obstacle(ground, path="/x")
    assert obstacle(GROUND, path="/x") == ""


@pytest.mark.parametrize(
    ("path", "text"),
    [("/usr/bin/caddy", "/usr/bin/caddy"), ("/a b", "'/a b'"), ("/a\nb", "'/a\\nb'"), ("/{x}", "/{x}")],
)
def test_shown(path: str, text: str) -> None:
    assert shown(path) == text
    judged = judge(program(file=FILE._replace(path=path, mode=0o757)))
    assert f"write {text}, and" in judged.refusals[0]
