# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plans of hosts as text for people: what each service gets, and what helps those that get nothing."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.report.failure import has_reasons, headline
from ansible_collections.netbind.privport.plugins.module_utils._core.report.table import NOTHING_DECLARED, render

NOTHING_TO_DO = "nothing to do"
# What a decision has pending, in words.
_CHANGES = {
    "dropin": "a drop-in for {unit}",
    "xattr": "a file capability on {executable}",
    "keep": "whether {executable} gets its capability back after an upgrade",
    "rules": "authbind rules for user {user}",
    "sysctl": "the first port that every user may bind",
    "socket": "a socket unit for {unit}",
    "superserver": "a server that starts {executable}",
    "redirect": "a redirect",
    "forward": "a forwarder",
    "restart": "restart {unit}",
    "start": "start {unit}",
}
_COLUMNS = ("host", "service", "ports", "strategy", "would change", "why")
_HELP = "What helps, the least effort first. Any one line is enough for its service:"
_HELPLESS = "nothing that the collection knows of; -v shows every reason"
_MORE = "-v shows every strategy that was rejected, and why."

Decision = Mapping[str, Any]


class Refusal(NamedTuple):
    """Why a service is refused, a sentence, and what helps, the least effort first."""

    why: str
    ways: tuple[str, ...]


def plan_text(plans: Mapping[str, Sequence[Decision]], *, details: bool) -> str:
    """What the filter privport_plan decided, by host name, as text; details adds each strategy's reasons.

    Raises AttributeError, KeyError or TypeError for anything else.
    """
    decided = [(str(host), decision) for host, plan in plans.items() for decision in plan]
    if not decided:
        return NOTHING_DECLARED
    rows = [{"host": host, **_row(decision)} for host, decision in decided]
    parts = [render(rows, columns=_COLUMNS), _help(decided), _notes(decided)]
    if details:
        parts += [_reasons(decided, key="rejected", heading="rejected")]
        parts += [_reasons(decided, key="unknown", heading="tried last")]
    elif any(has_reasons(decision["error"]) for _host, decision in decided):
        parts.append((_MORE,))
    return "\n\n".join("\n".join(part) for part in parts if part)


def refusal(decision: Decision) -> Refusal:
    """What a decision that has an error comes to."""
    told = headline(decision["error"], name=decision["name"])
    if not has_reasons(decision["error"]):
        why, semicolon, way = told.rpartition("; ")
        return Refusal(why, (way,)) if semicolon else Refusal(told, ())
    # Large, and seldom needed.
    from ansible_collections.netbind.privport.plugins.module_utils._core.report.ways_out import ways_out

    # Of a strategy that was asked for by name; of all of them there would be too many.
    of_named = "; ".join(map(_sentence, decision["rejected"].get(decision["service"]["strategy"], ())))
    return Refusal(f"{told}: {of_named}" if of_named else told, tuple(map(str, ways_out(decision))))


def changes(decision: Decision) -> tuple[str, ...]:
    """What is left to do for a service, in words."""
    pending = (_CHANGES[step].format_map(decision) for step in decision["pending"])
    return (*pending, *(f"take back {name}" for name in decision["surplus"]))


def notes(decision: Decision) -> tuple[str, ...]:
    """What is worth knowing of a service: what is wider than a reader may expect, and what processes keep."""
    # What a service that stays has too much is restarted.
    kept = decision["retained"] if decision["state"] == "absent" else ()
    return (*decision["warnings"], *kept)


def _row(decision: Decision) -> dict[str, str]:
    error = decision["error"]
    return {
        "service": decision["name"],
        "ports": ", ".join(decision["ports"]),
        "strategy": decision["strategy"] or "none",
        "would change": "refused" if error else ", ".join(changes(decision)) or NOTHING_TO_DO,
        "why": refusal(decision).why if error else decision["why"],
    }


def _help(decided: Sequence[tuple[str, Decision]]) -> tuple[str, ...]:
    refused = [(it["name"], host, refusal(it).ways or (_HELPLESS,)) for host, it in decided if it["error"]]
    told = [line for title, ways in _by_title(refused) for line in (f"{title}:", *(f"  - {way}" for way in ways))]
    return (_HELP, *told) if told else ()


def _notes(decided: Sequence[tuple[str, Decision]]) -> tuple[str, ...]:
    found = [(it["name"], host, notes(it)) for host, it in decided]
    return tuple(f"{title}: {note}" for title, told in _by_title(found) for note in told)


def _by_title(told: Sequence[tuple[str, str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Of (service, host, lines) the lines by 'SERVICE on HOST, HOST', which names all hosts that have the same."""
    hosts: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, host, lines in told:
        hosts.setdefault((name, lines), []).append(host)
    return [(f"{name} on {', '.join(names)}", lines) for (name, lines), names in hosts.items()]


def _reasons(decided: Sequence[tuple[str, Decision]], *, key: str, heading: str) -> tuple[str, ...]:
    """A table of what stands against strategies, in which a reason is told once for all that it stands against."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for host, decision in decided:
        for strategy, reasons in decision[key].items():
            for reason in reasons:
                found.setdefault((host, decision["name"], reason["text"], reason["evidence"]), []).append(strategy)
    rows = [
        {"host": host, "service": name, heading: ", ".join(strategies), "because": text, "seen": evidence}
        for (host, name, text, evidence), strategies in found.items()
    ]
    return render(rows, columns=("host", "service", heading, "because", "seen")) if rows else ()


def _sentence(reason: Mapping[str, str]) -> str:
    return f"{reason['text']} ({reason['evidence']})"
