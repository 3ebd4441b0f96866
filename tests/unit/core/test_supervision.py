# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Supervisors: what their tools said on real hosts, and how scripts start programs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.plan import as_data
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import heading
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.report.ways_out import ways_out
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision import openrc_settings, user_manager
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import (
    KINDS,
    USER,
    Manager,
    advice_to_look,
    see_names,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.registry import SUPERVISORS
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.script import command_of, quoted
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.show import shown
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.supervisor import (
    Definition,
    Files,
    Status,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command import follow
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    IMPLIES_NO_NEW_PRIVS,
    parse_show,
)
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    CAP,
    SERVER,
    ambient_process,
    case,
    codes,
    listener,
    process,
    service,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"
WHOSE = {"sv-status": "runit", "s6-svstat": "s6", "svstat": "daemontools", "supervisorctl-status": "supervisord"}
# By the service of a fixture its state, and whether a process of it is told. 'bad' ends at once for want of its port.
STATES = {
    "web": ("active", True),
    "g:in": ("active", True),
    "off": ("inactive", False),
    "once": ("inactive", False),
    "stopped": ("inactive", False),
    "slow": ("activating", False),
}
BAD = {"runit": "activating", "s6": "activating", "daemontools": "active", "supervisord": "failed"}


def captured() -> Sequence[Any]:
    found = []
    for path in sorted(FIXTURES.iterdir()):
        kind = next((kind for name, kind in WHOSE.items() if path.name.startswith(f"{name}-")), "")
        blocks = re.findall(r"\[(.+)\] (\d+)\n((?:(?!\[).*\n)+)", path.read_text(encoding="utf-8")) if kind else []
        found += [pytest.param(kind, name, int(rc), text, id=f"{path.stem}-{name}") for name, rc, text in blocks]
    return found


@pytest.mark.parametrize(("kind", "name", "rc", "text"), captured())
def test_what_a_supervisor_says_is_understood(kind: str, name: str, rc: int, text: str) -> None:
    status = SUPERVISORS[kind].status(rc=rc, text=text)
    if name in ("none", "down"):
        assert (status.missing, status.pid) == (" ".join(text.split()), 0)
        return
    active, runs = STATES.get(name, (BAD[kind], kind == "daemontools"))
    assert (status.active, bool(status.pid), status.missing) == (active, runs, "")
    # The same state is to be the same answer.
    assert not re.search(r"pid|second|\d+s\b|uptime", status.said)


def test_each_kind_has_its_words() -> None:
    assert {*KINDS, USER} == set(SUPERVISORS)
    for kind, supervisor in SUPERVISORS.items():
        if kind == USER:
            continue
        asking = supervisor.asking("web")
        assert any(word.endswith("web") for word in asking)
        assert advice_to_look(f"{kind}/web") == f"see {' '.join(asking)}"
        assert see_names(Manager(kind, "web")).startswith("see its names with: ")
        assert all(supervisor.commands(verb, "web") for verb in ("start", "restart", "stop"))


SCRIPTS = [
    ("#!/bin/sh\nexec /usr/bin/web -x\n", ("/usr/bin/web", "-x")),
    ("#!/bin/sh -e\nexec 2>&1\nexec chpst -u web /usr/bin/web\n", ("chpst", "-u", "web", "/usr/bin/web")),
    (
        "#!/bin/sh\n. /etc/x\nexec setuidgid web \\\n  /usr/bin/web 2>&1 >/dev/null\n",
        ("setuidgid", "web", "/usr/bin/web"),
    ),
    ("#!/usr/bin/env bash\nWEB=/opt/web\nexec ${WEB} --port $PORT\n", ("/opt/web", "--port", "$PORT")),
    ("#!/bin/sh\n/usr/bin/web -f\n", ("/usr/bin/web", "-f")),
    ("#!/bin/sh\nexec '/opt/my app/web' 'a b'\n", ("/opt/my app/web", "a b")),
    ("#!/bin/execlineb -P\nfdmove -c 2 1\ns6-setuidgid web\n/usr/bin/web\n", ("s6-setuidgid", "web", "/usr/bin/web")),
    # What is no shell's is the program itself.
    ("\x7fELF", ("/sv/web/run",)),
    ("#!/usr/bin/python3\nimport web\n", ("/sv/web/run",)),
    # What is not understood.
    ("#!/bin/sh\nif x; then exec a; fi\nexec b\nexec c\n", ()),
    ("#!/bin/sh\nexec a | b\n", ()),
    ("#!/bin/sh\nfor it in a b; do $it; done\n", ()),
    ("#!/bin/execlineb -P\nforeground { echo }\n/usr/bin/web\n", ()),
    ("#!/bin/sh\n", ()),
    ("", ("/sv/web/run",)),
    ("#!/bin/sh\nexec 'a\n", ()),
]


@pytest.mark.parametrize(("text", "words"), SCRIPTS, ids=[text for text, _ in SCRIPTS])
def test_a_run_script_tells_what_it_executes(text: str, words: Tuple[str, ...]) -> None:
    assert command_of(text, path="/sv/web/run") == words
    # systemd's syntax takes the line apart again.
    assert Command(prefix="", line=quoted(words)).words == words


def files(texts: Mapping[str, str]) -> Files:
    def names_in(folder: str) -> Tuple[str, ...]:
        return tuple(sorted({path[len(folder) + 1 :].split("/")[0] for path in texts if path.startswith(f"{folder}/")}))

    return Files(read=texts.get, names_in=names_in)


SUPERVISOR = "[supervisord]\nuser=root ; no\n[include]\nfiles = conf.d/*.conf\n"
PROGRAM = """[program:web]
command=/a/b "c d"
  e ; not
user = casey
autostart=no
"""
INIT = """#!/bin/sh
NAME=web
DAEMON=/usr/sbin/$NAME
PIDFILE=/run/$NAME/it.pid
start-stop-daemon --start --test --exec $DAEMON || return 1
start-stop-daemon --start --quiet --pidfile $PIDFILE --chuid casey --exec $DAEMON -- $ARGS \\
  || return 2
"""
DEFINED = [
    ("runit", "web", {"/etc/service/web/run": "#!/bin/sh\nexec ./server\n"}, (("/etc/service/web/server",), "", True)),
    ("s6", "web", {"/run/service/web/run": "#!/bin/sh\nexec a\n", "/run/service/web/down": ""}, (("a",), "", False)),
    ("daemontools", "/srv/web/", {"/srv/web/run": "#!/bin/sh\nexec a b\n"}, (("a", "b"), "", True)),
    (
        "supervisord",
        "g:web",
        {
            "/etc/supervisor/supervisord.conf": SUPERVISOR,
            "/etc/supervisor/conf.d/a.conf": PROGRAM,
        },
        (("/a/b", "c d", "e"), "casey", False),
    ),
    ("supervisord", "other", {"/etc/supervisord.conf": "# [program:other]\ncommand=/a\n"}, ((), "", True)),
    ("sysv", "web", {"/etc/init.d/web": INIT, "/etc/rc2.d/S01web": ""}, (("/usr/sbin/web",), "", True)),
    (
        "openrc",
        "web",
        {
            "/etc/init.d/web": '#!/sbin/openrc-run\ncommand=/usr/bin/web\ncommand_user="nobody:nogroup"\n',
            "/etc/conf.d/web": 'command_user=casey\ncommand_args="-p 80"\n',
        },
        (("/usr/bin/web", "-p", "80"), "casey", False),
    ),
]


@pytest.mark.parametrize(("kind", "name", "texts", "wanted"), DEFINED)
def test_how_a_service_is_started_is_found(
    kind: str, name: str, texts: Mapping[str, str], wanted: Tuple[Tuple[str, ...], str, bool]
) -> None:
    supervisor, there = SUPERVISORS[kind], files(texts)
    found = supervisor.definition(supervisor.place(name, there), there)
    if kind == "sysv":
        launch = follow(found.words)
        found = found._replace(words=(launch.program,))
        assert launch.user == "casey"
    assert (found.words, found.user, found.at_boot) == wanted
    assert found.path in texts


def test_the_process_of_an_init_script_is_where_it_notes_it() -> None:
    noted = {"/etc/init.d/web": INIT, "/run/web/it.pid": "42\n"}
    assert SUPERVISORS["sysv"].pid("web", files(noted)) == 42
    assert SUPERVISORS["sysv"].pid("web", files({"/run/web.pid": "43"})) == 43
    assert SUPERVISORS["openrc"].pid("web", files({"/run/openrc/options/web/child_pid": "44"})) == 44
    daemons = {"/run/openrc/daemons/web/001": "exec=/x\npidfile=/run/x.pid\n", "/run/x.pid": "45"}
    assert SUPERVISORS["openrc"].pid("web", files(daemons)) == 45
    assert SUPERVISORS["openrc"].pid("web", files({})) == 0


def test_the_answer_is_systemds_words() -> None:
    definition = Definition(path="/etc/service/web/run", words=("a", 'b "c'), user="web")
    properties = parse_show(shown(Manager("runit", "web"), Status("active", "run: web:", pid=7), definition))[0]
    assert properties["Id"] == "runit/web"
    assert Command(prefix="", line=properties["Command"]).words == ("a", 'b "c')
    assert (properties["MainPID"], properties["UnitFileState"]) == ("7", "enabled")


WRONG = [
    ({"kind": "monit"}, "choose one of runit, s6"),
    ({"name": "web"}, "choose one of runit, s6"),
    ({"kind": "runit", "name": "-x"}, "write the name that runit knows the service by"),
    ({"kind": "runit", "name": "a b"}, "write the name that runit knows the service by"),
    ({"kind": "runit", "unit": "a"}, "unknown key 'unit'"),
    ("runit", "write a mapping such as"),
]


@pytest.mark.parametrize(("manager", "told"), WRONG, ids=[str(it) for it, _ in WRONG])
def test_a_wrong_manager_is_refused(manager: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(told)):
        parse_services([{"name": "web", "ports": [80], "manager": manager}])


@pytest.mark.parametrize(
    "beside", [{"unit": "web"}, {"socket_activation": True}, {"widen": ["bounding_set"]}, {"strategy": "ambient"}]
)
def test_what_systemd_alone_can_have_is_refused_beside_a_manager(beside: Dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"manager as well|only a unit of systemd"):
        parse_services([{"name": "web", "ports": [80], "manager": {"kind": "runit"}, **beside}])


# --- decisions

MANAGED = {"description": {"unit": None, "manager": {"kind": "runit"}}}


def managed(
    *, line: str = f"chpst -u web {SERVER}", properties: Mapping[str, str] | None = None, **fields: Any
) -> Dict[str, Any]:
    shown = {"Id": "runit/web", "FragmentPath": "/etc/service/web/run", **(properties or {})}
    unit_fields = {"commands": (Command(prefix="", line=line),), **fields.pop("unit_fields", {})}
    return {**MANAGED, **fields, "properties": shown, "unit_fields": unit_fields}


def test_a_service_of_a_supervisor_gets_a_file_capability() -> None:
    it = case(**managed(properties={"User": "root"}))
    (found,) = decide(it.host, [it.service])
    assert (found.strategy, found.unit, found.unit_forgives) == ("setcap", "runit/web", False)
    assert [str(it) for it in found.rejected["ambient"]] == ["no systemd unit starts it (runit/web does)"]


def test_one_that_nobody_changes_the_user_of_runs_as_root() -> None:
    it = case(**managed(line=SERVER, properties={"User": "root"}))
    (found,) = decide(it.host, [it.service])
    assert "have /etc/service/web/run start it so" in found.error


def test_one_that_the_supervisor_does_not_know_is_told_with_the_way_to_the_names() -> None:
    gone = {"LoadState": "not-found", "LoadError": "no such thing"}
    it = case(**managed(properties=gone))
    (found,) = decide(it.host, [it.service])
    assert "runit tells of no service 'web' on this host (no such thing); see its names with: ls /etc" in found.error
    assert found.missing


def test_authbind_has_to_be_in_its_script_already() -> None:
    (reason,) = [
        it for it in decide(*_of(case(**managed())))[0].rejected["authbind"] if it.code == "not_through_authbind"
    ]
    assert reason.text.endswith(f"have it execute: chpst -u web authbind --deep {SERVER}")
    through = f"chpst -u web authbind --deep {SERVER}"
    assert "not_through_authbind" not in codes("authbind", **managed(line=through))


def _of(it: Any) -> Tuple[Any, Any]:
    return it.host, [it.service]


def test_what_its_process_has_lost_is_known() -> None:
    assert "no_new_privs" in codes("setcap", **managed(properties={"NoNewPrivileges": "yes"}))
    bare = process(pid=7, no_new_privs=True)
    assert "process_no_new_privs" in codes("setcap", **managed(unit_fields={"process": bare}))
    assert "bounding_set" in codes("setcap", **managed(properties={"CapabilityBoundingSet": "cap_chown"}))
    # What implies it for a unit does so for what systemd itself starts alone.
    assert codes("setcap", **managed(properties={"PrivateDevices": "yes"})) == ()


def test_what_the_unit_of_the_supervisor_says_is_told_of_that() -> None:
    said = {"NoNewPrivileges": "yes", "Around": "runit.service"}
    it = case(**managed(properties=said, description={**MANAGED["description"], "strategy": "setcap"}))
    (found,) = decide(it.host, [it.service])
    assert [one.evidence for one in found.rejected["setcap"]] == ["NoNewPrivileges=yes in runit.service"]
    assert "systemctl edit runit.service" in " ".join(map(str, ways_out(as_data(found, it.service))))


def test_what_descends_from_its_process_is_the_services() -> None:
    main = process(pid=7, unit="runit.service", name="sh")
    server = process(pid=8, unit="runit.service", ancestors=(7, 3))
    worker = process(pid=9, unit="runit.service", ancestors=(8, 7, 3))
    other = process(pid=10, unit="runit.service", ancestors=(6, 3))
    it = case(**managed(unit_fields={"process": main}, listeners=(listener(server, worker), listener(other, port=81))))
    assert [it.owns(one) for one in (main, server, worker, other)] == [True, True, True, False]
    assert it.processes == (server, worker)
    idle = case(**managed(properties={"ActiveState": "inactive"}, listeners=(listener(server),)))
    assert not idle.owns(server)


def test_a_description_is_given_back_as_it_was() -> None:
    assert service(unit=None, manager={"kind": "runit"}).started_by == "runit/web"


OPENRC = {"Id": "openrc/web", "FragmentPath": "/etc/init.d/web", "WithoutAmbient": ""}


def by_openrc(*, properties: Mapping[str, str] | None = None, **fields: Any) -> Dict[str, Any]:
    given = managed(line=SERVER, properties={**OPENRC, **(properties or {})}, **fields)
    return {**given, "description": {"unit": None, "manager": {"kind": "openrc"}}}


def test_openrc_gives_ambient_capabilities_by_a_file_of_ours() -> None:
    it = case(**by_openrc())
    (found,) = decide(it.host, [it.service])
    assert (found.strategy, found.pending) == ("ambient", ("dropin", "restart"))
    (entry,) = STRATEGIES["ambient"].desired(it, Desired()).entries
    assert entry.path == "/etc/rc.conf.d/privport-web.conf"
    for name, given in (("web", "^cap_net_bind_service"), ("other", "")):
        script = f'RC_SVCNAME={name}\n{entry.content}printf %s "$capabilities"\n'
        done = subprocess.run(["sh", "-euc", f"capabilities=\n{script}"], capture_output=True, text=True, check=True)
        assert done.stdout == given


def test_the_file_goes_with_the_grant() -> None:
    text = openrc_settings.text("web", capability=CAP, heading=heading("ambient"))
    written = {"dropin_text": text, "dropin_strategy": "ambient"}
    fields = by_openrc(unit_fields=written, properties={"AmbientCapabilities": CAP})
    it = case(**fields, listeners=(listener(ambient_process()),))
    assert decide(it.host, [it.service])[0].strategy == "ambient"
    (entry,) = STRATEGIES["ambient"].absent(it, Desired()).entries
    assert (entry.path, entry.kind) == ("/etc/rc.conf.d/privport-web.conf", "missing")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"properties": {"WithoutAmbient": "no libcap"}}, "no_openrc_capabilities"),
        ({"properties": {"User": "root"}}, "runs_as_root"),
        ({"line": f"setuidgid web {SERVER}"}, "drops_privileges"),
    ],
)
def test_what_keeps_openrc_from_it(more: Dict[str, Any], code: str) -> None:
    fields = by_openrc(**{key: value for key, value in more.items() if key != "line"})
    if "line" in more:
        fields["unit_fields"]["commands"] = (Command(prefix="", line=more["line"]),)
    assert code in codes("ambient", **fields)


def test_an_openrc_without_libcap_is_known() -> None:
    texts = {"/etc/init.d/web": "#!/sbin/openrc-run\ncommand=/a\n"}
    plain, own = files(texts), "/usr/lib/rc/sbin/start-stop-daemon"
    assert "without capabilities" in SUPERVISORS["openrc"].definition("web", plain).ambient
    able = plain._replace(holds=lambda path, text: (path, text) == (own, "libcap.so"))
    assert SUPERVISORS["openrc"].definition("web", able).ambient == ""
    supervised = files({"/etc/init.d/web": "command=/a\nsupervisor=s6\n"})
    assert SUPERVISORS["openrc"].definition("web", supervised).ambient == "s6 starts it"


# --- units of a user's own manager

PLACE = "1001:web/app.service"
SHOWN = """Id=app.service
LoadState=loaded
ActiveState=active
MainPID=42
NoNewPrivileges=no
ExecStart={ path=/opt/a ; argv[]=/opt/a -b ; ignore_errors=no ; start_time=[n/a] ; status=0/0 }
"""


def test_a_users_manager_is_asked_as_that_user() -> None:
    manager, known = SUPERVISORS[USER], files({})._replace(uid_of={"web": 1001}.get)
    assert manager.place("web/app.service", known) == PLACE
    asking = manager.asking(PLACE)
    assert asking[:7] == ("runuser", "-u", "web", "--", "env", "XDG_RUNTIME_DIR=/run/user/1001", "systemctl")
    assert asking[-1] == "app.service"
    assert manager.commands("restart", PLACE) == ((*asking[:8], "--no-block", "restart", "--", "app.service"),)
    # A person is told of the shorter way.
    assert advice_to_look("user/web/app.service") == "see systemctl --user --machine=web@ status app.service"
    assert "--machine=web@" in see_names(Manager(USER, "web/app.service"))
    assert manager.place("nobody/app.service", known) == "nobody/app.service"


def test_what_a_users_manager_says() -> None:
    manager = SUPERVISORS[USER]
    assert manager.status(rc=0, text=SHOWN) == Status("active", "", pid=42)
    assert manager.status(rc=0, text="Id=a\nLoadState=not-found\n").missing
    assert manager.status(rc=1, text="Failed to\nconnect").missing == "Failed to connect"
    properties = parse_show(user_manager.shown(Manager(USER, "web/app.service"), SHOWN, lingers=False))[0]
    assert (properties["Id"], properties["User"], properties["Command"]) == ("user/web/app.service", "web", "/opt/a -b")
    assert (properties["Linger"], properties["MainPID"]) == ("no", "42")
    assert "ExecStart" not in properties
    # Everything that a hazard looks at is asked for, and no environment.
    assert {*IMPLIES_NO_NEW_PRIVS} <= {*user_manager.PROPERTIES}
    assert not any(name.startswith("Environment") for name in user_manager.PROPERTIES)


def by_user(*, systemd: int = 257, properties: Mapping[str, str] | None = None, **description: Any) -> Dict[str, Any]:
    shown = {"Id": "user/web/web.service", "Linger": "yes", **(properties or {})}
    declared = {"unit": "web.service", "scope": "user", "user": "web", **description}
    return {"properties": shown, "description": declared, "host_fields": {"systemd": systemd}}


def test_a_unit_of_a_users_manager_gets_a_file_capability() -> None:
    it = case(**by_user(properties={"Linger": "no"}))
    (found,) = decide(it.host, [it.service])
    assert found.strategy == "setcap"
    assert "no boot starts user/web/web.service" in found.warnings[0]
    assert {it.code for name in ("ambient", "socket") for it in found.rejected[name]} == {"user_manager"}
    described = as_data(found, it.service)["service"]
    assert (described["unit"], described["scope"], described["user"]) == ("web.service", "user", "web")
    assert parse_services([described])[0]._replace(strategy="auto") == it.service


@pytest.mark.parametrize(
    ("systemd", "properties", "code"),
    [
        (257, {"LockPersonality": "yes"}, "implied_no_new_privs"),
        (252, {"LockPersonality": "yes"}, "implied_no_new_privs"),
        (257, {"ProtectSystem": "strict"}, "implied_private_users"),
        (252, {"ProtectSystem": "strict"}, ""),
    ],
)
def test_what_its_sandbox_implies(systemd: int, properties: Dict[str, str], code: str) -> None:
    assert codes("setcap", **by_user(systemd=systemd, properties=properties)) == ((code,) if code else ())


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ({"scope": "user", "unit": "a"}, "scope is user, and user is not given"),
        ({"scope": "user", "user": "a"}, "scope is user, and unit is not given"),
        ({"scope": "user", "user": "a", "unit": "a@"}, "is the template 'a@.service'"),
        ({"scope": "user", "user": "a", "unit": "a", "widen": ["bounding_set"]}, "which is for units of the system"),
    ],
)
def test_a_wrong_unit_of_a_user_is_refused(description: Dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(told)):
        parse_services([{"name": "web", "ports": [80], **description}])


@pytest.mark.parametrize(
    ("found", "owned"),
    [
        pytest.param({"pid": 8, "ancestors": (7, 3)}, True, id="below its main process"),
        pytest.param({"pid": 8, "user_unit": "web.service"}, True, id="beside it, in its control group"),
        pytest.param({"pid": 8, "user_unit": "other.service"}, False, id="of another unit of the user's"),
        pytest.param({"pid": 8, "unit": "user@7.service", "user_unit": "web.service"}, False, id="of another user's"),
    ],
)
def test_whose_a_process_of_a_users_systemd_is(found: Dict[str, Any], owned: bool) -> None:
    manager = "user@990.service"
    fields = managed(unit_fields={"process": process(pid=7, unit=manager)}, properties={"Id": "user/web/web.service"})
    it = case(**{**fields, "description": {"unit": "web.service", "scope": "user", "user": "web"}})
    assert it.owns(process(**{"unit": manager, **found})) is owned
