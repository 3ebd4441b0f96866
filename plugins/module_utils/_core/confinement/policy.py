# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SELinux and AppArmor let a service do, and the command that allows what they refuse."""

from __future__ import annotations

import posixpath
import re
from typing import Callable, Mapping, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port

UNCONFINED = "unconfined"


class Confinement(NamedTuple):
    """How SELinux or AppArmor confines a service."""

    module: str  # 'SELinux' or 'AppArmor'
    # The AppArmor profile, or the SELinux context.
    subject: str
    # False in a permissive domain and for a profile in complain mode, which only write down what they would refuse.
    enforced: bool
    # What stands in the way of a process that binds with a capability of its own.
    refusals: tuple[Reason, ...]
    # What stands in the way of authbind and its helper.
    authbind: tuple[Reason, ...]
    # What could not be read, as sentences.
    unknown: tuple[str, ...]


# --- SELinux


class PortType(NamedTuple):
    """A line of semanage port -l: the type of some ports of one protocol, ranges with both ends."""

    name: str
    protocol: str
    ranges: tuple[tuple[int, int], ...]


_PORT_LINE = re.compile(
    r"(?P<name>\w+)\s+(?P<protocol>tcp|udp|sctp|dccp)\s+(?P<ports>[0-9]+(?:-[0-9]+)?(?:, [0-9-]+)*)"
)


def parse_port_types(text: str) -> tuple[PortType, ...]:
    """semanage port --list --noheading. Raises UnknownFormat, quoting the line."""
    return tuple(_port_type(line) for line in text.split("\n") if line.strip())


def _port_type(line: str) -> PortType:
    match = _PORT_LINE.fullmatch(line.strip())
    if match is None:
        raise UnknownFormat(f"semanage port -l printed a line of another form: {line!r}")
    ends = (word.partition("-") for word in match["ports"].split(", "))
    return PortType(
        name=match["name"],
        protocol=match["protocol"],
        ranges=tuple((int(first), int(last or first)) for first, _dash, last in ends),
    )


def types_of(port: Port, types: Sequence[PortType]) -> tuple[str, ...]:
    """The types of the narrowest ranges that hold the port; the kernel prefers those. None where none holds it.

    Several: a local definition and the policy's own, of which the local one is in force.
    """
    holding = [
        (last - first, it.name)
        for it in types
        for first, last in it.ranges
        if it.protocol == port.protocol and first <= port.number <= last
    ]
    return tuple(name for width, name in holding if width == min(holding)[0])


def is_defined(port: Port, types: Sequence[PortType]) -> bool:
    """Whether the port has a definition of its own, which semanage port modifies (-m) and cannot add (-a) again."""
    return any((port.number, port.number) in it.ranges for it in types if it.protocol == port.protocol)


def type_of_context(context: str) -> str:
    """The type of user:role:type[:range] (selinux(8)). Raises UnknownFormat for another form."""
    parts = context.split(":")
    if len(parts) < 3:
        raise UnknownFormat(f"{context!r} is no SELinux context")
    return parts[2]


class Access(NamedTuple):
    """What the kernel's policy says of one access; told by /sys/fs/selinux/access."""

    source: str
    target: str
    kind: str
    permission: str
    allowed: bool


def judge_access(access: Access, *, code: str) -> tuple[Reason, ...]:
    """() for what is allowed, else the refusal with the rule that would allow it."""
    if access.allowed:
        return ()
    source, target = type_of_context(access.source), type_of_context(access.target)
    rule = f"(allow {source} {'self' if source == target else target} ({access.kind} ({access.permission})))"
    return (
        Reason(
            code=code,
            text=f"SELinux denies {source} {access.permission} on {access.kind} of type {target}; to allow it, write "
            f"this rule into a file privport.cil and run: semodule -i privport.cil: {rule}",
            evidence=f"domain {access.source}",
        ),
    )


def judge_port(access: Access, *, port: Port, types: Sequence[PortType], bindable: Sequence[str]) -> tuple[Reason, ...]:
    """() where the domain may bind ports of this type, else the refusal with the command that labels the port.

    bindable: the types of ports that the domain may bind.
    """
    if access.allowed:
        return ()
    domain, port_type = type_of_context(access.source), type_of_context(access.target)
    if not bindable:
        return judge_access(access, code="selinux_port")
    verb = "-m" if is_defined(port, types) else "-a"
    command = f"semanage port {verb} -t {likeliest(bindable, domain=domain)} -p {port.protocol} {port.number}"
    return (
        Reason(
            code="selinux_port",
            text=f"SELinux denies {domain} to bind ports of type {port_type}; to allow it, run: {command}",
            evidence=f"port {port.number}/{port.protocol} is {port_type}, domain {access.source}",
        ),
    )


def likeliest(types: Sequence[str], *, domain: str) -> str:
    """The type that was made for the domain, by the name: http_port_t for httpd_t."""

    def common(name: str) -> tuple[int, int]:
        return len(posixpath.commonprefix([name, domain])), -len(name)

    return max(types, key=common)


# --- AppArmor

_LABEL = re.compile(r"(?P<profile>.*?)(?: \((?P<mode>[a-z]+)\))?", re.DOTALL)


def parse_label(text: str) -> tuple[str, str]:
    """The profile and its mode, as /proc/PID/attr/apparmor/current shows them: 'server (enforce)', 'unconfined'."""
    match = _LABEL.fullmatch(text.rstrip("\n\0"))
    # The expression matches every text.
    return (match["profile"], match["mode"] or "") if match else ("", "")


def parse_profiles(text: str) -> dict[str, str]:
    """The mode of each loaded profile, from /sys/kernel/security/apparmor/profiles. Raises UnknownFormat."""
    found = {}
    for line in text.split("\n"):
        if line:
            profile, mode = parse_label(line)
            if not mode:
                raise UnknownFormat(f"the list of AppArmor's profiles has a line of another form: {line!r}")
            found[profile] = mode
    return found


def profile_file(profile: str, *, texts: Mapping[str, str]) -> str:
    """The path of the file that defines a profile, '' for none; texts holds the files by path."""
    # A hat or a child profile stands in its parent's file.
    name = re.escape(profile.partition("//")[0])
    definition = re.compile(rf"^\s*(?:profile\s+)?\"?{name}\"?(?:\s|\{{)", re.MULTILINE)
    return next((path for path, text in texts.items() if definition.search(text)), "")


def not_loaded(profile: str, *, path: str) -> Reason:
    """A unit that names a profile does not start without it (systemd.exec(5), AppArmorProfile=)."""
    return Reason(
        code="apparmor",
        text=f"AppArmor has not loaded the profile {profile}, without which the unit does not start; "
        f"run: apparmor_parser -r {path or 'FILE, of the file that defines it'}",
        evidence=f"AppArmorProfile={profile}",
    )


def judge_trial(
    refused: str, *, profile: str, mode: str, path: str, rule_of: Callable[[str], str]
) -> tuple[Reason, ...]:
    """() where a bind() in the profile worked, else the refusal with the line of the profile that allows it.

    refused: '', 'library', 'socket' or 'bind', as the trial ended. path: the profile's file, '' for an unknown one.
    """
    if not refused:
        return ()
    file = path or "the file that defines it"
    return (
        Reason(
            code="apparmor",
            text=f"AppArmor's profile {profile} does not allow it; to allow it, add the line '{rule_of(refused)}' "
            f"to {file} and run: apparmor_parser -r {path or 'FILE'}",
            evidence=f"the {refused} that was tried in profile {profile} ({mode}) is refused",
        ),
    )


def capability_rule(refused: str) -> str:
    """The rule that a process needs which binds by itself."""
    return "network," if refused == "socket" else "capability net_bind_service,"


def helper_rule(refused: str) -> str:
    """The rule that authbind needs. Its helper decides by authbind's own rules, so it may run unconfined."""
    rules = {"library": "/usr/lib/authbind/libauthbind.so.* mr,", "socket": "network,"}
    return rules.get(refused, "/usr/lib/authbind/helper Ux,")
