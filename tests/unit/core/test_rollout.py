# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batches of a rollout, and what came of it."""

from __future__ import annotations

from typing import Any, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.filter.privport_rollout import privport_rollout_before
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.report.rollout import (
    Planned,
    batches_of,
    canaries_of,
    parse_serial,
    state_of,
    summary_of,
    summary_text,
)


def planned(strategy: str = "ambient", *, systemd: int | None = 252, pending: Sequence[str] = ("dropin",)) -> Planned:
    plan = {"name": "web", "strategy": strategy, "pending": list(pending), "surplus": [], "error": ""}
    return Planned([plan], systemd)


FLEET = {
    **{f"a{number}": planned() for number in range(10)},
    "old": planned(systemd=247),
    "bare": planned("setcap", systemd=None),
    "ready": planned(pending=()),
    **{f"b{number}": planned() for number in range(17)},
}


def test_one_canary_for_each_decision() -> None:
    assert canaries_of(FLEET) == ("a0", "old", "bare", "ready")
    assert canaries_of({}) == ()


@pytest.mark.parametrize(
    ("serial", "sizes"),
    [
        pytest.param((), [4, 3, 23], id="canaries, 10 %, the rest"),
        pytest.param(("1", "10%", "100%"), [1, 3, 26], id="sizes of one's own"),
        pytest.param(("7",), [7, 7, 7, 7, 2], id="the last size goes on"),
        pytest.param(("1%",), [1] * 30, id="at least one host"),
        pytest.param(("100",), [30], id="all at once"),
    ],
)
def test_batches(serial: Tuple[str, ...], sizes: Sequence[int]) -> None:
    batches = batches_of(FLEET, serial=serial)
    assert [len(it) for it in batches] == sizes
    assert sorted(name for it in batches for name in it) == sorted(FLEET)
    assert [name for it in batches for name in it][:4] == ["a0", "old", "bare", "ready"]
    assert privport_rollout_before(batches, "a0") == []
    assert privport_rollout_before(batches, batches[-1][0]) == (list(batches[-2]) if len(batches) > 1 else [])


@pytest.mark.parametrize(
    ("value", "sizes"),
    [("", ()), ("1, 10%,100%", ("1", "10%", "100%")), ([1, "25%"], ("1", "25%")), (5, ("5",)), ("25%", ("25%",))],
)
def test_sizes(value: Any, sizes: Tuple[str, ...]) -> None:
    assert parse_serial(value, where="serial") == sizes


@pytest.mark.parametrize("value", ["0", "-1", "110%", "half", [1, None], {"a": 1}])
def test_wrong_sizes(value: Any) -> None:
    with pytest.raises(InvalidInput, match="serial holds"):
        parse_serial(value, where="serial")


PASS, UNKNOWN, AWAY = (
    {"verdict": "pass"},
    {
        "verdict": "unknown",
        "evidence": [
            {"service": "w", "verdict": "pass", "reasons": []},
            {"service": "w", "verdict": "unknown", "reasons": ["so"]},
        ],
    },
    {"unreachable": True, "msg": "no route"},
)


@pytest.mark.parametrize(
    ("result", "proof", "state"),
    [
        pytest.param(PASS, {}, ("done", ""), id="done"),
        pytest.param({"verdict": ""}, {}, ("done", ""), id="nothing to prove"),
        pytest.param(PASS, {"skipped": True}, ("done", ""), id="no second proof"),
        pytest.param(UNKNOWN, {}, ("unknown", "w: so"), id="unknown"),
        pytest.param(PASS, UNKNOWN, ("unknown", "w: so"), id="unknown later"),
        pytest.param(UNKNOWN, UNKNOWN, ("unknown", "w: so"), id="unknown for the same reason again"),
        pytest.param(AWAY, {}, ("unreachable", "no route"), id="unreachable"),
        pytest.param(PASS, AWAY, ("unreachable", "no route"), id="unreachable later"),
        pytest.param({"failed": True, "msg": "no"}, {}, ("failed", "no"), id="failed"),
        pytest.param(PASS, {"failed": True, "msg": "no"}, ("failed", "no"), id="failed later"),
        pytest.param({}, {}, ("failed", "it did not run to its end"), id="nothing is known"),
    ],
)
def test_what_came_of_a_host(result: Any, proof: Any, state: Tuple[str, str]) -> None:
    assert state_of(result, proof) == state


@pytest.mark.parametrize(
    ("states", "outcome", "said"),
    [
        ({"a": ("done", ""), "b": ("done", "")}, "done", "the rollout is done"),
        ({"a": ("done", ""), "b": ("unknown", "so")}, "unknown", "not all of it is proven"),
        ({"a": ("failed", "no")}, "failed", "run the same with --limit 'a,b'"),
        ({"a": ("unreachable", "no route")}, "stopped", "not started: 1"),
        ({}, "stopped", "not started: 2"),
    ],
)
def test_a_summary(states: Any, outcome: str, said: str) -> None:
    summary = summary_of([["a"], ["b"]], states)
    assert summary["outcome"] == outcome
    assert said in summary_text(summary)
    assert summary["batches"] == [["a"], ["b"]]
    assert bool(summary["go_on"]) is (outcome != "done")


def test_a_summary_while_a_batch_is_under_way() -> None:
    """A controller that is killed leaves it, so that it holds how to go on."""
    summary = summary_of([["a"], ["b", "c"], ["d"]], {"a": ("done", ""), "b": ("done", "")}, under_way=["b", "c"])
    assert (summary["outcome"], summary["done"], summary["under_way"]) == ("under_way", ["a", "b"], ["c"])
    assert summary["go_on"] == "--limit 'c,d'"
    assert summary_text(summary) == "batch 2 of 3 (done: 2, under way: 1, not started: 1)"
