# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in memory whose units start, stop and fail as systemd's do, and listen where they may.

Its programs are real files, with real extended attributes. Every change is an event, at which it can be made to fail.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import shutil
import stat
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl.setting import LIVE
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed, FileStatus, OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import temporaries
from ansible_collections.netbind.privport.tests.unit.core.test_executable import elf
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost, captured_unit, proc_status

CAPABILITY = "cap_net_bind_service"
BINDS = bytes.fromhex("0100000200040000000000000000000000000000")
_UNITS = "/etc/systemd/system"
_SETTINGS = {LIVE: "1024\n", "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n"}
# What starts the kind of unit that only watches.
_WATCHES = (".path", ".socket")
# What a run remembers on a host for the next look, which no boot keeps.
QUESTIONS = "/run/netbind.privport/questions"


def dropin(unit: str) -> str:
    return f"{_UNITS}/{unit}.d/50-privport.conf"


class Killed(BaseException):
    """The process is gone: nothing of it does anything any more."""


class RunningHost(FakeHost):
    """Each NAME is NAME.service, whose program /srv/NAME binds its one port or ends. None of them runs yet."""

    def __init__(self, folder: Path, ports: Mapping[str, int], **fields: Any) -> None:
        units, files = [], {}
        for name in ports:
            unit = f"{name}.service"
            own = {"Id": unit, "FragmentPath": f"{_UNITS}/{unit}", "User": "web", "ActiveState": "inactive"}
            units.append({**captured_unit("plain.service"), **own, "SubState": "dead", "MainPID": "0"})
            files[f"{_UNITS}/{unit}"] = f"[Service]\nUser=web\nExecStart=/srv/{name}\n"
            files[f"/srv/{name}"] = ""
        super().__init__(**{"units": units, **fields, "files": {**_SETTINGS, **files, **fields.get("files", {})}})
        self.modes.update({path: 0o644 for path in self.files if path.startswith("/etc/")})
        self.ports = dict(ports)
        self.programs_at = folder
        for name in ports:
            (folder / name).write_bytes(elf())
            (folder / name).chmod(0o755)
        self.events: list[str] = []
        # What happens at the event of this number, counted from 1.
        self.at: dict[int, Callable[[], object]] = {}
        # What happens at each event that begins with this text.
        self.whenever: dict[str, Callable[[], object]] = {}
        # The services whose program ends at once.
        self.broken: set[str] = set()
        self.asked_to_end: Callable[[str], None] = lambda signal: None
        self.taken = False
        self._pids, self._invocations = itertools.count(1000), itertools.count(1)
        self._read_by_systemd: dict[str, list[str | None]] = {}
        self._reload()

    def twin(self, folder: Path) -> RunningHost:
        """Another host that is what this one is, with its programs in this folder."""
        other = copy.deepcopy(self)
        other.programs_at = folder
        for name in self.ports:
            shutil.copy2(self.programs_at / name, folder / name)
        return other

    # --- What changes it

    def _event(self, text: str) -> None:
        self.events.append(text)
        self.at.get(len(self.events), lambda: None)()
        for begins, happens in list(self.whenever.items()):
            if text.startswith(begins):
                happens()

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        if argv[0] == "ss":
            return self._said(argv, "".join(self._sockets()))
        if argv[0] != "systemctl" or argv[1] in ("show", "--version"):
            done = super().run(argv)
            asked = [word.partition("=")[2].split(",") for word in argv if word.startswith("--property=")]
            kept = [line for line in done.stdout.split("\n") if not asked or line.partition("=")[0] in ("", *asked[0])]
            return self._said(argv, "\n".join(kept))
        self._event(" ".join(argv))
        words = [word for word in argv[1:] if not word.startswith("--") or word == "--"]
        verbs = {"restart": self._restart, "start": self._start, "stop": self._stop, "reset-failed": self._reset}
        if words[0] == "daemon-reload":
            self._reload()
        for name in words[2:]:
            verbs[words[0]](name)
        failed = [name for name in words[2:] if self.units[name]["ActiveState"] == "failed"]
        waited = words[0] in ("start", "restart") and "--no-block" not in argv
        told = f"Job for {failed[0]} failed" if failed and waited else ""
        return Completed(argv=tuple(argv), rc=1 if told else 0, stdout="", stderr=told)

    def write(self, path: str, *, content: str, uid: int = 0, gid: int = 0, mode: int = 0o644) -> None:
        self._event(f"write {path}")
        super().write(path, content=content, uid=uid, gid=gid, mode=mode)

    def link(self, path: str, *, target: str) -> None:
        self._event(f"link {path}")
        super().link(path, target=target)

    def remove(self, path: str, *, with_folder: bool = False) -> None:
        self._event(f"remove {path}")
        super().remove(path, with_folder=with_folder)

    def set_kernel(self, path: str, value: str) -> None:
        self._event(f"set {path} {value}")
        super().set_kernel(path, value)

    def set_owner(self, path: str, *, uid: int, gid: int, mode: int) -> None:
        self.modes[path] = mode

    @contextlib.contextmanager
    def open_regular(self, path: str) -> Iterator[OpenFile]:  # type: ignore[override]
        file = self.programs_at / path.rpartition("/")[2]
        if not path.startswith("/srv/") or not file.exists():
            raise HostError(f"{path} cannot be opened: No such file or directory")
        descriptor = os.open(file, os.O_RDONLY)
        try:
            yield _Program(self, path=path, descriptor=descriptor)
        finally:
            os.close(descriptor)

    def capability(self, path: str) -> bytes | None:
        with self.open_regular(path) as file:
            return file.capability()

    # --- Locks and signals

    @contextlib.contextmanager
    def locked(self, *, needed: bool) -> Iterator[None]:  # type: ignore[override]
        if needed:
            self._event("lock")
        yield

    def lock_is_free(self) -> bool:
        return not self.taken

    def outlive_connection(self, asked_to_end: Callable[[str], None]) -> None:
        self.asked_to_end = asked_to_end

    # --- systemd

    def _reload(self) -> str:
        for path in list(self.files):
            name = path.rpartition("/")[2]
            if path == f"{_UNITS}/{name}" and name.endswith((".service", *_WATCHES)):
                self.units.setdefault(name, {**captured_unit("plain.service"), "Id": name, "ActiveState": "inactive"})
        for name in list(self.units):
            if f"{_UNITS}/{name}" not in self.files and self.units[name]["ActiveState"] == "inactive":
                del self.units[name]
        self._read_by_systemd = {name: self._files_of(name) for name in self.units}
        return super()._reload()

    def _show(self, names: Sequence[str]) -> str:
        for name, properties in self.units.items():
            unread = self._files_of(name) != self._read_by_systemd[name]
            properties["NeedDaemonReload"] = "yes" if unread else "no"
        return super()._show(names)

    def _files_of(self, name: str) -> list[str | None]:
        return [self.files.get(path) for path in (f"{_UNITS}/{name}", dropin(name))]

    def _start(self, name: str) -> None:
        unit = self.units[name]
        if unit["ActiveState"] == "active":
            return
        unit["InvocationID"] = str(next(self._invocations))
        service = name.rpartition(".")[0]
        if name.endswith(_WATCHES):
            unit["ActiveState"] = "active"
        elif service not in self.ports or service in self.broken or not self._may_bind(service):
            unit.update(ActiveState="failed", SubState="failed", Result="exit-code")
        else:
            pid = str(next(self._pids))
            unit.update(ActiveState="active", SubState="running", Result="success", MainPID=pid)
            self._run(service, pid=pid)

    def _stop(self, name: str) -> None:
        unit = self.units.get(name)
        if unit is None:
            raise HostError(f"systemctl stop -- {name} failed: Unit {name} not loaded.")
        own = f"/proc/{unit.get('MainPID', '0')}/"
        for found in (self.files, self.links):
            for path in [it for it in found if it.startswith(own)]:
                found.pop(path)
        unit.update(ActiveState="inactive", SubState="dead", MainPID="0")

    def _restart(self, name: str) -> None:
        self._stop(name)
        self._start(name)

    def _reset(self, name: str) -> None:
        if self.units[name]["ActiveState"] == "failed":
            self.units[name]["ActiveState"] = "inactive"

    # --- Processes and the kernel

    def _may_bind(self, service: str) -> bool:
        return self.ports[service] >= int(self.files[LIVE]) or self._capabilities(service) != ("0", "0")

    def _capabilities(self, service: str) -> tuple[str, str]:
        """What a start gives: the permitted and the ambient set (capabilities(7))."""
        attribute = self.capability(f"/srv/{service}")
        if attribute is not None:
            return "400" if attribute == BINDS else "0", "0"
        ambient = "400" if CAPABILITY in self.units[f"{service}.service"]["AmbientCapabilities"] else "0"
        return ambient, ambient

    def _run(self, service: str, *, pid: str) -> None:
        permitted, ambient = self._capabilities(service)
        status = proc_status(caps=permitted).replace(f"CapAmb:\t{permitted.zfill(16)}", f"CapAmb:\t{ambient.zfill(16)}")
        inode = int(pid) + 50000
        for name in ("status", f"task/{pid}/status"):
            self.files[f"/proc/{pid}/{name}"] = status
        self.files[f"/proc/{pid}/cgroup"] = f"0::/system.slice/{service}.service\n"
        self.files[f"/proc/{pid}/maps"] = "7f0000000000-7f0000001000 r-xp 00000000 00:00 0 /srv/server\n"
        self.links.update({f"/proc/{pid}/exe": f"/srv/{service}", f"/proc/{pid}/fd/3": f"socket:[{inode}]"})

    def _listening(self) -> dict[str, str]:
        """The services that listen, with the number of their process."""
        pids = {name: self.units[f"{name}.service"].get("MainPID", "0") for name in self.ports}
        return {name: pid for name, pid in pids.items() if f"/proc/{pid}/status" in self.files}

    def _sockets(self) -> Iterator[str]:
        for name, pid in self._listening().items():
            cgroup = f"cgroup:/system.slice/{name}.service"
            inode = int(pid) + 50000
            yield f"tcp LISTEN 0 16 0.0.0.0:{self.ports[name]} 0.0.0.0:* uid:990 ino:{inode} sk:b {cgroup} <->\n"

    def connect(self, address: str, port: int, *, staying: float = 0) -> str:
        return "" if port in [self.ports[name] for name in self._listening()] else "ECONNREFUSED"

    def bind_as_stranger(self, port: int, *, protocol: str, family: str, own_uid: int) -> str | None:
        return "EACCES" if port < int(self.files[LIVE]) else ""

    # --- What it looks like

    def status_of_itself(self, path: str) -> FileStatus | None:
        if path in self.links:
            return FileStatus(mode=stat.S_IFLNK | 0o777, uid=0, gid=0, size=0)
        return self.status(path)

    def leftovers(self, path: str) -> tuple[str, ...]:
        return tuple(name for name in temporaries(path) if name in self.files)

    @property
    def state(self) -> dict[str, Any]:
        """All that a run may change, but for the numbers of processes."""
        kept = [path for path in sorted(self.files) if path == LIVE or not path.startswith(("/proc/", "/run/"))]
        return {
            **{path: (self.files[path], self.modes.get(path)) for path in kept if not path.endswith("/")},
            **{path: target for path, target in self.links.items() if not path.startswith("/proc/")},
            **{f"/srv/{name}": self.capability(f"/srv/{name}") for name in self.ports},
            **{name: (it["ActiveState"], it["AmbientCapabilities"]) for name, it in self.units.items()},
            **{name: self.files[f"/proc/{pid}/status"] for name, pid in self._listening().items()},
        }

    def does(self, begins: str) -> list[str]:
        """The events that begin with this text."""
        return [event for event in self.events if event.startswith(begins)]


class _Program(OpenFile):
    """A program of the host, whose changes are events."""

    def __init__(self, host: RunningHost, *, path: str, descriptor: int) -> None:
        super().__init__(path=path, descriptor=descriptor)
        self._host = host

    def set_capability(self, value: bytes) -> None:
        self._host._event(f"give {self.path}")
        super().set_capability(value)

    def remove_capability(self) -> None:
        self._host._event(f"take {self.path}")
        super().remove_capability()
