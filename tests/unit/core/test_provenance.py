# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection granted it remembers, and what it did not grant it does not take."""

from __future__ import annotations

import json
from typing import Any, Optional, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import cases_of, decide_cases
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import grants, removals
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import together as together_of
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.changes import Change
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.provenance import Granted, recorded
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    FOLDER,
    Attribute,
    Desired,
    Entry,
    KernelSetting,
    file,
    gone,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import (
    ATTRIBUTE,
    FILE,
    Record,
    parse,
    written,
)
from ansible_collections.netbind.privport.tests.unit.core.cases import WEB, authbind_port, case, together

SERVER, OLD = "/usr/sbin/server", "/opt/app/1/server"
BIND, EMPTY = "0100000200040000000000000000000000000000", "01000002" + "00" * 16
CAP = "cap_net_bind_service"
BYPORT = "/etc/authbind/byport/80"
MARKED = "# Managed by netbind.privport (ambient); state=absent removes this file.\n"
DROPIN = "/etc/systemd/system/web.service.d/50-privport.conf"
WHOSE = Granted("web", "ambient", 990)


def record(path: str = SERVER, strategy: str = "setcap", **fields: Any) -> Record:
    kind = ATTRIBUTE if strategy == "setcap" else FILE
    text = BIND if kind == ATTRIBUTE else ""
    return Record(**{**Record("web", strategy, kind, path, None, text, WEB.uid, text)._asdict(), **fields})


def test_records_are_written_and_read() -> None:
    records = (record(BYPORT, "authbind", before="x"), record())
    assert parse(written(records)) == tuple(it._replace(now=None) for it in records)
    assert written(()) == ""


GOOD = json.loads(written([record()]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({**GOOD, "format": 2}),
        json.dumps({**GOOD, "grants": [{}]}),
        json.dumps({**GOOD, "grants": [{**GOOD["grants"][0], "uid": "0"}]}),
        json.dumps({**GOOD, "grants": [{**GOOD["grants"][0], "path": 5}]}),
        json.dumps({**GOOD, "grants": [{**GOOD["grants"][0], "kind": "other"}]}),
    ],
)
def test_a_broken_file_tells_nothing(text: str) -> None:
    assert parse(text) == ()


@pytest.mark.parametrize(
    ("before", "whose", "change", "expected"),
    [
        pytest.param((), WHOSE, Change(gone(DROPIN), file(DROPIN, MARKED)), (None, MARKED), id="a file that comes"),
        pytest.param((), WHOSE, Change(file(DROPIN, "old"), file(DROPIN, MARKED)), ("old", MARKED), id="another text"),
        pytest.param(
            (record(DROPIN, "ambient", before="first"),),
            WHOSE,
            Change(file(DROPIN, "old"), file(DROPIN, MARKED)),
            ("first", MARKED),
            id="what was first counts",
        ),
        pytest.param((record(DROPIN, "ambient"),), WHOSE, Change(file(DROPIN, MARKED), gone(DROPIN)), None, id="goes"),
        pytest.param((record(DROPIN, "ambient", now=None),), WHOSE, None, None, id="gone already"),
        pytest.param((), WHOSE, Change(Attribute(DROPIN, None), Attribute(DROPIN, BIND)), (None, BIND), id="given"),
        pytest.param(
            (), WHOSE, Change(Attribute(DROPIN, BIND), Attribute(DROPIN, EMPTY)), None, id="not one that binds"
        ),
        pytest.param(
            (record(DROPIN),), WHOSE, Change(Attribute(DROPIN, BIND), Attribute(DROPIN, None)), None, id="taken"
        ),
        pytest.param(
            (),
            Granted("web", "", 990),
            Change(Attribute(DROPIN, BIND), Attribute(DROPIN, BIND)),
            None,
            id="of a service that is to be absent",
        ),
        pytest.param((), WHOSE, Change(gone(DROPIN), Entry(DROPIN, kind=FOLDER)), None, id="a folder"),
        pytest.param((), WHOSE, Change(KernelSetting(DROPIN, "1"), KernelSetting(DROPIN, "2")), None, id="a setting"),
    ],
)
def test_what_a_change_makes_of_the_records(
    before: Tuple[Record, ...], whose: Granted, change: Optional[Change], expected: Optional[Tuple[str, str]]
) -> None:
    found = recorded(before, [(whose, change)] if change else [])
    assert [(it.path, it.before, it.after) for it in found] == ([(DROPIN, *expected)] if expected else [])


def test_lost_records_are_made_anew_of_marked_files() -> None:
    there = Desired(entries=(file(DROPIN, MARKED), file("/etc/authbind/byport/80", ""), gone("/etc/x")))
    assert [it.path for it in recorded((), (), there=[(WHOSE, there)])] == [DROPIN]


# --- What it did not grant

HAS = {"attribute": BIND, "capability": f"{CAP}=ep", "binds": True, "executed_by": ("app@4.service", "app@5.service")}


def decided(records: Tuple[Record, ...] = (), rules: Tuple[RuleFile, ...] = (), **fields: Any) -> Any:
    observation, services = together([case(**fields)], records=records, authbind_rules=rules)
    cases = cases_of(observation, services)
    (decision,) = decide_cases(cases)
    return cases, decision


@pytest.mark.parametrize(
    ("records", "description", "strategy", "surplus"),
    [
        pytest.param((), {}, "setcap", (), id="what works is kept"),
        pytest.param((record(),), {}, "ambient", ("setcap",), id="what the collection gave is replaced"),
        pytest.param((record(OLD, now=None),), {}, "setcap", (), id="another file's record"),
        pytest.param((), {"strategy": "ambient"}, "ambient", ("setcap",), id="a named strategy takes over"),
        pytest.param((), {"state": "absent"}, "", (), id="a removal leaves it"),
        pytest.param((record(),), {"state": "absent"}, "", ("setcap",), id="a removal takes what is the collection's"),
        pytest.param((), {"state": "absent", "strategy": "setcap"}, "", ("setcap",), id="a removal that names it"),
        pytest.param((), {"state": "absent", "strategy": "ambient"}, "", (), id="a removal that names another"),
    ],
)
def test_a_file_capability(records: Any, description: Any, strategy: str, surplus: Any) -> None:
    _cases, decision = decided(records, program_fields=HAS, description=description)
    assert (decision.strategy, decision.surplus) == (strategy, surplus)
    told = [it for it in decision.warnings if "did not grant" in it]
    assert bool(told) is (records != (record(),))
    assert all("app@4.service, app@5.service execute it too" in it for it in told)
    taken = ["so it is taken away; app@4.service, app@5.service execute it too" in it for it in told]
    assert any(taken) is ("strategy" in description and bool(surplus))


def test_a_named_strategy_manages_what_was_there() -> None:
    _cases, decision = decided(program_fields=HAS, description={"strategy": "setcap"})
    assert [it for it in decision.warnings if "did not grant" in it] == [
        f"/usr/sbin/server has {CAP}=ep, which this collection did not grant; a strategy is named, so it is managed, "
        "and taken back with the service"
    ]
    _cases, decision = decided((record(),), program_fields=HAS, description={"strategy": "setcap"})
    assert "did not grant" not in "".join(decision.warnings)


@pytest.mark.parametrize(
    ("records", "description", "surplus"),
    [
        pytest.param((), {"state": "absent"}, (), id="somebody else's"),
        pytest.param((record(BYPORT, "authbind"),), {"state": "absent"}, ("authbind",), id="the collection's"),
        pytest.param((), {"state": "absent", "strategy": "authbind"}, ("authbind",), id="named"),
    ],
)
def test_rules(records: Any, description: Any, surplus: Any) -> None:
    rule = RuleFile(path=BYPORT, uid=WEB.uid, gid=0, mode=0o500)
    ports = (authbind_port(own_rules=(BYPORT,)),)
    _cases, decision = decided(records, (rule,), authbind_ports=ports, description=description)
    assert decision.surplus == surplus
    told = [it for it in decision.warnings if "did not grant" in it]
    assert ["so they are taken away" in it for it in told] == ([] if records else [bool(surplus)])


# --- What serves the service no longer

RULE = RuleFile(path=BYPORT, uid=991, gid=0, mode=0o500)


@pytest.mark.parametrize(
    ("kept", "fields", "entries", "attributes"),
    [
        pytest.param(record(OLD), {}, (), (Attribute(OLD, None),), id="the link moved to the next release"),
        pytest.param(record(OLD, before=EMPTY), {}, (), (Attribute(OLD, EMPTY),), id="it gets back what it had"),
        pytest.param(record(OLD, now="00"), {}, (), (), id="somebody changed it since"),
        pytest.param(record(OLD, now=None), {}, (), (), id="it is gone"),
        pytest.param(
            record("/etc/systemd/system/old.service.d/50-privport.conf", "ambient"),
            {},
            (gone("/etc/systemd/system/old.service.d/50-privport.conf"),),
            (),
            id="another unit",
        ),
        pytest.param(record(BYPORT, "authbind", uid=991), {}, (gone(BYPORT),), (), id="another user"),
        pytest.param(
            record(BYPORT, "authbind", uid=991), {"account": None}, (gone(BYPORT),), (), id="the user is gone"
        ),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_is_stale_is_taken_back(kept: Record, fields: Any, entries: Any, attributes: Any, state: str) -> None:
    cases, decision = decided((kept,), (RULE,), **fields, description={"state": state})
    granted = grants(cases, [decision])
    found = together_of(removals(cases, [decision], granted=granted))
    # Nothing is changed for a service that is refused.
    assert (found.entries, found.attributes) == (((), ()) if decision.error else (entries, attributes))
