# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a supervisor says of a service, in the form and the words of systemctl show."""

from __future__ import annotations

from typing import Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import Manager
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.script import quoted
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.supervisor import Definition, Status


def shown(manager: Manager, status: Status, definition: Definition) -> str:
    """The properties of a service that is known."""
    return _lines(
        {
            "Id": str(manager),
            "LoadState": "loaded",
            "ActiveState": status.active,
            "SubState": " ".join(status.said.split()),
            "MainPID": str(status.pid),
            "UnitFileState": "enabled" if definition.at_boot else "disabled",
            "FragmentPath": definition.path,
            "User": definition.user,
            "WithoutAmbient": definition.ambient,
            "Command": quoted(definition.words),
        }
    )


def missing(manager: Manager, why: str) -> str:
    """The same of one that the host has not, and why: a clause."""
    return _lines({"Id": str(manager), "LoadState": "not-found", "LoadError": " ".join(why.split()), "MainPID": "0"})


def _lines(properties: Mapping[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in properties.items())
