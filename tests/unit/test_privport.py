# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one task, from its options to its result: the action plugin, and the modules that it has the host execute."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.netbind.privport.plugins.action import privport as action
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.recording import RecordingHost
from ansible_collections.netbind.privport.plugins.modules import privport, privport_info, privport_look
from ansible_collections.netbind.privport.plugins.plugin_utils import judge as judging
from ansible_collections.netbind.privport.plugins.plugin_utils import policy as policy_utils
from ansible_collections.netbind.privport.tests.unit.running import QUESTIONS, Killed, RunningHost, dropin

SERVICES = [{"name": name, "ports": [port], "unit": f"{name}.service"} for name, port in (("a", 81), ("b", 82))]
# The modules that one run has the host execute.
LOOK, INFO, RUN = "privport_look", "privport_info", "privport"
FORBID = {"forbid": "ambient", "when": "service.unit.name == 'b.service'", "why": "b starts strangers"}


class Task:
    """The task of a play for one host, which remembers what the host executed."""

    def __init__(self, host: RunningHost, folder: Path, output: pytest.CaptureFixture[str]) -> None:
        self.host = host
        self.executed: List[str] = []
        self.given: Dict[str, Any] = {}
        # The warnings of the modules.
        self.told: List[str] = []
        # What a module answers instead of what it would.
        self.answers: Dict[str, Dict[str, Any]] = {}
        self._questions = folder / "questions"
        self._output = output

    def __call__(self, *, check: bool = False, **arguments: Any) -> Dict[str, Any]:
        self.executed, self.host.events, self.told = [], [], []
        task = SimpleNamespace(
            args={"services": SERVICES, **arguments}, async_val=0, check_mode=check, action="privport"
        )
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp"))
        plugin = action.ActionModule(task, connection, None, None, None)
        plugin._execute_module = lambda **called: self._execute(check=check, **called)
        done: Dict[str, Any] = plugin.run(task_vars={})
        return done

    def _execute(self, *, module_name: str, module_args: Dict[str, Any], check: bool, **_: Any) -> Dict[str, Any]:
        name = module_name.rpartition(".")[2]
        self.executed.append(name)
        self.given = module_args
        if name in self.answers:
            return self.answers[name]
        if name == LOOK:
            module_args = {**module_args, "questions": str(self._questions)}
            self._questions.write_text(self.host.files.get(QUESTIONS, ""))
        module: Any = {LOOK: privport_look, INFO: privport_info, RUN: privport}[name]
        basic._ANSIBLE_ARGS = None
        with patch_module_args({**module_args, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        done = json.loads(self._output.readouterr().out)
        # As Ansible makes it of a module that fails, and shows it before everything else.
        error = {"exception": f"Module failed: {done.get('msg')}"} if done.get("failed") else {}
        return {"failed": False, "warnings": [*self.told], **done, **error}


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Task:
    """The task for a host on which a and b run by no grant."""
    (tmp_path / "programs").mkdir()
    host = RunningHost(tmp_path / "programs", {"a": 81, "b": 82})
    monkeypatch.setattr(privport, "RecordingHost", lambda: RecordingHost(host))
    monkeypatch.setattr(privport_look, "Looks", lambda: host)
    monkeypatch.setattr(privport_info, "RecordingHost", lambda: RecordingHost(host))
    task = Task(host, tmp_path, capsys)
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda module, text: task.told.append(text))
    return task


def strategies(done: Dict[str, Any]) -> List[str]:
    return [it["strategy"] for it in done["plan"]]


# --- How often the host executes something


def test_a_converged_host_is_looked_at_and_nothing_else(play: Task) -> None:
    first = play()
    assert (first["failed"], first["changed"], first["verdict"], play.executed) == (False, True, "pass", [LOOK, RUN])
    again = play()
    assert (again["failed"], again["changed"], again["verdict"], play.executed) == (False, False, "pass", [LOOK])
    assert (again["steps"], again["diff"], again["restored"], play.host.events) == ([], [], [], [])
    assert again["msg"].splitlines()[0] == "a: nothing to do, proven on port 81"
    assert {*again} == {*first} - {"invocation"}


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """The evidence that the controller judges."""
    found: List[str] = []
    judge = judging.judged

    def listening(evidence: str, *arguments: Any, **named: Any) -> Any:
        found.append(evidence)
        return judge(evidence, *arguments, **named)

    monkeypatch.setattr(judging, "judged", listening)
    return found


def test_what_the_host_remembers_is_what_the_controller_judges(
    play: Task, judged: List[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    play()
    remembered = play()
    assert (play.executed, judged) == ([LOOK], [])
    monkeypatch.setattr(action, "_CODE", "another version")
    assert (play(), play.executed, len(judged)) == (remembered, [LOOK], 1)


@pytest.mark.parametrize(
    ("since", "arguments"),
    [
        (lambda play: play.host.units["a.service"].update(NRestarts="1"), {}),
        (lambda play: None, {"policy": [{"forbid": "setcap", "when": "`true`", "why": "as an example"}]}),
        (lambda play: None, {"restart_absent": True}),
    ],
    ids=["other answers", "a policy", "another request"],
)
def test_what_may_mean_something_else_is_judged(
    play: Task, judged: List[str], since: Callable[[Task], Any], arguments: Dict[str, Any]
) -> None:
    play()
    since(play)
    done = play(**arguments)
    assert (done["verdict"], done["changed"], play.executed, len(judged)) == ("pass", False, [LOOK], 1)


def test_a_run_that_fails_is_not_remembered(play: Task, judged: List[str]) -> None:
    play.host.broken.add("b")
    play(timeout="0")
    assert json.loads(play.host.files[QUESTIONS]).popitem()[1]["judged"] is None


def test_two_plays_with_services_of_their_own_are_both_looked_at_and_nothing_else(play: Task) -> None:
    one, other = ({"services": [it]} for it in SERVICES)
    # The first of them has to look anew at what the second was granted.
    for arguments in (one, other, one):
        play(**arguments)
    for arguments in (other, one):
        assert (play(**arguments)["verdict"], play.executed) == ("pass", [LOOK])


def unanswered(play: Task) -> None:
    play.host.files["/etc/systemd/system/a.service"] += "EnvironmentFile=/etc/default/a\n"
    play.host.units["a.service"]["DropInPaths"] += " /run/new.conf"


def broken(play: Task) -> None:
    play.host._stop("a.service")


def ungranted(play: Task) -> None:
    del play.host.files[dropin("a.service")]


def unreadable(play: Task) -> None:
    play.answers[LOOK] = {"known": True, "evidence": "?", "result": "?"}


@pytest.mark.parametrize(
    ("since", "changed"),
    [
        (lambda play: play.host.files.pop(QUESTIONS), False),
        (unanswered, False),
        (unreadable, False),
        (broken, True),
        (ungranted, True),
    ],
    ids=["no questions", "a question more", "no answers", "not running", "a grant less"],
)
def test_a_host_that_is_another_one_looks_for_itself(play: Task, since: Callable[[Task], Any], changed: bool) -> None:
    play()
    since(play)
    done = play()
    assert (done["failed"], done["changed"], play.executed) == (False, changed, [LOOK, RUN])
    play.answers.clear()
    assert (play()["failed"], play.executed) == (False, [LOOK])


def test_other_services_than_those_of_the_last_look(play: Task) -> None:
    play()
    done = play(services=SERVICES[:1])
    assert (done["changed"], play.executed) == (False, [LOOK, RUN])


def test_a_proof_that_fails_is_made_anew_by_the_host_which_can_wait(play: Task) -> None:
    play()
    answers = iter(["ECONNREFUSED"])
    play.host.connect = lambda address, port, *, staying=0: next(answers, "")  # type: ignore[method-assign]
    done = play()
    assert (done["verdict"], done["changed"], play.executed) == ("pass", False, [LOOK, RUN])


@pytest.mark.parametrize("name", [LOOK, INFO])
def test_a_module_that_fails_ends_the_task(play: Task, name: str) -> None:
    play.answers[name] = {"failed": True, "msg": "no python"}
    assert play(policy=[FORBID]) == {"failed": True, "msg": "no python"}
    assert play.executed[-1] == name


def test_check_mode_foresees_the_run(play: Task) -> None:
    before = play.host.state
    foreseen = play(check=True)
    assert (play.executed, play.host.events, play.host.state) == ([LOOK, RUN], [], before)
    done = play()
    for key in ("changed", "diff", "failed"):
        assert foreseen[key] == done[key]
    assert sorted(map(str, foreseen["steps"])) == sorted(map(str, done["steps"]))
    assert (play(check=True)["changed"], play.executed) == (False, [LOOK])


# --- Policy


def test_a_policy_is_judged_on_the_controller(play: Task) -> None:
    done = play(policy=[FORBID])
    assert (strategies(done), play.executed) == (["ambient", "setcap"], [LOOK, INFO, RUN])
    assert play.given["decided"]["rules"] == {
        "a": [],
        "b": [{"effect": "forbid", "strategy": "ambient", **{k: FORBID[k] for k in ("when", "why")}}],
    }
    again = play(policy=[FORBID])
    assert (again["changed"], strategies(again), play.executed) == (False, ["ambient", "setcap"], [LOOK])


def test_another_policy_than_before_is_judged_by_the_look(play: Task) -> None:
    play()
    done = play(policy=json.dumps([FORBID]))
    assert (done["changed"], strategies(done), play.executed) == (True, ["ambient", "setcap"], [LOOK, RUN])
    assert play.given["decided"]["digest"]


@pytest.mark.parametrize("known", [False, True])
def test_a_rule_that_cannot_be_evaluated(play: Task, known: bool) -> None:
    if known:
        play()
    before = play.host.state
    done = play(policy=[{**FORBID, "when": "service.["}])
    assert done["msg"].startswith(
        "policy rule {forbid: ambient, when: 'service.['}: its expression cannot be evaluated"
    )
    assert (done["failed"], "\n" in done["msg"], play.host.state) == (True, False, before)


def test_a_policy_without_jmespath(play: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_utils, "HAS_JMESPATH", False)
    assert "pip install jmespath" in play(policy=[FORBID])["msg"]
    assert play()["verdict"] == "pass"


# --- Refused, failed, wrong


def test_what_cannot_work_is_refused_with_its_reasons(play: Task) -> None:
    wrong = [SERVICES[0], {**SERVICES[1], "strategy": "unneeded"}]
    first = play(services=wrong)
    assert (first["failed"], first["changed"], play.host.events) == (True, False, [])
    assert "b: strategy 'unneeded' does not work here" in first["msg"]
    assert "restored" not in first["msg"]


def test_what_was_granted_is_refused_by_the_look_alone(play: Task) -> None:
    play()
    # The host keeps nothing more of ports for root, whatever is asked for.
    done = play(policy=[{"require": "sysctl", "when": "`true`", "why": "as an example"}])
    assert (done["failed"], done["evidence"], play.executed) == (True, [], [LOOK])


@pytest.mark.parametrize(("undo", "running"), [("failed", ["a"]), ("all", [])])
def test_a_proof_that_fails_is_told_with_what_was_restored(play: Task, undo: str, running: List[str]) -> None:
    play.host.broken.add("b")
    done = play(timeout="0", undo=undo)
    assert (done["failed"], done["changed"], done["verdict"]) == (True, bool(running), "fail")
    assert "nothing listens on port 82; b.service is failed" in done["msg"]
    assert "\nrestored: " in done["msg"]
    # Nothing else is shown before it.
    assert "exception" not in done
    assert sorted(play.host._listening()) == running


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"service": []}, "option 'service' is unknown; the options are services, policy, "),
        ({"services": "{"}, "services "),
        ({"services": {"name": "a"}}, "services "),
        ({"services": [{"name": "a"}]}, "ports"),
        ({"policy": [{"forbid": "luck"}]}, "policy rule "),
        ({"policy": "x"}, "policy "),
        ({"keep": "perhaps"}, "keep "),
        ({"restart_absent": 7}, "restart_absent "),
        ({"undo": "some"}, "undo "),
        ({"timeout": "soon"}, "timeout "),
        ({"timeout": -1}, "timeout "),
        ({"state": "gone"}, "state "),
    ],
    ids=lambda it: str(it)[:40] if isinstance(it, dict) else "",
)
def test_wrong_options_are_told_in_one_sentence(play: Task, arguments: Dict[str, Any], told: str) -> None:
    done = play(**arguments)
    assert (done["failed"], play.executed, told in done["msg"], "\n" in done["msg"]) == (True, [], True, False)


def test_options_may_be_text(play: Task) -> None:
    texts = {"keep": "no", "restart_absent": "yes", "undo": "all", "timeout": "5", "state": "present", "policy": "[]"}
    done = play(services=json.dumps(SERVICES), **texts)
    assert (done["failed"], done["verdict"]) == (False, "pass")
    given = {name: play.given[name] for name in ("keep", "restart_absent", "undo", "timeout", "state")}
    assert given == {"keep": False, "restart_absent": True, "undo": "all", "timeout": 5, "state": "present"}


def test_nothing_is_asked_for(play: Task) -> None:
    done = play(services=None, policy=None)
    assert (done["failed"], done["changed"], done["msg"]) == (False, False, "No services are declared for these hosts.")


def test_everything_goes_with_its_state(play: Task) -> None:
    before = play.host.state
    play()
    done = play(state="absent", restart_absent=True)
    assert (done["failed"], done["changed"], strategies(done)) == (False, True, ["", ""])
    after = {**play.host.state, "a.service": ("inactive", ""), "b.service": ("inactive", "")}
    assert after == before
    assert (play(state="absent")["changed"], play.host.events) == (False, [])


def test_warnings_are_shown(play: Task) -> None:
    play()
    done = play(state="absent")
    assert [it.rpartition("keeps ")[2] for it in done["warnings"]] == [
        f"cap_net_bind_service until {it}.service is restarted" for it in "ab"
    ]


# --- The module by itself


def test_only_root_may_run_it(play: Task) -> None:
    play.host.uid = 1000
    done = play()
    assert done["msg"] == "this runs with uid 1000; granting ports needs root: say become: true"
    assert (done["failed"], play.host.events) == (True, [])


def test_a_run_that_is_asked_to_end_says_so(play: Task) -> None:
    before = play.host.state
    play.host.whenever["systemctl --no-block"] = lambda: play.host.asked_to_end("SIGTERM")
    done = play()
    assert (done["failed"], done["changed"], done["reasons"]) == (True, False, ["the run was asked to end by SIGTERM"])
    assert done["msg"].startswith("the run was asked to end by SIGTERM\nrestored: ")
    assert {**play.host.state, QUESTIONS: 0} == {**before, QUESTIONS: 0}


def test_a_run_that_was_killed_is_undone_first(play: Task) -> None:
    play()
    ungranted(play)

    def kill() -> None:
        raise Killed

    play.host.whenever["systemctl daemon-reload"] = kill
    with pytest.raises(Killed):
        play()
    play.host.whenever.clear()
    done = play()
    assert (done["failed"], done["changed"], done["verdict"], play.executed) == (False, True, "pass", [LOOK, RUN])
    assert done["warnings"][0].startswith("an earlier run was interrupted, and its undo was finished: ")


def no_space() -> None:
    raise HostError(f"{QUESTIONS} cannot be written: No space left on device")


def test_what_cannot_be_remembered_for_the_next_look_fails_no_run(play: Task) -> None:
    play.host.whenever[f"write {QUESTIONS}"] = no_space
    done = play()
    assert (done["failed"], done["changed"], done["verdict"]) == (False, True, "pass")
    assert (play()["changed"], play.executed) == (False, [LOOK, RUN])


def test_a_signal_that_asks_to_end_is_told_once() -> None:
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    told: List[str] = []
    try:
        Host().outlive_connection(told.append)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert told == ["SIGTERM"]
