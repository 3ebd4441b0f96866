# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many hosts have in common is told once, with who has it: a fleet repeats itself."""

from __future__ import annotations

from typing import Iterable, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.plugin_utils.audit.summary import Record


class Case(NamedTuple):
    """One way in which hosts have it, and their names in the order of the audit."""

    record: Record
    hosts: list[str]


class Group(NamedTuple):
    """record is that of the first host; in cases, what may be different on hosts is."""

    record: Record
    cases: list[Case]

    @property
    def hosts(self) -> list[str]:
        """Each once, also where one of them has it in two ways."""
        return list(dict.fromkeys(name for case in self.cases for name in case.hosts))


def grouped(records: Iterable[tuple[str, Record]], *, apart: Sequence[str] = ()) -> list[Group]:
    """Host names and their records, put together where all but the keys named in apart is equal."""
    found: dict[str, dict[str, Case]] = {}
    for host, record in records:
        # What was read from a file may have its keys in another order.
        same = repr([record[key] for key in sorted(record) if key not in apart])
        other = repr([record[key] for key in apart])
        case = found.setdefault(same, {}).setdefault(other, Case(record, []))
        # Two network namespaces of a host may have the same listener.
        if case.hosts[-1:] != [host]:
            case.hosts.append(host)
    return [Group(next(iter(cases.values())).record, list(cases.values())) for cases in found.values()]
