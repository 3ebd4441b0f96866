# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rule files are written and removed, and whose are left alone."""

from __future__ import annotations

from typing import Dict

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.plan import (
    Grantee,
    RulePlan,
    applied,
    concerned,
    plan_rules,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import (
    BYADDR,
    BYPORT,
    BYUID,
    Principal,
    RuleFile,
    judge,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.acl import Acl
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, Refused
from ansible_collections.netbind.privport.tests.unit.core.authbind_rules import byaddr, byport, byuid, rules
from hypothesis import given
from hypothesis import strategies as st

WEB = Grantee(kind="user", name="web", number=1001, gids=frozenset({1001, 2000}))
TEAM = Grantee(kind="group", name="team", number=2000, gids=frozenset({2000}))
ALL = "0.0.0.0/0,{0}\n::/0,{0}\n"


def outcome(before: Dict[str, RuleFile], plan: RulePlan) -> Dict[str, RuleFile]:
    return applied(before, plan.changes)


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
    ([byport("80", mode=0o470)._replace(acl=Acl(group=7))], {}, "mode 0470, an access control list) is not executable"),
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
# Named, because hypothesis does not see the fields of a named tuple under Python 3.8.
ACLS = st.none() | st.builds(Acl, group=st.integers(0, 7))
FLAGS = st.builds(
    RuleFile,
    path=st.sampled_from([f"{BYPORT}/80", f"{BYPORT}/!600", f"{BYADDR}/::1,80", f"{BYADDR}/10.0.0.1:80"]),
    uid=PRINCIPALS,
    gid=st.sampled_from([0, 2000, 2001]),
    mode=st.integers(0, 0o777),
    acl=ACLS,
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
    acl=ACLS,
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


def test_a_rule_with_an_access_control_list_is_somebodys_decision() -> None:
    listed = byport("80", uid=0, mode=0o750)._replace(acl=Acl(group=5, users=((WEB.number, 1),)))
    for file in (listed, listed._replace(uid=WEB.number)):
        assert plan_rules(rules(file), grantee=WEB, ports=[80]).changes == ()
        removal = plan_rules(rules(file), grantee=WEB, ports=[80], state="absent")
        assert removal.changes == ()
        assert "may still bind port 80" in removal.warnings[0]
