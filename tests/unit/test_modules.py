# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What privport_info, privport_ambient, privport_verify and the filters return, on a machine in memory."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any, Mapping

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.netbind.privport.plugins.filter.privport_plan import privport_plan
from ansible_collections.netbind.privport.plugins.filter.privport_tables import (
    privport_plan_table,
    privport_proof_table,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.process.sockets import parse_ss
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import Probe
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.module_utils._observe import proof as proving
from ansible_collections.netbind.privport.plugins.modules import privport_ambient, privport_info, privport_verify
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    DROPIN,
    PID,
    FakeHost,
    captured_unit,
    fixture,
    process_files,
    socket_links,
)

SS = fixture("ss-iproute2-6.1.txt")
INODES = [found.inode for found in parse_ss(SS) if found.port == 80]
SERVICES = [{"name": "web", "ports": [80], "unit": "plain.service"}]
UNIT_FILE = {"/etc/systemd/system/plain.service": "[Service]\nUser=web\nExecStart=/usr/bin/python3 /srv/a.py\n"}
OURS = render_ambient(capabilities=["cap_net_bind_service"])
PLAIN = {**captured_unit("plain.service"), "AmbientCapabilities": "", "MainPID": PID}
GRANTED = {**PLAIN, "AmbientCapabilities": "cap_net_bind_service", "DropInPaths": DROPIN}


def machine(*, caps: str = "400", dropin: str = "", **fields: Any) -> FakeHost:
    files = {**UNIT_FILE, **process_files(caps=caps), **({DROPIN: dropin} if dropin else {})}
    plain = {"units": [GRANTED if dropin else PLAIN], "sockets": SS, "links": socket_links(INODES)}
    return FakeHost(**{**plain, **fields, "files": {**files, **fields.get("files", {})}})


def ambient(host: FakeHost, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    plain = {"capabilities": ["cap_net_bind_service"], "bounding_set": [], "user": "", "dropin": "50-privport"}
    params = {"unit": "plain.service", "state": "present", **plain, **options}
    return privport_ambient.run(params, host=host, check_mode=check_mode)


def test_ambient_grants_once() -> None:
    host = machine(caps="0")
    first = ambient(host)
    assert (first["changed"], first["restart_required"], first["unit"]) == (True, True, "plain.service")
    assert (first["dropin_path"], first["diff"][0]["before"], first["diff"][0]["after"]) == (DROPIN, "", OURS)
    assert host.files[DROPIN] == OURS
    second = ambient(host)
    # The process still has what it was started with.
    assert (second["changed"], second["restart_required"]) == (False, True)


def test_ambient_predicts_in_check_mode_just_what_it_does() -> None:
    for caps, dropin, state in (("0", "", "present"), ("400", OURS, "absent"), ("400", OURS, "present")):
        host = machine(caps=caps, dropin=dropin)
        files = dict(host.files)
        foreseen = ambient(host, check_mode=True, state=state)
        assert host.files == files
        assert ("systemctl", "daemon-reload") not in host.ran
        assert ambient(host, state=state) == foreseen


def test_ambient_takes_away_and_tells_that_the_process_still_has_it() -> None:
    host = machine(dropin=OURS)
    done = ambient(host, state="absent")
    assert (done["changed"], done["restart_required"], DROPIN in host.files) == (True, True, False)
    assert ambient(host, state="absent")["changed"] is False


def test_ambient_needs_no_restart_of_a_process_that_has_it() -> None:
    assert ambient(machine(dropin=OURS))["restart_required"] is False


@pytest.mark.parametrize(
    ("capabilities", "text"),
    [
        (["CAP_NET_BIND_SERVICE"], "AmbientCapabilities=CAP_NET_BIND_SERVICE\n"),
        (["cap_net_raw", " cap_chown"], "AmbientCapabilities=CAP_CHOWN CAP_NET_RAW\n"),
        (["cap_net_raw", "cap_chown", "cap_net_raw"], "AmbientCapabilities=CAP_CHOWN CAP_NET_RAW\n"),
    ],
)
def test_ambient_writes_each_name_once(capabilities: list[str], text: str) -> None:
    assert text in ambient(machine(), check_mode=True, capabilities=capabilities)["diff"][0]["after"]


@pytest.mark.parametrize(
    ("options", "fields", "error"),
    [
        pytest.param({"unit": "../x"}, {}, InvalidInput, id="a path"),
        pytest.param({"unit": "web.socket"}, {}, InvalidInput, id="no service"),
        pytest.param({"unit": "missing"}, {}, InvalidInput, id="no such unit"),
        pytest.param({"dropin": "../x"}, {}, InvalidInput, id="a drop-in that is a path"),
        pytest.param({"capabilities": []}, {}, InvalidInput, id="no capability"),
        pytest.param({"capabilities": ["cap_bogus"]}, {}, InvalidInput, id="an unknown capability"),
        pytest.param({"bounding_set": ["cap_chown"]}, {}, InvalidInput, id="a bounding set without it"),
        pytest.param({"user": "ghost"}, {}, InvalidInput, id="no such user"),
        pytest.param({}, {"programs": ()}, HostError, id="no systemd"),
        pytest.param({}, {"files": {DROPIN: "[Service]\n"}}, Refused, id="somebody else's drop-in"),
        pytest.param(
            {}, {"units": [{**PLAIN, "CapabilityBoundingSet": "cap_chown"}]}, Refused, id="bounded without it"
        ),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_ambient_refuses_with_one_line(options: Any, fields: Any, error: Any, check_mode: bool) -> None:
    host = machine(**fields)
    with pytest.raises(error) as told:
        ambient(host, check_mode=check_mode, **options)
    assert "\n" not in str(told.value)
    assert host.wrote == []


@pytest.mark.parametrize(
    ("options", "because"),
    [
        ({"unit": "privport-web@.service"}, "unit is 'privport-web@.service', a template"),
        (
            {"unit": "/etc/systemd/system/privport-web.service"},
            "unit is '/etc/systemd/system/privport-web.service'; write",
        ),
        ({"unit": "../system/privport-web.service"}, "unit is '../system/privport-web.service'; write the name"),
        ({"unit": "privport-web.service\n"}, "unit is 'privport-web.service\\n'; write the name"),
        ({"unit": "privport-web\n.service"}, "unit is 'privport-web\\n.service'; write the name"),
        ({"unit": "privport-web.socket"}, "unit is 'privport-web.socket'; write the name"),
        ({"unit": "privport-*"}, "unit is 'privport-*'; write the name"),
        ({"unit": "privport web"}, "unit is 'privport web'; write the name"),
        ({"unit": ""}, "unit is ''; write the name"),
        ({"dropin": "../privport-rooted.service.d/x"}, "dropin is '../privport-rooted.service.d/x'"),
        ({"dropin": ""}, "dropin is ''"),
        ({"dropin": "..", "state": "absent"}, "dropin is '..'"),
        (
            {"dropin": "50-privport.conf"},
            "dropin is '50-privport.conf'; write a plain name without a slash and without '.conf'",
        ),
        ({"dropin": "x\ny"}, "dropin is 'x\\ny'"),
        ({"capabilities": ["cap_fly"]}, "capabilities: 'cap_fly' is not the name of a capability"),
        (
            {"capabilities": ["cap_net_bind_service\nUser=root"]},
            "capabilities: 'User=root' is not the name of a capability",
        ),
        ({"capabilities": ["net_bind_service"]}, "capabilities: 'net_bind_service' is not the name of a capability"),
        ({"capabilities": []}, "capabilities is empty"),
        ({"bounding_set": ["cap_fly"]}, "bounding_set: 'cap_fly' is not the name of a capability"),
        ({"bounding_set": ["cap_net_raw"]}, "bounding_set lacks cap_net_bind_service, which capabilities grants"),
        ({"user": "0\n"}, "user is '0\\n', which does not exist"),
        ({"user": "root\nUser=ppambient"}, "user is 'root\\nUser=ppambient', which does not exist"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_ambient_names_the_option_and_the_value(options: Any, because: str, check_mode: bool) -> None:
    host = machine()
    with pytest.raises(InvalidInput) as told:
        ambient(host, check_mode=check_mode, **options)
    assert str(told.value).startswith(because)
    assert "\n" not in str(told.value)
    assert host.wrote == []


def test_ambient_takes_back_what_another_dropin_resets() -> None:
    host = machine(overridden=True)
    with pytest.raises(HostError, match="was taken back"):
        ambient(host)
    assert DROPIN not in host.files


def info(host: FakeHost) -> dict[str, Any]:
    observed: dict[str, Any] = privport_info.run({"services": SERVICES, "scan": False}, host=host, check_mode=False)
    return observed["privport"]


def verify(host: FakeHost, *, timeout: int = 0, services: Any = None) -> dict[str, Any]:
    params = {"services": SERVICES if services is None else services, "timeout": timeout}
    return privport_verify.run(params, host=host, check_mode=False)


def test_info_is_json_and_plans() -> None:
    observed = privport_info.run({"services": SERVICES, "scan": False}, host=machine(caps="0"), check_mode=False)[
        "privport"
    ]
    assert observed["grants"] is None
    (decision,) = privport_plan(json.loads(json.dumps(observed)), SERVICES)
    assert (decision["strategy"], decision["pending"], decision["error"]) == ("ambient", ["dropin", "restart"], "")
    codes = {name: reasons[0]["code"] for name, reasons in decision["rejected"].items()}
    assert (codes["unneeded"], codes["authbind"]) == ("privileged", "no_authbind")
    assert decision["service"]["strategy"] == "ambient"


def test_a_converged_host_has_nothing_pending() -> None:
    observed = privport_info.run({"services": SERVICES, "scan": False}, host=machine(dropin=OURS), check_mode=False)[
        "privport"
    ]
    (decision,) = privport_plan(observed, SERVICES)
    assert (decision["pending"], decision["surplus"]) == ([], [])


@pytest.mark.parametrize("observation", [None, {}, [], "x", {"format": 1}, 5], ids=repr)
def test_the_plan_wants_an_observation(observation: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^privport_plan: "):
        privport_plan(observation, SERVICES)


ADDRESSES = ("127.0.0.1", "::1")
REFUSED = {"ipv4": "EACCES", "ipv6": "EACCES"}
ACCEPTED = Probe(connect=dict.fromkeys(ADDRESSES, ""), stranger=REFUSED)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Probe]:
    """What the probes of the coming looks find; the last one stays."""
    coming = [ACCEPTED]
    monkeypatch.setattr(proving, "probe", lambda *_, **__: coming.pop(0) if len(coming) > 1 else coming[0])
    monkeypatch.setattr(proving.time, "sleep", lambda seconds: None)
    return coming


def test_verify_passes(answers: list[Probe]) -> None:
    done = verify(machine(dropin=OURS), timeout=0)
    assert (done["verdict"], done["reasons"], done["changed"]) == ("pass", [], False)
    assert [(it["service"], it["port"], it["strategy"]) for it in done["evidence"]] == [("web", "80", "ambient")]


def test_verify_waits_for_a_slow_starter(answers: list[Probe]) -> None:
    answers.insert(0, Probe(connect=dict.fromkeys(ADDRESSES, "ECONNREFUSED"), stranger=REFUSED))
    assert verify(machine(dropin=OURS), timeout=60)["verdict"] == "pass"


def test_verify_does_not_wait_for_what_no_time_mends(answers: list[Probe]) -> None:
    host = machine(caps="0")
    done = verify(host, timeout=3600)
    assert done["verdict"] == "fail"
    assert done["reasons"][0].startswith("web: the grant of strategy ambient is not in place")
    assert len([argv for argv in host.ran if argv[0] == "ss"]) == 1


class Starting(FakeHost):
    """After so many pauses its socket is there, or its unit is what then says."""

    pauses = 0
    listening_after = 1000
    then: Mapping[str, str] = MappingProxyType({})
    full_looks = 0
    begun = 0
    says = ""
    journal_since: tuple[str, ...] = ()

    def pause(self, _seconds: float) -> None:
        self.pauses += 1
        if self.pauses >= self.listening_after:
            self.ss = SS
        if self.pauses >= 3:
            self.units["plain.service"].update(self.then)

    def unit_file(self, path: str) -> str | None:
        # A glance reads no unit's file.
        self.full_looks += path == "/etc/systemd/system/plain.service"
        return super().unit_file(path)

    def begin(self) -> None:
        self.begun += 1

    def run(self, argv: Any, *, seconds: float = 0) -> Completed:
        if argv[0] == "journalctl":
            self.journal_since = tuple(it for it in argv if it.startswith("--since="))
            return self._said(argv, f"2026 host server[7]: {self.says}\n")
        return super().run(argv, seconds=seconds)


AGAIN = {"ActiveState": "activating", "SubState": "auto-restart", "Restart": "always"}


@pytest.mark.parametrize(
    ("shown", "course", "expected"),
    [
        pytest.param({"ActiveState": "failed"}, {}, ("fail", 0, 1), id="failed for good"),
        pytest.param(AGAIN, {"then": {"ActiveState": "failed"}}, ("fail", 3, 2), id="fails for good"),
        pytest.param({"ActiveState": "inactive"}, {}, ("fail", 0, 1), id="ended by itself"),
        pytest.param({"ActiveState": "inactive", "Job": "9"}, {"listening_after": 5}, ("pass", 5, 2), id="has a job"),
        pytest.param({**AGAIN, "NRestarts": "1", "ExecMainStatus": "203"}, {}, ("fail", 0, 1), id="cannot be executed"),
        pytest.param(
            AGAIN, {"then": {"NRestarts": "1"}, "says": "bind: Permission denied"}, ("fail", 3, 2), id="is refused"
        ),
        pytest.param(
            {**AGAIN, "NRestarts": "1"},
            {"says": "bind: Address already in use", "listening_after": 5},
            ("pass", 5, 2),
            id="another one has yet to go",
        ),
        pytest.param(
            {**AGAIN, "NRestarts": "1"},
            {"says": "no database", "listening_after": 5},
            ("pass", 5, 2),
            id="waits itself",
        ),
        pytest.param(AGAIN, {}, ("fail", 10, 1), id="never listens"),
        pytest.param(AGAIN, {"then": {"NRestarts": "9"}}, ("fail", 10, 2), id="starts again and again"),
        pytest.param(AGAIN, {"listening_after": 5}, ("pass", 5, 2), id="listens in the end"),
        pytest.param({}, {"listening_after": 0}, ("pass", 0, 1), id="listens at once"),
        pytest.param(AGAIN, {"seconds": 0}, ("fail", 0, 1), id="no time at all"),
        pytest.param(AGAIN, {"own_seconds": 3}, ("fail", 3, 1), id="no more time than it has itself"),
        pytest.param(AGAIN, {"seconds": 1, "own_seconds": 9, "listening_after": 5}, ("pass", 5, 2), id="its own time"),
    ],
)
def test_verify_waits_with_glances_and_proves_what_is_new(
    shown: Any, course: Any, expected: Any, answers: list[Probe], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict, pauses, proofs = expected
    seconds, own_seconds = course.get("seconds", 10), course.get("own_seconds")
    course = {key: value for key, value in course.items() if not key.endswith("seconds")}
    host = Starting(
        files={**UNIT_FILE, **process_files(), DROPIN: OURS},
        units=[{**GRANTED, **shown}],
        sockets=SS if course.get("listening_after") == 0 else "",
        links=socket_links(INODES),
        programs=("systemctl", "ss", "journalctl"),
    )
    vars(host).update(course)
    monkeypatch.setattr(proving.time, "sleep", host.pause)
    monkeypatch.setattr(proving.time, "monotonic", lambda: float(host.pauses))
    once = Starting(files=host.files, units=[GRANTED], sockets=SS, links=host.links, programs=host.programs)
    proving.prove_services(once, parse_services(SERVICES))
    done = verify(host, timeout=seconds, services=[{**SERVICES[0], "timeout": own_seconds}])
    assert (done["verdict"], host.pauses, host.full_looks) == (verdict, pauses, proofs * once.full_looks)
    # Each look and each glance sees the host as it is then.
    assert host.begun == proofs + pauses
    if verdict == "fail":
        assert done["msg"].startswith("web: nothing listens on port 80; plain.service is ")
        assert set(done["journal"]) == {"plain.service"}


@pytest.mark.parametrize(
    ("fields", "services", "reason"),
    [
        pytest.param({}, [{"name": "web"}], "service 'web'", id="a description"),
        pytest.param({"sockets": "nonsense"}, None, "ss ", id="a tool"),
    ],
)
def test_verify_fails_with_one_sentence(fields: Any, services: Any, reason: str) -> None:
    done = verify(machine(**fields), services=services)
    assert (done["failed"], done["verdict"], done["evidence"]) == (True, "fail", [])
    assert (done["reasons"], reason in done["msg"], "\n" in done["msg"]) == ([done["msg"]], True, False)


def test_verify_says_that_owners_are_hidden(answers: list[Probe]) -> None:
    host = machine(dropin=OURS, uid=1000, links={})
    done = verify(host, timeout=0)
    assert done["verdict"] == "unknown"
    assert "look as root" in done["reasons"][0]


def test_verify_leaves_out_what_is_to_be_absent() -> None:
    done = privport_verify.run(
        {"services": [{**SERVICES[0], "state": "absent"}], "timeout": 0}, host=machine(), check_mode=False
    )
    assert done["evidence"] == []


def test_tables(answers: list[Probe]) -> None:
    host = machine(dropin=OURS)
    plan = privport_plan(info(host), SERVICES)
    assert "nothing" in privport_plan_table({"host1": plan})[2]
    proof = verify(host, timeout=0)
    assert "pass" in privport_proof_table({"host1": proof["evidence"]})[2]


@pytest.mark.parametrize("table", [privport_plan_table, privport_proof_table])
def test_tables_of_nothing_and_of_nonsense(table: Any) -> None:
    assert table({"host1": []}) == ["No services are declared for these hosts."]
    for nonsense in ([], {"host1": 5}, {"host1": [{}]}):
        with pytest.raises(AnsibleFilterError, match="by host"):
            table(nonsense)
