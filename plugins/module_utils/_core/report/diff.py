# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences as Ansible's diff mode takes them."""

from __future__ import annotations

from typing import Iterable


def diff_of(changes: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Ansible's form of a list of differences, from (what it is of, the text before, the text after).

    Where one thing was changed several times, its first and its last text count; what ends as it was is left out.
    """
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for header, before, after in changes:
        first.setdefault(header, before)
        last[header] = after
    return [
        {"before_header": header, "after_header": header, "before": before, "after": last[header]}
        for header, before in first.items()
        if before != last[header]
    ]
