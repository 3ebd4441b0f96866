# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole job on a host: grant, restart by need, prove, remove what is surplus, prove again; or undo all of it."""

from __future__ import annotations

import time
from typing import Callable, Collection, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Set, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import managed, own_units, services, undo
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import OF_PROCESSES, Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision, digest_of
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import (
    Group,
    grants,
    removals,
    sharing,
    together,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.provenance import Granted, recorded
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, Entry, State
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.undo import FORMAT, Before, held_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    PrivportError,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import STATE, written
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._core.report.diff import diff_of
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.proof import Proof, await_proof, prove_cases
from ansible_collections.netbind.privport.plugins.module_utils._observe.records import read_records
from ansible_collections.netbind.privport.plugins.module_utils._observe.view import View, look


class Interrupted(PrivportError):
    """Somebody asked this process to end while it changed the host."""


class Request(NamedTuple):
    """What is asked of the host.

    rules are those of the site's policy that apply, by the service's name. digest is that of the decisions which
    were made elsewhere from the same facts, '' for none. undo: 'failed' or 'all', what a failed proof takes back.
    """

    services: Tuple[Service, ...]
    rules: Mapping[str, Tuple[Rule, ...]] = {}
    seconds: float = 30.0
    restart_absent: bool = False
    undo: str = "failed"
    digest: str = ""

    @property
    def longest(self) -> float:
        """The seconds of the service that may take the longest."""
        return max((it.seconds(self.seconds) for it in self.services), default=self.seconds)


class Step(NamedTuple):
    """What was done for a service, a sentence without its subject."""

    service: str
    text: str


class Outcome(NamedTuple):
    """What came of it. failure is what went wrong beside decisions and proofs, '' for nothing."""

    decisions: Tuple[Decision, ...] = ()
    steps: Tuple[Step, ...] = ()
    diff: Tuple[Mapping[str, str], ...] = ()
    proofs: Tuple[Proof, ...] = ()
    restored: Tuple[str, ...] = ()
    left: Tuple[str, ...] = ()
    warnings: Tuple[str, ...] = ()
    failure: str = ""
    # Whether the host is another one than before.
    changed: bool = False


def run(host: Host, request: Request, *, check_mode: bool) -> Outcome:
    """Bring the host to what is asked for and prove it, or leave it as it was.

    Takes the host's lock only where something is to be changed. Raises PrivportError where nothing was changed.
    """
    view = _look(host, request)
    if view.interrupted and not host.lock_is_free():
        # It is under way, and whoever only looks waits for nobody.
        view = view._replace(interrupted=False)
    if view.refused(check_mode=check_mode) or is_settled(view, request):
        return _settled(host, request, view, check_mode=check_mode)
    if check_mode:
        return _foreseen(host, request, view)
    with host.locked(needed=True):
        finished = undo.finish_interrupted(host, seconds=request.longest) if undo.is_interrupted(host) else None
        view = _look(host, request)
        if view.refused(check_mode=False) or is_settled(view, request):
            outcome = _settled(host, request, view, check_mode=False)
        else:
            if finished is None:
                _require_same(view, request)
            outcome = _Transaction(host, request, view).run()
    return outcome if finished is None else _with_finished(outcome, finished)


def is_settled(view: View, request: Request) -> bool:
    """Whether nothing is left to do, processes that are to be restarted included."""
    return view.settled and not any(_is_restarted(it, request) for it in _retaining(view))


def _retaining(view: View) -> List[Decision]:
    """The services whose processes keep what was taken back."""
    return [it for it in view.decisions if it.retained and it.state == "absent"]


def _is_restarted(decision: Decision, request: Request) -> bool:
    """Whether its unit is restarted for what the process keeps."""
    return bool(decision.retained and decision.unit) and (decision.state == "present" or request.restart_absent)


def _kept(decisions: Iterable[Decision], request: Request) -> List[str]:
    """A sentence for each process that goes on keeping something."""
    return [sentence for it in decisions if not _is_restarted(it, request) for sentence in it.retained]


def _look(host: Host, request: Request, *, granted: Collection[str] = ()) -> View:
    return look(host, request.services, rules=request.rules, granted=granted)


def glance(host: Host, request: Request, *, check_mode: bool) -> Tuple[View, Outcome | None]:
    """What a look alone tells, and what comes of it; None where the host has something to do, or to wait for.

    Raises PrivportError where a tool fails.
    """
    view = _look(host, request)
    if view.refused(check_mode=check_mode):
        return view, _told(view, ())
    if not is_settled(view, request):
        return view, None
    proofs = prove_cases(host, view.chosen)
    return view, None if any(it.failed for it in proofs) else _told(view, proofs)


def _with_finished(outcome: Outcome, finished: undo.Restored) -> Outcome:
    told = [f"an earlier run was interrupted, and its undo was finished: {text}" for text in finished.done]
    told = told or ["an earlier run was interrupted before it changed anything"]
    return outcome._replace(
        changed=outcome.changed or bool(finished.done),
        warnings=(*told, *(f"of an earlier run: {text}" for text in finished.left), *outcome.warnings),
    )


def _require_same(view: View, request: Request) -> None:
    if request.digest and request.digest != digest_of(view.decisions):
        raise Refused(
            "what would be done now is not what was planned: the host, or what is described for it, changed since; "
            "nothing was changed; plan and run it again"
        )


def _settled(host: Host, request: Request, view: View, *, check_mode: bool) -> Outcome:
    return _told(view, () if view.refused(check_mode=check_mode) else _prove(host, request, view.chosen))


def _told(view: View, proofs: Tuple[Proof, ...]) -> Outcome:
    """What comes of a look that changed nothing."""
    kept = [sentence for it in _retaining(view) for sentence in it.retained]
    return Outcome(view.decisions, steps=_unknown(view), proofs=proofs, warnings=(*_warnings(view), *kept))


def _unknown(view: View) -> Tuple[Step, ...]:
    """What of a service nobody can foresee that is still to be installed."""
    return tuple(Step(it.name, f"unknown until it is installed: {it.error}") for it in view.decisions if it.missing)


def _warnings(view: View) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(warning for it in view.decisions for warning in it.warnings))


def _prove(host: Host, request: Request, seen: Sequence[Case]) -> Tuple[Proof, ...]:
    services = [case.service for case in seen]
    return await_proof(host, services, seconds=request.seconds, seen=seen) if seen else ()


def _foreseen(host: Host, request: Request, view: View) -> Outcome:
    """What a run would do, told as if it were done."""
    granted = grants(view.cases, view.decisions)
    groups = (*granted, *removals(view.cases, view.decisions, granted=granted))
    now = managed.way(host, together(groups)).now
    ways = [managed.Way(now, it.desired) for it in groups]
    steps = [step for group, way in zip(groups, ways) for step in _steps(group, way)]
    again = {it.unit: "restart" for it in view.decisions if _is_restarted(it, request)}
    names = {it.unit: it.name for it in view.decisions}
    steps += [Step(names[it], f"{verb}ed {it}") for it, verb in {**again, **services.wanted(view.decisions)}.items()]
    warnings = ["an earlier run was interrupted; its undo would be finished first"] if view.interrupted else []
    return Outcome(
        view.decisions,
        steps=(*steps, *_unknown(view)),
        diff=_diff(ways),
        warnings=(*warnings, *_warnings(view), *_kept(view.decisions, request)),
        changed=True,
    )


def _steps(group: Group, way: managed.Way) -> List[Step]:
    own = [f"started {name}" for name in way.wanted.running] + [f"stopped {name}" for name in way.stopped]
    own += [f"reloaded {it[0].unit}" for it in way.served]
    return [Step(group.service, text) for text in (*(it.text for it in way.changes), *own)]


def _diff(ways: Sequence[managed.Way]) -> Tuple[Mapping[str, str], ...]:
    """As diff mode shows it, each resource once."""
    changes = (change for way in ways for change in way.changes)
    return tuple(diff_of((it.path, it.now.shown, it.then.shown) for it in changes))


class _Transaction:
    """One run that changes a host; the lock is held from its first look to its end."""

    def __init__(self, host: Host, request: Request, view: View) -> None:
        self._host = host
        self._request = request
        self._view = view
        self._groups: List[Group] = []
        self._ways: List[managed.Way] = []
        self._steps: List[Step] = []
        self._restored: List[str] = []
        self._left: List[str] = []
        self._failed: Set[str] = set()
        # When each unit was started in this run.
        self._started: Dict[str, float] = {}
        # How often systemd started units again since, and those that it still does.
        self._again: Dict[str, int] = {}
        self._restless: Set[str] = set()
        self._broken = False
        self._kept: List[str] = []
        self._before = Before(format=FORMAT, state=State(), units=(), held=())
        # What was decided when the run began.
        self._decisions = view.decisions
        self._warnings = _warnings(view)

    def run(self) -> Outcome:
        view = self._view
        try:
            granted = grants(view.cases, view.decisions)
            self._remember((*granted, *removals(view.cases, view.decisions, granted=granted)))
            proofs = self._change()
            self._record()
            self._forget()
        except (PrivportError, OSError) as failure:
            self._undo_after(failure)
            return self._outcome((), failure=str(failure))
        return self._outcome(proofs, failure="")

    def _record(self) -> None:
        """Remember what was granted, and forget what was taken back."""
        good, chosen = self._good, {case.service.name: case for case in self._view.chosen}
        whose = {
            case.service.name: Granted(
                case.service.name,
                good[case.service.name].strategy if case.service.name in good else "",
                case.facts.account.uid if case.facts.account else -1,
            )
            for case in self._view.cases
        }
        made = [(whose[group.service], way) for group, way in zip(self._groups, self._ways) if group.service in good]
        there = [
            (whose[name], STRATEGIES[good[name].strategy].desired(case, Desired()))
            for name, case in chosen.items()
            if name in good
        ]
        records = recorded(
            self._view.cases[0].host.records, [(it, change) for it, way in made for change in way.changes], there=there
        )
        text = written(records)
        if text:
            self._host.write(STATE, content=text, mode=0o600)
        else:
            self._host.remove(STATE, with_folder=True)
        # The next look asks what has become of them.
        read_records(self._host)

    def _outcome(self, proofs: Tuple[Proof, ...], *, failure: str) -> Outcome:
        return Outcome(
            decisions=self._decisions,
            steps=tuple(self._steps),
            diff=_diff(self._ways),
            proofs=proofs,
            restored=tuple(self._restored),
            left=tuple(self._left),
            warnings=(*self._warnings, *self._kept),
            failure=failure,
            changed=bool(self._left) or any(it.service not in self._failed for it in self._steps),
        )

    def _remember(self, groups: Sequence[Group]) -> None:
        """Note what these may change, on disk before anything is changed."""
        asked = [it.desired for it in groups]
        known, now = self._before.state, managed.look(self._host, [*asked, Desired(entries=(Entry(STATE),))])
        held = self._before.held or held_ports(self._view.cases)
        names = sorted({it.unit for it in self._view.decisions if it.unit})
        self._before = Before(
            format=FORMAT,
            state=State(
                entries={**now.entries, **known.entries},
                attributes={**now.attributes, **known.attributes},
                settings={**now.settings, **known.settings},
                units={**now.units, **known.units},
                # What is known from the first look comes last and counts.
                reloads=tuple({it.key: it for it in (*now.reloads, *known.reloads)}.values()),
            ),
            units=self._before.units or tuple(own_units.states(self._host, names).values()),
            held=held,
        )
        undo.remember(self._host, self._before)

    def _change(self) -> Tuple[Proof, ...]:
        self._bring(grants(self._view.cases, self._view.decisions), between=self._start)
        proofs = self._proved()
        surplus = [it for it in self._good.values() if it.surplus]
        retained = [it for it in self._good.values() if it.retained]
        stale = [it for it in self._good.values() if it.stale]
        if not surplus and not retained and not stale:
            return proofs
        self._clear()
        return (*(it for it in proofs if it.case.service.name in self._failed), *self._proved())

    @property
    def _good(self) -> Mapping[str, Decision]:
        """What is decided for the services that did not fail, by their names."""
        return {it.name: it for it in self._view.decisions if it.name not in self._failed}

    def _bring(self, groups: Sequence[Group], *, between: Callable[[], None]) -> None:
        wanted = [it for it in groups if it.service not in self._failed]
        way = managed.way(self._host, together(wanted), anew=True)
        told = [(it, managed.Way(way.now, it.desired)) for it in wanted]
        self._groups += wanted
        self._ways += [it for _group, it in told]
        self._steps += [step for group, it in told for step in _steps(group, it)]
        managed.bring(self._host, way, attempts=managed.Attempts(undoing=False), between=between)

    def _start(self) -> None:
        """Start what does not run, and restart what lacks its grant: a second look tells who does."""
        granted = [it.name for it in self._view.decisions if not set(it.pending) <= set(OF_PROCESSES)]
        self._view = _look(self._host, self._request, granted=granted)
        self._restart([it for it in self._good.values() if it.state == "present"])

    def _restart(self, decisions: Sequence[Decision]) -> None:
        done = services.start(self._host, decisions)
        units = {it.unit: it.name for it in self._view.decisions}
        self._steps += [Step(units[name], f"{verb} {name}") for name, verb in done]
        self._started.update((name, time.monotonic()) for name, _verb in done)
        services.await_jobs(self._host, [name for name, _verb in done], seconds=self._request.longest)

    def _settle(self) -> None:
        """Wait until what was started has been up as long as its strategy wants, without an end in between."""
        good = (it for it in self._good.values() if it.unit in self._started and it.strategy)
        asked = {it.unit: STRATEGIES[it.strategy].proven_after for it in good}
        wanted = {unit: seconds for unit, seconds in asked.items() if seconds}
        last = time.monotonic() + self._request.longest
        # What was started again for want of its grant may keep the number of that.
        self._again.update(services.started_again(self._host, [it for it in wanted if it not in self._again]))
        while wanted:
            rest = max(self._started[unit] + seconds for unit, seconds in wanted.items()) - time.monotonic()
            time.sleep(max(rest, 0))
            again = services.started_again(self._host, list(wanted))
            self._restless = {unit for unit, times in again.items() if times > self._again.get(unit, 0)}
            self._again.update(again)
            if time.monotonic() >= last:
                return
            self._started.update(dict.fromkeys(self._restless, time.monotonic()))
            wanted = {unit: wanted[unit] for unit in self._restless}

    def _stays(self, proof: Proof) -> Proof:
        """The proof, failed where its unit ended again and again while it was waited for."""
        unit = proof.case.facts.unit.name if proof.case.facts.unit else ""
        return proof.of_restless(unit, times=self._again[unit]) if unit in self._restless else proof

    def _proved(self) -> Tuple[Proof, ...]:
        """The proofs of those that did not fail before; what fails now is taken back."""
        self._settle()
        self._view = _look(self._host, self._request)
        lost = next((it.error for it in self._good.values() if it.error), "")
        if lost:
            raise HostError(lost)
        chosen = [it for it in self._view.chosen if it.service.name in self._good]
        proofs = tuple(map(self._stays, _prove(self._host, self._request, chosen)))
        failed = {proof.case.service.name for proof in proofs if proof.failed}
        if failed:
            self._take_back(failed)
        return proofs

    def _take_back(self, failed: Set[str]) -> None:
        everything = {it.name for it in self._request.services}
        gone = everything if self._request.undo == "all" else sharing(self._groups, self._view.cases, failed)
        self._failed |= gone
        if gone == everything:
            self._undo(self._before)
            return
        of = [it.desired for it in self._groups if it.service in gone]
        units = [it.unit for it in self._view.decisions if it.name in gone and it.unit]
        self._undo(undo.part_of(self._before, wanted=of, units=units, services=sorted(gone)))

    def _undo(self, before: Before) -> None:
        done = undo.restore(self._host, before, seconds=self._request.longest)
        self._restored += done.done
        self._left += done.left
        self._broken = self._broken or done.broken

    def _forget(self) -> None:
        """The run is over; but what another try may bring back, the next run tries to."""
        if not self._broken:
            undo.forget(self._host)

    def _undo_after(self, failure: Exception) -> None:
        self._failed = {it.name for it in self._request.services}
        try:
            self._undo(self._before)
            self._forget()
        except PrivportError as second:
            raise HostError(f"{failure}; what was changed could not be taken back: {second}") from failure

    def _clear(self) -> None:
        """Remove what is no longer needed, and restart what keeps it."""
        self._view = _look(self._host, self._request)
        keeping = [it for it in self._good.values() if it.retained]
        groups = removals(self._view.cases, self._view.decisions)
        self._remember(groups)
        self._bring(groups, between=lambda: self._restart_keepers(keeping))
        self._view = _look(self._host, self._request)

    def _restart_keepers(self, keeping: Sequence[Decision]) -> None:
        again = [it for it in keeping if _is_restarted(it, self._request)]
        self._restart([it._replace(pending=("restart",)) for it in again if it.state == "present"])
        absent = {it.unit: it.name for it in again if it.state == "absent"}
        # Without its grant it may well fail, and that is not this run's failure.
        services.restart(self._host, list(absent))
        self._steps += [Step(name, f"restarted {unit}") for unit, name in absent.items()]
        self._kept += _kept(keeping, self._request)
