# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the benchmark as text."""

from __future__ import annotations

from statistics import median
from typing import Any, Callable, Dict, List, Mapping, Sequence

_INTRODUCTION = """\
# Benchmark

What the collection costs, as ratios to something else that was run in the same minutes on the same host: `./run bench`
runs both in turns, each as a whole process of `ansible-playbook` or `ansible` over SSH. A ratio is that of the medians;
beside it are the median of each round's own ratio, and the ratio of the fastest runs. Where the three differ much, the
machine had other work. Seconds depend on the machine, ratios much less.
[benchmarks](../benchmarks/README.md) has every figure that was taken.

"""
_HEAD = [
    *("name", "what", "against", "rounds", "median", "against"),
    *("ratio", "of rounds", "of minima", "goal", "", "before"),
]
_COUNTED = {"task_steps": "task steps", "module_executions": "module executions", "ssh_commands": "SSH commands"}

Result = Dict[str, Any]


def ratio(result: Result, of: Callable[[Sequence[float]], float] = median) -> float:
    return float(of(result["measured"]["raw"]) / of(result["against"]["raw"]))


def _ratio_of_rounds(result: Result) -> float:
    return median(one / other for one, other in zip(result["measured"]["raw"], result["against"]["raw"]))


def verdict(result: Result) -> str:
    if result["goal"] is None:
        return ""
    return "met" if ratio(result) <= result["goal"] else "missed"


def table(results: Mapping[str, Result], before: Mapping[str, Result]) -> str:
    """The ratios, a line for each comparison; `before` are the results of another file to show beside them."""
    lines = [_HEAD]
    for name, result in results.items():
        measured, against = result["measured"], result["against"]
        goal = "" if result["goal"] is None else f"≤ {result['goal']}"
        lines.append(
            [
                *(name, measured["what"], against["what"], str(len(measured["raw"]))),
                *(_amount(median(side["raw"]), result["unit"]) for side in (measured, against)),
                *(f"{it:.2f}" for it in (ratio(result), _ratio_of_rounds(result), ratio(result, min))),
                *(goal, verdict(result)),
                f"{ratio(before[name]):.2f}" if name in before else "",
            ]
        )
    return _aligned(lines)


def count_table(results: Mapping[str, Result]) -> str:
    """What the runs consist of: a line for each of them."""
    lines = [["what", *_COUNTED.values()]]
    for result in results.values():
        for side in (result["measured"], result["against"]):
            line = [side["what"], *(str(side["counts"].get(name, "")) for name in _COUNTED)]
            if "task_steps" in side["counts"] and line not in lines:
                lines.append(line)
    return _aligned(lines)


def document(figures: Mapping[str, Any], before: Mapping[str, Result]) -> str:
    """docs/bench.md, from a file of raw figures."""
    told = ", ".join(f"{name} {value}" for name, value in figures["facts"].items())
    return (
        f"{_INTRODUCTION}{table(figures['results'], before)}\n\n"
        f"What the runs consist of, counted in the output of `-vvv`:\n\n{count_table(figures['results'])}\n\n"
        f"Taken with: {told}.\n"
    )


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} B" if unit == "bytes" else f"{value:.2f} s"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines)]
    rule: List[str] = ["-" * max(width, 3) for width in widths]
    return "\n".join(
        "| " + " | ".join(text.ljust(len(dashes)) for text, dashes in zip(line, rule)) + " |"
        for line in (lines[0], rule, *lines[1:])
    )
