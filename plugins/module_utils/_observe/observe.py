# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a host once: everything that a decision or a proof asks of it."""

from __future__ import annotations

from typing import Callable, Iterator, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._apply import authbind_files, redirect
from ansible_collections.netbind.privport.plugins.module_utils._apply import forward as forwarding
from ansible_collections.netbind.privport.plugins.module_utils._apply import keep as keeping
from ansible_collections.netbind.privport.plugins.module_utils._apply import socket as socket_files
from ansible_collections.netbind.privport.plugins.module_utils._apply import superserver as superservers
from ansible_collections.netbind.privport.plugins.module_utils._apply.sysctl import read_files
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind import plan as authbind_plan
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind import rules as authbind
from ansible_collections.netbind.privport.plugins.module_utils._core.capability import file_rules as filecap
from ansible_collections.netbind.privport.plugins.module_utils._core.capability import keep
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    FileCapabilities,
    format_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.instances import members
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    FORMAT,
    Account,
    Authbind,
    AuthbindPort,
    Listener,
    Network,
    Observation,
    Program,
    ServiceFacts,
    SocketUnit,
    Unit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service
from ansible_collections.netbind.privport.plugins.module_utils._core.process.status import ProcessStatus, parse_status
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import is_unit
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command import follow
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.namespace import HOSTS_OWN, Namespace
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    DROPIN_NAME,
    NARROWING,
    dropin_path,
    executable_of,
    parse_own_dropin,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host, OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import IDENTITY
from ansible_collections.netbind.privport.plugins.module_utils._observe import execution, processes, supervision, units
from ansible_collections.netbind.privport.plugins.module_utils._observe.confinement import Confinements
from ansible_collections.netbind.privport.plugins.module_utils._observe.firewall import Firewall
from ansible_collections.netbind.privport.plugins.module_utils._observe.network import host_network, network_of
from ansible_collections.netbind.privport.plugins.module_utils._observe.program import (
    observe_capability,
    observe_ground,
    observe_program,
    takes_sockets,
)
from ansible_collections.netbind.privport.plugins.module_utils._observe.records import read_records

_S_ISUID = 0o4000
# Strategies with files and units of their own, and what looks for these.
INSTALLING: Mapping[str, Callable[[Host, Service, Optional[Unit]], Installed]] = {
    "socket": socket_files.observe,
    "redirect": redirect.observe,
    "forward": forwarding.observe,
    "superserver": superservers.observe,
}


def observe(host: Host, services: Sequence[Service]) -> Observation:
    """The host and these services. Nothing is changed. Raises PrivportError where a tool fails."""
    systemd = units.read_systemd(host)
    running = units.running_instances(host, services)
    services = members(services, running)
    names = sorted({it.system_unit for it in services if it.system_unit})
    shown = units.look(host, names) if systemd is not None else {}
    shown.update(supervision.look(host, sorted({it.started_by for it in services})))
    network = host_network(host)
    ground = forwarding.ground(host, systemd=systemd.version if systemd else None)
    rules = authbind_files.read_rules(host)
    machine = _Machine(
        shown=shown,
        sockets=units.sockets(host, names) if systemd is not None and services else (),
        network=network,
        rules=rules,
        leftovers=authbind_files.leftovers(host),
        firewall=Firewall(host),
        systemd=systemd.version if systemd else None,
    )
    authbind_found = _authbind(host)
    found = tuple(_service(host, service, machine=machine) for service in services)
    confinements = Confinements(host, authbind=authbind_found.program if authbind_found else "")
    found = tuple(
        facts._replace(
            confinement=confinements.of(facts, ports=service.ports, label=_label(shown.get(service.started_by)))
        )
        for service, facts in zip(services, found)
    )
    observation = Observation(
        format=FORMAT,
        kernel=host.kernel_release(),
        effective_uid=host.effective_uid(),
        unprivileged_port_start=network.unprivileged_port_start,
        local_port_range=network.local_port_range,
        sysctl_files=sysctl.relevant(read_files(host)),
        sysctl_leftovers=host.leftovers(sysctl.OWN_PATH),
        container=_in_container(host),
        init=_init(host),
        systemd=systemd.version if systemd else None,
        systemd_features=systemd.features if systemd else (),
        authbind=authbind_found,
        records=read_records(host),
        authbind_rules=tuple(rules.values()),
        python=host.python(),
        init_scripts=ground.init_scripts,
        forwarders=ground.programs,
        ipv6=ground.ipv6,
        instances=running,
        socket_source=host.socket_source(),
        services=_with_listeners(host, services, found),
    )
    host.end()
    return observation


def _init(host: Host) -> ProcessStatus | None:
    text = host.status_lines("1", IDENTITY)
    return parse_status(text) if text else None


def _in_container(host: Host) -> bool:
    """Whether one of the marks is there that the engines and systemd leave in a container."""
    marks = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")
    return any(host.status(path) is not None for path in marks)


class _Machine(NamedTuple):
    """What all services share."""

    shown: Mapping[str, units.Seen]
    sockets: tuple[SocketUnit, ...]
    network: Network
    rules: Mapping[str, authbind.RuleFile]
    leftovers: tuple[str, ...]
    firewall: Firewall
    # The version of systemd, None for none.
    systemd: Optional[int]


def _service(host: Host, service: Service, *, machine: _Machine) -> ServiceFacts:
    """All but the listeners."""
    unread: dict[str, str] = {}
    shown = machine.shown.get(service.started_by)
    unit = _started_by(host, service, shown, unread=unread) if shown else None
    # What systemd alone can tell or do is asked of a unit of its own.
    of_systemd = unit if unit is not None and unit.manager is None else None
    user = service.user or (unit.launch.user or unit.user if unit else "")
    properties = unit.properties if unit else {}
    account = _account(host, user, properties=properties) if user else None
    by = execution.runner(host, properties=properties, account=account)
    started = execution.find(host, executable_of(unit.commands, properties), by=by) if unit else ""
    last = execution.find(host, unit.launch.program, by=by) if unit and unit.launch.wrappers else ""
    running = supervision.executed(unit) if unit and unit.manager and not unit.launch.program else ""
    # Which of several commands listens cannot be told.
    path = service.executable or ("" if unit and len(unit.commands) > 1 else running or last or started)
    # What a person declares is a path of the host's.
    seen = HOSTS_OWN if service.executable else by.namespace
    program = _program(host, path, seen=seen, unread=unread, taking=_takes_sockets(service))
    wrapper = host.which("authbind")
    sockets = tuple(_concerning(machine.sockets, service, unit=unit))
    # A socket that systemd binds for the service is of systemd's network.
    handed = unit is not None and any(it.active and unit.name in it.triggers for it in sockets)
    return ServiceFacts(
        name=service.name,
        unit=unit,
        program=program,
        interpreter=_interpreter(host, program, by=by._replace(namespace=seen), unread=unread),
        account=account,
        user_unit=_user_unit(host, of_systemd, user=user) if of_systemd else "",
        authbind_ports=_authbind_ports(host, service, account=account, machine=machine),
        network=network_of(
            host, None if handed else of_systemd, running=shown.main if shown else None, of_host=machine.network
        ),
        sockets=sockets,
        listeners=(),
        unread=unread,
        not_executable=next(
            (reason for reason in (execution.why_not(host, it, by=by) for it in (started or path, last)) if reason), ""
        ),
        authbind_closed=execution.authbind_closed(host, wrapper, by=by) if wrapper else "",
        confinement=None,
        installed={name: look(host, service, of_systemd) for name, look in INSTALLING.items()},
        redirect=redirect.ground(host, service, firewall=machine.firewall),
        diversions=machine.firewall.diversions(service.ports) if service.state == "present" else (),
        superserver=superservers.ground(host, service, version=machine.systemd),
    )


def _started_by(host: Host, service: Service, shown: units.Seen, *, unread: dict[str, str]) -> Unit:
    if not is_unit(service.started_by):
        return supervision.unit_of(host, shown, user=service.user)
    return _unit(host, shown, template=service.template, unread=unread)


def _user_unit(host: Host, unit: Unit, *, user: str) -> str:
    """The file of a unit that only a user's manager has (systemd.unit(5), User Unit Search Path); '' for none."""
    if unit.says("LoadState") != "not-found":
        return ""
    home = host.account(user) if user else None
    below = home.pw_dir.rstrip("/") if home else ""
    own = (f"{below}/.config/systemd/user", f"{below}/.local/share/systemd/user") if home else ()
    folders = (*own, "/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user")
    paths = (f"{folder}/{unit.name}" for folder in folders)
    return next((path for path in paths if host.status(path) is not None), "")


def _label(shown: Optional[units.Seen]) -> Optional[str]:
    return shown.main.label if shown and shown.main else None


def _concerning(sockets: Sequence[SocketUnit], service: Service, *, unit: Unit | None) -> Iterator[SocketUnit]:
    named = {str(port) for port in service.ports}
    for socket in sockets:
        if named.intersection(socket.ports) or (unit is not None and unit.name in socket.triggers):
            yield socket


def _with_listeners(host: Host, services: Sequence[Service], found: Sequence[ServiceFacts]) -> tuple[ServiceFacts, ...]:
    """The services with who listens on their ports, asked once in each network namespace."""
    ports = [frozenset(service.all_ports) for service in services]
    listeners: dict[str, tuple[Listener, ...]] = {}
    for path in sorted({facts.network.path for facts in found if _enterable(facts.network)}):
        there = (wanted for wanted, facts in zip(ports, found) if facts.network.path == path)
        with host.network(path):
            listeners[path] = processes.listeners(host, sorted(frozenset().union(*there)))
    return tuple(
        facts._replace(
            listeners=tuple(
                it
                for it in listeners.get(facts.network.path, ())
                if Port(it.port, it.protocol) in wanted and service.serves_by(it.address, v6only=it.v6only)
            ),
        )
        for service, wanted, facts in zip(services, ports, found)
    )


def _enterable(network: Network) -> bool:
    """Whether its settings could be read: who could enter it once can do so again."""
    return network.is_host or network.unprivileged_port_start is not None


def _unit(host: Host, shown: units.Seen, *, template: str, unread: dict[str, str]) -> Unit:
    properties = shown.properties
    name = properties["Id"]
    path = dropin_path(unit=template or name, dropin=DROPIN_NAME)
    text, left = host.unit_file(path) or "", host.leftovers(path)
    own = parse_own_dropin(text)
    commands: dict[str, tuple[Command, ...]] = {}
    overriding: dict[str, str] = {}
    capability_files: tuple[str, ...] = ()
    # What cannot be read is left as it is.
    narrow: tuple[str, ...] = NARROWING
    try:
        # systemd itself only warns of a line that it cannot parse.
        commands = units.commands(host, properties, own_dropin=path)
        overriding = units.overriding(host, properties)
        capability_files = units.granting(host, properties)
        narrow = units.narrow(host, properties)
    except PrivportError as problem:
        unread["unit"] = str(problem)
    return Unit(
        name=name,
        template=template,
        properties=properties,
        commands=commands.pop("ExecStart", ()),
        other_commands=commands,
        dropin_strategy=own.strategy if own else "",
        dropin_user=own.first("User") if own else "",
        dropin_text=text,
        overriding=overriding,
        interrupted=bool(left) or units.is_unread_removal(host, path, properties),
        leftovers=left,
        foreign_dropin=units.foreign_dropin(host, properties, own_dropin=path),
        capability_files=capability_files,
        narrow=narrow,
        process=processes.read_process(shown.main) if shown.main else None,
    )


def _takes_sockets(service: Service) -> bool:
    """Whether somebody says so."""
    return service.socket_activation or service.strategy == "socket"


def _account(host: Host, user: str, *, properties: Mapping[str, str]) -> Account | None:
    """The user with the groups that the unit gives it (systemd.exec(5), Group= and SupplementaryGroups=)."""
    entry = host.account(user)
    if entry is None:
        return None
    main = host.group(properties.get("Group", ""))
    more = [host.group(name) for name in properties.get("SupplementaryGroups", "").split()]
    gid = main.gr_gid if main else entry.pw_gid
    groups = {gid, *host.groups_of(entry.pw_name, gid=gid), *(group.gr_gid for group in more if group)}
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=gid, groups=tuple(sorted(groups)))


def _program(
    host: Host, path: str, *, seen: Namespace, unread: dict[str, str], what: str = "program", taking: bool = False
) -> Program | None:
    """The file that is at path for the unit, else for the host.

    None where there is no regular file of that name, and where it cannot be looked at. taking: it is said to take
    sockets from systemd, and is read whole where its file may tell otherwise.
    """
    place = execution.place(host, path, seen=seen)
    real_path = host.resolve(place.outer if place.outer and place.setting else path) if path else ""
    if not real_path or host.status(real_path) is None:
        return None
    try:
        with host.open_regular(real_path) as file:
            held = _capability(file, unread=unread)
            attribute = file.capability() if held is not None else None
            found = observe_program(file, host=host)
            ground = observe_ground(file, host=host)
            status = file.status()
            takes = takes_sockets(file) if taking else None
    except PrivportError as problem:
        unread[what] = str(problem)
        return None
    except OSError as failure:
        unread[what] = f"{real_path} cannot be looked at: {failure.strerror}"
        return None
    judged = filecap.judge(found)
    return Program(
        path=path,
        real_path=real_path,
        form=found.executable.form,
        interpreter=tuple(found.executable.interpreter),
        mode=status.permissions,
        uid=status.uid,
        gid=status.gid,
        nosuid=found.nosuid,
        capability=None if held is None else _capability_text(held),
        attribute=None if attribute is None else attribute.hex(),
        binds=held is not None and held.binds,
        # Who grants it is root, whoever observes.
        obstacle=filecap.obstacle(ground._replace(may_set=True), path=real_path),
        refusals=judged.refusals,
        warnings=judged.warnings,
        takes_sockets=takes,
        executed_by=() if attribute is None else host.units_executing(sorted({path, real_path})),
        kept=keeping.observe(host, real_path),
        unkept=keep.refusal(found) or keeping.refusal(host, real_path),
    )


def _capability(file: OpenFile, *, unread: dict[str, str]) -> FileCapabilities | None:
    try:
        return observe_capability(file)
    except PrivportError as problem:
        unread["capability"] = str(problem)
        return None


def _interpreter(
    host: Host, program: Program | None, *, by: execution.Runner, unread: dict[str, str]
) -> Program | None:
    """What the kernel loads for a script in the end; None for other programs, and where it cannot be found.

    Behind env(1) it is the program that env executes.
    """
    found = program
    depth = 0
    while found is not None and found.interpreter and depth < execution.MOST_SCRIPTS:
        name = execution.find(host, follow(found.interpreter).program, by=by)
        found = _program(host, name, seen=by.namespace, unread=unread, what="interpreter")
        depth += 1
    return None if found is None or found is program or found.interpreter else found


def _capability_text(held: FileCapabilities) -> str:
    return "" if held.is_empty else format_text(held)


def _authbind(host: Host) -> Authbind | None:
    program = host.which("authbind")
    if program is None:
        return None
    helper = host.status(authbind.HELPER)
    return Authbind(
        program=program,
        helper_setuid=helper is not None and helper.uid == 0 and bool(helper.mode & _S_ISUID),
        helper_nosuid=host.nosuid(authbind.HELPER),
    )


def _authbind_ports(
    host: Host, service: Service, *, account: Account | None, machine: _Machine
) -> tuple[AuthbindPort, ...]:
    if account is None or account.uid == 0:
        return ()
    grantee = authbind_plan.of_user(account.name, uid=account.uid, gids=(account.gid, *account.groups))
    numbers = sorted({port.number for port in service.ports if port.number <= authbind.LAST_PORT})
    return tuple(_authbind_port(host, number, grantee=grantee, machine=machine) for number in numbers)


def _authbind_port(host: Host, number: int, *, grantee: authbind_plan.Grantee, machine: _Machine) -> AuthbindPort:
    rules, leftovers = machine.rules, machine.leftovers
    absent = authbind_plan.plan_rules(rules, grantee=grantee, ports=[number], state="absent")
    refusal, present = "", authbind_plan.RulePlan(changes=(), warnings=())
    try:
        present = authbind_plan.plan_rules(rules, grantee=grantee, ports=[number])
        refusal = authbind_plan.in_vain(present.changes) if host.noexec(authbind.BYPORT) else ""
    except PrivportError as refused:
        refusal = str(refused)
    return AuthbindPort(
        port=number,
        allowed=not refusal and not present.changes and not leftovers,
        refusal=refusal,
        warnings=present.warnings,
        # What a killed run left is whoever's who comes first.
        own_rules=(*(change.path for change in absent.changes), *leftovers),
    )
