# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""authbind's rules as data: paths, judgement and lines."""

from __future__ import annotations

from typing import Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.byuid import parse_byuid, with_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.plan import Grantee
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import (
    BYPORT,
    Principal,
    RuleFile,
    candidate_paths,
    canonical_address,
    judge,
    parse_address,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.tests.unit.core.authbind_rules import byaddr, byport, byuid, rules
from hypothesis import given
from hypothesis import strategies as st

WEB = Grantee(kind="user", name="web", number=1001, gids=frozenset({1001, 2000}))
ALL = "0.0.0.0/0,{0}\n::/0,{0}\n"


@pytest.mark.parametrize(
    ("port", "address", "names"),
    [
        (80, "127.0.0.1", ("byport/80", "byaddr/127.0.0.1:80", "byaddr/127.0.0.1,80", "byuid/7")),
        (512, "127.0.0.1", ("byport/!512", "byaddr/!127.0.0.1:512", "byaddr/!127.0.0.1,512", "byuid/!7")),
        (80, "::", ("byport/80", "byaddr/::,80", "byaddr/0:0:0:0:0:0:0:0,80", "byuid/7")),
        (1, "1:2:3:4:5:6:7:8", ("byport/1", "byaddr/1:2:3:4:5:6:7:8,1", "byuid/7")),
        (
            80,
            "2620:106:e002:f00f::21",
            ("byport/80", "byaddr/2620:106:e002:f00f::21,80", "byaddr/2620:106:e002:f00f:0:0:0:21,80", "byuid/7"),
        ),
    ],
)
def test_candidate_paths(port: int, address: str, names: Tuple[str, ...]) -> None:
    assert candidate_paths(port=port, address=address, uid=7) == tuple(f"/etc/authbind/{name}" for name in names)


@pytest.mark.parametrize("port", [0, 1024, 65536, -1])
def test_ports_that_authbind_does_not_handle(port: int) -> None:
    with pytest.raises(InvalidInput, match=f"ports: {port} is outside 1-1023"):
        candidate_paths(port=port, address="::", uid=7)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0:0::0", "::"),
        ("::FFFF:7f00:1", "::ffff:127.0.0.1"),
        ("::1:2", "::0.1.0.2"),
        ("::1", "::1"),
        ("2001:0DB8::0001", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_canonical_address(text: str, canonical: str) -> None:
    assert canonical_address(text) == canonical


@pytest.mark.parametrize(
    "text", ["", "*", "01.2.3.4", "1.2.3", "1.2.3.4/8", "::1%lo", "::1.2.3.04", "fe80", "[::1]", "1::2::3"]
)
def test_texts_that_are_no_address(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no IPv4 or IPv6 address"):
        parse_address(text)


@pytest.mark.parametrize(
    ("file", "allowed"),
    [
        (byport("80"), True),
        (byport("80", mode=0o400), False),
        (byport("80", mode=0o077), False),
        (byport("80", uid=0, gid=2000, mode=0o710), True),
        (byport("80", uid=0, gid=2000, mode=0o701), False),
        (byport("80", uid=0, mode=0o001), True),
        (byport("80", uid=0, mode=0o750), False),
    ],
)
def test_class_of_the_caller_decides(file: RuleFile, allowed: bool) -> None:
    verdict = judge(rules(file), principal=WEB.principal, port=80, address="::")
    assert (verdict.allowed, verdict.deciding) == (allowed, file.path)
    assert verdict.errno_name == ("" if allowed else "EACCES")


def test_root_may_execute_what_anyone_may() -> None:
    root = Principal(uid=0, gids=frozenset({0}))
    closed = RuleFile(BYPORT, 5, 5, 0)
    assert judge(rules(closed, byport("80", mode=0o010)), principal=root, port=80, address="::").allowed
    assert not judge(rules(byport("80", mode=0o444)), principal=root, port=80, address="::").allowed


def test_errno_names() -> None:
    asked = {"principal": WEB.principal, "port": 80, "address": "127.0.0.1"}
    assert judge({}, **asked).errno_name == "EPERM"
    assert judge({}, **asked).deciding is None
    assert judge(rules(byuid("1001", "0.0.0.0/0,81\n")), **asked).errno_name == "ENOENT"
    assert judge(rules(byuid("1001", "0.0.0.0/0,80\n")), **asked).errno_name == ""
    assert judge(rules(RuleFile(BYPORT, 0, 0, 0o700)), **asked).deciding == BYPORT


def test_a_foreign_byport_file_is_final() -> None:
    known = rules(byport("80", uid=5), byaddr("127.0.0.1,80"), byuid("1001", ALL.format(80)))
    verdict = judge(known, principal=WEB.principal, port=80, address="127.0.0.1")
    assert (verdict.allowed, verdict.deciding) == (False, f"{BYPORT}/80")
    assert "no other rule is asked" in verdict.reason


@pytest.mark.parametrize(
    ("line", "grant"),
    [
        ("0.0.0.0/0,80", (4, 0, 2**32 - 1, 80, 80)),
        ("::/0,80-90\n", (6, 0, 2**128 - 1, 80, 90)),
        ("10.0.0.0/8:80,90", (4, 10 << 24, (11 << 24) - 1, 80, 90)),
        ("127.0.0.1-127.0.0.9, 80 ", (4, 0x7F000001, 0x7F000009, 80, 80)),
        ("::1,4294967376", (6, 1, 1, 80, 80)),
        ("::1,0--1", (6, 1, 1, 0, 2**32 - 1)),
        ("::1,0-99999999999999999999", (6, 1, 1, 0, 2**32 - 1)),
    ],
)
def test_lines_that_authbind_understands(line: str, grant: Tuple[int, ...]) -> None:
    (parsed,) = parse_byuid(line)
    found = parsed.grant
    assert found is not None
    assert (found.version, found.low, found.high, found.first_port, found.last_port) == grant
    assert parsed.problem is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("80", "no comma"),
        (",80", "address is none"),
        ("10.0.0.1/8,80", "beyond the prefix"),
        ("10.0.0.1/8:80,80", "beyond the prefix"),
        ("10.0.0.0/33,80", "above 32"),
        ("::/129,80", "above 128"),
        ("::/x,80", "prefix length is no number"),
        ("256.0.0.0/0:0,80", "too large"),
        ("0.0.0.0/0:0,65536", "too large"),
        ("::-::1/8,80", "mixes"),
        ("::2-::1,80", "range is empty"),
        ("0.0.0.0-::1,80", "range is empty"),
        ("::,90-80", "above its last"),
        ("::,http", "no number or range"),
        ("::,80 # web", "no number or range"),
    ],
)
def test_lines_that_authbind_ignores(line: str, problem: str) -> None:
    (parsed,) = parse_byuid(line)
    assert parsed.grant is None
    assert problem in (parsed.problem or "")


def test_blank_lines_and_comments_are_no_problem() -> None:
    assert [(line.grant, line.problem) for line in parse_byuid("\n# web\n \t\n")] == [(None, None)] * 3


def test_a_long_line_is_read_in_pieces() -> None:
    first, second = parse_byuid("x" * 298 + "::,80\n")
    assert first.grant is None
    assert second.grant is not None
    assert second.number == 2


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]) | st.sampled_from("\n\0\udcff,/:-0")))
def test_parsing_keeps_every_byte(content: str) -> None:
    joined = "".join(line.raw for line in parse_byuid(content))
    assert joined.encode("utf-8", "surrogateescape") == content.encode("utf-8", "surrogateescape")


def test_lines_are_added_only_where_missing() -> None:
    scopes = (("0.0.0.0/0", 4, 0, 2**32 - 1),)
    assert with_ports("0.0.0.0/0,82", scopes, [80, 81, 82, 84]) == "0.0.0.0/0,82\n0.0.0.0/0,80-81\n0.0.0.0/0,84\n"
    assert with_ports("10.0.0.0/8,80\n", scopes, [80]).endswith("\n0.0.0.0/0,80\n")
