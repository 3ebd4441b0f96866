# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""net.ipv4.ip_unprivileged_port_start (ip(7)): what the files of sysctl.d(5) say of it, and what ours is to say."""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatchcase
from typing import Iterator, Mapping, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Desired,
    KernelSetting,
    file,
    gone,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port

KEY = "net/ipv4/ip_unprivileged_port_start"
LIVE = f"/proc/sys/{KEY}"
_NAME = KEY.replace("/", ".")
# net/ipv4/af_inet.c: PROT_SOCK, the value of every new network namespace.
KERNEL_DEFAULT = 1024
# Of two files of one name only that of the first folder is read (sysctl.d(5), CONFIGURATION DIRECTORIES).
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
OWN_NAME = "99-privport.conf"
OWN_PATH = f"/etc/sysctl.d/{OWN_NAME}"
_MARK = "# Written by netbind.privport; changes made here are lost."


class Setting(NamedTuple):
    """What a file says: the value's text, and the file's path."""

    value: str
    path: str

    @property
    def start(self) -> int | None:
        """The first unprivileged port; None for what the kernel refuses.

        It reads one number, as C writes them, up to a blank (kernel/sysctl.c, proc_get_long()).
        """
        match = re.match(
            r"(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))(?:\s|$)", self.value
        )
        if match is None:
            return None
        bases = {"hex": 16, "octal": 8, "decimal": 10}
        start = next(int(digits, bases[form]) for form, digits in match.groupdict().items() if digits)
        return start if start <= 65535 else None


class State(NamedTuple):
    """The files of FOLDERS, path to text, the live value, and the first port of ip_local_port_range (ip(7))."""

    files: dict[str, str]
    live: int
    local_first: int
    # What a killed run left of our file.
    leftovers: tuple[str, ...] = ()

    @property
    def own(self) -> str:
        """The text of the collection's file, '' for none."""
        text = self.files.get(OWN_PATH, "")
        return text if text.startswith(_MARK) else ""

    @property
    def others(self) -> dict[str, str]:
        return {path: text for path, text in self.files.items() if path != OWN_PATH or not self.own}


class Plan(NamedTuple):
    """What the collection's file ('' for none) and the live value are, and what they are to become."""

    own_before: str
    own_after: str
    live_before: int
    live_after: int
    # What a killed run left of our file, and whether there is one of somebody else's.
    leftovers: tuple[str, ...]
    foreign: bool

    @property
    def changed(self) -> bool:
        return (self.own_before, self.live_before) != (self.own_after, self.live_after) or bool(self.leftovers)

    @property
    def desired(self) -> Desired:
        """The file and the setting; nothing of the file where it is somebody else's."""
        entry = file(OWN_PATH, self.own_after) if self.own_after else gone(OWN_PATH)
        return Desired(entries=() if self.foreign else (entry,), settings=(KernelSetting(LIVE, str(self.live_after)),))


def relevant(files: Mapping[str, str]) -> dict[str, str]:
    """Those of the files that speak of the setting, and those that hide them or are hidden by them."""
    names = {
        posixpath.basename(path)
        for path, text in files.items()
        if any(key == KEY or _matches(key) for key, _value in _assignments(text))
    }
    return {path: text for path, text in files.items() if posixpath.basename(path) in names or path == OWN_PATH}


def observed(host: Observation) -> State | None:
    """The files and the live value of an observation; None where the setting could not be read."""
    live, local = host.unprivileged_port_start, host.local_port_range
    if live is None or local is None:
        return None
    return State(files=host.sysctl_files, live=live, local_first=local[0], leftovers=host.sysctl_leftovers)


def boot_start(host: Observation) -> int | None:
    """What the next boot sets it to; None where no file says so. A boot empties /run."""
    found = configured({path: text for path, text in host.sysctl_files.items() if not path.startswith("/run/")})
    return found.start if found else None


def configured(files: Mapping[str, str]) -> Setting | None:
    """What these files (path to text) make of the setting when the host boots; None where none speaks of it."""
    explicit: Setting | None = None
    pattern: Setting | None = None
    excluded = False
    for path in _read_order(files):
        for key, value in _assignments(files[path]):
            if key == KEY:
                # A key with a minus and no value is left alone, by patterns too.
                excluded = value is None
                explicit = None if value is None else Setting(value=value, path=path)
            elif value is not None and _matches(key):
                pattern = Setting(value=value, path=path)
    return None if excluded else explicit or pattern


def _read_order(files: Mapping[str, str]) -> Sequence[str]:
    """The paths of the files that count, by their names; a name counts in its first folder alone."""
    chosen: dict[str, str] = {}
    for folder in FOLDERS:
        for path in files:
            if posixpath.dirname(path) == folder:
                chosen.setdefault(posixpath.basename(path), path)
    return [chosen[name] for name in sorted(chosen)]


def _assignments(text: str) -> Iterator[tuple[str, str | None]]:
    """Key (with slashes) and value of each line; None for '-key', which is only to be left alone."""
    for line in (line.strip() for line in text.splitlines()):
        if not line or line[0] in "#;":
            continue
        key, assigned, value = line.partition("=")
        if assigned or line.startswith("-"):
            yield _with_slashes(key.strip().lstrip("-").strip()), value.strip() if assigned else None


def _with_slashes(key: str) -> str:
    """sysctl.d(5): where a dot comes before the first slash, dots and slashes change places."""
    separator = re.search(r"[./]", key)
    return key.translate(str.maketrans("./", "/.")) if separator and separator[0] == "." else key


def _matches(pattern: str) -> bool:
    """Whether a pattern of glob(7) names the setting; '*' stops at a slash."""
    parts, names = pattern.split("/"), KEY.split("/")
    return len(parts) == len(names) and all(fnmatchcase(name, part) for name, part in zip(names, parts))


def first_port(ports: Sequence[Port]) -> int:
    """The value that lets everyone bind these ports, of which there is at least one."""
    return min(port.number for port in ports)


def render(start: int) -> str:
    """The text of our file."""
    return f"{_MARK}\n{_NAME} = {start}\n"


def opened(start: int) -> str:
    """The ports that every user may bind beside those that are free by default, as N-M; '' for none."""
    return f"{start}-{KERNEL_DEFAULT - 1}" if start < KERNEL_DEFAULT else ""


def plan_present(state: State, *, start: int, allow_raise: bool) -> Plan:
    """Open the ports from start on, now and at boot.

    A lower value, live or of another file, stays unless allow_raise. Raises Refused for somebody else's file at our
    path, where a file that is read later says otherwise, and for a value that the kernel refuses.
    """
    # net/ipv4/sysctl_net_ipv4.c, ipv4_privileged_ports(): the two ranges must not overlap.
    if start > state.local_first:
        raise Refused(
            f"{_NAME} cannot be {start}: ip_local_port_range begins at {state.local_first}, and the ports of outgoing "
            "connections cannot be privileged; name a lower port"
        )
    if OWN_PATH in state.others:
        raise Refused(f"{OWN_PATH} was not written by this collection; rename it first")
    if allow_raise:
        return _plan(state, own=_winning(state, start), live=start)
    other = configured(state.others)
    low = other is not None and other.start is not None and other.start <= start
    return _plan(state, own="" if low else _winning(state, start), live=min(state.live, start))


def _winning(state: State, start: int) -> str:
    """The text of our file, once it is sure that no other file overrules it."""
    text = render(start)
    winner = configured({**state.others, OWN_PATH: text})
    if winner is None or winner.path != OWN_PATH:
        where = f"{winner.path}, which is read after {OWN_PATH}," if winner else "a file that is read later"
        raise Refused(f"{where} says otherwise of {_NAME}; change it there, or remove that line")
    return text


def plan_absent(state: State) -> Plan:
    """Take our file away; the live value becomes what the others say, else the kernel's default.

    Without our file the live value is somebody else's and stays.
    """
    if not state.own:
        return _plan(state, own="", live=state.live)
    return _plan(state, own="", live=start_without_own(state))


def start_without_own(state: State) -> int:
    """The value that the host would boot with if it were not for our file."""
    left = configured(state.others)
    return KERNEL_DEFAULT if left is None or left.start is None else left.start


def _plan(state: State, *, own: str, live: int) -> Plan:
    return Plan(
        own_before=state.own,
        own_after=own,
        live_before=state.live,
        live_after=live,
        leftovers=state.leftovers,
        foreign=OWN_PATH in state.others,
    )
