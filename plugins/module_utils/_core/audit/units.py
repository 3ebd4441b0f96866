# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that give capabilities or hold sockets: those that systemd has loaded, and those that only lie there."""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.forwarder import leads_to
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    AMBIENT,
    FIRST_UNPRIVILEGED,
    FORWARDER,
    SOCKET,
    Grant,
    Remark,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import parse_name
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, SocketUnit
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import template_of
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    Assignment,
    granting,
    parse_unit_file,
)

_SETTINGS = ("AmbientCapabilities", "CapabilityBoundingSet")
# The instance by which systemd is asked what a template says; no unit of a host has it.
ASKED_INSTANCE = "privport-audit"


class UnitSeen(NamedTuple):
    """A service unit: what systemd says of it, and the texts of its files by path.

    effective and why_not as in Grant: of its ambient capability, judged as strategy ambient is.
    """

    properties: Mapping[str, str]
    files: Mapping[str, str] = {}
    effective: bool | None = True
    why_not: str = ""

    @property
    def name(self) -> str:
        """Its name; that of the template where only that was asked for."""
        found = self.properties.get("Id", "")
        return template_of(found) if f"@{ASKED_INSTANCE}." in found else found

    @property
    def grants(self) -> bool:
        """Whether it gives its processes the capability to bind ports."""
        return CAPABILITY in self.properties.get("AmbientCapabilities", "").split()

    @property
    def leads_to(self) -> str:
        """Where it leads connections on; '' for a unit that serves them itself."""
        return leads_to(self.name, self.properties.get("ExecStart", ""))

    @property
    def granting_file(self) -> str:
        """The last of its files that gives the capability."""
        try:
            found = granting(self.files, capability=CAPABILITY)
        except UnknownFormat:
            found = ()
        return found[-1] if found else self.properties.get("FragmentPath", "")


def grants_of_units(units: Sequence[UnitSeen]) -> Tuple[Grant, ...]:
    """A grant for each unit with the ambient capability, and one with a remark for each with an unknown name."""
    return tuple(it for unit in units for it in (_ambient(unit), *_unknown(unit)) if it is not None)


def _ambient(unit: UnitSeen) -> Grant | None:
    if not unit.grants:
        return None
    says = unit.properties.get
    unread = says("NeedDaemonReload") == "yes"
    remarks = (
        (Remark("ambient-without-effect", f"{unit.name} has the ambient capability without effect: {unit.why_not}"),)
        if unit.effective is False
        else ()
    )
    source = unit.granting_file
    user = f"user {says('User') or ('of its own' if says('DynamicUser') == 'yes' else 'root')}"
    return Grant(
        mechanism=FORWARDER if unit.leads_to else AMBIENT,
        subject=unit.name,
        holders=_holders_of(unit, user),
        effective=unit.effective,
        why_not=unit.why_not,
        persistent=not says("FragmentPath", "").startswith("/run/"),
        live=not unread if says("ActiveState") == "active" else False,
        file=source,
        evidence=f"{source}: AmbientCapabilities={says('AmbientCapabilities', '')}",
        units=(unit.name,),
        remarks=remarks,
    )


def _holders_of(unit: UnitSeen, user: str) -> Tuple[str, ...]:
    return (f"whoever listens on {unit.leads_to}, by {user}",) if unit.leads_to else (user,)


def _unknown(unit: UnitSeen) -> Iterator[Grant]:
    """systemd warns of such a name in its journal alone."""
    for path, text in unit.files.items():
        words = [
            (it.key, word.lstrip("~")) for it in _settings(text) if it.key in _SETTINGS for word in it.value.split()
        ]
        for key, word in words:
            if word and not _is_known(word):
                said = f"{path} has {key}={word}, and systemd knows no such capability"
                yield Grant(
                    mechanism=AMBIENT,
                    subject=f"{unit.name}: {word}",
                    effective=False,
                    why_not="systemd ignores a name that it does not know",
                    live=False,
                    file=path,
                    evidence=f"{path}: {key}={word}",
                    units=(unit.name,),
                    remarks=(Remark("unit-unknown-capability", said),),
                )


def _settings(text: str) -> Tuple[Assignment, ...]:
    """None of a file that systemd does not read to its end."""
    try:
        return parse_unit_file(text)
    except UnknownFormat:
        return ()


def _is_known(word: str) -> bool:
    try:
        parse_name(word)
    except InvalidInput:
        return word.isdigit()
    return True


def grants_of_user_units(files: Mapping[str, str]) -> Tuple[Grant, ...]:
    """The units of users' managers that set the capability, which has no effect there."""
    why_not = "a user's manager may not give it: the unit fails with status 218/CAPABILITIES"
    return tuple(
        Grant(
            mechanism=AMBIENT,
            subject=path,
            effective=False,
            why_not=why_not,
            live=False,
            file=path,
            evidence=f"AmbientCapabilities={it.value}",
            remarks=(Remark("ambient-without-effect", f"{path} sets AmbientCapabilities=: {why_not}"),),
        )
        for path, text in files.items()
        for it in _settings(text)
        if it.key == "AmbientCapabilities" and CAPABILITY in it.value.lower().split()
    )


def grants_of_sockets(sockets: Sequence[SocketUnit], *, services: Mapping[str, UnitSeen]) -> Tuple[Grant, ...]:
    """The socket units with privileged ports; services are the units that they start, by name."""
    found = []
    for it in sockets:
        ports = tuple(port for port in it.ports if int(port.partition("/")[0]) < FIRST_UNPRIVILEGED)
        if ports and (it.active or it.enabled):
            started = [services.get(name) or UnitSeen({"Id": name}) for name in it.triggers]
            holders = (
                holder
                for unit in started
                for holder in _holders_of(unit, f"user {unit.properties.get('User') or 'root'} of {unit.name}")
            )
            found.append(
                Grant(
                    mechanism=FORWARDER if any(unit.leads_to for unit in started) else SOCKET,
                    subject=it.name,
                    holders=tuple(dict.fromkeys(holders)),
                    ports=ports,
                    persistent=it.enabled,
                    live=it.active,
                    evidence=f"{'active' if it.active else 'not active'}, {'enabled' if it.enabled else 'not enabled'}",
                    units=it.triggers,
                )
            )
    return tuple(found)
