# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that a proof is made of: each judges what was seen of one port of one service."""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import WILDCARDS
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import Expected
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case, exec_gives
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.held import beside, in_its_way
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.address import serves
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener, Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.nat import Diversion
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import advice_to_look

PASS, FAIL, UNKNOWN = "pass", "fail", "unknown"
NOT_LISTENING = "granted, not listening"
# What comes of a connection to a forwarder that gets none to the service.
CLOSED = "the end of the connection at once"
# What a connection of the host to itself may end in while its clients get theirs (connect(2), ip(7)).
NOT_TO_BE_TRIED = {
    "EADDRNOTAVAIL": "the host does not have the address",
    "EAFNOSUPPORT": "the host does not have the family",
    "ENETUNREACH": "the host does not have the address",
    "EHOSTUNREACH": "a firewall rejects it, or the host does not have the address",
    "ETIMEDOUT": "a filter drops it, which may let clients in, or the program accepts nothing",
    "EPERM": "a firewall keeps what the host sends to itself",
    "EACCES": "a firewall keeps what the host sends to itself",
}
_FAMILY_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}


class Child(NamedTuple):
    """What a server started for a connection, and its groups: of whichever set, and the supplementary ones."""

    process: Process
    gids: tuple[int, ...]
    groups: tuple[int, ...]


class Probe(NamedTuple):
    """What was tried on a port: '' for success, else the errno's name; None where it could not be tried."""

    # By the address of each listener.
    connect: Mapping[str, str | None] = {}
    # To the port itself, by family, where the service listens on another one; CLOSED counts as errno.
    front: Mapping[str, str | None] = {}
    # bind(2) by a uid that nobody granted anything, by family: 'ipv4' or 'ipv6'.
    stranger: Mapping[str, str | None] = {}
    # bind(2) in the unit's sandbox, of a service that need not listen: '' for success, an errno's name or 'status N'.
    trial: str | None = None
    # What a server started for a connection; None where it was not asked, or nothing could be seen.
    child: Child | None = None


class Check(NamedTuple):
    """One thing that was looked at; text tells what was seen."""

    code: str
    verdict: str
    text: str


class Seen(NamedTuple):
    """What was seen of one port of one service; strategy is None where there is none to prove, and error says why."""

    case: Case
    port: Port
    strategy: Strategy | None
    error: str
    probe: Probe

    @property
    def inner(self) -> Port:
        """Where the service itself listens."""
        return self.strategy.inner(self.case.service, self.port) if self.strategy else self.port

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return self.case.facts.listeners_on(self.inner)

    @property
    def entrances(self) -> tuple[Listener, ...]:
        """The sockets by which others reach the service: its own, or those of a unit that stands in front of it."""
        on_port = self.case.facts.listeners_on(self.port) if self.inner != self.port else ()
        is_in_front = self.case.is_in_front
        in_front = (it for it in on_port if any(is_in_front(process, port=self.port) for process in it.owners))
        return tuple(in_front) or self.served

    @property
    def families(self) -> frozenset[str]:
        """The families over which others reach the service."""
        return frozenset().union(*map(families_of, self.entrances))

    @property
    def served(self) -> tuple[Listener, ...]:
        """The listeners that are the service's as far as that is known, else all."""
        strangers = strangers_on(self)
        return tuple(it for it in self.listeners if it not in strangers) or self.listeners

    @property
    def processes(self) -> tuple[Process, ...]:
        """The processes of the service among those that hold the sockets, each once."""
        if self.by_connection:
            return (self.probe.child.process,) if self.probe.child else ()
        holders = {process.pid: process for listener in self.listeners for process in listener.owners}
        return tuple(process for process in holders.values() if self.case.owns(process))

    @property
    def by_connection(self) -> bool:
        """Whether a server starts the program for each connection."""
        return self.strategy is not None and self.strategy.by_connection

    def is_ours(self, process: Process) -> bool:
        """Whether a process that holds a socket is the service's, or the server that starts it."""
        if self.by_connection and self.case.is_in_front(process, port=self.port):
            return True
        return process.pid in {it.pid for it in self.processes}

    @property
    def root_parents(self) -> tuple[Process, ...]:
        """Those that are root and whose children of other users serve, as nginx and Apache do it."""
        served_by = {process.status.parent for process in self.processes if not process.status.is_root}
        return tuple(process for process in self.processes if process.status.is_root and process.pid in served_by)

    @property
    def gave_up_root(self) -> bool:
        """Whether its unit starts it as root, and all that serves has become another user."""
        return bool(self.case.gave_up_root([self.inner]))

    @property
    def workers(self) -> tuple[Process, ...]:
        return tuple(process for process in self.processes if process not in self.root_parents)


def families_of(listener: Listener) -> frozenset[str]:
    """The families that a socket serves: a wildcard of IPv6 both, unless v6only, where that is known."""
    if ":" not in listener.address:
        return frozenset({"ipv4"})
    if listener.address.startswith("::ffff:"):
        return frozenset({"ipv4"})
    dual = listener.address.partition("%")[0] == "::" and listener.v6only is False
    return frozenset({"ipv4", "ipv6"} if dual else {"ipv6"})


def checks_of_port(seen: Seen, *, whose: Callable[[Seen], tuple[Check, ...]]) -> tuple[Check, ...]:
    """Everything about the port but whether it will survive; whose judges who serves on it, see checks_of_owner()."""
    if not seen.listeners or _may_listen_yet(seen):
        return (_on_demand(seen), *_trial_checks(seen)) if seen.case.on_demand else (_not_listening(seen),)
    return (
        _listening(seen),
        *_address_checks(seen),
        *_family_checks(seen),
        *whose(seen),
        *_probe_checks(seen),
    )


def checks_of_owner(seen: Seen) -> tuple[Check, ...]:
    """Who listens, as whom and with what."""
    parents = tuple(_parent_check(seen, process) for process in seen.root_parents)
    held = tuple(check for process in seen.workers for check in process_checks(seen, process))
    return (_owner_check(seen), *parents, *held)


def grant_check(case: Case, strategy: Strategy) -> Check:
    missing = [step for step in strategy.pending(case) if step not in ("restart", "start")]
    if missing:
        text = f"the grant of strategy {strategy.name} is not in place: {', '.join(missing)} missing"
        return Check("grant", FAIL, text)
    return Check("grant", PASS, f"the grant of strategy {strategy.name} is in place")


def _may_listen_yet(seen: Seen) -> bool:
    """Whether all that listen are others in nobody's way: on single addresses, or as instances of the same template."""
    known = all(it.owners_known and not in_its_way(seen.case, it) for it in seen.listeners)
    own = seen.processes or any(seen.is_ours(process) for it in seen.listeners for process in it.owners)
    return known and not (own or seen.inner != seen.port or seen.case.held_by(seen.inner))


def _on_demand(seen: Seen) -> Check:
    unit = seen.case.facts.unit
    job = unit is not None and seen.case.service.listens != "on_demand"
    why = f"{unit.name} is started by its timer or by hand" if job and unit else "listens is on_demand"
    return Check("listening", UNKNOWN, f"nothing listens on port {seen.inner} now, and need not: {why}")


def _trial_checks(seen: Seen) -> tuple[Check, ...]:
    """What came of a trial in the unit's sandbox, of what has a unit and no forwarder."""
    unit, outcome = seen.case.unit, seen.probe.trial
    if unit is None or seen.inner != seen.port:
        return ()
    where = f"port {seen.port} in the sandbox of {unit.name}"
    if outcome is None:
        return (Check("trial", UNKNOWN, f"a bind of {where} could not be tried; it shows once it listens"),)
    if not outcome:
        return (Check("trial", PASS, f"a program of the same user bound {where}"),)
    known = outcome.startswith("E")
    return (Check("trial", FAIL if known else UNKNOWN, f"a bind of {where} ends in {outcome}"),)


def _not_listening(seen: Seen) -> Check:
    unit, others = seen.case.facts.unit, beside(seen.case, seen.inner)
    nothing = f"nothing of {seen.case.service.name} listens on port {seen.inner}, and {others}" if others else ""
    nothing = nothing or f"nothing listens on port {seen.inner}"
    if unit is not None:
        restarts = unit.says("NRestarts")
        again = f", restarted {restarts} times" if restarts not in ("", "0") else ""
        result = f", result {unit.says('Result')}" if unit.manager is None else ""
        state = f"{unit.says('ActiveState')} ({unit.says('SubState')}{result}{again})"
        text = f"{nothing}; {unit.name} is {state}; {advice_to_look(unit.name)}"
        return Check("listening", FAIL, text)
    granted = seen.strategy is not None and grant_check(seen.case, seen.strategy).verdict == PASS
    if granted:
        return Check("listening", UNKNOWN, NOT_LISTENING)
    return Check("listening", FAIL, nothing)


def _listening(seen: Seen) -> Check:
    text = f"{seen.inner.protocol} port {seen.inner.number} is open: {_addresses(seen.served)}"
    return Check("listening", PASS, text)


def _addresses(listeners: tuple[Listener, ...]) -> str:
    return ", ".join(
        f"{it.address} ({' and '.join(_FAMILY_NAMES[family] for family in sorted(families_of(it)))})"
        for it in listeners
    )


def _address_checks(seen: Seen) -> tuple[Check, ...]:
    """One for each address that the service declares."""
    return tuple(_address_check(seen, address) for address in seen.case.service.addresses)


def _address_check(seen: Seen, address: str) -> Check:
    if any(serves(it.address, address, v6only=it.v6only) for it in seen.served):
        return Check("address", PASS, f"port {seen.inner} is served on {address}")
    return Check("address", FAIL, f"port {seen.inner} is not served on {address}, but on {_addresses(seen.served)}")


def _family_checks(seen: Seen) -> tuple[Check, ...]:
    """One for each family that the service declares."""
    return tuple(_family_check(seen, family) for family in seen.case.service.families)


def _family_check(seen: Seen, family: str) -> Check:
    name = _FAMILY_NAMES[family]
    if family in seen.families:
        return Check("family", PASS, f"port {seen.port} is served over {name}")
    if any(it.v6only is None and it.address == "::" for it in seen.entrances):
        text = (
            f"whether port {seen.port} is served over {name} beside IPv6 is not told by {seen.case.host.socket_source}"
        )
        return Check("family", UNKNOWN, text)
    return Check(
        "family", FAIL, f"port {seen.port} is not served over {name}, but on {_addresses(seen.entrances)} alone"
    )


def strangers_on(seen: Seen) -> tuple[Listener, ...]:
    """The sockets on the port that are known to be somebody else's."""
    return tuple(it for it in seen.listeners if it.owners_known and not any(map(seen.is_ours, it.owners)))


def _owner_check(seen: Seen) -> Check:
    socket, others = seen.case.held_by(seen.inner), strangers_on(seen)
    if socket and others and all(process.pid == 1 for it in others for process in it.owners):
        return _waiting(seen, socket)
    in_the_way = _in_the_way(seen, others) if seen.processes else list(others)
    if in_the_way:
        holders = ", ".join(str(process) for process in in_the_way[0].owners)
        whose = f"{holders}, which is" if holders else "a process of another PID namespace,"
        text = f"port {seen.inner} is held by {whose} not part of {seen.case.service.name}"
        return Check("owner", FAIL, text)
    if not all(listener.owners_known for listener in seen.listeners):
        return Check("owner", UNKNOWN, f"who holds port {seen.inner} is hidden from this user; look as root")
    held_by = ", ".join(f"pid {process.pid}" for process in seen.processes)
    return Check("owner", PASS, f"port {seen.inner} is held by {seen.case.service.name}: {held_by}")


def _in_the_way(seen: Seen, others: Sequence[Listener]) -> list[Listener]:
    """Those of others' sockets that are in the way of a service which listens.

    On single addresses they are in nobody's way who listens on others, and whoever named its addresses has them.
    Instances of one template share a port (socket(7), SO_REUSEPORT).
    """
    if seen.case.service.addresses:
        return []
    on_all = (it for it in others if it.address in WILDCARDS)
    return [it for it in on_all if not all(map(seen.case.is_sibling, it.owners))]


def _waiting(seen: Seen, socket: str) -> Check:
    """Of a socket that systemd holds and the service does not."""
    unit = seen.case.facts.unit
    on = ", ".join(it.address for it in strangers_on(seen))
    text = f"port {seen.inner} on {on} is held by {socket} for {seen.case.service.name}, which has not accepted it yet"
    # It has its sockets from its start on.
    started = unit is not None and (unit.runs or unit.says("ActiveState") == "failed")
    if socket in seen.case.own_units and started:
        return Check("owner", FAIL, f"{text}; look whether it is set up to take what systemd hands to it")
    return Check("owner", UNKNOWN, text)


def _parent_check(seen: Seen, parent: Process) -> Check:
    children = [it for it in seen.workers if it.status.parent == parent.pid]
    pids = ", ".join(str(it.pid) for it in children)
    text = (
        f"{parent} started as root, bound port {seen.inner} and stays root, "
        f"while its workers (pid {pids}) serve as uid {children[0].status.uid}"
    )
    return Check("root_parent", FAIL, text)


def process_checks(seen: Seen, process: Process) -> tuple[Check, ...]:
    return (_user_check(seen, process), _held_check(seen, process))


def _user_check(seen: Seen, process: Process) -> Check:
    uid, account = process.status.uid, seen.case.facts.account
    if process.status.is_root:
        how = "runs as root" if uid == 0 else f"can become root again: its user ids are {process.status.uids}"
        return Check("user", FAIL, f"{process} {how}")
    other = next((it for it in process.unlike if it.status.uids != process.status.uids), None)
    if other is not None:
        return Check("user", FAIL, f"thread {other.tid} of {process} has the user ids {other.status.uids}")
    if seen.gave_up_root and (account is None or account.uid == 0):
        held = ", ".join(process.status.effective) or "no capability"
        return Check("user", PASS, f"pid {process.pid} started as root, serves as {process.whose}, and keeps {held}")
    # Workers of a root parent are as they should be when they are not root.
    if account is not None and uid != account.uid and not seen.root_parents:
        return Check("user", FAIL, f"{process} does not run as {account.name} (uid {account.uid})")
    return Check("user", PASS, f"pid {process.pid} runs as {process.whose}")


def _expected(seen: Seen) -> Expected:
    if seen.strategy is not None and not seen.root_parents:
        return seen.strategy.expects(seen.case)
    # What was root may keep what it needs; workers of one that stays root need nothing.
    return Expected(most=exec_gives(seen.case)) if seen.gave_up_root else Expected()


def _held_check(seen: Seen, process: Process) -> Check:
    expected = _expected(seen)
    lacking, exceeding = expected.lacking(process), expected.exceeding(process)
    if expected.authbind and process.authbind is False:
        return Check("held", FAIL, f"{process} lacks {'; '.join(lacking)}; restart it")
    if exceeding:
        giver = f"strategy {seen.strategy.name} and its unit give" if seen.strategy else "it was granted"
        return Check("held", FAIL, f"{process} holds more than {giver}: {'; '.join(exceeding)}")
    if expected.authbind and process.authbind is None:
        return Check("held", UNKNOWN, f"{process} does not show whether libauthbind is mapped; look as root")
    if lacking:
        # Who listens has bound: many servers keep no privilege that they need no more.
        return Check("held", PASS, f"{process} bound port {seen.inner}, and gave up {'; '.join(lacking)}")
    held = ", ".join(process.status.effective) or "no capability"
    threads = f"its {process.threads} threads" if process.threads > 1 else "its thread"
    return Check("held", PASS, f"pid {process.pid} holds {held}, in {threads}, and nothing more")


def _probe_checks(seen: Seen) -> tuple[Check, ...]:
    checks: tuple[Check, ...] = ()
    if seen.port.protocol == "tcp":
        checks += tuple(_connect_check(seen, address) for address in dict.fromkeys(it.address for it in seen.served))
        checks += _front_checks(seen)
    checks += _taken_checks(seen)
    if seen.case.is_privileged(seen.port):
        checks += tuple(_stranger_check(seen, family) for family in sorted(seen.families))
    return checks


def _taken_checks(seen: Seen) -> tuple[Check, ...]:
    """What takes connections away before the socket on the port gets them; a redirect has nothing but that."""
    if not seen.case.facts.network.is_host or not seen.case.facts.listeners_on(seen.port):
        return ()
    found = seen.case.facts.diversions_on(seen.port)
    return tuple(_taken_check(seen, it) for it in found if it.family in seen.families)


def _taken_check(seen: Seen, diversion: Diversion) -> Check:
    what = f"what other hosts send to port {seen.port} over {_FAMILY_NAMES[diversion.family]}"
    if diversion.certain:
        return Check("taken", FAIL, f"a rule leads {what} elsewhere, so the service never gets it: {diversion.rule}")
    return Check("taken", UNKNOWN, f"nobody can tell whether {what} reaches the service: {diversion.rule}")


def _front_checks(seen: Seen) -> tuple[Check, ...]:
    """A connection to the port itself over each family, where the service listens on another one."""
    if seen.inner == seen.port:
        return ()
    declared = seen.case.service.families
    return tuple(_front_check(seen, family) for family in declared or sorted(seen.families))


def _front_check(seen: Seen, family: str) -> Check:
    return _tried(seen.probe.front.get(family), where=f"port {seen.port} over {_FAMILY_NAMES[family]}")


def _tried(outcome: str | None, *, where: str) -> Check:
    if outcome is None:
        return Check("connect", UNKNOWN, f"no connection to {where} could be tried from this host")
    if outcome in NOT_TO_BE_TRIED:
        told = f"a connection of this host to {where} ends in {outcome}: {NOT_TO_BE_TRIED[outcome]}"
        return Check("connect", UNKNOWN, told)
    if outcome:
        return Check("connect", FAIL, f"a connection to {where} fails with {outcome}")
    return Check("connect", PASS, f"{where} accepts a connection")


def _connect_check(seen: Seen, address: str) -> Check:
    return _tried(seen.probe.connect.get(address), where=f"port {seen.inner} on {address}")


def _stranger_check(seen: Seen, family: str) -> Check:
    outcome, where = seen.probe.stranger.get(family), f"port {seen.port} over {_FAMILY_NAMES[family]}"
    if outcome is None:
        return Check("stranger", UNKNOWN, f"whether a stranger may bind {where} can be tried by root only")
    if outcome == "EACCES":
        return Check("stranger", PASS, f"another user is refused {where} with EACCES")
    return Check("stranger", FAIL, f"another user's bind of {where} ends in {outcome or 'success'}, not in EACCES")
