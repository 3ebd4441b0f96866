# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of processes that keep what is taken back."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    BINDS,
    CAP,
    SERVER,
    ambient_process,
    case,
    listener,
    network,
    process,
    setcap_process,
)

UNTIL = "until web.service is restarted"
OURS = {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN}
WRAPPED = {"ExecStart": "{ path=/usr/bin/authbind ; argv[]=/usr/bin/authbind /usr/sbin/server ; status=0/0 }"}
NO_UNIT: Dict[str, Any] = {"unit": None, "description": {"executable": SERVER}}
ROOT = {"uid": 0, "uids": (0, 0, 0, 0)}
SYSTEMD = process(pid=1, unit="init.scope", uid=0, uids=(0,) * 4)
HELD = {"unit_fields": {"process": process()}, "listeners": (listener(process()),)}
HANDED = {"unit_fields": {"process": process()}, "listeners": (listener(process(), SYSTEMD),)}


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        pytest.param({}, [], id="nothing runs"),
        pytest.param({"unit_fields": {"process": process()}}, [], id="it holds nothing"),
        pytest.param(HELD, [f"port 80 {UNTIL}"], id="a port that it could not bind again"),
        pytest.param(HANDED, [f"port 80 {UNTIL}"], id="a socket of systemd's"),
        pytest.param({**HELD, "properties": {"AmbientCapabilities": CAP}}, [], id="a port that it will bind again"),
        pytest.param({**HELD, "properties": WRAPPED}, [], id="a port that authbind gives it again"),
        pytest.param({**HELD, "properties": {"User": ""}}, [], id="a port that it binds as root"),
        pytest.param({**HELD, "network": network(unprivileged_port_start=80)}, [], id="a port that is free for all"),
        pytest.param({**HELD, "listeners": (listener(process(pid=7)),)}, [f"port 80 {UNTIL}"], id="a worker's port"),
        pytest.param(
            {**HELD, "listeners": (listener(process(pid=7, unit="other.service")),)}, [], id="another service's port"
        ),
        pytest.param(
            {
                "unit_fields": {"process": process(pid=6, **ROOT)},
                "listeners": (listener(setcap_process(pid=7)),),
                "program_fields": BINDS,
            },
            [f"{CAP} {UNTIL}"],
            id="of a server that su started",
        ),
        pytest.param({"unit_fields": {"process": ambient_process()}}, [f"{CAP} {UNTIL}"], id="after ambient"),
        pytest.param(
            {"properties": {"AmbientCapabilities": CAP}, "unit_fields": {**OURS, "process": ambient_process()}},
            [f"{CAP} {UNTIL}"],
            id="before the drop-in goes",
        ),
        pytest.param(
            {"properties": {"AmbientCapabilities": CAP}, "unit_fields": {"process": ambient_process()}},
            [],
            id="the unit itself grants it",
        ),
        pytest.param({"unit_fields": {"process": setcap_process()}}, [f"{CAP} {UNTIL}"], id="after setcap"),
        pytest.param(
            {"unit_fields": {"process": setcap_process()}, "program_fields": BINDS},
            [f"{CAP} {UNTIL}"],
            id="before the attribute goes",
        ),
        pytest.param({"unit_fields": {"process": setcap_process(**ROOT)}}, [], id="root has it anyhow"),
        pytest.param(
            {"unit_fields": {"process": process(authbind=True)}}, [f"what authbind gave it {UNTIL}"], id="authbind"
        ),
        pytest.param(
            {"properties": WRAPPED, "unit_fields": {"process": process(authbind=True)}},
            [],
            id="the unit itself uses authbind",
        ),
        pytest.param(
            {**NO_UNIT, "listeners": (listener(setcap_process(unit="")), listener(setcap_process(unit="")))},
            [f"{CAP} until it ends"],
            id="a program that no unit starts, on two sockets",
        ),
    ],
)
def test_retained(fields: Dict[str, Any], kept: List[str]) -> None:
    described = {**fields.get("description", {}), "state": "absent"}
    judged = case(**{**fields, "description": described})
    decision = decide(judged.host, [judged.service])[0]
    assert [sentence.partition(" keeps ")[2] for sentence in decision.retained] == kept


@pytest.mark.parametrize(
    ("strategy", "fields", "kept"),
    [
        pytest.param("auto", {"unit_fields": {"process": setcap_process()}}, [], id="nothing is taken back"),
        pytest.param(
            "sysctl", {"unit_fields": {"process": setcap_process()}, "program_fields": BINDS}, [CAP], id="setcap"
        ),
        pytest.param(
            "sysctl",
            {
                "properties": WRAPPED,
                "unit_fields": {"dropin_strategy": "authbind", "process": process(authbind=True)},
            },
            ["what authbind gave it"],
            id="authbind",
        ),
        pytest.param(
            "ambient",
            {"unit_fields": {"process": setcap_process()}, "program_fields": BINDS},
            [],
            id="what voids the strategy goes first",
        ),
        pytest.param(
            "setcap",
            {
                "properties": {"AmbientCapabilities": CAP},
                "unit_fields": {**OURS, "process": setcap_process()},
                "program_fields": BINDS,
            },
            [],
            id="what the strategy gives as well",
        ),
        pytest.param(
            "authbind",
            {"properties": WRAPPED, "unit_fields": {"process": process(authbind=True)}, "program_fields": BINDS},
            [],
            id="authbind as well",
        ),
    ],
)
def test_a_service_that_changes_its_strategy(strategy: str, fields: Dict[str, Any], kept: List[str]) -> None:
    judged = case(description={"strategy": strategy}, **fields)
    (decision,) = decide(judged.host, [judged.service])
    assert decision.error == ""
    assert [sentence.partition(" keeps ")[2].partition(" until ")[0] for sentence in decision.retained] == kept
