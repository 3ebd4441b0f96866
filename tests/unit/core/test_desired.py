# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the strategies of several services on one host make of what they share."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Sequence, Set, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    format_xattr,
    parse_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import cases_of, decide_cases
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import (
    Group,
    grants,
    removals,
    sharing,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import together as joined
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Attribute,
    Desired,
    file,
    gone,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import ATTRIBUTE, Record
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import FILE as RECORDED_FILE
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    CAP,
    SERVER,
    WEB,
    authbind_port,
    case,
)
from ansible_collections.netbind.privport.tests.unit.core.cases import together as on_one_host

DROPIN = "/etc/systemd/system/web.service.d/50-privport.conf"
BYPORT, BYUID = "/etc/authbind/byport/80", "/etc/authbind/byuid/990"
OF_80, OF_81 = (f"0.0.0.0/0,{port}\n::/0,{port}\n" for port in (80, 81))
OURS = RuleFile(path=BYPORT, uid=990, gid=0, mode=0o500)
# It keeps authbind's rules for a port alone out.
OTHERS = RuleFile(path="/etc/authbind/byuid/1001", uid=0, gid=0, mode=0o644, content="0.0.0.0/0,1-512\n")
OF_WEB = RuleFile(path=BYUID, uid=0, gid=0, mode=0o644, content=OF_81)
BIND = format_xattr(parse_text(f"{CAP}=ep")).hex()


def decided(*judged: Case, **host_fields: Any) -> Tuple[Tuple[Case, ...], Any]:
    """The services of these cases on one host, and what is decided for them."""
    observation, services = on_one_host(judged, **host_fields)
    cases = cases_of(observation, services)
    return cases, decide_cases(cases)


def recorded(path: str, *, service: str = "web", strategy: str) -> Record:
    kind = ATTRIBUTE if strategy == "setcap" else RECORDED_FILE
    return Record(service, strategy, kind, path, before=None, after="", uid=WEB.uid, now="")


def named(name: str, *, port: int = 80, strategy: str = "auto", state: str = "present", **fields: Any) -> Case:
    """A service with a unit and a program of its own, of user web."""
    own = {
        "properties": {"Id": f"{name}.service", **fields.pop("properties", {})},
        "program_fields": {"path": f"/usr/sbin/{name}"},
        "authbind_ports": (authbind_port(port, own_rules=fields.pop("own", ())),),
    }
    described = {"name": name, "ports": [port], "strategy": strategy, "state": state, "unit": f"{name}.service"}
    return case(**{"name": name, **own, **fields, "description": {**described, **fields.get("description", {})}})


def paths_of(groups: Sequence[Group]) -> Dict[str, Set[str]]:
    return {it.service: {entry.path for entry in it.desired.entries} for it in groups}


def dropin(name: str) -> str:
    return f"/etc/systemd/system/{name}.service.d/50-privport.conf"


def test_what_is_granted_and_what_goes() -> None:
    """What voids the grant goes with it, and what is surplus beside goes afterwards."""
    web = case(
        program_fields={"attribute": BIND, "capability": f"{CAP}=ep", "binds": True},
        authbind_ports=(authbind_port(own_rules=(BYPORT,)),),
    )
    ours = (recorded(SERVER, strategy="setcap"), recorded(BYPORT, strategy="authbind"))
    cases, decisions = decided(web, authbind_rules=(OURS,), records=ours)
    assert grants(cases, decisions) == (
        Group("web", Desired(entries=(file(DROPIN, AMBIENT_DROPIN),), attributes=(Attribute(SERVER, None),))),
    )
    assert removals(cases, decisions) == (Group("web", Desired(entries=(gone(BYPORT),))),)


def test_nothing_is_planned_for_what_only_has_to_start() -> None:
    running = {"AmbientCapabilities": CAP, "ActiveState": "inactive"}
    cases, decisions = decided(
        case(properties=running, unit_fields={"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN})
    )
    assert decisions[0].pending == ("start",)
    assert grants(cases, decisions) == removals(cases, decisions) == ()


def test_what_takes_the_place_of_a_dropin_is_not_removed_again() -> None:
    cases, decisions = decided(
        case(unit_fields={"dropin_strategy": "authbind", "dropin_text": "ours"}), authbind_rules=()
    )
    assert decisions[0].surplus == ("authbind",)
    granted = grants(cases, decisions)
    assert joined(granted).written == {DROPIN: file(DROPIN, AMBIENT_DROPIN)}
    assert removals(cases, decisions, granted=granted) == ()


def test_services_of_one_user_share_its_lines() -> None:
    """Where lines have to do, each service goes on from what the one before it adds."""
    cases, decisions = decided(
        named("a", port=80, strategy="authbind"), named("b", port=81, strategy="authbind"), authbind_rules=(OTHERS,)
    )
    granted = grants(cases, decisions)
    assert paths_of(granted) == {"a": {BYUID, dropin("a")}, "b": {BYUID, dropin("b")}}
    assert joined(granted).written[BYUID].content == OF_80 + OF_81


def test_what_goes_of_shared_lines_leaves_what_is_granted() -> None:
    """One service comes and one goes, in one run: what goes is taken from what is there by then."""
    rules = (OTHERS, OF_WEB)
    cases, decisions = decided(
        named("a", port=80, strategy="authbind"),
        named("b", port=81, state="absent", own=(BYUID,)),
        authbind_rules=rules,
        records=(recorded(BYUID, service="b", strategy="authbind"),),
    )
    granted = grants(cases, decisions)
    assert joined(granted).written[BYUID].content == OF_81 + OF_80
    (removed,) = removals(cases, decisions, granted=granted)
    assert removed == Group("b", Desired(entries=(file(BYUID, OF_80),)))


def test_services_that_need_different_things_of_one_file() -> None:
    accounts = {"web": WEB, "other": WEB._replace(name="other", uid=991)}
    of_root = {"Id": "web.service", "User": ""}
    judged = [
        named(name, port=port, account=accounts[user], properties=of_root, description={"user": user})
        for name, port, user in (("a", 80, "web"), ("b", 81, "other"))
    ]
    cases, decisions = decided(*judged)
    assert [it.strategy for it in decisions] == ["ambient", "ambient"]
    with pytest.raises(InvalidInput, match=f"service 'b': {DROPIN} would have to be another file for service 'a'"):
        grants(cases, decisions)


@pytest.mark.parametrize(
    ("failed", "shared"),
    [
        pytest.param({"a"}, {"a", "b", "c"}, id="over a file and then over a unit"),
        pytest.param({"c"}, {"a", "b", "c"}, id="the other way round"),
        pytest.param({"d"}, {"d"}, id="alone"),
        pytest.param(set(), set(), id="none"),
    ],
)
def test_who_shares_a_resource(failed: Set[str], shared: FrozenSet[str]) -> None:
    cases = [named("a"), named("b", port=81), named("c", port=82), named("d", port=83)]
    cases[2] = cases[2]._replace(facts=cases[2].facts._replace(unit=cases[1].facts.unit))
    groups = [
        Group("a", Desired(entries=(gone(BYUID),))),
        Group("b", Desired(entries=(gone(BYUID),))),
        Group("d", Desired(attributes=(Attribute("/usr/sbin/d", None),))),
    ]
    assert sharing(groups, cases, failed) == shared


def opened(name: str, port: int) -> Case:
    return case(name=name, description={"name": name, "ports": [port], "strategy": "sysctl"})


def test_one_file_opens_the_ports_of_all_services_that_have_it() -> None:
    text = sysctl.render(80)
    cases, decisions = decided(opened("a", 443), opened("b", 80))
    assert joined(grants(cases, decisions)).entries == (file(sysctl.OWN_PATH, text),)
    there = {"sysctl_files": {sysctl.OWN_PATH: text}, "unprivileged_port_start": 80}
    done = [it._replace(host=it.host._replace(**there)) for it in cases]
    assert [set(it.pending) & {"sysctl"} for it in decide_cases(done)] == [set(), set()]
