# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""authbind's rules as data: paths, judgement, lines and plans."""

from __future__ import annotations

from typing import Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind import (
    BYADDR,
    BYPORT,
    BYUID,
    Principal,
    RuleFile,
    candidate_paths,
    canonical_address,
    judge,
    parse_address,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind_byuid import parse_byuid, with_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind_plan import (
    Grantee,
    RulePlan,
    applied,
    concerned,
    plan_rules,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.errors import InvalidInput, Refused
from hypothesis import given
from hypothesis import strategies as st

WEB = Grantee(kind="user", name="web", number=1001, gids=frozenset({1001, 2000}))
TEAM = Grantee(kind="group", name="team", number=2000, gids=frozenset({2000}))
ALL = "0.0.0.0/0,{0}\n::/0,{0}\n"


def rules(*files: RuleFile) -> Dict[str, RuleFile]:
    return {file.path: file for file in files}


def byport(name: str, *, uid: int = 1001, gid: int = 0, mode: int = 0o500, content: str = "") -> RuleFile:
    return RuleFile(path=f"{BYPORT}/{name}", uid=uid, gid=gid, mode=mode, content=content)


def byaddr(name: str, *, uid: int = 1001, gid: int = 0, mode: int = 0o500) -> RuleFile:
    return RuleFile(path=f"{BYADDR}/{name}", uid=uid, gid=gid, mode=mode)


def byuid(name: str, content: str, *, uid: int = 0, mode: int = 0o644) -> RuleFile:
    return RuleFile(path=f"{BYUID}/{name}", uid=uid, gid=0, mode=mode, content=content)


def outcome(before: Dict[str, RuleFile], plan: RulePlan) -> Dict[str, RuleFile]:
    return applied(before, plan.changes)


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


NEW_FILES = [
    pytest.param(WEB, [80], [], "auto", [byport("80")], id="user"),
    pytest.param(WEB, [600], [], "auto", [byport("!600")], id="user-marked"),
    pytest.param(TEAM, [80], [], "auto", [byport("80", uid=0, gid=2000, mode=0o710)], id="group"),
    pytest.param(WEB, [80], ["127.0.0.1", "::1"], "auto", [byaddr("127.0.0.1,80"), byaddr("::1,80")], id="addresses"),
    pytest.param(
        TEAM, [600], ["0::1"], "byaddr", [byaddr("!::1,600", uid=0, gid=2000, mode=0o710)], id="group-address"
    ),
    pytest.param(WEB, [80, 81], [], "byuid", [byuid("1001", ALL.format("80-81"))], id="byuid"),
    pytest.param(
        WEB,
        [511, 512],
        [],
        "byuid",
        [byuid("!1001", ALL.format(512)), byuid("1001", ALL.format(511))],
        id="byuid-marked",
    ),
    pytest.param(WEB, [80], ["::1"], "byuid", [byuid("1001", "::1,80\n")], id="byuid-address"),
]


@pytest.mark.parametrize(("grantee", "ports", "addresses", "method", "wanted"), NEW_FILES)
def test_present_on_a_clean_host(grantee, ports, addresses, method, wanted) -> None:
    asked = {"grantee": grantee, "ports": ports, "addresses": addresses, "method": method}
    plan = plan_rules({}, **asked)
    after = outcome({}, plan)
    assert after == rules(*wanted)
    assert [change.path for change in plan.changes] == sorted(after)
    assert plan.warnings == ()
    assert plan_rules(after, **asked).changes == ()
    shown = concerned(after, grantee=grantee, ports=ports, addresses=addresses)
    assert shown == tuple(after[path] for path in sorted(after))
    removal = plan_rules(after, state="absent", **asked)
    assert outcome(after, removal) == {}
    assert removal.warnings == ()
    assert plan_rules({}, state="absent", **asked) == RulePlan((), ())


PRESENT = [
    pytest.param([byport("80", gid=9, mode=0o100)], {}, None, id="own and least already"),
    pytest.param([byport("80", mode=0o755, content="web\n")], {}, [byport("80", content="web\n")], id="own, too wide"),
    pytest.param([byport("80", mode=0o644)], {}, [byport("80")], id="own, not executable"),
    pytest.param([byport("80", uid=0, mode=0o755)], {}, None, id="everyone may"),
    pytest.param([byport("80", uid=0, gid=2000, mode=0o710)], {}, None, id="a group of the user may"),
    pytest.param(
        [byport("80", uid=0, gid=2000, mode=0o755)],
        {"grantee": TEAM},
        [byport("80", uid=0, gid=2000, mode=0o710)],
        id="group, too wide",
    ),
    pytest.param([byport("80")], {"addresses": ["::1"]}, [byaddr("::1,80")], id="narrowed to an address"),
    pytest.param([byport("80")], {"method": "byuid"}, [byuid("1001", ALL.format(80))], id="moved to lines"),
    pytest.param(
        [byaddr("::1,80"), byaddr("::2,80")],
        {"method": "byuid", "addresses": ["::1"]},
        [byaddr("::2,80"), byuid("1001", "::1,80\n")],
        id="one address moved to lines",
    ),
    pytest.param([byuid("1001", ALL.format("1-100"))], {}, None, id="lines suffice"),
    pytest.param([byuid("1001", "::1,80\n")], {"addresses": ["::1"]}, None, id="line for the address suffices"),
    pytest.param(
        [byuid("1001", "0.0.0.0/0,80\n")], {}, [byport("80"), byuid("1001", "0.0.0.0/0,80\n")], id="lines for IPv4 only"
    ),
    pytest.param(
        [byuid("1002", ALL.format(80))],
        {},
        [byuid("1001", ALL.format(80)), byuid("1002", ALL.format(80))],
        id="shared with another's lines",
    ),
    pytest.param(
        [byaddr("10.0.0.1,80", uid=5)],
        {},
        [byaddr("10.0.0.1,80", uid=5), byuid("1001", ALL.format(80))],
        id="shared with another's address",
    ),
    pytest.param(
        [byuid("1002", "::/0,80\n")],
        {"addresses": ["10.0.0.1"]},
        [byaddr("10.0.0.1,80"), byuid("1002", "::/0,80\n")],
        id="another's lines for other addresses",
    ),
    pytest.param(
        [byuid("1002", "::/0,80\n")],
        {"addresses": ["::1"]},
        [byuid("1001", "::1,80\n"), byuid("1002", "::/0,80\n")],
        id="another's lines for the address",
    ),
    pytest.param([byaddr("::1,80", uid=0, mode=0o755)], {"addresses": ["::1"]}, None, id="everyone may, address"),
    pytest.param(
        [byaddr("10.0.0.1:80", mode=0o555)], {"addresses": ["10.0.0.1"]}, [byaddr("10.0.0.1:80")], id="own colon form"
    ),
    pytest.param(
        [byuid("1001", "# mine\n10.0.0.0/8,80", uid=1001)],
        {"method": "byuid"},
        [byuid("1001", "# mine\n10.0.0.0/8,80\n" + ALL.format(80))],
        id="lines are kept, the file is sealed",
    ),
    pytest.param(
        [byuid("1001", ALL.format(80), mode=0o664)],
        {"method": "byuid"},
        [byuid("1001", ALL.format(80))],
        id="writable lines are sealed",
    ),
]


@pytest.mark.parametrize(("before", "asked", "after"), PRESENT)
def test_present_beside_what_exists(before, asked, after) -> None:
    known = rules(*before)
    asked = {"grantee": WEB, "ports": [80], **asked}
    plan = plan_rules(known, **asked)
    assert outcome(known, plan) == (known if after is None else rules(*after))
    assert plan_rules(outcome(known, plan), **asked).changes == ()


REFUSED = [
    ([byport("80", uid=5)], {}, "byport/80 (uid 5, gid 0, mode 0500) is not executable"),
    ([byport("80", uid=5)], {"method": "byuid"}, "take that rule away first"),
    ([byport("80", uid=0, mode=0o644)], {}, "is not executable"),
    ([byport("80", uid=5)], {"grantee": TEAM}, "cannot be granted to group 'team'"),
    ([byaddr("::1,80", uid=5)], {"addresses": ["::1"]}, "byaddr/::1,80"),
    ([byaddr("::1,80", uid=5)], {"method": "byport"}, "would take it from whom /etc/authbind/byaddr/::1,80 admits"),
    ([byuid("1002", ALL.format(80))], {"method": "byport"}, "byuid/1002"),
    ([byuid("1002", ALL.format(80))], {"grantee": TEAM}, "byuid/1002"),
    ([byuid("1002", ALL.format(80))], {"method": "byaddr", "addresses": ["::1"]}, "byuid/1002"),
    ([RuleFile(BYPORT, 0, 0, 0o700)], {}, "give that folder mode 0755"),
]


@pytest.mark.parametrize(("before", "asked", "message"), REFUSED)
def test_refused_rather_than_taken_from_others(before, asked, message: str) -> None:
    with pytest.raises(Refused) as refused:
        plan_rules(rules(*before), **{"grantee": WEB, "ports": [80], **asked})
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"grantee": TEAM, "method": "byuid"}, "users only"),
        ({"method": "byport", "addresses": ["::1"]}, "every address"),
        ({"method": "byaddr"}, "needs addresses"),
        ({"ports": [80, 1024]}, "1024 is outside"),
        ({"addresses": ["localhost"]}, "'localhost' is no IPv4"),
        ({"grantee": Grantee(kind="user", name="root", number=0, gids=frozenset({0}))}, "needs no rule"),
        ({"grantee": Grantee(kind="group", name="root", number=0, gids=frozenset({0})), "state": "absent"}, "root"),
    ],
)
def test_requests_without_a_rule(asked, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        plan_rules({}, **{"grantee": WEB, "ports": [80], **asked})


ABSENT = [
    pytest.param([byport("80", uid=5)], {}, None, id="another's port"),
    pytest.param([byport("80"), byport("81")], {}, [byport("81")], id="only the port"),
    pytest.param([byport("80"), byaddr("::1,80"), byuid("1001", ALL.format(80))], {}, [], id="every kind"),
    pytest.param(
        [byport("80"), byaddr("::1,80"), byaddr("::2,80")],
        {"addresses": ["::1"]},
        [byport("80"), byaddr("::2,80")],
        id="only the address",
    ),
    pytest.param([byport("80"), byaddr("::1,80")], {"method": "byaddr"}, [byport("80")], id="only byaddr"),
    pytest.param([byport("80"), byuid("1001", "::,80\n")], {"method": "byuid"}, [byport("80")], id="only byuid"),
    pytest.param(
        [byaddr("::1,80", uid=5), byaddr("0::1,80"), byaddr("x,80"), byaddr("80")],
        {},
        None,
        id="another's address and names that authbind never asks",
    ),
    pytest.param([byuid("1002", ALL.format(80))], {}, None, id="another's lines"),
    pytest.param([byuid("1001", "::,8\n\n#\n")], {"ports": [8]}, [byuid("1001", "\n#\n")], id="comments stay"),
    pytest.param([byuid("1001", "")], {}, None, id="an empty file of lines was so before"),
    pytest.param(
        [byuid("1001", "0.0.0.0/0:1,1023\n::1,443\n", uid=1001)],
        {},
        [byuid("1001", "0.0.0.0/0,1-79\n0.0.0.0/0,81-511\n::1,443\n", uid=1001)],
        id="cut out of a range",
    ),
    pytest.param(
        [byuid("!1001", "::,600-601"), byuid("1001", "::,600-601")],
        {"ports": [600]},
        [byuid("!1001", "::,601\n"), byuid("1001", "::,600-601")],
        id="marked file of lines",
    ),
    pytest.param(
        [byuid("1001", "::/0,80\n::1,80\n")],
        {"addresses": ["::1"]},
        [byuid("1001", "::/0,80\n")],
        id="wider lines than the address stay",
    ),
    pytest.param(
        [byport("80", uid=0, gid=2000, mode=0o710), byuid("2000", ALL.format(80))],
        {"grantee": TEAM},
        [byuid("2000", ALL.format(80))],
        id="group",
    ),
    pytest.param([byport("80", uid=5, gid=2000, mode=0o550)], {"grantee": TEAM}, None, id="group of another's file"),
]


@pytest.mark.parametrize(("before", "asked", "after"), ABSENT)
def test_absent_removes_only_what_is_ours(before, asked, after) -> None:
    known = rules(*before)
    asked = {"grantee": WEB, "ports": [80], "state": "absent", **asked}
    plan = plan_rules(known, **asked)
    assert outcome(known, plan) == (known if after is None else rules(*after))
    assert plan_rules(outcome(known, plan), **asked).changes == ()


WARNED = [
    ([byport("80", uid=0, mode=0o755)], {}, "byport/80 admits every user"),
    ([byport("80", uid=0, mode=0o755)], {"state": "absent"}, "may still bind port 80 on 0.0.0.0"),
    ([byport("80", uid=0, mode=0o755)], {"grantee": TEAM}, "byport/80 admits every user"),
    (
        [byuid("1001", "10.0.0.1/8,80\n" + ALL.format(80))],
        {},
        "ignores line 1 of /etc/authbind/byuid/1001 ('10.0.0.1/8,80')",
    ),
    ([byuid("1001", ALL.format(80))], {"addresses": ["::1"]}, "may bind port 80 on 0.0.0.0 as well"),
]


@pytest.mark.parametrize(("before", "asked", "message"), WARNED)
def test_warnings(before, asked, message: str) -> None:
    plan = plan_rules(rules(*before), **{"grantee": WEB, "ports": [80], **asked})
    assert plan.changes == ()
    assert message in plan.warnings[0]
    assert len(set(plan.warnings)) == len(plan.warnings)


def test_an_explicit_wildcard_is_no_surprise() -> None:
    assert plan_rules({}, grantee=WEB, ports=[80], addresses=["0.0.0.0", "::"]).warnings == ()


PRINCIPALS = st.sampled_from([0, 1001, 1002])
FLAGS = st.builds(
    RuleFile,
    path=st.sampled_from([f"{BYPORT}/80", f"{BYPORT}/!600", f"{BYADDR}/::1,80", f"{BYADDR}/10.0.0.1:80"]),
    uid=PRINCIPALS,
    gid=st.sampled_from([0, 2000, 2001]),
    mode=st.integers(0, 0o777),
)
LINES = st.lists(
    st.sampled_from(["0.0.0.0/0,80", "::/0,1-1023", "::1,80", "10.0.0.0/8:80,90", "junk", "#"]), max_size=3
)
LINE_FILES = st.builds(
    RuleFile,
    path=st.sampled_from([f"{BYUID}/1001", f"{BYUID}/1002", f"{BYUID}/!1001"]),
    uid=PRINCIPALS,
    gid=st.just(0),
    mode=st.sampled_from([0o600, 0o644, 0o664]),
    content=LINES.map(lambda texts: "".join(f"{text}\n" for text in texts)),
)
REQUESTS = st.fixed_dictionaries(
    {
        "grantee": st.sampled_from([WEB, TEAM]),
        "ports": st.lists(st.sampled_from([80, 600]), min_size=1, max_size=2),
        "addresses": st.lists(st.sampled_from(["::1", "10.0.0.1", "0.0.0.0"]), max_size=2),
        "method": st.sampled_from(["auto", "byport", "byaddr", "byuid"]),
        "state": st.sampled_from(["present", "absent"]),
    }
)


@given(files=st.lists(st.one_of(FLAGS, LINE_FILES), max_size=6), asked=REQUESTS)
def test_any_plan_converges_and_takes_nothing_from_others(files, asked) -> None:
    before = rules(*files)
    try:
        plan = plan_rules(before, **asked)
    except (InvalidInput, Refused):
        return
    after = outcome(before, plan)
    assert plan_rules(after, **asked).changes == ()
    grantee = asked["grantee"]
    for change in plan.changes:
        if change.before is not None and not change.path.startswith(BYUID):
            assert grantee.owns(change.before)
        elif change.path.startswith(BYUID):
            assert change.path.rpartition("/")[2].lstrip("!") == "1001"
    if asked["state"] == "present":
        other = Principal(uid=1002, gids=frozenset({1002}))
        for port in (80, 600):
            for address in ("0.0.0.0", "::", "::1", "10.0.0.1"):
                now = judge(after, principal=other, port=port, address=address)
                then = judge(before, principal=other, port=port, address=address)
                # A rule of ours that was too wide may have let the other in.
                ours = then.deciding is not None and grantee.owns(before[then.deciding])
                assert now.allowed or not then.allowed or ours
