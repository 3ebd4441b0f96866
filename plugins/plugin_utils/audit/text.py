# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit as text for people at a terminal: which hosts have what, each finding with its fix, what is not known."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import Any, Iterable, Iterator, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.report.table import render
from ansible_collections.netbind.privport.plugins.plugin_utils.audit.groups import Group, grouped
from ansible_collections.netbind.privport.plugins.plugin_utils.audit.summary import (
    CLASSES,
    Record,
    counted_as,
    counts_text,
    findings,
    number,
    readable,
    summary,
)

_WIDTH = 100
# So many names stand in a line of hosts, and so many hosts in the table, before the others are counted.
_NAMES, _ROWS = 8, 40
_COUNTED = CLASSES[:-2]


def audit_text(audit: Record) -> str:
    """A table of hosts and numbers, the findings by severity and host, and what was left out; the last line counts.

    What is accepted or gone is counted there, and told in the files of the audit. Raises KeyError for anything but an
    audit (docs/audit.schema.json).
    """
    audit = readable(audit)
    hosts = audit["hosts"]
    parts = [list(_table(hosts)), *map(list, _found(hosts)), list(_not_known(audit))]
    return "\n".join([*(line for part in parts if part for line in (*part, "")), _counts(hosts)])


def _counts(hosts: Sequence[Record]) -> str:
    counted = summary(hosts)
    away = f", {counted['unreachable']} of them not looked at" if counted["unreachable"] else ""
    return f"{number(len(hosts), 'host')}{away}: {counts_text(counted['findings'])}"


def _table(hosts: Sequence[Record]) -> Iterator[str]:
    """Those with findings that count, the worst first."""
    counted = {host["name"]: Counter(map(counted_as, host["findings"])) for host in hosts}
    worst = sorted(
        (name for name, counts in counted.items() if any(counts[it] for it in _COUNTED)),
        key=lambda name: (*(-counted[name][it] for it in _COUNTED), name),
    )
    if worst:
        rows = [{"host": name, **{it: str(counted[name][it] or "") for it in _COUNTED}} for name in worst[:_ROWS]]
        yield from render(rows, columns=("host", *_COUNTED))
    if len(worst) > _ROWS:
        yield f"and {number(len(worst) - _ROWS, 'more host')} with findings"


def _found(hosts: Sequence[Record]) -> Iterator[Iterable[str]]:
    """A part for each severity that was found; what hosts have in common is told once, where the first of them is."""
    for name in _COUNTED:
        of_this = ((host, _without_key(it)) for host, it in findings(hosts) if counted_as(it) == name)
        groups = sorted(grouped(of_this, apart=("evidence", "state")), key=lambda it: (it.hosts[0], it.record["rule"]))
        if groups:
            yield [name.upper(), *(line for group in groups for line in _finding(group))]


def _without_key(finding: Record) -> dict[str, Any]:
    return {name: value for name, value in finding.items() if name != "key"}


def _finding(group: Group) -> Iterator[str]:
    it, hosts = group.record, group.hosts
    new = sum(len(case.hosts) for case in group.cases if case.record["state"] == "new")
    state = f" (new{'' if new == len(hosts) else f' on {new}'})" if new else ""
    seen: dict[str, list[str]] = {}
    for case in group.cases:
        seen.setdefault(case.record["evidence"], []).extend(case.hosts)
    yield from _wrapped(f"{it['text']} [{it['rule']}]", indent=2)
    yield from _told("on", f"{_names(hosts)}{state}")
    for evidence, names in seen.items():
        yield from _told("seen", f"{evidence} ({_names(names)})" if evidence and len(seen) > 1 else evidence)
    yield from _told("fix", it["fix"])


def _told(name: str, text: str) -> list[str]:
    return _wrapped(f"{name + ':':6}{text}", indent=4, more=6) if text else []


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {number(more, 'more host')}" if more > 0 else "")


def _not_known(audit: Record) -> Iterator[str]:
    """Hosts and parts of hosts that were not looked at, and accepted risks that are none any more."""
    hosts = audit["hosts"]
    away = grouped((host["name"], {"message": host["message"]}) for host in hosts if not host["reachable"])
    for group in away:
        yield from _wrapped(f"not looked at: {_names(group.hosts)}: {group.record['message']}")
    for group in grouped((host["name"], it) for host in hosts for it in host["skipped"]):
        yield from _wrapped(f"left out: {group.record['what']}, {group.record['why']}, on {_names(group.hosts)}")
    for text in audit["accepted_problems"]:
        yield from _wrapped(f"accepted: {text}")


def _wrapped(text: str, *, indent: int = 0, more: int = 2) -> list[str]:
    """Lines of at most 100 columns where words allow it: a path or a command is not broken within a word."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + more),
        break_long_words=False,
        break_on_hyphens=False,
    )
