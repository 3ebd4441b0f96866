# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed since an earlier audit, and which findings somebody accepted."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.rules import RULES
from ansible_collections.netbind.privport.plugins.module_utils._core.model import options
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

NEW, UNCHANGED, GONE = "new", "unchanged", "gone"
_KEYS = ("rule", "host", "subject", "reason", "until")
_EXAMPLE = '[{"rule": "root-listener", "subject": "ssh.service*", "reason": "sshd needs root"}]'
_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


class Accepted(NamedTuple):
    """A risk that somebody accepted; host and subject are patterns (glob(7)), until a date, '' for always."""

    rule: str
    host: str
    subject: str
    reason: str
    until: str

    def covers(self, *, rule: str, host: str, subject: str, today: str) -> bool:
        """Whether a finding is accepted by it on a day, which is written like until."""
        patterns = ((rule, self.rule), (host, self.host), (subject, self.subject))
        return not self.is_over(today) and all(fnmatchcase(text, pattern) for text, pattern in patterns)

    def is_over(self, today: str) -> bool:
        return bool(self.until) and self.until < today

    def __str__(self) -> str:
        return f"{self.rule} on {self.host}, {self.subject}"


def parse_accepted(value: Any, *, where: str) -> Tuple[Accepted, ...]:
    """The accepted risks. Raises InvalidInput that names the item and the key."""
    items = options.mappings(value, where=where, example=_EXAMPLE)
    return tuple(_accepted(it, where=f"{where}[{number}]") for number, it in enumerate(items))


def _accepted(given: Mapping[Any, Any], *, where: str) -> Accepted:
    unknown = sorted(str(key) for key in given if key not in _KEYS)
    if unknown:
        raise InvalidInput(f"{where} has the unknown key {unknown[0]!r}; the keys are {', '.join(_KEYS)}")
    rule, reason = (options.text(given.get(key, ""), where=f"{where}: {key}") for key in ("rule", "reason"))
    if not any(fnmatchcase(it, rule) for it in RULES):
        raise InvalidInput(f"{where}: rule is {rule!r}, which no rule of an audit is; write one of {', '.join(RULES)}")
    if not reason.strip():
        raise InvalidInput(f"{where}: reason is missing; say why the risk is accepted")
    until = str(given.get("until") or "")
    if until and not _DATE.fullmatch(until):
        raise InvalidInput(f"{where}: until is {until!r}; write a date such as 2027-01-31")
    host, subject = (options.text(given.get(key, "*"), where=f"{where}: {key}") for key in ("host", "subject"))
    return Accepted(rule, host, subject, reason, until)


def parse_baseline(value: Any, *, where: str, version: int) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The findings of an earlier report by host and key; none for no report. Raises InvalidInput."""
    if not value:
        return {}
    try:
        if value["schema_version"] != version:
            raise InvalidInput(f"{where} has schema_version {value['schema_version']}; this version reads {version}")
        hosts = {str(it["name"]): it["findings"] for it in value["hosts"]}
        return {host: {it["key"]: it for it in found if it["state"] != GONE} for host, found in hosts.items()}
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise InvalidInput(f"{where} is no audit.json of an earlier audit; give the path of one") from problem


def problems_of(accepted: Sequence[Accepted], *, used: frozenset[Accepted], today: str) -> Tuple[str, ...]:
    """A sentence for each accepted risk that is over, or that no finding met."""
    over = (
        f"the accepted risk {it} ended on {it.until}; its findings count again" for it in accepted if it.is_over(today)
    )
    idle = (
        f"the accepted risk {it} meets no finding; take it out"
        for it in accepted
        if it not in used and not it.is_over(today)
    )
    return (*over, *idle)
