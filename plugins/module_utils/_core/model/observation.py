# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The observation: everything that the decision and the proof know of a host.

All of it is plain data that document.dump() and document.load() carry from the host to the
controller. Optional means: could not be read, or is not there; the field's comment says which.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import is_interpreter
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.policy import Confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import Record
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.nat import Diversion
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.redirect import Ground
from ansible_collections.netbind.privport.plugins.module_utils._core.process.status import ProcessStatus
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import Ground as OfServers
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision import openrc_settings
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import Manager, manager_of
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command import Launch
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import template_of
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    DROPIN_NAME,
    dropin_path,
    launch_of,
)

FORMAT = 4
_OTHERS_EXECUTE = 0o001
CAPABILITY = "cap_net_bind_service"


class Account(NamedTuple):
    """A user of the host, and its primary group and all of its groups as the service's unit sets them."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


class Thread(NamedTuple):
    """A thread: capabilities and user ids are each thread's own (capabilities(7), credentials(7))."""

    tid: int
    status: ProcessStatus


class Process(NamedTuple):
    """A process as /proc shows it."""

    pid: int
    # That of its main thread.
    status: ProcessStatus
    # How many threads it has, and those whose user ids or capabilities are not the main thread's.
    threads: int
    unlike: tuple[Thread, ...]
    # The unit that its control group names, '' for none.
    unit: str
    # /proc/PID/exe, '' where it is closed to us.
    executable: str
    # Whether the file that it executes is no longer the one of that name; None where it is closed to us.
    replaced: bool | None
    # Whether libauthbind is mapped; None where /proc/PID/maps is closed to us.
    authbind: bool | None
    # The name of its effective user, '' for none.
    user: str = ""
    # Its parent, the parent of that, and so on up to process 1, which is left out.
    ancestors: tuple[int, ...] = ()
    # The unit of a user's systemd that its control group names, where `unit` is that systemd; '' for none.
    user_unit: str = ""

    @property
    def is_root(self) -> bool:
        """Whether one of its threads is root, or can become so."""
        return self.status.is_root or any(thread.status.is_root for thread in self.unlike)

    @property
    def whose(self) -> str:
        """Its effective user: 'web (uid 990)'."""
        return f"{self.user} (uid {self.status.uid})" if self.user else f"uid {self.status.uid}"

    def __str__(self) -> str:
        unit = f" of {self.unit}" if self.unit else ""
        # A process names itself, and what does not print would act on a reader's terminal.
        name = self.status.name if self.status.name.isprintable() else repr(self.status.name)
        user = f" {self.user}" if self.user else ""
        return f"pid {self.pid} ({name}, uid {self.status.uid}{user}{unit})"


class Listener(NamedTuple):
    """A listening socket and who holds it; owners_known is False where /proc was closed to us."""

    protocol: str
    address: str
    port: int
    # None where that is not told.
    v6only: bool | None
    owners: tuple[Process, ...]
    owners_known: bool


class Unit(NamedTuple):
    """A systemd unit: its effective properties (systemctl show), original ExecStart= commands and our drop-in.

    Or the service of a supervisor in the same words: it has the sandbox of the unit that runs the supervisor, and no
    drop-in.
    """

    name: str
    # The template whose drop-in grants to this instance; '' for a unit that has a drop-in of its own.
    template: str
    properties: dict[str, str]
    commands: tuple[Command, ...]
    # The original commands of ExecStartPre=, ExecReload= and their like, by setting.
    other_commands: dict[str, tuple[Command, ...]]
    # The strategy, the user and the whole text of the drop-in at dropin_path; '' for none.
    dropin_strategy: str
    dropin_user: str
    dropin_text: str
    # The path of the later drop-in that takes a setting of ours back, by the setting.
    overriding: dict[str, str]
    # Whether a killed run left a temporary file of our drop-in, or a removal of it that systemd has not read.
    interrupted: bool
    # These temporary files.
    leftovers: tuple[str, ...]
    # Somebody else's drop-in of the name that ours has, which would be replaced or hidden; '' for none.
    foreign_dropin: str
    # The unit's files that grant the capability to bind ports, in systemd's order.
    capability_files: tuple[str, ...]
    # The settings that keep that capability from it, as its files are without the collection's drop-in.
    narrow: tuple[str, ...]
    process: Process | None

    @property
    def dropin_path(self) -> str:
        """Where the collection's drop-in is, or would be, or OpenRC's settings in its place."""
        manager = self.manager
        if manager is not None:
            return openrc_settings.path(manager.name)
        return dropin_path(unit=self.template or self.name, dropin=DROPIN_NAME)

    @property
    def manager(self) -> Manager | None:
        """The supervisor that runs it, None for systemd."""
        return manager_of(self.name)

    @property
    def granted_by_template(self) -> bool:
        """Whether the collection's drop-in of its template grants to it, which has none of its own."""
        template = template_of(self.name)
        return bool(template) and dropin_path(unit=template, dropin=DROPIN_NAME) in self.capability_files

    @property
    def launch(self) -> Launch:
        """What its first command comes to execute."""
        return launch_of(self.commands, self.properties)

    def says(self, name: str) -> str:
        return self.properties.get(name, "")

    def is_on(self, name: str) -> bool:
        return self.says(name) in ("yes", "true")

    @property
    def unread(self) -> bool:
        """Whether systemd has not read the unit's files since they changed."""
        return self.interrupted or self.is_on("NeedDaemonReload")

    @property
    def is_lost_by_reset(self) -> bool:
        """Whether it is there for nothing but that it failed, as one of systemd-run(1) is until reset-failed."""
        return self.says("ActiveState") == "failed" and self.says("FragmentPath").startswith("/run/systemd/transient/")

    @property
    def runs(self) -> bool:
        return self.says("ActiveState") in ("active", "activating", "reloading")

    @property
    def is_job(self) -> bool:
        """Whether it does its work and ends: systemd.service(5), Type=oneshot."""
        return self.says("Type") == "oneshot" and not self.is_on("RemainAfterExit")

    @property
    def started_by_others(self) -> bool:
        """Whether it is a job, or what a timer or a path unit starts: nobody else is to start it."""
        triggers = self.says("TriggeredBy").split()
        return self.is_job or any(it.endswith((".timer", ".path")) for it in triggers)

    @property
    def user(self) -> str:
        """User= as it is in force, 'root' where it is unset."""
        return self.says("User") or ("" if self.is_on("DynamicUser") else "root")


class Program(NamedTuple):
    """The file that a service executes."""

    path: str
    real_path: str
    # executable.Executable: form and the words of the #! line.
    form: str
    interpreter: tuple[str, ...]
    mode: int
    uid: int
    gid: int
    nosuid: bool
    # Canonical text; None for no xattr, '' for an empty one.
    capability: str | None
    # The xattr itself, in hexadecimal; None for none, and for one that cannot be read.
    attribute: str | None
    binds: bool
    # Why the capability cannot be changed, a sentence; '' where it can.
    obstacle: str
    # What privport_setcap refuses and warns of, each a sentence.
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]
    # Whether it takes sockets that systemd hands to it; None for nearly all, of which nobody can tell.
    takes_sockets: bool | None
    # The units that start it, where it has file capabilities.
    executed_by: tuple[str, ...]
    # keep.NOT_KEPT, KEPT or KEPT_IN_PART: whether the host gives it the capability back after an upgrade.
    kept: str
    # Why the host may not be left to do so, a sentence; '' where it may.
    unkept: str

    @property
    def open_to_all(self) -> bool:
        """Whether its mode lets every user execute it."""
        return bool(self.mode & _OTHERS_EXECUTE)

    @property
    def shared_interpreter(self) -> bool:
        """Whether a file capability on it serves every user: it is nobody's to take for one service."""
        return is_interpreter(self.real_path) and self.open_to_all


class Authbind(NamedTuple):
    """authbind(1) on the host."""

    program: str
    helper_setuid: bool
    # None where its mount does not tell.
    helper_nosuid: bool | None


class AuthbindPort(NamedTuple):
    """What authbind's rules say to the service's user on one port."""

    port: int
    allowed: bool
    # Why no rule of ours could allow it, '' where one can.
    refusal: str
    warnings: tuple[str, ...]
    # The files that hold a rule for this user: what state=absent would change.
    own_rules: tuple[str, ...]


class Network(NamedTuple):
    """The network namespace that a service runs in (network_namespaces(7)); None is what could not be read."""

    is_host: bool
    # Another one than the host's: the file that leads to it, or 'unit:' and the unit whose main process is in it;
    # '' where nothing leads there yet.
    path: str
    # net.ipv4.ip_unprivileged_port_start and ip_local_port_range, as they are there.
    unprivileged_port_start: int | None
    local_port_range: tuple[int, ...] | None


class SocketUnit(NamedTuple):
    """A socket unit that starts the service's unit or names one of its ports (systemd.socket(5))."""

    name: str
    # Whether it holds its sockets now, and whether it will at the next boot.
    active: bool
    enabled: bool
    # True: it starts an instance for each connection and keeps the socket to itself.
    accept: bool
    # As a service's ports are written: '80', '443/udp'.
    ports: tuple[str, ...]
    triggers: tuple[str, ...]


class ServiceFacts(NamedTuple):
    """What was found for one declared service."""

    name: str
    unit: Unit | None
    program: Program | None
    # Where the program is a script, the compiled program at the end of its #! lines.
    interpreter: Program | None
    account: Account | None
    # Where the unit is not one of the system's but a user's, its file; '' otherwise.
    user_unit: str
    authbind_ports: tuple[AuthbindPort, ...]
    # Where it runs, or would: listeners are those of that network, on its ports and on its backend ports.
    network: Network
    sockets: tuple[SocketUnit, ...]
    listeners: tuple[Listener, ...]
    # Why something is there but could not be read, a sentence each, by what it is: 'unit' for its files, 'program',
    # 'interpreter', 'capability' for either's.
    unread: dict[str, str]
    # Why the service's user cannot execute the program, and not authbind, in the unit: sentences, '' where it can.
    not_executable: str
    authbind_closed: str
    # How SELinux or AppArmor confines it; None where neither does.
    confinement: Confinement | None
    # What is there of the collection's own files and units for it, by strategy.
    installed: dict[str, Installed]
    # What the host offers to redirects of its ports; None where it has no backend ports.
    redirect: Ground | None
    # The rules of the host's network that lead connections away from its ports before any socket gets them.
    diversions: tuple[Diversion, ...] = ()
    # What the host has for starting a program for each connection; None where the service is nothing of that kind.
    superserver: OfServers | None = None

    def listeners_on(self, port: Port) -> tuple[Listener, ...]:
        return _on_port(self.listeners, port)

    def diversions_on(self, port: Port) -> tuple[Diversion, ...]:
        return _on_port(self.diversions, port)


# What is known of each port, by the identity of the tuple that holds it for all ports.
_by_port: dict[int, tuple[Any, dict[tuple[int, str], Tuple[Any, ...]]]] = {}
_MOST_TUPLES = 1024


def _on_port(items: Tuple[Any, ...], port: Port) -> Tuple[Any, ...]:
    """Those of a port. A service may hold ten thousand, and is asked for each of them many times."""
    known = _by_port.get(id(items))
    if known is None:
        found: dict[tuple[int, str], Tuple[Any, ...]] = {}
        lists: dict[tuple[int, str], list[Any]] = {}
        for it in items:
            lists.setdefault((it.port, it.protocol), []).append(it)
        found.update((key, tuple(listed)) for key, listed in lists.items())
        if len(_by_port) >= _MOST_TUPLES:
            _by_port.clear()
        # It holds the tuple too, so that no other one can get its identity.
        known = _by_port[id(items)] = (items, found)
    return known[1].get((port.number, port.protocol), ())


class Observation(NamedTuple):
    """A host, at one moment."""

    format: int
    kernel: str
    effective_uid: int
    # The first port that every user may bind, net.ipv4.ip_unprivileged_port_start; None where it cannot be read.
    unprivileged_port_start: int | None
    # net.ipv4.ip_local_port_range, the first and the last; None where it cannot be read.
    local_port_range: tuple[int, ...] | None
    # The files of sysctl.d(5) that speak of ip_unprivileged_port_start, path to text, and what hides them.
    sysctl_files: dict[str, str]
    # What a killed run left of a change to the collection's own.
    sysctl_leftovers: tuple[str, ...]
    # Whether a container's engine made this host, its network namespace included.
    container: bool
    # Process 1, whose limits every process of the host inherits; None where it is not shown.
    init: ProcessStatus | None
    # The version of the running systemd; None where systemd does not run the host.
    systemd: int | None
    # What it was built with and without, as systemctl --version says: '+SECCOMP', '-BPF_FRAMEWORK'.
    systemd_features: tuple[str, ...]
    authbind: Authbind | None
    # What the collection granted, as it remembers it there, for all services.
    records: tuple[Record, ...]
    # The files below /etc/authbind, and the folders in which users look for them.
    authbind_rules: tuple[RuleFile, ...]
    # The Python that the units call which give file capabilities back.
    python: str
    # Whether a boot runs the scripts of sysv-rc.
    init_scripts: bool
    # The paths of what can forward connections, by service.FORWARDERS.
    forwarders: dict[str, str]
    # Whether the kernel has IPv6.
    ipv6: bool
    # Of each template that was asked for, the instances that run, failed or are enabled, as names of units.
    instances: dict[str, tuple[str, ...]]
    # 'ss' or '/proc/net'.
    socket_source: str
    services: tuple[ServiceFacts, ...]
