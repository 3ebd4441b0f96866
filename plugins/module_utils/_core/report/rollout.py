# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout to a fleet: which hosts come first, in which batches, and what came of them."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

DONE, UNKNOWN, FAILED, UNREACHABLE = "done", "unknown", "failed", "unreachable"
UNDER_WAY, NOT_STARTED, STOPPED = "under_way", "not_started", "stopped"
# How much of the fleet the batch behind the canaries is.
_SECOND_PERCENT = 10
_SIZE = re.compile(r"[1-9][0-9]*|(?:100|[1-9][0-9]?)%")


class Planned(NamedTuple):
    """What is known of a host before the rollout: its plan, and what else its outcome depends on."""

    plan: Sequence[Mapping[str, Any]]
    # The version of its systemd; None where none runs it.
    systemd: int | None

    @property
    def decision(self) -> str:
        """What distinguishes it from hosts on which something else is to be done."""
        keys = ("name", "strategy", "pending", "surplus", "error")
        return json.dumps([self.systemd, [[it[key] for key in keys] for it in self.plan]])


def canaries_of(hosts: Mapping[str, Planned]) -> Tuple[str, ...]:
    """The first host of each distinct decision, in the order of the hosts."""
    first: dict[str, str] = {}
    for name, planned in hosts.items():
        first.setdefault(planned.decision, name)
    return tuple(first.values())


def batches_of(hosts: Mapping[str, Planned], *, serial: Sequence[str]) -> Tuple[Tuple[str, ...], ...]:
    """The hosts in the order in which they are rolled out, in batches.

    serial are sizes, numbers or percentages of all hosts; the last one goes on to the end. Without any there are the
    canaries, then 10 %, then the rest; with sizes, too, the canaries come first.
    """
    canaries = canaries_of(hosts)
    order = [*canaries, *(name for name in hosts if name not in canaries)]
    sizes = [_size(it, len(order)) for it in serial] or [
        len(canaries),
        _size(f"{_SECOND_PERCENT}%", len(order)),
        len(order),
    ]
    batches = []
    while order:
        size = sizes[0]
        sizes = sizes[1:] or sizes
        batches.append(tuple(order[:size]))
        order = order[size:]
    return tuple(batches)


def parse_serial(value: Any, *, where: str) -> Tuple[str, ...]:
    """The sizes of a text with commas or of a list; none for ''. Raises InvalidInput."""
    words = [
        str(it).strip()
        for it in (
            value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
        )
    ]
    sizes = tuple(it for it in words if it)
    wrong = next((it for it in sizes if not _SIZE.fullmatch(it)), "")
    if wrong:
        raise InvalidInput(f"{where} holds {wrong!r}; write numbers of hosts or percentages, such as '1,10%,100%'")
    return sizes


def _size(text: str, hosts: int) -> int:
    number = int(text.rstrip("%"))
    return max(1, math.floor(hosts * number / 100) if text.endswith("%") else number)


def state_of(result: Mapping[str, Any], proof: Mapping[str, Any]) -> Tuple[str, str]:
    """What came of a host, and why if it is not done: of the run's result, and of the second proof's.

    Each is what Ansible registered, empty for what was not run.
    """
    for it in (result, proof):
        if it.get("unreachable"):
            return UNREACHABLE, str(it.get("msg") or "it could not be reached")
        if it.get("failed"):
            return FAILED, str(it.get("msg") or "it failed")
    verdicts = [it.get("verdict") for it in (result, proof)]
    if UNKNOWN in verdicts:
        ports = [port for it in (result, proof) for port in it.get("evidence") or () if port["verdict"] == UNKNOWN]
        reasons = dict.fromkeys(f"{port['service']}: {reason}" for port in ports for reason in port["reasons"])
        return UNKNOWN, "; ".join(reasons) or "nothing of it could be proven"
    return (DONE, "") if result else (FAILED, "it did not run to its end")


def summary_of(
    batches: Sequence[Sequence[str]], states: Mapping[str, Tuple[str, str]], *, under_way: Sequence[str] = ()
) -> dict[str, Any]:
    """What came of the rollout, for privport_rollout_file; states by host, none for those that were not started.

    under_way are the hosts of the batch that begins, none at the end.
    """
    begun = frozenset(under_way)
    told: dict[str, Tuple[str, str]] = {
        host: states.get(host, (UNDER_WAY if host in begun else NOT_STARTED, "")) for batch in batches for host in batch
    }
    of = {kind: [host for host, (state, _why) in told.items() if state == kind] for kind in _KINDS}
    left = [host for host in told if told[host][0] != DONE]
    return {
        "outcome": UNDER_WAY if begun else _outcome(of),
        **of,
        "reasons": {host: why for host, (_state, why) in told.items() if why},
        "batches": [list(it) for it in batches],
        "go_on": f"--limit '{','.join(left)}'" if left else "",
    }


def _outcome(of: Mapping[str, Sequence[str]]) -> str:
    if of[FAILED]:
        return FAILED
    return STOPPED if of[NOT_STARTED] or of[UNREACHABLE] else UNKNOWN if of[UNKNOWN] else DONE


_KINDS = (DONE, UNKNOWN, FAILED, UNREACHABLE, UNDER_WAY, NOT_STARTED)


def summary_text(summary: Mapping[str, Any]) -> str:
    """The same for people; one line while it is under way."""
    counts = [f"{kind.replace('_', ' ')}: {len(summary[kind])}" for kind in _KINDS if summary[kind]]
    if summary["outcome"] == UNDER_WAY:
        batches = summary["batches"]
        number = next(number for number, it in enumerate(batches, start=1) if summary[UNDER_WAY][0] in it)
        return f"batch {number} of {len(batches)} ({', '.join(counts)})"
    lines = [*counts, *(f"  {host}: {why}" for host, why in summary["reasons"].items())]
    if summary["go_on"]:
        lines.append(f"to go on with the rest, run the same with {summary['go_on']}")
    return "\n".join([f"the rollout is {_SAID[summary['outcome']]}", *lines])


_SAID = {DONE: "done", UNKNOWN: "done, and not all of it is proven", FAILED: "failed", STOPPED: "stopped"}
