# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a service that root starts, and that needs no grant."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.by_root import needs_no_grant
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import strategy_in_force
from ansible_collections.netbind.privport.tests.unit.core.cases import CAP, case, listener, process

AS_ROOT: Dict[str, Any] = {"properties": {"User": ""}}
TO_A_USER = "; if it can start as a user, with files that this one may read and write, say user: "
MASTER = process(pid=10, uid=0)
BINDS_ITSELF = "web.service starts as root and binds port 80 itself, and "


def serving(*holders: Any, **fields: Any) -> Dict[str, Any]:
    return {**AS_ROOT, "listeners": (listener(*holders),), **fields}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param(AS_ROOT, f"{BINDS_ITSELF}does not listen there now{TO_A_USER}NAME", id="it does not run"),
        pytest.param(
            serving(process(user="unbound")),
            f"{BINDS_ITSELF}serves there as unbound (uid 990), with no capability{TO_A_USER}unbound",
            id="unbound",
        ),
        pytest.param(
            serving(process(effective=(CAP,))),
            f"{BINDS_ITSELF}serves there as uid 990, with {CAP}{TO_A_USER}NAME",
            id="a user without a name, which keeps something",
        ),
        pytest.param(
            serving(MASTER, process(pid=11, parent=10, user="www-data")),
            f"{BINDS_ITSELF}serves there as www-data (uid 990), while its parent stays root{TO_A_USER}NAME",
            id="nginx",
        ),
        pytest.param(
            serving(MASTER._replace(user="root")),
            f"{BINDS_ITSELF}serves there as root: pid 10 (server, uid 0 root of web.service){TO_A_USER}NAME",
            id="privoxy",
        ),
        pytest.param({}, "", id="a unit with User="),
        pytest.param({"unit": None}, "", id="no unit"),
        pytest.param({**AS_ROOT, "description": {"user": "web"}}, "", id="it is to become a user's"),
        pytest.param({**AS_ROOT, "description": {"backend_ports": {80: 8080}}}, "", id="it has a port of its own"),
        pytest.param({**AS_ROOT, "description": {"strategy": "setcap"}}, "", id="a strategy was named"),
    ],
)
def test_what_is_said(fields: Dict[str, Any], told: str) -> None:
    assert needs_no_grant(case(**fields)) == told


def test_a_proof_says_so_too() -> None:
    """It judges as if nobody else held the port, and sees who of the service does."""
    _name, error = strategy_in_force(case(**serving(MASTER)))
    assert f"{BINDS_ITSELF}serves there as root: pid 10" in error
