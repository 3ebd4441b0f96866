# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof of a service that listens on another port than it is reached by."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.unneeded import Unneeded
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    FAIL,
    PASS,
    UNKNOWN,
    Probe,
    Seen,
    checks_of_owner,
    checks_of_port,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.persistence import notes
from ansible_collections.netbind.privport.tests.unit.core.cases import case, listener, process, socket_unit


class Indirect(Unneeded):
    indirect = True


INDIRECT = Indirect()
SYSTEMD = process(pid=1, uid=0, unit="init.scope")
FORWARDER = process(pid=50, uid=65534, unit="privport-forward-web-80.service")
OWN = {"forward": Installed(units=("privport-forward-web-80.socket", FORWARDER.unit))}
BACKEND: Dict[str, Any] = {"port": 8080, "address": "127.0.0.1"}
ANSWERS = Probe(
    connect={"127.0.0.1": ""}, front={"ipv4": "", "ipv6": ""}, stranger=dict.fromkeys(["ipv4", "ipv6"], "EACCES")
)


def seen(*listeners: Any, probe: Probe = ANSWERS, description: Any = None, **fields: Any) -> Seen:
    declared = {"backend_ports": {80: 8080}, **(description or {})}
    judged = case(listeners=listeners, installed=OWN, description=declared, **fields)
    return Seen(case=judged, port=Port(80), strategy=INDIRECT, error="", probe=probe)


def verdicts(found: Seen) -> List[Tuple[str, str]]:
    return [
        (check.code, check.verdict) for check in checks_of_port(found, whose=checks_of_owner) if check.verdict != PASS
    ]


BEHIND = listener(process(), **BACKEND)
IN_FRONT = listener(FORWARDER, SYSTEMD, address="::", v6only=False)


@pytest.mark.parametrize(
    ("found", "failing"),
    [
        pytest.param(seen(BEHIND), [], id="nobody listens on the port itself"),
        pytest.param(seen(BEHIND, IN_FRONT), [], id="a forwarder in front"),
        pytest.param(seen(IN_FRONT), [("listening", FAIL)], id="nobody behind it"),
        pytest.param(seen(listener(FORWARDER, **BACKEND)), [("owner", FAIL)], id="somebody else behind it"),
        pytest.param(seen(listener(process(uid=0), **BACKEND)), [("user", FAIL)], id="root behind it"),
        pytest.param(
            seen(listener(process(permitted=("cap_net_raw",)), **BACKEND)), [("held", FAIL)], id="a privilege behind it"
        ),
        pytest.param(
            seen(BEHIND, probe=ANSWERS._replace(connect={"127.0.0.1": "ECONNREFUSED"})),
            [("connect", FAIL)],
            id="closed behind it",
        ),
        pytest.param(
            seen(BEHIND, probe=ANSWERS._replace(front={"ipv4": "ECONNREFUSED"})),
            [("connect", FAIL)],
            id="closed in front",
        ),
        pytest.param(seen(BEHIND, probe=ANSWERS._replace(front={})), [("connect", UNKNOWN)], id="not tried in front"),
        pytest.param(
            seen(BEHIND, description={"families": ["ipv6"]}), [("family", FAIL)], id="a family that nobody serves"
        ),
        pytest.param(
            seen(BEHIND, IN_FRONT, description={"families": ["ipv4", "ipv6"]}), [], id="families of the forwarder"
        ),
        pytest.param(
            seen(BEHIND, IN_FRONT, probe=ANSWERS._replace(front={"ipv4": "", "ipv6": "ECONNREFUSED"})),
            [("connect", FAIL)],
            id="one of two families",
        ),
        pytest.param(
            seen(BEHIND, probe=ANSWERS._replace(stranger={"ipv4": ""})), [("stranger", FAIL)], id="open to a stranger"
        ),
    ],
)
def test_checks(found: Seen, failing: List[Tuple[str, str]]) -> None:
    assert verdicts(found) == failing


def test_whom_a_forwarder_lets_in() -> None:
    assert notes(seen(BEHIND)) == ("port 80 is reached from this host alone",)
    assert notes(seen(BEHIND, IN_FRONT)) == ()


@pytest.mark.parametrize(
    ("front", "error"),
    [
        (IN_FRONT, False),
        (listener(SYSTEMD), True),
        (listener(process(unit="other.service")), True),
        (listener(FORWARDER, process(unit="other.service")), False),
    ],
)
def test_the_collections_own_units_are_in_nobodys_way(front: Any, error: bool) -> None:
    judged = case(listeners=(front,), installed=OWN)
    (decision,) = decide(judged.host, [judged.service])
    assert ("port 80 is held by" in decision.error) is error


@pytest.mark.parametrize(("name", "ours"), [("privport-forward-web-80.socket", True), ("other.socket", False)])
def test_a_socket_unit_of_the_collections_own(name: str, ours: bool) -> None:
    judged = case(
        listeners=(listener(SYSTEMD),), installed=OWN, sockets=(socket_unit("80", name=name, triggers=("x.service",)),)
    )
    (decision,) = decide(judged.host, [judged.service])
    assert ("port 80 is held by" not in decision.error) is ours
