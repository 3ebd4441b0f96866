# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a unit's sandbox does to a grant (systemd.exec(5), systemd.resource-control(5))."""

from __future__ import annotations

import re

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import Hazard, said
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import USER
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.user_manager import MOUNTING

# An unset set of flags is shown with all 64 bits (DelegateNamespaces=), one without any as 0.
UNSET = ("", "no", "~", str(2**64 - 1))
# Nothing between them was measured.
_LAST_WITHOUT_ITS_USERS, _FIRST_WITH_ITS_USERS = 252, 257
# systemd.exec(5), PrivateUsers=, as systemctl shows it and its longer form.
_USER_NAMESPACES = ("yes", "self", "identity", "full", "managed")
# [FAMILY:][PROTOCOL:]PORTS; systemctl show leaves the colon before PORTS out: ipv4:tcpany, udp80-90.
_SOCKET_BIND_RULE = re.compile(
    r"(?:(?P<family>ipv[46]):?)?(?:(?P<protocol>tcp|udp):?)?(?:(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?|any)?"
)


# What takes a narrow setting back, by the word of a description that allows it. Capabilities merge with those of the
# lines before, and the last PrivateUsers= counts (systemd.exec(5)).
WIDENING = {"bounding_set": ("CapabilityBoundingSet", CAPABILITY.upper()), "private_users": ("PrivateUsers", "no")}


def is_narrow(unit: Unit, key: str) -> bool:
    """Whether one of WIDENING's settings, as systemd has it, keeps the capability from taking effect."""
    if key == "PrivateUsers":
        return any(unit.says(name) not in UNSET for name in ("PrivateUsersEx", "PrivateUsers"))
    return key in unit.properties and CAPABILITY not in unit.says(key).split()


def _is_widened(unit: Unit, name: str) -> bool:
    """Whether the collection's drop-in is what takes a narrow setting of the unit's other files back."""
    key, value = WIDENING[name]
    return key in unit.narrow and f"\n{key}={value}\n" in unit.dropin_text and f"\n{key}=\n" not in unit.dropin_text


def _evidence(unit: Unit, name: str, key: str) -> str:
    return f"{key}= in {unit.name} without the collection's drop-in" if _is_widened(unit, name) else said(unit, key)


def bounding_set(case: Case) -> Reason | None:
    return host_bounding_set(case) or unit_bounding_set(case)


def host_bounding_set(case: Case) -> Reason | None:
    init = case.host.init
    if init is not None and CAPABILITY not in init.bounding:
        text = f"process 1 may never have {CAPABILITY}, and so no process of this host may"
        return Reason("bounding_set", text, f"CapBnd of process 1 ({init.name})")
    return None


def unit_bounding_set(case: Case) -> Reason | None:
    """The same of the unit, as it is without what our drop-in adds."""
    unit, name, key = case.facts.unit, "bounding_set", "CapabilityBoundingSet"
    if unit is None or not (is_narrow(unit, key) or _is_widened(unit, name)):
        return None
    return Reason(name, f"the unit may never have {CAPABILITY}", _evidence(unit, name, key))


_OF_USER_NAMESPACE = "capabilities in its user namespace do not reach the host's network"


def private_users(case: Case) -> Reason | None:
    return foreign_users(case) or unit_private_users(case)


def foreign_users(case: Case) -> Reason | None:
    """A user namespace that PrivateUsers= does not make.

    systemd.exec(5): DelegateNamespaces= makes PrivateUsers=self of it where that is unset.
    """
    unit = case.facts.unit
    for name in ("UserNamespacePath", "DelegateNamespaces"):
        if unit is not None and unit.says(name) not in UNSET:
            return Reason("private_users", _OF_USER_NAMESPACE, said(unit, name))
    return None


def unit_private_users(case: Case) -> Reason | None:
    """A user namespace of the unit's own, as it is without what our drop-in adds."""
    unit, text = case.facts.unit, _OF_USER_NAMESPACE
    if unit is not None and _is_widened(unit, "private_users"):
        return Reason("private_users", text, _evidence(unit, "private_users", "PrivateUsers"))
    for name in ("PrivateUsersEx", "PrivateUsers"):
        if unit is not None and unit.says(name) not in UNSET:
            kind = Reason if unit.says(name) in _USER_NAMESPACES else Unknown
            return kind("private_users", text, said(unit, name))
    return _of_users_manager(case)


def _of_users_manager(case: Case) -> Reason | None:
    """A mount namespace, which a user's manager can only make in a user namespace."""
    unit, version = case.facts.unit, case.host.systemd or 0
    if unit is None or unit.manager is None or unit.manager.kind != USER or version <= _LAST_WITHOUT_ITS_USERS:
        return None
    name = next((name for name in MOUNTING if unit.says(name) not in UNSET), "")
    if not name:
        return None
    kind = Reason if version >= _FIRST_WITH_ITS_USERS else Unknown
    text = f"a user's manager makes a user namespace for that: {_OF_USER_NAMESPACE}"
    return kind("implied_private_users", text, said(unit, name))


def container(case: Case) -> Reason | None:
    """A command that makes a user namespace before it executes the program: unshare(1), bwrap(1), podman(1)."""
    unit = case.facts.unit
    if unit is None or not unit.launch.container:
        return None
    text = f"{unit.launch.container} starts the program in a user namespace: {_OF_USER_NAMESPACE}"
    return Reason("user_namespace", text, f"ExecStart={unit.commands[0].line[:80]} in {unit.name}")


def private_network(case: Case) -> Reason | None:
    """A network of the unit's own that has loopback alone; one that it finds or shares has what others put there.

    systemd.exec(5): NetworkNamespacePath= makes PrivateNetwork= void, and JoinsNamespaceOf= shares another unit's.
    Sockets that another unit hands over are of that unit's network.
    """
    unit = case.facts.unit
    if unit is None or not unit.is_on("PrivateNetwork") or all(map(case.handed_by, case.service.ports)):
        return None
    if unit.says("NetworkNamespacePath") or unit.says("JoinsNamespaceOf"):
        return None
    text = "the unit has a network of its own with loopback alone, where nobody reaches its ports"
    return Reason("private_network", text, said(unit, "PrivateNetwork"))


def handed_socket(case: Case) -> Reason | None:
    """A socket that systemd holds and hands to the service: whether that takes it shows when it has done so once."""
    for port in case.service.ports if not case.service.socket_activation else ():
        holder = case.handed_by(port)
        if holder and not case.listens(port):
            text = f"whether the service takes the socket of port {port} from systemd, which holds it, is not known"
            return Unknown("socket_activation", text, f"{holder}; say socket_activation: true if it does")
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
    return Reason("address_families", "the unit may not open IP sockets", said(unit, "RestrictAddressFamilies"))


def system_calls(case: Case) -> Reason | None:
    """SystemCallFilter= without a call that every server needs (systemd.exec(5))."""
    unit = case.facts.unit
    forbidden = forbidden_calls(unit, ("socket", "bind", "listen")) if unit else []
    if unit is None or not forbidden:
        return None
    return Reason("system_calls", f"the unit may not call {forbidden[0]}()", said(unit, "SystemCallFilter"))


def helper_forbidden(case: Case) -> Reason | None:
    """authbind(1) starts its helper for every bind, by these calls."""
    unit = case.facts.unit
    forbidden = forbidden_calls(unit, ("clone", "execve", "wait4")) if unit else []
    if unit is None or not forbidden:
        return None
    text = f"the unit may not call {forbidden[0]}(), by which authbind starts its helper"
    return Reason("system_calls", text, said(unit, "SystemCallFilter"))


def forbidden_calls(unit: Unit, names: tuple[str, ...]) -> list[str]:
    value = unit.says("SystemCallFilter")
    if value in UNSET:
        return []
    # systemctl shows groups as their calls, each with the error that it gives, as in bind:EPERM.
    listed = {word.partition(":")[0] for word in value.lstrip("~").split()}
    return [name for name in names if (name in listed) is value.startswith("~")]


def socket_bind_deny(case: Case) -> Reason | None:
    """SocketBindDeny= that names all ports or one of the service's (systemd.resource-control(5))."""
    unit = case.facts.unit
    # Built without the framework, systemd shows the setting and ignores it.
    if unit is None or "-BPF_FRAMEWORK" in case.host.systemd_features:
        return None
    denying, allowing = unit.says("SocketBindDeny").split(), unit.says("SocketBindAllow").split()
    evidence = f"SocketBindDeny={' '.join(denying)}" + (f" SocketBindAllow={' '.join(allowing)}" if allowing else "")
    verdicts = {port: _denied(port, denying=denying, allowing=allowing) for port in case.service.ports}
    for kind, verdict in ((Reason, True), (Unknown, None)):
        for port in (port for port, denied in verdicts.items() if denied is verdict):
            return kind("socket_bind_deny", f"the unit may not bind port {port}", evidence)
    return None


def _denied(port: Port, *, denying: list[str], allowing: list[str]) -> bool | None:
    """Whether the rules deny the port; None where that depends on the address family or on a rule of unknown form."""
    verdicts = {_denied_to(family, port, denying=denying, allowing=allowing) for family in ("ipv4", "ipv6")}
    return verdicts.pop() if len(verdicts) == 1 else None


def _denied_to(family: str, port: Port, *, denying: list[str], allowing: list[str]) -> bool | None:
    denied = {_rule_covers(rule, port, family=family) for rule in denying}
    allowed = {_rule_covers(rule, port, family=family) for rule in allowing}
    # What is allowed wins over what is denied.
    if True in allowed or denied <= {False}:
        return False
    return True if True in denied and None not in allowed else None


def _rule_covers(rule: str, port: Port, *, family: str) -> bool | None:
    """Whether a rule names the port in an address family; None for a rule of an unknown form."""
    match = _SOCKET_BIND_RULE.fullmatch(rule)
    if match is None:
        return None
    first, last = match["first"], match["last"] or match["first"]
    ports = first is None or int(first) <= port.number <= int(last)
    return ports and match["protocol"] in (None, port.protocol) and match["family"] in (None, family)


def _unless_allowed(name: str, hazard: Hazard) -> Hazard:
    """The hazard, where the description does not allow our drop-in to take it away."""
    return lambda case: None if name in case.service.widen else hazard(case)


_OF_SOCKETS: tuple[Hazard, ...] = (address_families, system_calls, socket_bind_deny)
IN_PROCESS: tuple[Hazard, ...] = (
    private_network,
    handed_socket,
    private_users,
    container,
    bounding_set,
    *_OF_SOCKETS,
)
# The same of a strategy whose drop-in can widen the sandbox.
IN_PROCESS_WIDENED: tuple[Hazard, ...] = (
    private_network,
    handed_socket,
    foreign_users,
    _unless_allowed("private_users", unit_private_users),
    container,
    host_bounding_set,
    _unless_allowed("bounding_set", unit_bounding_set),
    *_OF_SOCKETS,
)
