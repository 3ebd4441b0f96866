# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run ends proven, or leaves the host as it was: whatever fails, and at whatever change it is killed."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import managed, undo
from ansible_collections.netbind.privport.plugins.module_utils._apply import services as own_services
from ansible_collections.netbind.privport.plugins.module_utils._apply.transaction import (
    Interrupted,
    Outcome,
    Request,
    run,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import digest_of
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, Entry
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.undo import FORMAT, Before, Held
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, parse_services
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import temporaries
from ansible_collections.netbind.privport.plugins.module_utils._observe.view import JOURNAL, look
from ansible_collections.netbind.privport.tests.unit.core.cases import listener, process
from ansible_collections.netbind.privport.tests.unit.running import Killed, RunningHost, dropin

PORTS = {"a": 81, "b": 82, "c": 83, "d": 84, "e": 85}
JOURNALED = f"write {JOURNAL}"


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here outlives a power cut."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the hosts of a test have their programs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def folder() -> Path:
    return Path(tempfile.mkdtemp())


def request(strategies: Mapping[str, str], *, keep: bool | None = None, **fields: Any) -> Request:
    """What is asked for services, 'absent' being their state and everything else their strategy."""
    described = [
        {
            "name": name,
            "ports": [PORTS[name]],
            "unit": f"{name}.service",
            **({"state": "absent"} if strategy == "absent" else {"strategy": strategy}),
        }
        for name, strategy in strategies.items()
    ]
    return Request(tuple(it._replace(keep=keep) for it in parse_services(described)), **{"seconds": 0.0, **fields})


def machine(before: Mapping[str, str], *, keep: bool | None = None) -> RunningHost:
    """A host on which these services have these strategies, '' for none yet."""
    host = RunningHost(folder(), {name: PORTS[name] for name in before})
    granted = {name: strategy for name, strategy in before.items() if strategy}
    if granted:
        assert not run(host, request(granted, keep=keep), check_mode=False).failure
    host.events.clear()
    return host


def failed(outcome: Outcome) -> Dict[str, frozenset[str]]:
    return {it.case.service.name: it.failed for it in outcome.proofs if it.failed}


# --- From each state to another


class Way(NamedTuple):
    """What the services have, and what is asked for."""

    before: Dict[str, str]
    then: Dict[str, str]
    fields: Mapping[str, Any] = {}
    kept: bool | None = None

    @property
    def request(self) -> Request:
        return request(self.then, **self.fields)

    def machine(self) -> RunningHost:
        return machine(self.before, keep=self.kept)


AUTO = dict.fromkeys("abcde", "auto")
WAYS = {
    "a grant": Way({"a": "", "b": ""}, {"a": "auto", "b": "auto"}),
    "to a file capability": Way({"a": "ambient"}, {"a": "setcap"}),
    "from a file capability, which voids what comes": Way({"a": "setcap"}, {"a": "ambient"}),
    "to units of the collection's own": Way({"a": ""}, {"a": "setcap"}, {"keep": True}),
    "from units of the collection's own": Way({"a": "setcap"}, {"a": "absent"}, {"keep": False}, kept=True),
    "to a setting of the kernel": Way({"a": "ambient"}, {"a": "sysctl"}),
    "taken back, and restarted": Way(
        {"a": "ambient", "b": "setcap"}, dict.fromkeys("ab", "absent"), {"restart_absent": True}
    ),
    "taken back": Way({"a": "ambient"}, {"a": "absent"}),
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.mark.parametrize("seconds", [0, 60])
def test_what_was_started_is_proven_once_it_is_up_so_long(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends in the meantime."""
    host, slept = machine({"a": ""}), []

    def ends(rest: float) -> None:
        if rest > 1:
            slept.append(rest)
            host.units["a.service"].update(ActiveState="failed", SubState="failed", MainPID="0")

    monkeypatch.setattr(time, "sleep", ends)
    monkeypatch.setattr(STRATEGIES["ambient"], "proven_after", seconds)
    outcome = run(host, request({"a": "ambient"}), check_mode=False)
    assert (bool(failed(outcome)), len(slept)) == ((True, 1) if seconds else (False, 0))


@pytest.mark.parametrize(
    ("before", "ends", "seconds", "why"),
    [
        (0, 0, 20.0, ""),
        (0, 1, 20.0, ""),
        (0, 99, 20.0, "a.service does not stay up: systemd started it again"),
        # For want of its grant it was started again and again until now.
        (7, 0, 1.0, ""),
    ],
)
def test_what_ends_and_is_started_again_has_to_stay_up(
    before: int, ends: int, seconds: float, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, clock, waits = machine({"a": ""}), [1000.0], []
    host.units["a.service"]["NRestarts"] = str(before)

    def sleep(rest: float) -> None:
        clock[0] += max(rest, 0.1)
        if rest > 1:
            waits.append(rest)
            host.units["a.service"]["NRestarts"] = str(before + min(len(waits), ends))

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(STRATEGIES["ambient"], "proven_after", 3)
    outcome = run(host, request({"a": "ambient"}, seconds=seconds), check_mode=False)
    told = [reason for proof in outcome.proofs for it in proof.evidence for reason in it.reasons]
    assert (bool(failed(outcome)), any(it.startswith(why) for it in told)) == (bool(why), bool(why))


@each_way
def test_a_run_ends_proven_and_the_next_changes_nothing(way: Way) -> None:
    host = way.machine()
    before = host.state
    foreseen = run(host, way.request, check_mode=True)
    assert (host.events, host.state) == ([], before)
    done = run(host, way.request, check_mode=False)
    assert (done.failure, failed(done), done.restored, done.left, done.changed) == ("", {}, (), (), True)
    assert (sorted(foreseen.steps), sorted(map(str, foreseen.diff))) == (
        sorted(done.steps),
        sorted(map(str, done.diff)),
    )
    assert (set(foreseen.warnings), foreseen.changed) == (set(done.warnings), True)
    assert (JOURNAL in host.files, host.does("lock")) == (False, ["lock"])
    host.events.clear()
    again = run(host, way.request, check_mode=False)
    assert (again.changed, again.steps, again.diff, failed(again), host.events) == (False, (), (), {}, [])


def every_event(way: Way, happens: Callable[[], object]) -> Iterator[RunningHost]:
    """One host after the other, on which it happens at the first change of the run, the second, and so on."""
    host = way.machine()
    done = host.twin(folder())
    run(done, way.request, check_mode=False)
    for number in range(1, len(done.events) + 1):
        other = host.twin(folder())
        other.at[number] = happens
        yield other


def fail() -> None:
    raise HostError("it cannot be done: No space left on device")


@each_way
def test_a_host_that_cannot_carry_on_is_what_it_was(way: Way) -> None:
    for host in every_event(way, fail):
        before = host.state
        if 1 in host.at:
            # The lock: nothing is under way yet.
            with pytest.raises(HostError):
                run(host, way.request, check_mode=False)
        else:
            done = run(host, way.request, check_mode=False)
            assert (done.failure[:17], done.changed, done.left) == ("it cannot be done", False, ()), host.events
        assert host.state == before, host.events


def kill() -> None:
    raise Killed


@each_way
def test_a_run_that_was_killed_is_undone_first_and_told(way: Way) -> None:
    undisturbed = way.machine()
    run(undisturbed, way.request, check_mode=False)
    for host in every_event(way, kill):
        with pytest.raises(Killed):
            run(host, way.request, check_mode=False)
        interrupted = JOURNAL in host.files
        done = run(host, way.request, check_mode=False)
        assert (done.failure, failed(done), host.state == undisturbed.state) == ("", {}, True), host.events
        assert interrupted is any("an earlier run was interrupted" in it for it in done.warnings)


# --- A proof that fails


class Broken(NamedTuple):
    """Services of which some fail, and those that are taken back."""

    broken: str
    back: str
    then: Mapping[str, str] = AUTO
    before: Mapping[str, str] = dict.fromkeys("abcde", "")
    fields: Mapping[str, Any] = {}


PARTS = {
    "that one alone": Broken("b", "b"),
    "those two alone": Broken("bd", "bd"),
    "everything, as is asked for": Broken("b", "abcde", fields={"undo": "all"}),
    "those that share a setting": Broken("b", "abc", {"a": "sysctl", "b": "sysctl", "c": "sysctl", "d": "ambient"}),
    "one that was granted otherwise": Broken("b", "b", dict.fromkeys("ab", "setcap"), dict.fromkeys("ab", "ambient")),
}


def test_an_undo_leaves_alone_what_runs_since_before() -> None:
    host = machine({"a": "setcap"}, keep=True)
    (watching,) = [name for name in host.units if name.endswith(".path")]
    resources = Desired(entries=(Entry(dropin("a.service")),), running=(watching,))
    before = Before(FORMAT, managed.look(host, [resources]), units=(), held=())
    invocation = host.units[watching]["InvocationID"]
    mark = "# Managed by netbind.privport (ambient); state=absent removes this file."
    host.write(dropin("a.service"), content=f"{mark}\n[Service]\n")
    done = undo.restore(host, before, seconds=0)
    assert (done.left, dropin("a.service") in host.files) == ((), False)
    assert host.units[watching]["InvocationID"] == invocation


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_failed_proof_takes_back(part: Broken) -> None:
    host = machine(part.before)
    before = host.state
    # A program that works as long as nothing is changed.
    host.whenever["systemctl --no-block"] = lambda: host.broken.update(part.broken)
    host.whenever["systemctl restart"] = host.broken.clear
    done = run(host, request(part.then, **part.fields), check_mode=False)
    assert (set(failed(done)), done.failure, done.left) == (set(part.broken), "", ())
    state, good = host.state, set(part.then) - set(part.back)
    for name in part.then:
        paths = (f"{name}.service", dropin(f"{name}.service"), f"/srv/{name}")
        same = [state.get(path) == before.get(path) for path in paths]
        assert all(same) is (name in part.back), name
    assert (done.changed, bool(good & {it.service for it in done.steps})) == (bool(good), bool(good))
    assert all(any(f"{name}.service" in text for text in done.restored) for name in part.back)
    assert not [text for text in done.restored for name in good if f"/{name}.service" in text]
    assert (JOURNAL in host.files, len(host.does("lock"))) == (False, 1)


def test_five_services_cost_one_reload_and_one_restart() -> None:
    host = machine(dict.fromkeys(PORTS, ""))
    run(host, request(AUTO), check_mode=False)
    assert host.does("systemctl daemon-reload") == ["systemctl daemon-reload"]
    assert host.does("systemctl --no-block") == [
        f"systemctl --no-block start -- {' '.join(f'{it}.service' for it in PORTS)}"
    ]


def test_a_unit_of_two_services_is_started_once_and_taken_back_for_both() -> None:
    host = machine({"a": "", "b": ""})
    before = host.state
    asked = request({"a": "auto", "b": "auto"})
    shared = asked._replace(services=tuple(it._replace(unit="a.service") for it in asked.services))
    foreseen = run(host, shared, check_mode=True)
    done = run(host, shared, check_mode=False)
    # Nothing binds the port of b.
    assert (failed(done), host.state) == ({"b": frozenset({"listening"})}, before)
    assert sorted(done.steps) == sorted(foreseen.steps)
    assert host.does("systemctl --no-block") == ["systemctl --no-block start -- a.service"]


def test_a_unit_that_does_not_start_again_is_told() -> None:
    host = machine({"a": "ambient"})
    host.whenever["systemctl --no-block"] = lambda: host.broken.add("a")
    done = run(host, request({"a": "setcap"}), check_mode=False)
    silent = "a listened on port 81 before and does not now; see journalctl -u a.service"
    assert done.left == ("systemctl restart -- a.service failed with status 1: Job for a.service failed", silent)
    # The undo is over: to try it once more would restart what somebody mends meanwhile.
    assert (done.changed, JOURNAL in host.files) == (True, False)
    host.whenever.clear()
    host.broken.clear()
    again = run(host, request({"a": "ambient"}), check_mode=False)
    assert (again.failure, again.changed, [it.text for it in again.steps]) == ("", True, ["started a.service"])


def test_what_cannot_be_restored_is_told_and_tried_again() -> None:
    host = machine({"a": ""})
    host.broken.add("a")
    host.whenever[f"remove {dropin('a.service')}"] = fail
    done = run(host, request({"a": "ambient"}), check_mode=False)
    assert done.left[0].startswith("it cannot be done")
    assert (done.changed, JOURNAL in host.files) == (True, True)
    host.broken.clear()
    with pytest.raises(HostError, match="its undo cannot be finished: it cannot be done"):
        run(host, request({"a": "absent"}), check_mode=False)
    host.whenever.clear()
    again = run(host, request({"a": "absent"}), check_mode=False)
    assert again.warnings[0].startswith("an earlier run was interrupted, and its undo was finished: removed")
    assert (again.failure, JOURNAL in host.files, dropin("a.service") in host.files) == ("", False, False)


def test_an_undo_that_fails_altogether_is_told_with_its_cause() -> None:
    host = machine({"a": "ambient"})

    def both() -> None:
        host.whenever[f"remove {JOURNAL}"] = fail
        fail()

    host.whenever["give"] = both
    with pytest.raises(HostError, match=r"^it cannot be done.*; what was changed could not be taken back: it cannot"):
        run(host, request({"a": "setcap"}), check_mode=False)


def test_a_run_that_is_asked_to_end_restores_all() -> None:
    host = machine({"a": "ambient"})
    before = host.state

    def end() -> None:
        raise Interrupted("the run was asked to end by SIGTERM")

    host.whenever["systemctl --no-block"] = end
    done = run(host, request({"a": "setcap"}), check_mode=False)
    assert (done.failure, done.changed, host.state) == ("the run was asked to end by SIGTERM", False, before)


# --- What is under way, or was


def journal(**changed: Any) -> str:
    """A journal of a run that changed nothing yet."""
    empty = {"entries": {}, "attributes": {}, "settings": {}, "units": {}, "leftovers": [], "reloads": []}
    return json.dumps({"format": 1, "state": empty, "units": [], "held": [], **changed})


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", journal(format=99), journal(units=None), journal(more=1), journal(state={})],
    ids=["empty", "cut", "a list", "null", "another format", "no units", "more than is known", "no state"],
)
def test_a_journal_that_cannot_be_understood(text: str) -> None:
    host = machine({"a": ""})
    host.files[JOURNAL] = text
    before = host.state
    with pytest.raises(HostError, match=r"look at it, put right what it names, and remove it$") as told:
        run(host, request({"a": "auto"}), check_mode=False)
    assert (str(told.value).startswith(JOURNAL), "\n" in str(told.value)) == (True, False)
    assert (host.state, host.events) == (before, ["lock"])


@pytest.mark.parametrize("path", [JOURNAL, temporaries(JOURNAL)[0]], ids=["a journal", "half a journal"])
def test_a_run_that_was_killed_before_it_changed_anything(path: str) -> None:
    host = machine({"a": "ambient"})
    host.files[path] = journal()
    foreseen = run(host, request({"a": "ambient"}), check_mode=True)
    assert foreseen.warnings == ("an earlier run was interrupted; its undo would be finished first",)
    done = run(host, request({"a": "ambient"}), check_mode=False)
    assert done.warnings == ("an earlier run was interrupted before it changed anything",)
    assert (done.changed, failed(done), path in host.files) == (False, {}, False)


def test_what_an_earlier_undo_could_not_do_is_told() -> None:
    host = machine({"a": "ambient"})
    host.files[JOURNAL] = journal(held=[{"service": "z", "unit": "", "port": "99"}])
    done = run(host, request({"a": "ambient"}), check_mode=False)
    assert done.warnings[1] == "of an earlier run: z listened on port 99 before and does not now"


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_settled_host_waits_for_no_run_that_is_under_way(check_mode: bool) -> None:
    host = machine({"a": "ambient"})
    host.files[JOURNAL], host.taken = journal(), True
    done = run(host, request({"a": "ambient"}), check_mode=check_mode)
    assert (done.changed, done.warnings, failed(done), host.events) == (False, (), {}, [])


def test_another_run_may_have_done_it_already() -> None:
    host = machine({"a": ""})
    host.whenever["lock"] = lambda: host.whenever.clear() or run(host, request({"a": "auto"}), check_mode=False)  # type: ignore[func-returns-value]
    done = run(host, request({"a": "auto"}), check_mode=False)
    assert (done.changed, failed(done), host.does(JOURNALED)) == (False, {}, [JOURNALED])


# --- Refusals


def digest(host: RunningHost, asked: Request) -> str:
    return digest_of(look(host, asked.services, rules={}).decisions)


def test_the_decision_that_was_made_elsewhere_is_carried_out() -> None:
    host, asked = machine({"a": ""}), request({"a": "auto"})
    assert run(host, asked._replace(digest=digest(host, asked)), check_mode=False).changed


def test_another_decision_than_that_is_refused() -> None:
    host, asked = machine({"a": ""}), request({"a": "auto"})
    other = digest(host, request({"a": "setcap"}))
    before = host.state
    with pytest.raises(Refused, match="nothing was changed; plan and run it again"):
        run(host, asked._replace(digest=other), check_mode=False)
    assert (host.state, host.events) == (before, ["lock"])


def test_an_undo_that_was_finished_changes_what_is_decided() -> None:
    host, asked = machine({"a": ""}), request({"a": "auto"})
    host.whenever["systemctl --no-block"] = kill
    with pytest.raises(Killed):
        run(host, asked, check_mode=False)
    host.whenever.clear()
    done = run(host, asked._replace(digest=digest(host, asked)), check_mode=False)
    assert (done.changed, failed(done), done.failure) == (True, {}, "")


@pytest.mark.parametrize("check_mode", [True, False])
def test_one_service_that_is_refused_refuses_all(check_mode: bool) -> None:
    host = machine({"a": "", "b": ""})
    done = run(host, request({"a": "auto", "b": "unneeded"}), check_mode=check_mode)
    assert [bool(it.error) for it in done.decisions] == [False, True]
    assert (done.changed, done.proofs, host.events) == (False, (), [])


def test_a_file_of_somebody_elses_is_refused_before_anything_is_changed() -> None:
    host = machine({"a": ""})
    path = "/etc/systemd/system/privport-keep-srv-a.path"
    before = host.state
    host.whenever[JOURNALED] = lambda: host.files.update({path: "[Path]\n"})
    done = run(host, request({"a": "setcap"}, keep=True), check_mode=False)
    assert done.failure == f"{path} was not written by this collection and is left as it is; remove or rename it first"
    assert (host.state, done.left) == ({**before, path: ("[Path]\n", None)}, (done.failure,))


# --- Processes that keep what is taken from them


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_the_service_had_by_another_unit_is_taken_back(state: str) -> None:
    host = machine({"a": "ambient", "b": ""})
    described = {"name": "a", "ports": [PORTS["b"]], "unit": "b.service", "state": state}
    asked = Request(tuple(parse_services([described])), seconds=0.0)
    done = run(host, asked, check_mode=False)
    assert (done.failure, done.changed, failed(done)) == ("", True, {})
    there = [path for path in (dropin("a.service"), dropin("b.service")) if path in host.files]
    assert there == ([dropin("b.service")] if state == "present" else [])
    assert run(host, asked, check_mode=False).changed is False


def test_a_process_that_keeps_it_is_told_until_it_is_restarted() -> None:
    host = machine({"a": "ambient"})
    for _time in range(2):
        done = run(host, request({"a": "absent"}), check_mode=False)
        (kept,) = done.warnings
        assert kept.endswith("keeps cap_net_bind_service until a.service is restarted")
    host.events.clear()
    restarting = request({"a": "absent"}, restart_absent=True)
    assert [it.text for it in run(host, restarting, check_mode=True).steps] == ["restarted a.service"]
    done = run(host, restarting, check_mode=False)
    assert ([it.text for it in done.steps], done.warnings, done.changed) == (["restarted a.service"], (), True)
    assert host.does("systemctl") == ["systemctl --no-block restart -- a.service"]
    host.events.clear()
    assert (run(host, restarting, check_mode=False).changed, host.events) == (False, [])


def test_a_unit_that_failed_for_want_of_its_grant_is_started() -> None:
    host = machine({"a": ""})
    host.run(["systemctl", "start", "--", "a.service"])
    assert host.units["a.service"]["ActiveState"] == "failed"
    done = run(host, request({"a": "auto"}), check_mode=False)
    assert (failed(done), host.does("systemctl reset-failed")) == ({}, ["systemctl reset-failed -- a.service"])


STOPPING = "deactivating"


@pytest.mark.parametrize(
    ("states", "left"),
    [
        ([], ()),
        (["activating"] * 2, ()),
        (["activating"] * 9, ("a.service",)),
        # The time begins when it has stopped.
        ([STOPPING] * 9 + ["activating"] * 2, ()),
        ([STOPPING] * 9 + ["activating"] * 9, ("a.service",)),
        ([STOPPING] * 200, ("a.service",)),
    ],
)
def test_jobs_are_waited_for(monkeypatch: pytest.MonkeyPatch, states: List[str], left: Sequence[str]) -> None:
    host = machine({"a": ""})
    coming, ticks = iter(states), iter(range(1000))

    def show(_host: object, names: Sequence[str], **_: object) -> Dict[str, Dict[str, str]]:
        state = next(coming, "")
        return {name: {"Job": "7" if state else "", "ActiveState": state} for name in names}

    monkeypatch.setattr(own_services.units, "show", show)
    monkeypatch.setattr(own_services.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(own_services.time, "monotonic", lambda: next(ticks))
    assert own_services.await_jobs(host, ["a.service"], seconds=5) == left


@pytest.mark.parametrize(
    ("holders", "known", "expected"),
    [
        ((process(unit="a.service"),), True, True),
        ((process(pid=1, unit="init.scope"),), True, True),
        # Two services may have a port in common, at addresses of their own.
        ((process(unit="b.service"),), True, False),
        ((), True, False),
        ((), False, True),
    ],
    ids=["its own", "systemd's for it", "another's", "nobody's", "not to be told"],
)
def test_whose_socket_on_the_port_it_is(holders: Any, known: bool, expected: bool) -> None:
    held = Held(service="a", unit="a.service", port="80")
    assert undo._is_of(listener(*holders, known=known), held, port=Port(80)) is expected
