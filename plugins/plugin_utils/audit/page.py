# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit as one HTML file that needs nothing else: to be opened from a disk, sent by mail, kept as an artefact.

The page is whole without its script, which only hides, sorts and opens what is there. So nothing that a host says is
ever made into markup by it, and the template escapes every value.
"""

from __future__ import annotations

import base64
import hashlib
import pkgutil
from collections import Counter
from functools import lru_cache
from typing import Any, Iterator, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.plugin_utils.audit.groups import Group, grouped
from ansible_collections.netbind.privport.plugins.plugin_utils.audit.summary import (
    CLASSES,
    SEVERITIES,
    Record,
    counted_as,
    findings,
    number,
    readable,
    summary,
)
from jinja2 import Environment, StrictUndefined

# Those of which a host's row has a number: what is neither accepted nor gone.
OPEN = (*SEVERITIES, "unknown")
# A list of more names than these is closed at first: a listener of root holds every capability.
FEW = 6


class Row(NamedTuple):
    """A host: its numbers by OPEN, and its services by the columns of the matrix, None where it has none."""

    host: Record
    counts: Sequence[int]
    services: Sequence[Record | None]


class Column(NamedTuple):
    name: str
    proven: int
    hosts: int


def html(audit: Record) -> str:
    """The page of an audit (docs/audit.schema.json). Raises KeyError or UndefinedError for anything else."""
    audit = readable(audit)
    style, script = _file("page.css"), _file("page.js")
    hosts = audit["hosts"]
    columns = _columns(hosts)
    page: str = _template().render(
        audit=audit,
        # What was found decides, so that the numbers of the page are those of its rows.
        counts=summary(hosts)["findings"],
        headline=_headline(hosts),
        states=Counter(finding["state"] for _host, finding in findings(hosts)),
        open=OPEN,
        few=FEW,
        classes=CLASSES,
        columns=columns,
        rows=sorted((_row(host, columns) for host in hosts), key=_badness),
        findings=_findings(hosts),
        rules={rule["id"]: rule for rule in audit["rules"]},
        found=Counter(finding["rule"] for _host, finding in findings(hosts)),
        services=sorted(_of_hosts(hosts, "services"), key=_unproven_first),
        listeners=sorted(_of_hosts(hosts, "listeners"), key=_root_first),
        grants=sorted(_of_hosts(hosts, "grants", apart=("evidence",)), key=_undeclared_first),
        skipped=_of_hosts(hosts, "skipped"),
        style=style,
        script=script,
        policy="; ".join(
            [
                "default-src 'none'",
                f"style-src '{_digest(style)}'",
                f"script-src '{_digest(script)}'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
    )
    return page


@lru_cache(maxsize=None)
def _file(name: str) -> str:
    """A file beside this one, wherever the collection is installed."""
    return str((pkgutil.get_data(__package__, name) or b"").decode("utf-8"))


@lru_cache(maxsize=None)
def _template() -> Any:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters.update(number=number, counted_as=counted_as)
    return environment.from_string(_file("page.html"))


def _digest(text: str) -> str:
    """A source of a Content-Security-Policy: the element that holds exactly this."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _headline(hosts: Sequence[Record]) -> str:
    """The worst that was found, as one sentence."""
    counts = summary(hosts)["findings"]
    worst = next((name for name in OPEN if counts[name]), None)
    on = {host for host, finding in findings(hosts) if counted_as(finding) == worst}
    told = f"{number(counts[worst], f'{worst} finding')} on {number(len(on), 'host')}" if worst else "Nothing was found"
    away = sum(not host["reachable"] for host in hosts)
    return f"{told}; {number(away, 'host')} could not be looked at." if away else f"{told}."


def _columns(hosts: Sequence[Record]) -> list[Column]:
    """The services of the fleet, those of most hosts first."""
    services = [service for host in hosts for service in host["services"]]
    named = Counter(service["name"] for service in services)
    proven = Counter(service["name"] for service in services if service["verdict"] == "pass")
    return [Column(name, proven[name], named[name]) for name in sorted(named, key=lambda it: (-named[it], it))]


def _row(host: Record, columns: Sequence[Column]) -> Row:
    counted = Counter(counted_as(finding) for finding in host["findings"])
    services = {service["name"]: service for service in host["services"]}
    return Row(host, [counted[name] for name in OPEN], [services.get(column.name) for column in columns])


def _badness(row: Row) -> tuple[Any, ...]:
    """The worst host first; one of which nothing is known before those with findings that can wait."""
    critical, high, *others = (-count for count in row.counts)
    failed = -sum(service is not None and service["verdict"] == "fail" for service in row.services)
    return critical, high, failed, row.host["reachable"], *others, row.host["name"]


def _findings(hosts: Sequence[Record]) -> list[Group]:
    """The worst first, and of those what most hosts have."""
    found = grouped(_with_class(hosts), apart=("evidence", "state", "accepted"))
    return sorted(
        found,
        key=lambda it: (
            CLASSES.index(it.record["counted"]),
            -float(it.record["security_severity"]),
            -len(it.hosts),
            it.record["rule"],
            it.record["subject"],
        ),
    )


def _with_class(hosts: Sequence[Record]) -> Iterator[tuple[str, Record]]:
    """What is accepted or gone is never in one group with what counts. A key may tell hosts apart, and is not shown."""
    for host, finding in findings(hosts):
        yield host, {**finding, "counted": counted_as(finding), "key": ""}


def _unproven_first(group: Group) -> tuple[int, str]:
    return ("fail", "unknown", "", "pass").index(group.record["verdict"]), group.record["name"]


def _root_first(group: Group) -> tuple[bool, bool, int]:
    """Of those of root the ones first that need not be root."""
    it = group.record
    return it["root"] is False, not it["strategy"], it["port"]


def _undeclared_first(group: Group) -> tuple[bool, str, str]:
    return bool(group.record["declared_by"]), group.record["mechanism"], group.record["subject"]


def _of_hosts(hosts: Sequence[Record], key: str, *, apart: Sequence[str] = ()) -> list[Group]:
    return grouped(((host["name"], record) for host in hosts for record in host[key]), apart=apart)
