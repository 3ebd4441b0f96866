# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service as somebody has it, and what is right for it."""

from typing import Any, Mapping, NamedTuple, Sequence


class Row(NamedTuple):
    """The scripts are bash, with the functions and variables of on_host.py's PRELUDE; each must succeed.

    A row is run three times: as it is, once more, when nothing may change and nothing be restarted, and with all its
    services absent, when the host must be again what it was after prepare.
    """

    name: str
    # What is on the host before, and is no doing of the collection.
    prepare: str
    services: Sequence[Mapping[str, Any]]
    # What the run comes to: 'pass', 'unknown', 'fail', or 'refused' before anything is changed.
    verdict: str
    # By the service's name, '' for none.
    strategies: Mapping[str, str]
    # What the result says, and what it must not say.
    says: Sequence[str] = ()
    never: Sequence[str] = ()
    options: Mapping[str, Any] = {}
    # What must hold after the first run.
    holds: str = "true"
    # What happens to the host before its services are absent.
    since: str = ""
    # What the removal says, and what must hold after it beside that the host is as before.
    removal_says: Sequence[str] = ()
    removed: str = "true"
    # The one host that has what it needs; any if there is none.
    host: str = ""
