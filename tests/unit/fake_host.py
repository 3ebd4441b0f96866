# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine in memory: files, links, and a systemctl and ss that answer what the real ones answered."""

from __future__ import annotations

import contextlib
import functools
import stat
from pathlib import Path
from typing import Iterator, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_own_dropin, parse_show
from ansible_collections.netbind.privport.plugins.module_utils._host.accounts import User
from ansible_collections.netbind.privport.plugins.module_utils._host.host import (
    Completed,
    FileStatus,
    Host,
    OpenFile,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.netns import OWN_NETWORK
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import temporaries
from ansible_collections.netbind.privport.plugins.module_utils._host.units import NETWORK_OF

FIXTURES = Path(__file__).parent / "fixtures"
PID = "105"
DROPIN = "/etc/systemd/system/plain.service.d/50-privport.conf"


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text(encoding="utf-8")


@functools.lru_cache(maxsize=None)
def _captured(systemd: int) -> dict[str, dict[str, str]]:
    shown = parse_show(fixture(f"systemctl-show-systemd{systemd}.txt"))
    return {properties["Id"]: properties for properties in shown}


def captured_unit(name: str, *, systemd: int = 252) -> dict[str, str]:
    return dict(_captured(systemd)[name])


def captured_sockets(*, systemd: int = 252) -> tuple[dict[str, str], ...]:
    """handed.socket, inetd.socket, idle.socket and systemd-journald.socket."""
    return parse_show(fixture(f"systemctl-show-sockets-systemd{systemd}.txt"))


def proc_status(*, uid: int = 990, caps: str = "400") -> str:
    """/proc/PID/status of a process or thread with the comm of a liar."""
    status = fixture("proc-status-linux6.18.txt").replace("\t990\t990\t990\t990", f"\t{uid}" * 4)
    for name in ("CapPrm", "CapEff", "CapAmb"):
        status = status.replace(f"{name}:\t0000000000000400", f"{name}:\t{caps.zfill(16)}")
    return status


def process_files(*, pid: str = PID, uid: int = 990, unit: str = "plain.service", caps: str = "400") -> dict[str, str]:
    """What /proc shows of a process with one thread."""
    status = proc_status(uid=uid, caps=caps)
    return {
        f"/proc/{pid}/status": status,
        f"/proc/{pid}/task/{pid}/status": status,
        f"/proc/{pid}/cgroup": f"0::/system.slice/{unit}\n",
        f"/proc/{pid}/maps": "7f0000000000-7f0000001000 r-xp 00000000 00:00 0 /usr/bin/python3.11\n",
    }


def socket_links(inodes: Sequence[int], *, pid: str = PID) -> dict[str, str]:
    held = {f"/proc/{pid}/fd/{number}": f"socket:[{inode}]" for number, inode in enumerate(inodes, start=3)}
    return {f"/proc/{pid}/exe": "/usr/bin/python3.11", **held}


def _property(key: str, value: str) -> str:
    # A socket unit has a line for each of its sockets, a service one for each file of its environment.
    values = value.split("\n") if key in ("Listen", "EnvironmentFiles") else [value]
    return "".join(f"{key}={one}\n" for one in values)


class FakeHost(Host):
    """Everything is there that the tests name, and nothing else."""

    def __init__(
        self,
        *,
        files: Mapping[str, str] | None = None,
        links: Mapping[str, str] | None = None,
        programs: Sequence[str] = ("systemctl", "ss"),
        units: Sequence[Mapping[str, str]] = (),
        sockets: str = "",
        uid: int = 0,
        overridden: bool = False,
        networks: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.files = {
            "/run/systemd/system/": "",
            "/usr/bin/python3": "",
            "/proc/sys/net/ipv4/ip_unprivileged_port_start": "1024\n",
            **(files or {}),
        }
        self.links = dict(links or {})
        # Of files that were written; units' files may be read by everybody, and all others executed too.
        self.modes: dict[str, int] = {}
        self.owners: dict[str, tuple[int, int]] = {}
        self.programs = programs
        self.units = {properties["Id"]: dict(properties) for properties in units}
        self.ss = sockets
        self.uid = uid
        # Whether another drop-in resets what ours sets.
        self.overridden = overridden
        # The files that another network namespace has otherwise, by what leads to it.
        self.networks = dict(networks or {})
        self.inside = ""
        # Units that systemd reads when they are named and not before.
        self.not_loaded: tuple[str, ...] = ()
        self.kernel = "6.1.0-18-amd64"
        self.ran: list[tuple[str, ...]] = []
        self.wrote: list[str] = []

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        self.ran.append(tuple(argv))
        if argv[0] == "ss":
            return self._said(argv, self.ss)
        answers = {
            "--version": lambda: fixture("systemctl-version-systemd252.txt"),
            "daemon-reload": self._reload,
            "list-unit-files": lambda: "".join(f"{name} enabled enabled\n" for name in self.units),
        }
        answer = answers.get(argv[1], lambda: self._show(argv[argv.index("--") + 1 :]))
        return self._said(argv, answer())

    def _said(self, argv: Sequence[str], stdout: str) -> Completed:
        return Completed(argv=tuple(argv), rc=0, stdout=stdout, stderr="")

    def _show(self, names: Sequence[str]) -> str:
        if "*.socket" in names:
            loaded = [name for name in self.units if name.endswith(".socket") and name not in self.not_loaded]
            names = [*loaded, *names[names.index("*.socket") + 1 :]]
        names = [it for it in names if it != "*.service"]
        missing = captured_unit("missing.service")
        shown = [self.units.get(name, {**missing, "Id": name}) for name in names]
        return "\n".join("".join(map(_property, properties, properties.values())) for properties in shown)

    def _reload(self) -> str:
        for name, properties in self.units.items():
            path = f"/etc/systemd/system/{name}.d/50-privport.conf"
            own = parse_own_dropin(self.files.get(path))
            properties["DropInPaths"] = path if path in self.files else ""
            in_force = own is not None and not self.overridden
            properties["AmbientCapabilities"] = own.first("AmbientCapabilities").lower() if in_force and own else ""
        return ""

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def effective_uid(self) -> int:
        return self.uid

    def kernel_release(self) -> str:
        return self.kernel

    def python(self) -> str:
        return "/usr/bin/python3"

    def account(self, user: str) -> User | None:
        return User("web", 990, 990, "/") if user in ("web", "990") else None

    def group(self, group: str) -> None:
        return None

    def groups_of(self, user: str, *, gid: int) -> tuple[int, ...]:
        return (gid,)

    def machine(self) -> str:
        return "x86_64"

    def may_execute(
        self, paths: Sequence[str], *, uid: int, gids: Sequence[int], base: str = "/"
    ) -> tuple[bool, ...] | None:
        return (True,) * len(paths)

    def resolve(self, path: str) -> str:
        return self.links.get(path, path)

    def read(self, path: str) -> str | None:
        return {**self.files, **self.networks.get(self.inside, {})}.get(path)

    def namespace(self, path: str) -> tuple[int, int] | None:
        if path in self.networks:
            return 4, 100 + list(self.networks).index(path)
        return (4, 1) if path == OWN_NETWORK or path.startswith("/proc/") else None

    @contextlib.contextmanager
    def network(self, path: str) -> Iterator[None]:
        if path.startswith(NETWORK_OF):
            path = f"/proc/{self.units[path[len(NETWORK_OF) :]]['MainPID']}/ns/net"
        if path and path not in self.networks:
            raise HostError(f"{path} cannot be opened: No such file or directory")
        before, self.inside = self.inside, path or self.inside
        yield
        self.inside = before

    def status(self, path: str) -> FileStatus | None:
        folder = any(name.startswith(path.rstrip("/") + "/") for name in (*self.files, *self.links))
        if path not in self.files and not folder:
            return None
        mode = stat.S_IFDIR if folder else stat.S_IFREG
        permissions = self.modes.get(path, 0o644 if path.startswith("/etc/systemd/") else 0o755)
        uid, gid = self.owners.get(path, (0, 0))
        return FileStatus(mode=mode | permissions, uid=uid, gid=gid, size=len(self.files.get(path, "")))

    def status_of_itself(self, path: str) -> FileStatus | None:
        if path in self.links:
            return FileStatus(mode=stat.S_IFLNK | 0o777, uid=0, gid=0, size=0)
        return self.status(path)

    def nosuid(self, path: str) -> bool | None:
        return False

    def noexec(self, path: str) -> bool | None:
        return False

    def names_in(self, folder: str) -> tuple[str, ...]:
        prefix = folder.rstrip("/") + "/"
        inside = (path[len(prefix) :] for path in (*self.files, *self.links) if path.startswith(prefix))
        return tuple(sorted({name.partition("/")[0] for name in inside} - {""}))

    def same_file(self, first: str, second: str) -> bool | None:
        """A link is told apart from the file that took its target's place by the name that the tests give it."""
        reached = self.links.get(first)
        return None if reached is None else reached == second and not reached.endswith(" (deleted)")

    def acl(self, path: str) -> bytes | None:
        return None

    def _targets_in(self, folder: str) -> set[str]:
        return {target for path, target in self.links.items() if path.rpartition("/")[0] == folder}

    def link_target(self, path: str) -> str | None:
        return self.links.get(path)

    def open_regular(self, path: str) -> Iterator[OpenFile]:  # type: ignore[override]
        raise HostError(f"{path} cannot be opened: this machine has no programs")

    def write(self, path: str, *, content: str, uid: int = 0, gid: int = 0, mode: int = 0o644) -> None:
        self.wrote.append(path)
        self.discard(temporaries(path))
        self.files[path], self.modes[path], self.owners[path] = content, mode, (uid, gid)

    def link(self, path: str, *, target: str) -> None:
        self.links[path] = target

    def set_kernel(self, path: str, value: str) -> None:
        self.files[path] = f"{value}\n"

    def make_folder(self, path: str) -> None:
        self.files[path + "/"] = ""

    def set_owner(self, path: str, *, uid: int, gid: int, mode: int) -> None:
        self.modes[path], self.owners[path] = mode, (uid, gid)

    def remove(self, path: str, *, with_folder: bool = False) -> None:
        self.links.pop(path, None)
        self.discard((path, *temporaries(path)))
        if with_folder and not self.names_in(path.rpartition("/")[0]):
            self.files.pop(path.rpartition("/")[0] + "/", None)

    def remove_folder_if_empty(self, path: str) -> None:
        if not self.names_in(path):
            self.files.pop(path + "/", None)

    def leftovers(self, path: str) -> tuple[str, ...]:
        return tuple(name for name in self.files if name in temporaries(path))

    def discard(self, leftovers: Sequence[str]) -> None:
        for path in leftovers:
            self.files.pop(path, None)

    def locked(self, *, needed: bool) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()
