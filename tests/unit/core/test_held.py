# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process must hold of each strategy, may hold beside it, and must not hold."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import (
    CapabilitySets,
    by_exec,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import parse_text
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    BINDS,
    CAP,
    ambient_process,
    case,
    process,
    setcap_process,
)

ADMIN, RAW = "cap_net_admin", "cap_net_raw"
ALL_THREE = "CapEff, CapPrm, CapAmb"
ALSO_ADMIN: Dict[str, Any] = {"properties": {"AmbientCapabilities": f"{ADMIN} {CAP}"}}
MERGED: Dict[str, Any] = {"program_fields": {"capability": f"{ADMIN},{CAP}=ep", "binds": True}}
BY_FILE: Dict[str, Any] = {"program_fields": BINDS}
DROPPED = {"effective": (), "permitted": (), "ambient": ()}
OWN_GRANT = dict.fromkeys(DROPPED, (ADMIN, CAP))


@pytest.mark.parametrize(
    ("name", "fields", "found", "told"),
    [
        pytest.param("unneeded", {}, process(), ((), (), True), id="unneeded: nothing"),
        pytest.param("unneeded", {}, ambient_process(), ((), (f"{CAP} in {ALL_THREE}",), False), id="an old grant"),
        pytest.param(
            "unneeded",
            {},
            setcap_process(effective=(RAW,), permitted=(RAW,)),
            ((), (f"{RAW} in CapEff, CapPrm",), True),
            id="more, but no old grant of ours: a restart is no help",
        ),
        pytest.param("unneeded", {}, ambient_process(uid=0), ((), (), True), id="of root everything is expected"),
        pytest.param("unneeded", {"unit": None}, process(), ((), (), True), id="no unit"),
        pytest.param("ambient", {}, ambient_process(), ((), (), True), id="ambient"),
        pytest.param(
            "ambient", {}, setcap_process(), ((f"{CAP} in CapAmb",), (), None), id="by the file, not by the unit"
        ),
        pytest.param(
            "ambient", {}, process(), ((f"{CAP} in {ALL_THREE}",), (), None), id="not restarted, or it gave it up"
        ),
        pytest.param(
            "ambient",
            {},
            ambient_process(permitted=(CAP, RAW)),
            ((), (f"{RAW} in CapPrm",), True),
            id="one more permitted",
        ),
        pytest.param(
            "ambient", ALSO_ADMIN, ambient_process(**OWN_GRANT), ((), (), True), id="the unit grants another one"
        ),
        pytest.param("ambient", ALSO_ADMIN, ambient_process(), ((), (), True), id="and the program gave that up"),
        pytest.param(
            "ambient", {}, ambient_process(**OWN_GRANT), ((), (f"{ADMIN} in {ALL_THREE}",), True), id="which it did not"
        ),
        pytest.param(
            "ambient",
            {},
            ambient_process(unlike=[DROPPED]),
            ((f"{CAP} in {ALL_THREE} of thread 43",), (), True),
            id="a thread gave it up",
        ),
        pytest.param(
            "ambient",
            {},
            ambient_process(unlike=[{"permitted": (CAP, RAW)}, DROPPED]),
            ((f"{CAP} in {ALL_THREE} of thread 44",), (f"{RAW} in CapPrm of thread 43",), True),
            id="two threads",
        ),
        pytest.param(
            "ambient",
            {},
            ambient_process(unlike=[{"permitted": (CAP, RAW), "uids": (990, 990, 0, 990)}]),
            ((), (), True),
            id="a thread of root is told of elsewhere",
        ),
        pytest.param("setcap", BY_FILE, setcap_process(), ((), (), True), id="setcap"),
        pytest.param("setcap", {}, setcap_process(), ((), (), True), id="of a file that has it no more"),
        pytest.param(
            "setcap", BY_FILE, ambient_process(), ((), (f"{CAP} in CapAmb",), False), id="an older ambient grant"
        ),
        pytest.param(
            "setcap", BY_FILE, process(permitted=(CAP,)), ((f"{CAP} in CapEff",), (), None), id="not effective"
        ),
        pytest.param(
            "setcap",
            MERGED,
            setcap_process(effective=(ADMIN, CAP), permitted=(ADMIN, CAP)),
            ((), (), True),
            id="merged",
        ),
        pytest.param(
            "setcap",
            BY_FILE,
            setcap_process(effective=(ADMIN, CAP), permitted=(ADMIN, CAP)),
            ((), (f"{ADMIN} in CapEff, CapPrm",), True),
            id="not merged",
        ),
        pytest.param("authbind", {}, process(authbind=True), ((), (), True), id="authbind"),
        pytest.param("authbind", {}, process(authbind=False), (("libauthbind",), (), False), id="not through authbind"),
        pytest.param("authbind", {}, process(authbind=None), ((), (), None), id="closed to us"),
        pytest.param(
            "authbind",
            {},
            ambient_process(authbind=True),
            ((), (f"{CAP} in {ALL_THREE}",), False),
            id="and an old grant",
        ),
        pytest.param(
            "authbind",
            {"properties": {"AmbientCapabilities": ADMIN}},
            process(authbind=True, **dict.fromkeys(DROPPED, (ADMIN,))),
            ((), (), True),
            id="the unit grants something else",
        ),
        pytest.param(
            "authbind",
            {"program_fields": {"capability": ""}},
            process(authbind=True),
            ((), (), True),
            id="an empty attribute",
        ),
    ],
)
def test_expects(name: str, fields: Dict[str, Any], found: Any, told: Tuple[Any, ...]) -> None:
    """told: what is lacking, what exceeds, and whether the process needs no restart."""
    expected = STRATEGIES[name].expects(case(**fields))
    assert (expected.lacking(found), expected.exceeding(found), expected.is_met_by(found)) == told


@pytest.mark.parametrize(
    ("ambient", "file", "effective", "permitted", "kept"),
    [
        ({CAP}, None, {CAP}, {CAP}, {CAP}),
        ({CAP}, f"{RAW}=ep", {RAW}, {RAW}, set()),
        ({CAP}, f"{RAW}=p", set(), {RAW}, set()),
        ({CAP}, f"{CAP},{RAW}=i", set(), {CAP}, set()),
        ({CAP}, f"{CAP},{RAW}=ei", {CAP}, {CAP}, set()),
        (set(), f"{CAP}=eip", {CAP}, {CAP}, set()),
    ],
)
def test_what_exec_gives(ambient: Any, file: Any, effective: Any, permitted: Any, kept: Any) -> None:
    found = by_exec(ambient=frozenset(ambient), file=parse_text(file) if file else None)
    assert found == CapabilitySets(*map(frozenset, (effective, permitted, kept)))


@pytest.mark.parametrize(
    ("found", "owned"),
    [
        pytest.param({}, True, id="in its unit's control group"),
        pytest.param({"unit": "session-c1.scope", "ancestors": (8, 7)}, True, id="a login of the unit"),
        pytest.param({"unit": "session-c1.scope", "ancestors": (8, 6)}, False, id="a login of somebody"),
        pytest.param({"unit": "session-c1.scope"}, False, id="a login's that is left"),
        pytest.param({"unit": "session-c1.scope", "pid": 7}, True, id="the main process itself"),
    ],
)
def test_whose_a_process_is(found: Dict[str, Any], owned: bool) -> None:
    assert case(properties={"MainPID": "7"}).owns(process(**found)) is owned
    assert not case(properties={"MainPID": "0"}).owns(process(**{**found, "unit": "session-c1.scope"}))
