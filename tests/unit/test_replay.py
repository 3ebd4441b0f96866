# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look is recorded, its questions are remembered and answered anew, and the answers make the same observation."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service, parse_services
from ansible_collections.netbind.privport.plugins.module_utils._host import questions as remembering
from ansible_collections.netbind.privport.plugins.module_utils._host.accounts import Group, User
from ansible_collections.netbind.privport.plugins.module_utils._host.answered import AnsweredHost, Unanswered
from ansible_collections.netbind.privport.plugins.module_utils._host.answers import (
    Answer,
    answer_of,
    decode,
    encode,
    pack_answers,
    unpack_answers,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.asking import DOES
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed, FileStatus, Host, OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.looks import FILE_LOOKS, LOOKS, Looks
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import ProcessRecord, Sockets
from ansible_collections.netbind.privport.plugins.module_utils._host.questions import Question, Remembered
from ansible_collections.netbind.privport.plugins.module_utils._host.recording import RecordingHost
from ansible_collections.netbind.privport.plugins.module_utils._host.units import Shown
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe
from ansible_collections.netbind.privport.plugins.module_utils._observe.proof import prove_services
from ansible_collections.netbind.privport.plugins.modules import privport_look
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    DROPIN,
    FakeHost,
    captured_sockets,
    process_files,
    socket_links,
)
from ansible_collections.netbind.privport.tests.unit.observed import INODES, OURS, PLAIN, SS, TABLES, machine

# --- What is a question, and what is none

NO_QUESTIONS = {"run", "capable_files", "network", "open_regular", "begin", "end", "locked"}


def public(*kinds: type) -> set[str]:
    return {name for kind in kinds for name, it in vars(kind).items() if callable(it) and not name.startswith("_")}


def test_every_look_is_a_question_and_nothing_else_is() -> None:
    assert public(*Looks.__mro__[:-1]) - NO_QUESTIONS == set(LOOKS)
    assert public(OpenFile) - {"set_capability", "remove_capability"} == set(FILE_LOOKS)
    assert set(DOES) == public(Host) | {"run", "capable_files"}


# --- Answers

RECORD = ProcessRecord(7, "Name:\ta\n", 1, {"8": "x"}, "0::/\n", "", None, None, True, (4, 26), None, "web")


@pytest.mark.parametrize(
    "value",
    [
        *[None, True, 0, -1, 2**40, 0.5, "", "text", "\udcff\n\0", b"", b"\0\xff", (), (1, ("a",)), [1, [2]], {}],
        *[{"a": (1,)}, {7: RECORD}, ["t", 1], FileStatus(0o100644, 0, 0, 5), User("w", 1, 2, "/"), Group("g", 3)],
        *[Completed(("a", "b"), 0, "out", ""), RECORD, Shown("Id=a\n", {7: RECORD})],
        Sockets("ss", {"ss": ""}, True, {5: (7,)}, {7: RECORD}, True),
    ],
    ids=repr,
)
def test_an_answer_comes_back_as_it_was(value: Any) -> None:
    bundle = pack_answers([("q", Answer(value=value))])
    assert bundle.isascii()
    back = decode(unpack_answers(bundle)["q"]).get()
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    "failure", [HostError("a closes"), UnknownFormat("b"), OSError(errno.EOVERFLOW, "Value too large")], ids=repr
)
def test_an_error_comes_back_as_it_was(failure: Exception) -> None:
    def fail() -> None:
        raise failure

    back = decode(json.loads(json.dumps(encode(answer_of(fail)))))
    with pytest.raises(type(failure)) as told:
        back.get()
    assert (type(told.value), told.value.args) == (type(failure), failure.args)


def test_what_is_no_answer_is_not_sent() -> None:
    with pytest.raises(TypeError, match="Path is no answer"):
        encode(Answer(value=Path("/")))
    with pytest.raises(ZeroDivisionError):
        answer_of(lambda: 1 // 0)


@pytest.mark.parametrize("bundle", ["", "x", "AAAA", "é", pack_answers([])[:-8]])
def test_answers_that_cannot_be_read(bundle: str) -> None:
    with pytest.raises(Unanswered, match="look at the host itself"):
        AnsweredHost(bundle)


def answered(*pairs: Tuple[str, Any]) -> AnsweredHost:
    """A host that answered some questions without arguments."""
    return AnsweredHost(pack_answers([(Question("", name, (), {}).key, Answer(value=value)) for name, value in pairs]))


def test_what_was_not_asked_is_not_answered() -> None:
    host = answered(("machine", "x86_64"))
    assert host.machine() == "x86_64"
    host.end()
    with pytest.raises(Unanswered, match="kernel_release"):
        host.kernel_release()
    # Whoever caught it and went on has no facts.
    with pytest.raises(Unanswered, match="kernel_release"):
        host.end()


@pytest.mark.parametrize("change", [lambda it: it.run(["true"]), lambda it: it.write("/nowhere/x", content="")])
def test_a_host_that_answers_is_not_changed(change: Callable[[Host], Any]) -> None:
    with pytest.raises(Unanswered):
        change(answered())


# --- Recording


class Counting(FakeHost):
    reads: List[str]

    def read(self, path: str) -> Any:
        self.reads = [*getattr(self, "reads", []), path]
        return super().read(path)


def test_nothing_is_asked_twice_in_a_look() -> None:
    counting = Counting(files={"/a": "1"})
    host = RecordingHost(counting)
    assert (host.read("/a"), host.read("/a"), host.read("/b"), counting.reads) == ("1", "1", None, ["/a", "/b"])
    counting.files["/a"] = "2"
    assert host.read("/a") == "1"
    host.begin()
    assert host.questions == []
    assert host.read("/a") == "2"
    assert [(it.name, list(it.arguments)) for it in host.questions] == [("read", ["/a"])]


def test_a_change_makes_a_host_look_anew() -> None:
    host = RecordingHost(FakeHost(files={"/a": "1"}))
    assert host.read("/a") == "1"
    host.write("/a", content="2")
    assert host.read("/a") == "2"
    assert len(host.questions) == 1


@pytest.mark.parametrize(
    ("argv", "times"),
    [
        (["systemctl", "--version"], 1),
        (["semanage", "port", "--list"], 1),
        (["systemctl", "show", "--", "a.service"], 3),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, list) else "",
)
def test_what_lasts_is_asked_once_in_a_run(argv: List[str], times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: List[Sequence[str]] = []
    fake = FakeHost()
    monkeypatch.setattr(fake, "query", asked.append)
    host = RecordingHost(fake)
    host.query(argv)
    host.begin()
    host.query(argv)
    host.write("/a", content="2")
    host.query(argv)
    assert (len(asked), [it.name for it in host.questions]) == (times, ["query"])


def test_a_change_of_an_open_file_makes_a_host_look_anew(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"")
    with RecordingHost().open_regular(str(tmp_path / "it")) as file:
        assert file.capability() is None
        file.set_capability(bytes.fromhex("0100000200040000000000000000000000000000"))
        assert file.capability() is not None
        file.remove_capability()
        assert file.capability() is None


def test_an_error_is_an_answer_too() -> None:
    host = RecordingHost(FakeHost(programs=()))
    for _time in range(2):
        with pytest.raises(HostError, match="no programs"), host.open_regular("/a"):
            pass
    assert [it.name for it in host.questions] == ["open_regular"]


# --- The file of the questions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "privport/questions"


QUESTIONS = (Question("", "read", ("/a\udcff",), {}), Question("/run/netns/a", "machine", (), {}))


def test_questions_are_remembered_for_root_alone(path: Path) -> None:
    remembering.save(Host(), str(path), QUESTIONS, key="k")
    assert [stat.S_IMODE(it.stat().st_mode) for it in (path, path.parent)] == [0o600, 0o700]
    remembering.save(Host(), str(path), QUESTIONS[:1], key="other")
    assert [remembering.load(str(path), key=key) for key in ("k", "other", "third")] == [
        Remembered(tuple(Question(*json.loads(it.key)) for it in asked), None) if asked else None
        for asked in (QUESTIONS, QUESTIONS[:1], ())
    ]


def test_the_questions_of_the_last_few_lists_are_remembered(path: Path) -> None:
    for key in "abcdefghic":
        remembering.save(Host(), str(path), QUESTIONS, key=key)
    assert "".join(json.loads(path.read_text())) == "bdefghic"


def test_no_questions_are_remembered(path: Path) -> None:
    assert remembering.load(str(path), key="k") is None
    assert look(path) == privport_look.UNKNOWN


def other_owner(path: Path) -> None:
    os.chown(path, 65534, -1)


def writable(path: Path) -> None:
    path.chmod(0o620)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [other_owner, writable, link, folder])
def test_questions_of_somebody_else_are_not_answered(path: Path, spoil: Callable[[Path], None]) -> None:
    remembering.save(Host(), str(path), QUESTIONS, key="k")
    spoil(path)
    with pytest.raises(HostError, match=str(path)) as told:
        look(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"other": []}', '{"k": [1]}', '{"k": 1}', "\udcff"])
def test_questions_of_another_form(path: Path, content: str) -> None:
    Host().write(str(path), content=content, mode=0o600)
    assert remembering.load(str(path), key="k") is None


@pytest.mark.parametrize(
    "question",
    [
        Question("", "run", (["true"],), {}),
        Question("", "write", ("/nowhere",), {"content": "x"}),
        Question("", "file.set_capability", ("/bin/true", ""), {}),
        Question("", "__init__", (), {}),
        Question("", "machine", ("one too many",), {}),
        Question("", "sockets", ("of another form",), {}),
        Question("/nowhere", "machine", (), {}),
    ],
    ids=lambda it: f"{it.network} {it.name}",
)
def test_what_is_no_question_is_not_answered(question: Question) -> None:
    plain = Question("", "machine", (), {})
    assert [it.name for it, _answer in remembering.answers_to(Host(), [question, plain])] == ["machine"]


def look(path: Path, host: Looks | None = None) -> Dict[str, Any]:
    return privport_look.run(
        {"key": "k", "request": "", "questions": str(path)}, host=host or Looks(), check_mode=False
    )


# --- A look that is replayed


def replayed(recorded: Host, now: Host, services: Sequence[Service], path: Path) -> AnsweredHost:
    """The host as it is now, by its answers to the questions of a look at it as it was."""
    recording = RecordingHost(recorded)
    prove_services(recording, services)
    remembering.save(Host(), str(path), recording.questions, key="k")
    result = look(path, now)
    assert (result["known"], result["changed"]) == (True, False)
    return AnsweredHost(result["evidence"])


def restarted() -> Dict[str, Any]:
    """The machine after plain.service has started again, as another process."""
    return {
        "units": [{**PLAIN, "MainPID": "4711"}, *captured_sockets()],
        "files": process_files(pid="4711"),
        "links": socket_links(INODES, pid="4711"),
    }


def other(**fields: Any) -> FakeHost:
    """A machine whose process 105 is gone."""
    host = machine(**fields)
    for path in [it for it in (*host.files, *host.links) if it.startswith("/proc/105/")]:
        host.files.pop(path, None)
        host.links.pop(path, None)
    return host


NETNS = {"/proc/105/ns/net": {"/proc/sys/net/ipv4/ip_unprivileged_port_start": "80\n"}}
MORE = [
    {"name": "mail", "ports": [25], "executable": "/srv/mail", "user": "web"},
    {"name": "range", "ports": ["10000-10020/udp"], "unit": "plain.service", "backend_ports": {}},
    {"name": "dns", "ports": [53], "unit": "missing.service", "backend_ports": {53: 5353}},
]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="systemd and ss"),
        pytest.param({"programs": ("systemctl",), "files": TABLES}, id="/proc/net"),
        pytest.param({"uid": 1000}, id="not root"),
        pytest.param({"networks": NETNS}, id="a network of the unit's own"),
        pytest.param({"programs": ("systemctl", "ss", "authbind", "journalctl")}, id="more programs"),
        pytest.param({"units": [{**PLAIN, "DropInPaths": DROPIN}], "files": {DROPIN: OURS}}, id="a drop-in"),
    ],
)
def test_the_observation_is_the_same(fields: Dict[str, Any], path: Path) -> None:
    services = parse_services([{"name": "web", "ports": [80], "unit": "plain.service"}, *MORE])
    host = machine(**fields)
    there = replayed(host, host, services, path)
    assert observe(there, services) == observe(host, services)
    assert prove_services(there, services) == prove_services(host, services)


def test_a_service_that_was_restarted_is_answered_for(path: Path) -> None:
    services = parse_services([{"name": "web", "ports": [80], "unit": "plain.service"}])
    before = machine(units=[PLAIN, *captured_sockets()], sockets=SS)
    now = other(**restarted())
    there = replayed(before, now, services, path)
    observation = observe(there, services)
    assert observation == observe(now, services)
    unit = observation.services[0].unit
    assert unit is not None
    assert unit.process is not None
    assert (unit.process.pid, [it.pid for it in observation.services[0].listeners[0].owners]) == (4711, [4711])


def test_no_secret_of_a_unit_leaves_the_host(path: Path) -> None:
    services = parse_services([{"name": "web", "ports": [80], "unit": "plain.service"}])
    unit = {**PLAIN, "Environment": "TOKEN=sesame LD_PRELOAD=/x", "DropInPaths": "/etc/a.conf"}
    files = {"/etc/a.conf": "[Service]\nEnvironment=TOKEN=\\\n  sesame\n", DROPIN: "[Service]\nEnvironment=A=sesame\n"}
    host = machine(
        units=[unit], files={**files, "/etc/systemd/system/plain.socket": "[Socket]\nEnvironment=A=sesame\n"}
    )
    recording = RecordingHost(host)
    prove_services(recording, services)
    remembering.save(Host(), str(path), recording.questions, key="k")
    told = json.dumps(unpack_answers(look(path, host)["evidence"]))
    assert "LD_PRELOAD" in told
    assert "sesame" not in told + path.read_text(encoding="utf-8")


def test_a_look_that_takes_another_way_is_not_answered(path: Path) -> None:
    services = parse_services([{"name": "web", "ports": [80], "unit": "plain.service"}])
    there = replayed(machine(), machine(units=[{**PLAIN, "DropInPaths": "/etc/new.conf"}]), services, path)
    with pytest.raises(Unanswered, match=r"/etc/new\.conf"):
        observe(there, services)


def test_this_machine_is_looked_at_from_afar(path: Path) -> None:
    services = parse_services([{"name": "shell", "ports": [1, "2/udp"], "executable": "/bin/sh", "user": "nobody"}])
    there = replayed(Host(), Host(), services, path)
    assert observe(there, services) == observe(Host(), services)


@pytest.mark.parametrize(("spoil", "failed"), [(Path.touch, False), (writable, True)])
def test_main(path: Path, capsys: pytest.CaptureFixture[str], spoil: Any, failed: bool) -> None:
    remembering.save(Host(), str(path), QUESTIONS, key="k")
    spoil(path)
    basic._ANSIBLE_ARGS = None
    with patch_module_args({"key": "k", "questions": str(path)}), pytest.raises(SystemExit):
        privport_look.main()
    result = json.loads(capsys.readouterr().out)
    assert (result.get("failed", False), result.get("known")) == (failed, None if failed else True)
