# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts a service in the place of a systemd unit, as a description names it, and the name that stands for it."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional

# By the kind the command that asks for the state of a service.
KINDS: Mapping[str, str] = {
    "runit": "sv status {}",
    "s6": "s6-svstat {}",
    "daemontools": "svstat {}",
    "openrc": "rc-service {} status",
    "sysv": "service {} status",
    "supervisord": "supervisorctl status {}",
}
# What a person types to see the names that there are.
_NAMES = {
    "runit": "ls /etc/service",
    "s6": "ls /run/service",
    "daemontools": "ls /etc/service",
    "openrc": "rc-service --list",
    "sysv": "ls /etc/init.d",
    "supervisord": "supervisorctl status",
}


class Manager(NamedTuple):
    """A supervisor's kind, one of KINDS, and the name that it gives the service, or the service's folder."""

    kind: str
    name: str

    def __str__(self) -> str:
        """What stands where a unit has its name: no unit has a slash in its own (systemd.unit(5))."""
        return f"{self.kind}/{self.name}"


def manager_of(name: str) -> Optional[Manager]:
    """The manager that a name stands for, None for a unit's."""
    kind, slash, rest = name.partition("/")
    return Manager(kind, rest) if slash else None


def tells_pid(name: str) -> bool:
    """Whether what starts this knows the process of whatever it runs: init scripts note it where they like."""
    manager = manager_of(name)
    return manager is None or manager.kind not in ("openrc", "sysv")


def is_unit(name: str) -> bool:
    """Whether systemd knows what has this name."""
    return manager_of(name) is None


def advice_to_look(name: str) -> str:
    """Where one sees more of a unit, or of a supervisor's service, of this name: 'see journalctl -u web.service'."""
    manager = manager_of(name)
    asking = f"journalctl -u {name}" if manager is None else KINDS[manager.kind].format(manager.name)
    return f"see {asking}"


def see_names(manager: Manager) -> str:
    """How to see the names that a supervisor knows: 'see its names with ls /etc/service'."""
    return f"see its names with: {_NAMES[manager.kind]}"
