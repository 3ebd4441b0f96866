# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/audit-rules.md, a section for each rule of an audit. Usage: python -m audit.rules_page"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.rules import RULES, SEVERITIES

PAGE = Path(__file__).parents[2] / "docs/audit-rules.md"
_HEAD = """\
# The rules of an audit

What `netbind.privport.audit` tells of, the worst first. [audit.md](audit.md) says how to read a report. A finding that
is right where it is can be accepted, with the reason, in `privport_audit_accepted`.
"""


def text() -> str:
    """The page."""
    parts = [_HEAD]
    for severity in SEVERITIES:
        rules = [rule for rule in RULES.values() if rule.severity == severity]
        parts.append(f"\n## {severity.capitalize()}\n" if rules else "")
        for rule in rules:
            parts.append(f"\n### {rule.id}\n\n{rule.title} (severity {rule.score:.1f}). {rule.why}\n")
            parts.append(f"\nWhat mends it: {rule.fix.format(subject='SUBJECT')}.\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
