# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hazards that several strategies share: what a unit's sandbox does to a grant."""

from __future__ import annotations

import posixpath
import re
import textwrap
from typing import Callable, Optional

from ansible_collections.netbind.privport.plugins.module_utils._core.capability import CAP_NET_BIND_SERVICE, parse_text
from ansible_collections.netbind.privport.plugins.module_utils._core.model import CAPABILITY, Program, Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.strategies.base import Case, Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.unit import IMPLIES_NO_NEW_PRIVS

Hazard = Callable[[Case], Optional[Reason]]

# Nothing between 252 and 257 was measured, so those count as the older one.
_FIRST_WITHOUT_IMPLIED = 257
_UNSET = ("", "no", "~")
# [FAMILY:][PROTOCOL:]PORTS; systemctl show leaves the colon before PORTS out: ipv4:tcpany, udp80-90.
_SOCKET_BIND_RULE = re.compile(
    r"(?:ipv[46]:?)?(?:(?P<protocol>tcp|udp):?)?(?:(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?|any)?"
)
_S_ISUID, _S_ISGID = 0o4000, 0o2000
# include/uapi/linux/securebits.h
_SECBIT_NOROOT = 1
# Programs whose business is to execute another one.
LAUNCHERS = ("env", "nice", "chroot", "setsid", "stdbuf", "nohup", "timeout")


def judge(case: Case, hazards: tuple[Hazard, ...]) -> tuple[Reason, ...]:
    """The reasons of those hazards that are there, in the order of the hazards."""
    return tuple(reason for reason in (hazard(case) for hazard in hazards) if reason is not None)


def _said(unit: Unit, name: str) -> str:
    # A filter names hundreds of system calls.
    return f"{name}={textwrap.shorten(unit.says(name), 80, placeholder=' …')} in {unit.name}"


def runs_as_root(case: Case) -> Reason | None:
    unit = case.facts.unit
    if unit is None:
        return None
    if any(not command.keeps_user for command in unit.commands):
        return Reason("runs_as_root", "its ExecStart= has full privileges whatever User= says", unit.commands[0].prefix)
    if unit.user in ("root", "0"):
        return Reason("runs_as_root", "the unit runs as root", f"User={unit.says('User')} in {unit.name}")
    return None


def root_without_user(case: Case) -> Reason | None:
    """Like runs_as_root, for a strategy that can set the user itself."""
    reason = runs_as_root(case)
    prefixed = case.facts.unit is not None and any(not command.keeps_user for command in case.facts.unit.commands)
    return reason if reason and (prefixed or case.service.user in ("", "root", "0")) else None


def other_user(case: Case) -> Reason | None:
    """The unit already runs as a user, and not as the one that was declared."""
    unit, account = case.facts.unit, case.facts.account
    if unit is None or account is None or unit.user in ("", "root", "0") or unit.dropin_user:
        return None
    if unit.user in (account.name, str(account.uid)):
        return None
    return Reason("other_user", f"the unit runs as {unit.user}, not as {account.name}", _said(unit, "User"))


def ambient_overridden(case: Case) -> Reason | None:
    unit = case.facts.unit
    # Capabilities may be given again after the reset.
    if unit is None or CAPABILITY in unit.says("AmbientCapabilities").split():
        return None
    return _overridden(unit, "AmbientCapabilities")


def command_overridden(case: Case) -> Reason | None:
    return _overridden(case.facts.unit, "ExecStart")


def _overridden(unit: Unit | None, name: str) -> Reason | None:
    if unit is None or name not in unit.overriding:
        return None
    text = f"a drop-in that systemd reads after the collection's takes {name}= back; remove that line"
    return Reason("later_dropin", text, unit.overriding[name])


def bounding_set(case: Case) -> Reason | None:
    unit = case.facts.unit
    if unit is None or "CapabilityBoundingSet" not in unit.properties:
        return None
    if CAPABILITY in unit.says("CapabilityBoundingSet").split():
        return None
    return Reason("bounding_set", f"the unit may never have {CAPABILITY}", _said(unit, "CapabilityBoundingSet"))


def private_users(case: Case) -> Reason | None:
    unit = case.facts.unit
    for name in ("PrivateUsersEx", "PrivateUsers"):
        if unit is not None and unit.says(name) not in _UNSET:
            text = "capabilities in its user namespace do not reach the host's network"
            return Reason("private_users", text, _said(unit, name))
    return None


def private_network(case: Case) -> Reason | None:
    unit = case.facts.unit
    for name in ("PrivateNetwork", "NetworkNamespacePath"):
        if unit is not None and unit.says(name) not in _UNSET:
            text = "the unit has a network of its own, where it does not listen on the host's addresses"
            return Reason("private_network", text, _said(unit, name))
    return None


def address_families(case: Case) -> Reason | None:
    unit = case.facts.unit
    if unit is None or "RestrictAddressFamilies" not in unit.properties:
        return None
    # Unset is shown as '~', and 'none' as an empty list.
    value = unit.says("RestrictAddressFamilies")
    families = {"AF_INET", "AF_INET6"}
    listed = set(value.lstrip("~").split())
    closed = families <= listed if value.startswith("~") else not families & listed
    if not closed:
        return None
    return Reason("address_families", "the unit may not open IP sockets", _said(unit, "RestrictAddressFamilies"))


def system_calls(case: Case) -> Reason | None:
    """SystemCallFilter= without a call that every server needs (systemd.exec(5))."""
    unit = case.facts.unit
    forbidden = _forbidden_calls(unit, ("socket", "bind", "listen")) if unit else []
    if unit is None or not forbidden:
        return None
    return Reason("system_calls", f"the unit may not call {forbidden[0]}()", _said(unit, "SystemCallFilter"))


def _forbidden_calls(unit: Unit, names: tuple[str, ...]) -> list[str]:
    value = unit.says("SystemCallFilter")
    if value in _UNSET:
        return []
    # systemctl shows groups as their calls, each with the error that it gives, as in bind:EPERM.
    listed = {word.partition(":")[0] for word in value.lstrip("~").split()}
    return [name for name in names if (name in listed) is value.startswith("~")]


def file_no_new_privs(case: Case) -> Reason | None:
    """no_new_privs, as a file capability of the program that systemd itself starts meets it.

    Ambient capabilities of the unit's own make systemd keep all that the bounding set holds until it executes the
    program, and no_new_privs forbids only what the caller does not have (capabilities(7)).
    """
    unit = case.facts.unit
    return None if unit is not None and _own_ambient(unit) else no_new_privs(case)


def helper_no_new_privs(case: Case) -> Reason | None:
    """no_new_privs, as authbind meets it, which tries without its helper first."""
    unit = case.facts.unit
    return None if unit is not None and CAPABILITY in _own_ambient(unit) else no_new_privs(case)


def _own_ambient(unit: Unit) -> list[str]:
    """The ambient capabilities that the unit keeps: those of our drop-in go with it."""
    return [] if unit.dropin_strategy == "ambient" else unit.says("AmbientCapabilities").split()


def no_new_privs(case: Case) -> Reason | None:
    """Neither a file capability nor a set-user-ID helper takes effect (capabilities(7), no_new_privs)."""
    unit = case.facts.unit
    if unit is None:
        return None
    text = "with no_new_privs the kernel ignores file capabilities and set-user-ID bits"
    for name in ("NoNewPrivileges", "DynamicUser"):
        if unit.is_on(name):
            return Reason("no_new_privs", text, _said(unit, name))
    return _implied_no_new_privs(case, unit=unit, text=text)


def _implied_no_new_privs(case: Case, *, unit: Unit, text: str) -> Reason | None:
    if unit.user == "root":
        return None
    implying = [name for name in IMPLIES_NO_NEW_PRIVS if unit.says(name) not in _UNSET]
    if (case.host.systemd or 0) >= _FIRST_WITHOUT_IMPLIED:
        # It still needs these calls, to drop its privileges after the filter is in force.
        implying = ["SystemCallFilter"] if _forbidden_calls(unit, ("capget", "capset", "prctl")) else []
    if not implying:
        return None
    return Reason(
        "implied_no_new_privs", text, f"implied by {_said(unit, implying[0])} under systemd {case.host.systemd}"
    )


def secure_bits(case: Case) -> Reason | None:
    """Under SecureBits=noroot a set-user-ID root helper gets the user but no capability (capabilities(7))."""
    unit = case.facts.unit
    # systemctl shows the bits as a number.
    value = unit.says("SecureBits") if unit else ""
    if unit is None or not value.isdigit() or not int(value) & _SECBIT_NOROOT:
        return None
    return Reason("secure_bits", "set-user-ID root gives no capability in this unit", _said(unit, "SecureBits"))


def launcher(case: Case) -> Reason | None:
    """A program whose business is to execute another one, to which its capabilities do not pass."""
    program = case.facts.program
    if program is None or posixpath.basename(program.real_path) not in LAUNCHERS:
        return None
    text = "it starts another program, which its file capability does not reach; name that one as executable"
    return Reason("launcher", text, program.real_path)


def other_identity(case: Case) -> Reason | None:
    """A set-user-ID program to another user does not run as the service's."""
    program, account = case.facts.program, case.facts.account
    if program is None or account is None or not program.mode & _S_ISUID or program.uid == account.uid:
        return None
    text = f"a set-user-ID program does not run as {account.name}"
    return Reason("setuid_program", text, f"mode {program.mode & 0o7777:04o} of {program.real_path}")


def _image(case: Case) -> Program | None:
    """The file that the kernel loads: of a script its interpreter, where that was found."""
    return case.facts.interpreter or case.facts.program


def setuid_program(case: Case) -> Reason | None:
    """A set-user-ID or set-group-ID program to another id loses ambient capabilities and LD_PRELOAD."""
    program, account = _image(case), case.facts.account
    if program is None:
        return None
    to_user = program.mode & _S_ISUID and (account is None or program.uid != account.uid)
    to_group = program.mode & _S_ISGID and (account is None or program.gid != account.gid)
    if not (to_user or to_group):
        return None
    text = "a set-user-ID or set-group-ID program starts without ambient capabilities and LD_PRELOAD"
    return Reason("setuid_program", text, f"mode {program.mode & 0o7777:04o} of {program.real_path}")


def other_capability(case: Case) -> Reason | None:
    """A file capability that is not ours to remove, even an empty one, voids the ambient set (capabilities(7))."""
    program = _image(case)
    if program is None or program.capability is None:
        return None
    # Of an interpreter not even the one that binds is this service's to remove, nor an empty attribute.
    another = case.facts.interpreter is not None or (program.shared_interpreter and program.capability)
    if not another and not program.obstacle and not other_capabilities(program):
        return None
    text = "file capabilities that others gave the program make the kernel clear ambient capabilities and LD_PRELOAD"
    return Reason("other_capability", text, f"{program.real_path} {program.capability or '='}")


def other_permitted(case: Case) -> Reason | None:
    """Only a capability that the program gains makes its start secure, so that LD_PRELOAD is ignored (ld.so(8))."""
    program = _image(case)
    if program is None or not program.capability or not parse_text(program.capability).permitted:
        return None
    return other_capability(case)


def other_capabilities(program: Program | None) -> tuple[int, ...]:
    """The file's capabilities but the one that binds ports, as numbers."""
    if program is None or not program.capability:
        return ()
    held = parse_text(program.capability)
    return tuple(sorted((held.permitted | held.inheritable) - {CAP_NET_BIND_SERVICE}))


def socket_bind_deny(case: Case) -> Reason | None:
    """SocketBindDeny= that names all ports or one of the service's (systemd.resource-control(5))."""
    unit = case.facts.unit
    # Built without the framework, systemd shows the setting and ignores it.
    if unit is None or "-BPF_FRAMEWORK" in case.host.systemd_features:
        return None
    denying, allowing = unit.says("SocketBindDeny").split(), unit.says("SocketBindAllow").split()
    for port in case.service.ports:
        # What is allowed wins over what is denied; a rule that cannot be read counts as denying.
        denied = any(_rule_covers(rule, port) is not False for rule in denying)
        if denied and not any(_rule_covers(rule, port) for rule in allowing):
            rules = " ".join(denying)
            return Reason("socket_bind_deny", f"the unit may not bind port {port}", f"SocketBindDeny={rules}")
    return None


def _rule_covers(rule: str, port: Port) -> bool | None:
    """Whether a rule of any address family names the port; None for a rule of an unknown form."""
    match = _SOCKET_BIND_RULE.fullmatch(rule)
    if match is None:
        return None
    first, last = match["first"], match["last"] or match["first"]
    ports = first is None or int(first) <= port.number <= int(last)
    return ports and match["protocol"] in (None, port.protocol)


IN_PROCESS: tuple[Hazard, ...] = (
    private_network,
    private_users,
    bounding_set,
    address_families,
    system_calls,
    socket_bind_deny,
)
