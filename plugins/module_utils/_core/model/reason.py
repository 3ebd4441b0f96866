# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something is not so, as data."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """Why something cannot be: a short code, a sentence with the way out, and what was seen."""

    code: str
    text: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.text} ({self.evidence})"


class Unknown(Reason):
    """Why it may not be: what decides it could not be found out. It can be tried, after all else."""
