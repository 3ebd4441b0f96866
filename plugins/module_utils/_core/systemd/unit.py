# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units as text: what systemctl prints, their files and the collection's own drop-in."""

from __future__ import annotations

import re
import shlex
from typing import Iterator, Mapping, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import heading
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command import Launch, follow
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import (
    Command,
    commands_of,
    path_in,
    words_in_force,
)

UNIT_FOLDER = "/etc/systemd/system"
DROPIN_NAME = "50-privport"
# systemd.exec(5), NoNewPrivileges=: up to systemd 252 these imply it for a unit with a user and without ambient
# capabilities, although the property goes on saying no. systemd 257 no longer does so.
IMPLIES_NO_NEW_PRIVS = (
    "SystemCallFilter",
    "SystemCallArchitectures",
    "SystemCallLog",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "MemoryDenyWriteExecute",
    "LockPersonality",
    "PrivateDevices",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ProtectClock",
    "ProtectHostname",
)

# What narrow() looks at.
NARROWING = ("CapabilityBoundingSet", "PrivateUsers")

_DEFAULT_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

# systemd.service(5): the settings that hold commands.
_COMMANDS = (
    *("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecReloadPost", "ExecStop"),
    "ExecStopPost",
)
_DROPIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OWN_HEADER = re.compile(r"# Managed by netbind\.privport \((?P<strategy>[a-z]+)\)")
_SECTION = re.compile(r"\[(?P<name>[^\]]+)\]")
_ASSIGNMENT = re.compile(r"(?P<key>[A-Za-z0-9-]+)\s*=\s*(?P<value>.*)", re.DOTALL)
# An even number of backslashes at the end is just backslashes.
_ESCAPED_END = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")
_COMMAND_BEGINS = re.compile(r"\w+=\{ path=")
_COMMAND_ENDS = re.compile(r" ; status=\S+ \}\Z")


def dropin_path(*, unit: str, dropin: str) -> str:
    """The only file that is ever written for a unit. Raises InvalidInput for a name that is a path."""
    if not _DROPIN_NAME.fullmatch(dropin) or dropin.endswith(".conf"):
        raise InvalidInput(f"dropin is {dropin!r}; write a plain name without a slash and without '.conf'")
    return f"{UNIT_FOLDER}/{unit}.d/{dropin}.conf"


class Systemd(NamedTuple):
    """What `systemctl --version` tells: features are what it was built with and without, '+PAM' and '-BTF'."""

    version: int
    features: tuple[str, ...]


def parse_version(text: str) -> Systemd:
    """What `systemctl --version` prints: 'systemd 252 (252.39-1)', and a line of features."""
    match = re.match(r"systemd (\d+)", text)
    if match is None:
        raise UnknownFormat(f"systemctl --version printed {text[:80]!r}, which holds no version")
    return Systemd(version=int(match[1]), features=tuple(re.findall(r"[+-][A-Z0-9_]+", text.partition("\n")[2])))


def parse_show(text: str) -> tuple[dict[str, str], ...]:
    """The properties of each unit that `systemctl show UNIT…` prints, one mapping a unit, in its order.

    A property that a unit has several times (ExecStart) keeps its lines, joined by newlines.
    """
    shown: list[dict[str, str]] = []
    properties: dict[str, str] = {}
    for record in _records(text):
        if not record.strip():
            properties = {}
            continue
        key, equals, value = record.partition("=")
        if not equals or not key.isalnum():
            raise UnknownFormat(f"systemctl show printed the line {record!r}, which is not KEY=VALUE")
        if not properties:
            shown.append(properties)
        properties[key] = f"{properties[key]}\n{value}" if key in properties else value
    return tuple(shown)


def why_not_loaded(properties: Mapping[str, str]) -> str:
    """What is wrong with a unit that systemd does not have in force, with the way out; '' for nothing."""
    name, state = properties.get("Id", ""), properties.get("LoadState", "")
    if state == "loaded":
        return ""
    if state == "not-found":
        return "does not exist on this host; install it first or correct the name"
    if state == "masked":
        return f"is masked; unmask it first (systemctl unmask {name})"
    if "LoadError" in properties:
        way = r"where its file has an escape such as \xe4, write the character in UTF-8"
        return f"cannot be shown by systemd (systemctl show {name}: {properties['LoadError']}); {way}"
    return f"is {state}; mend its file (systemctl status {name})"


def _records(text: str) -> Iterator[str]:
    """The lines, but a command whole: its arguments are printed raw, newlines and empty lines included."""
    pending = ""
    for line in text.split("\n"):
        pending = f"{pending}\n{line}" if pending else line
        if _COMMAND_BEGINS.match(pending) and not _COMMAND_ENDS.search(pending):
            continue
        yield pending
        pending = ""
    if pending:
        raise UnknownFormat(f"systemctl show printed {pending[:80]!r}, which is cut off")


def split_paths(value: str) -> tuple[str, ...]:
    """The paths of DropInPaths=: blank-separated, and quoted as a shell would where they hold blanks."""
    try:
        return tuple(shlex.split(value))
    except ValueError as failure:
        raise UnknownFormat(f"systemctl show printed the paths {value!r}, whose quotes do not close") from failure


class Assignment(NamedTuple):
    """One setting in a unit file."""

    section: str
    key: str
    value: str


def parse_unit_file(text: str) -> tuple[Assignment, ...]:
    """The settings of a unit file or drop-in in their order, continued lines joined (systemd.syntax(7)).

    systemd goes on behind a line without '=', as this does. Raises UnknownFormat for a section that does not close.
    """
    section = ""
    assignments: list[Assignment] = []
    for line in _logical_lines(text):
        heading = _SECTION.fullmatch(line)
        setting = _ASSIGNMENT.fullmatch(line)
        if heading:
            section = heading["name"]
        elif setting:
            assignments.append(Assignment(section, setting["key"], setting["value"].strip()))
        elif line.startswith("["):
            raise UnknownFormat(f"the unit file line {line!r} begins a section that does not close")
    return tuple(assignments)


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    pending = ""
    for raw in re.split(r"\r\n?|[\n\0]", text):
        line = raw.strip()
        # A comment may stand inside a continued line and does not end it.
        if line.startswith(("#", ";")) or (not line and not pending):
            continue
        if _ESCAPED_END.search(line):
            pending += line[:-1] + " "
            continue
        if (pending + line).strip():
            lines.append((pending + line).strip())
        pending = ""
    return lines + ([pending.strip()] if pending.strip() else [])


def effective_commands(files: Sequence[str]) -> dict[str, tuple[Command, ...]]:
    """The commands that unit files, given in the order systemd reads them, come to, by setting: ExecStart, ExecStop."""
    found: dict[str, tuple[Command, ...]] = {}
    for text in files:
        for setting in parse_unit_file(text):
            if setting.section == "Service" and setting.key in _COMMANDS:
                before = found.get(setting.key, ()) if setting.value else ()
                found[setting.key] = before + commands_of(setting.value)
    return {key: commands for key, commands in found.items() if commands}


def launch_of(commands: Sequence[Command], properties: Mapping[str, str]) -> Launch:
    """What the first of a unit's commands comes to execute."""
    if not commands:
        return follow(())
    words = words_in_force(commands[0], properties.get("ExecStart", ""))
    # The word behind the program is its argv[0] then (systemd.service(5)).
    return follow(words[:1] + words[2:] if "@" in commands[0].prefix else words)


def overriding(files: Mapping[str, str], *, capability: str) -> dict[str, str]:
    """Which settings of our drop-in others take back that systemd reads after it, each with the other's path.

    files holds the texts of the unit's drop-ins by path, in systemd's order: by base name, whatever the folder.
    """
    found: dict[str, str] = {}
    for path, text in files.items():
        if path.rsplit("/", 1)[-1] <= f"{DROPIN_NAME}.conf":
            continue
        for setting in parse_unit_file(text):
            if setting.section == "Service" and _takes_back(setting, capability=capability):
                found[setting.key] = path
    return found


def _takes_back(setting: Assignment, *, capability: str) -> bool:
    """An empty assignment does, '~' with the capability, and another user (systemd.exec(5), systemd.service(5))."""
    if setting.key == "AmbientCapabilities":
        return not setting.value or (setting.value.startswith("~") and capability in _capabilities(setting))
    if setting.key == "CapabilityBoundingSet":
        return not setting.value or (setting.value.startswith("~") and capability in _capabilities(setting))
    if setting.key == "PrivateUsers":
        return _makes_users(setting)
    return setting.key == "User" or (setting.key == "ExecStart" and not setting.value)


def _makes_users(setting: Assignment) -> bool:
    """Whether PrivateUsers= gives the unit a user namespace of its own."""
    return setting.value.lower() not in ("", "no", "false", "off", "0", "n", "f")


def _capabilities(setting: Assignment) -> list[str]:
    return setting.value.lstrip("~").lower().split()


def granting(files: Mapping[str, str], *, capability: str) -> tuple[str, ...]:
    """Which of a unit's files grant an ambient capability, of the texts by path in systemd's order.

    Assignments merge and an empty one resets. What begins with '~' takes away, but as the first one it grants all
    others (systemd.exec(5), CapabilityBoundingSet=).
    """
    found: list[str] = []
    held = False
    for path, text in files.items():
        for setting in parse_unit_file(text):
            if (setting.section, setting.key) != ("Service", "AmbientCapabilities"):
                continue
            inverted, names = setting.value.startswith("~"), _capabilities(setting)
            if not names or (inverted and capability in names):
                found.clear()
            gives = capability not in names if inverted else capability in names
            # With something there already, '~' only takes away.
            if gives and not (inverted and names and held):
                found.append(path)
            held = bool(names) or inverted
    return tuple(dict.fromkeys(found))


def narrow(files: Sequence[str], *, capability: str) -> tuple[str, ...]:
    """The settings of these files, in the order systemd reads them, that keep a capability from taking effect."""
    bounds = CapabilityBound()
    private = False
    for setting in (it for text in files for it in parse_unit_file(text) if it.section == "Service"):
        if setting.key == "CapabilityBoundingSet":
            bounds = bounds.assigned(setting)
        elif setting.key == "PrivateUsers":
            private = _makes_users(setting)
    found = {"CapabilityBoundingSet": not bounds.holds(capability), "PrivateUsers": private}
    return tuple(key for key, is_narrow in found.items() if is_narrow)


class CapabilityBound(NamedTuple):
    """What CapabilityBoundingSet= comes to (systemd.exec(5)): these capabilities, or all but these."""

    all_but: bool = True
    names: frozenset[str] = frozenset()

    def assigned(self, setting: Assignment) -> CapabilityBound:
        """The same after one more assignment: an empty one resets, and so does any while all are in the set."""
        names, inverted = frozenset(_capabilities(setting)), setting.value.startswith("~")
        if not names or (self.all_but and not self.names):
            return CapabilityBound(inverted, names)
        return self._replace(names=self.names | names if self.all_but is inverted else self.names - names)

    def holds(self, capability: str) -> bool:
        return (capability in self.names) is not self.all_but


def executable_of(commands: Sequence[Command], properties: Mapping[str, str]) -> str:
    """The path, or the name without a slash, of the program that a unit starts first, '' where it cannot be told."""
    shown = properties.get("ExecStart", "")
    if not commands:
        return path_in(shown)
    words = words_in_force(commands[0], shown)
    return "" if "%" in words[0] else words[0]


def search_path(properties: Mapping[str, str]) -> tuple[str, ...]:
    """The folders in which systemd looks for a program's name (systemd.exec(5), ExecSearchPath=)."""
    return tuple(properties.get("ExecSearchPath", "").split()) or _DEFAULT_PATH


class OwnDropin(NamedTuple):
    """A drop-in that the collection wrote: for which strategy, and with which settings."""

    strategy: str
    settings: tuple[Assignment, ...]

    def first(self, key: str) -> str:
        return next((setting.value for setting in self.settings if setting.key == key), "")


def parse_own_dropin(text: str | None) -> OwnDropin | None:
    """What a drop-in of the collection holds; None for no file, and for one that somebody else wrote."""
    match = _OWN_HEADER.match(text or "")
    if match is None or text is None:
        return None
    return OwnDropin(strategy=match["strategy"], settings=parse_unit_file(text))


def _render(*, strategy: str, settings: Sequence[tuple[str, str]], dependencies: Sequence[tuple[str, str]] = ()) -> str:
    """A drop-in: settings are those of the service, dependencies those of the section [Unit]."""
    sections = (("[Unit]", dependencies), ("[Service]", settings))
    lines = [line for name, given in sections if given for line in (name, *(f"{key}={value}" for key, value in given))]
    return "\n".join([heading(strategy), *lines]) + "\n"


def render_ambient(
    *,
    capabilities: Sequence[str],
    bounding_set: Sequence[str] = (),
    user: str = "",
    of_root: Mapping[str, Sequence[Command]] | None = None,
    also: Sequence[tuple[str, str]] = (),
) -> str:
    """The drop-in that gives a unit ambient capabilities (systemd.exec(5), AmbientCapabilities=), and also these.

    of_root are the commands, by setting, that stay root's under another user: '!' leaves out what User= sets alone
    (systemd.service(5), "Command lines").
    """
    settings: list[tuple[str, str]] = [("User", user)] if user else []
    settings.append(("AmbientCapabilities", " ".join(name.upper() for name in capabilities)))
    if bounding_set:
        # List settings merge: without the reset this would widen the set instead of replacing it.
        settings.append(("CapabilityBoundingSet", ""))
        settings.append(("CapabilityBoundingSet", " ".join(name.upper() for name in bounding_set)))
    for key, commands in (of_root or {}).items():
        settings += [(key, ""), *((key, f"{_as_root(it.prefix)}{it.line}") for it in commands)]
    return _render(strategy="ambient", settings=[*settings, *also])


def _as_root(prefix: str) -> str:
    return prefix if "+" in prefix else f"{prefix.replace('!', '')}!"


def render_authbind(
    *, program: str, commands: Sequence[Command], deep: bool, also: Sequence[tuple[str, str]] = ()
) -> str:
    """The drop-in that runs a unit's commands through authbind(1), prefixes and quoting kept. also: more settings."""
    wrapper = f"{program} --deep" if deep else program
    wrapped = [("ExecStart", f"{command.prefix}{wrapper} {command.line}") for command in commands]
    return _render(strategy="authbind", settings=[("ExecStart", ""), *wrapped, *also])


def render_socket(*, socket: str, environment: str) -> str:
    """The drop-in of a unit that gets its sockets from the socket unit, with NAME=VALUE of its environment, or ''.

    systemd.unit(5): one restart of the unit then stops it, starts the socket unit, and starts it again.
    """
    settings = [("Environment", environment)] if environment else []
    return _render(strategy="socket", settings=settings, dependencies=[("Requires", socket), ("After", socket)])
