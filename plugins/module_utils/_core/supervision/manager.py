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
# Where a person finds the folders of tools that take no name of a service.
_FOLDERS = {"s6": "/run/service/", "daemontools": "/etc/service/"}
# What a person types to see the names that there are.
_NAMES = {
    "runit": "ls /etc/service",
    "s6": "ls /run/service",
    "daemontools": "ls /etc/service",
    "openrc": "rc-service --list",
    "sysv": "ls /etc/init.d",
    "supervisord": "supervisorctl status",
}


# The kind of a user's systemd, which nobody declares: the name is then USER/UNIT (systemd.unit(5), user units).
USER = "user"


class Manager(NamedTuple):
    """A supervisor's kind, one of KINDS or USER, and the name that it gives the service, or the service's folder."""

    kind: str
    name: str

    @property
    def teller(self) -> str:
        """Who knows of the service: 'runit', 'the manager of user alice'."""
        return f"the manager of user {self.name.partition('/')[0]}" if self.kind == USER else self.kind

    @property
    def service(self) -> str:
        """The name that it has there."""
        return self.name.partition("/")[2] if self.kind == USER else self.name

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


def of_user(user: str, *, unit: str) -> Manager:
    """A user's systemd, and its unit of this name."""
    return Manager(USER, f"{user}/{unit}")


def asking(manager: Manager) -> str:
    """The command that asks for the state of a service."""
    if manager.kind == USER:
        user, _slash, unit = manager.name.partition("/")
        return f"systemctl --user --machine={user}@ status {unit}"
    folder = "" if manager.name.startswith("/") else _FOLDERS.get(manager.kind, "")
    return KINDS[manager.kind].format(folder + manager.name)


def advice_to_look(name: str) -> str:
    """Where one sees more of a unit, or of a supervisor's service, of this name: 'see journalctl -u web.service'."""
    manager = manager_of(name)
    return f"see journalctl -u {name}" if manager is None else f"see {asking(manager)}"


def see_names(manager: Manager) -> str:
    """How to see the names that a supervisor knows: 'see its names with ls /etc/service'."""
    if manager.kind == USER:
        return f"see its names with: systemctl --user --machine={manager.name.partition('/')[0]}@ list-unit-files"
    return f"see its names with: {_NAMES[manager.kind]}"
