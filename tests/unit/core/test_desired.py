# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each strategy makes of the resources that it holds, for one service and for several that share them."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Mapping, Sequence, Set, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability import keep
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    FileCapabilities,
    format_xattr,
    parse_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import cases_of, decide_cases
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import (
    Group,
    grants,
    removals,
    sharing,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import together as joined
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import File, Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Attribute,
    Desired,
    Entry,
    KernelSetting,
    file,
    gone,
    link,
    of_file,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, SocketOptions
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import redirect
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import socket_unit
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient, render_authbind
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    AUTHBIND,
    CAP,
    SERVER,
    WEB,
    authbind_port,
    case,
    listener,
    process,
    unit,
)
from ansible_collections.netbind.privport.tests.unit.core.cases import together as on_one_host

NOTHING = Desired()
DROPIN = "/etc/systemd/system/web.service.d/50-privport.conf"
FOR_ROOT = {"description": {"user": "web"}, "properties": {"User": ""}}
BY_DECISION = {"ambient": AMBIENT_DROPIN, "authbind": "ours", "socket": "ours"}


def dropin_of(strategy: str, **fields: Any) -> Dict[str, Any]:
    """A unit with the drop-in of a strategy, '' for none."""
    text = BY_DECISION.get(strategy, "")
    return {"unit_fields": {"dropin_strategy": strategy, "dropin_text": text, **fields}}


def granting(text: str, **fields: Any) -> Dict[str, Any]:
    return {"properties": {"AmbientCapabilities": CAP}, **fields, **dropin_of(text)}


# --- the drop-in of ambient


@pytest.mark.parametrize(
    ("fields", "desired"),
    [
        pytest.param({}, (file(DROPIN, AMBIENT_DROPIN),), id="it is written"),
        pytest.param(dropin_of("socket"), (file(DROPIN, AMBIENT_DROPIN),), id="in another one's place"),
        pytest.param(FOR_ROOT, (file(DROPIN, render_ambient(capabilities=[CAP], user="web")),), id="with a user"),
        pytest.param(granting(""), (), id="the unit grants it by itself"),
        pytest.param(granting("ambient"), (file(DROPIN, AMBIENT_DROPIN),), id="by ours"),
        pytest.param({"unit": None}, (), id="no unit"),
    ],
)
def test_ambient(fields: Dict[str, Any], desired: Tuple[Entry, ...]) -> None:
    assert STRATEGIES["ambient"].desired(case(**fields), NOTHING) == Desired(entries=desired)


@pytest.mark.parametrize("strategy", ["ambient", "authbind", "socket"])
@pytest.mark.parametrize(
    ("of", "fields", "planned", "goes"),
    [
        pytest.param("own", {}, (), True, id="its own"),
        pytest.param("other", {}, (), False, id="of another strategy"),
        pytest.param("", {}, (), False, id="none"),
        pytest.param("", {"interrupted": True}, (), True, id="what a killed run left of one"),
        pytest.param("", {"interrupted": True, "dropin_text": "[Service]"}, (), False, id="somebody else's"),
        pytest.param("other", {"interrupted": True}, (), False, id="a killed run's beside another one"),
        pytest.param("own", {}, (file(DROPIN, "x"),), False, id="another one takes its place"),
        pytest.param("own", {}, (gone(DROPIN),), True, id="it is to go already"),
    ],
)
def test_a_dropin_that_goes(
    strategy: str, of: str, fields: Dict[str, Any], planned: Tuple[Entry, ...], goes: bool
) -> None:
    other = "socket" if strategy == "ambient" else "ambient"
    judged = case(**dropin_of({"own": strategy, "other": other, "": ""}[of], **fields))
    absent = STRATEGIES[strategy].absent(judged, Desired(entries=planned))
    assert absent == Desired(entries=(gone(DROPIN),) if goes else ())


# --- the rules of authbind

BYPORT, BYUID = "/etc/authbind/byport/80", "/etc/authbind/byuid/990"
OF_80, OF_81 = (f"0.0.0.0/0,{port}\n::/0,{port}\n" for port in (80, 81))
OURS = RuleFile(path=BYPORT, uid=990, gid=0, mode=0o500)
OTHERS = RuleFile(path="/etc/authbind/byuid/1001", uid=0, gid=0, mode=0o644, content="0.0.0.0/0,1-512\n")
LINES_OF_WEB = RuleFile(path=BYUID, uid=0, gid=0, mode=0o644, content=OF_80 + OF_81)
LEFT = "/etc/authbind/byport/.netbind.privport.x"
WRAPPED = file(DROPIN, render_authbind(program=AUTHBIND, commands=unit().commands, deep=False))
RULE = file(BYPORT, "", mode=0o500, uid=990)


def ruled(*files: RuleFile, ports: Sequence[int] = (80,), own: Tuple[str, ...] = (), **fields: Any) -> Case:
    """A service of user web on these ports, where these rule files are."""
    more = {"host_fields": {"authbind_rules": files}, **fields}
    description = {"ports": [*ports], **more.pop("description", {})}
    found = tuple(authbind_port(port, own_rules=own) for port in ports)
    return case(description=description, authbind_ports=found, **more)


@pytest.mark.parametrize(
    ("judged", "desired"),
    [
        pytest.param(ruled(), (RULE, WRAPPED), id="the rule comes before the drop-in"),
        pytest.param(
            ruled(ports=(80, 81)),
            (RULE, file("/etc/authbind/byport/81", "", mode=0o500, uid=990), WRAPPED),
            id="several ports",
        ),
        pytest.param(ruled(OURS, unit=None), (), id="it is there, and no unit is"),
        pytest.param(
            ruled(OTHERS),
            (file(BYUID, OF_80), WRAPPED),
            id="lines, where somebody else has a rule behind",
        ),
        pytest.param(ruled(OURS, own=(BYPORT, LEFT)), (gone(LEFT), WRAPPED), id="what a killed run left"),
        pytest.param(ruled(account=None), (WRAPPED,), id="no user"),
    ],
)
def test_authbind(judged: Case, desired: Tuple[Entry, ...]) -> None:
    assert STRATEGIES["authbind"].desired(judged, NOTHING) == Desired(entries=desired)


@pytest.mark.parametrize(
    ("judged", "absent"),
    [
        pytest.param(ruled(OURS, **dropin_of("authbind")), (gone(DROPIN), gone(BYPORT)), id="the drop-in goes first"),
        pytest.param(ruled(OURS, own=(BYPORT, LEFT)), (gone(BYPORT), gone(LEFT)), id="what a killed run left"),
        pytest.param(ruled(LINES_OF_WEB, own=(BYUID,)), (file(BYUID, OF_81),), id="other lines stay"),
        pytest.param(ruled(OTHERS), (), id="a rule of somebody else's stays"),
    ],
)
def test_authbind_taken_away(judged: Case, absent: Tuple[Entry, ...]) -> None:
    assert STRATEGIES["authbind"].absent(judged, NOTHING) == Desired(entries=absent)


def test_rules_that_are_planned_already_are_gone_on_from() -> None:
    planned = Desired(entries=(file(BYUID, OF_81), gone(BYPORT)))
    judged = ruled(OURS, OTHERS, unit=None)
    assert STRATEGIES["authbind"].desired(judged, planned).entries == (file(BYUID, OF_81 + OF_80),)
    assert STRATEGIES["authbind"].absent(ruled(OURS), planned) == NOTHING


# --- the attribute of setcap, and what keeps it


def attribute(text: str, **fields: Any) -> str:
    held: FileCapabilities = parse_text(text)._replace(**fields)
    return format_xattr(held).hex()


BIND, BOTH, RAW = attribute(f"{CAP}=ep"), attribute(f"{CAP},cap_net_raw=ep"), attribute("cap_net_raw=ep")
# Version 3 of it for root itself means the same as version 2.
OF_ROOT = "01000003" + BIND[8:] + "00000000"
KEPT = keep.render(path=SERVER, value=bytes.fromhex(BIND), python="/usr/bin/python3")
WATCHED = (
    file(KEPT.service_path, KEPT.service),
    file(KEPT.watch_path, KEPT.watch),
    link(KEPT.link_path, KEPT.watch_path),
)
UNWATCHED = Desired(
    entries=(gone(KEPT.link_path), gone(KEPT.watch_path), gone(KEPT.service_path)),
    stopped=("privport-keep-usr-sbin-server.path", "privport-keep-usr-sbin-server.service"),
)


def with_attribute(value: Any, *, wanted: Any = None, **fields: Any) -> Case:
    judged = case(program_fields={"attribute": value, **fields})
    return judged._replace(service=judged.service._replace(keep=wanted))


@pytest.mark.parametrize(
    ("before", "planned", "after"),
    [
        pytest.param(None, (), BIND, id="none before"),
        pytest.param(attribute("="), (), BIND, id="an empty one"),
        pytest.param(RAW, (), BOTH, id="others' stay"),
        pytest.param(BIND, (), BIND, id="it is there"),
        pytest.param(OF_ROOT, (), OF_ROOT, id="it is there in another form"),
        pytest.param(None, (Attribute(SERVER, RAW),), BOTH, id="others' are planned"),
        pytest.param(RAW, (Attribute("/x", BIND),), BOTH, id="something else is planned"),
    ],
)
def test_setcap(before: Any, planned: Tuple[Attribute, ...], after: str) -> None:
    desired = STRATEGIES["setcap"].desired(with_attribute(before), Desired(attributes=planned))
    assert desired == Desired(attributes=(Attribute(SERVER, after),))


@pytest.mark.parametrize(
    ("before", "fields", "after"),
    [
        pytest.param(BIND, {}, (None,), id="nothing is left"),
        pytest.param(attribute("="), {}, (None,), id="an empty one"),
        pytest.param(BOTH, {}, (RAW,), id="others' stay"),
        pytest.param(RAW, {}, (RAW,), id="it was not there"),
        pytest.param(
            attribute(f"{CAP},cap_net_raw=ep", rootid=1000),
            {},
            (attribute("cap_net_raw=ep", rootid=1000),),
            id="of a namespace",
        ),
        pytest.param(None, {"unread": {"capability": "?"}}, (), id="unread"),
    ],
)
def test_setcap_taken_away(before: Any, fields: Dict[str, Any], after: Tuple[Any, ...]) -> None:
    judged = with_attribute(before)
    judged = judged._replace(facts=judged.facts._replace(**fields))
    absent = STRATEGIES["setcap"].absent(judged, NOTHING)
    assert absent == Desired(attributes=tuple(Attribute(SERVER, value) for value in after))


@pytest.mark.parametrize(
    ("wanted", "found", "desired"),
    [
        pytest.param(None, "yes", NOTHING, id="not asked"),
        pytest.param(True, "no", Desired(entries=WATCHED, running=("privport-keep-usr-sbin-server.path",)), id="kept"),
        pytest.param(False, "yes", UNWATCHED, id="kept no more"),
        pytest.param(False, "no", NOTHING, id="never kept"),
    ],
)
def test_what_gives_the_capability_back(wanted: Any, found: str, desired: Desired) -> None:
    judged = with_attribute(None, wanted=wanted, kept=found)
    assert STRATEGIES["setcap"].desired(judged, NOTHING)._replace(attributes=()) == desired
    absent = STRATEGIES["setcap"].absent(judged, NOTHING)
    assert absent._replace(attributes=()) == (NOTHING if found == "no" else UNWATCHED)


def test_nothing_without_a_program() -> None:
    for name in ("setcap", "socket", "redirect", "unneeded"):
        judged = case(program=None, unit=None)
        assert STRATEGIES[name].desired(judged, NOTHING) == STRATEGIES[name].absent(judged, NOTHING) == NOTHING


# --- socket units

HANDED = socket_unit.Handed(unit="web.service", ports=(Port(80),), families=(), options=SocketOptions(), program=SERVER)
SOCKET, SOCKET_LINK = socket_unit.paths("web.service")
LEFT_OF_SOCKET = "/etc/systemd/system/.netbind.privport.x"


@pytest.mark.parametrize(
    ("found", "more"),
    [
        pytest.param({}, (), id="a new one"),
        pytest.param({"files": (File(SOCKET, text="older"),), "active": ("web.socket",)}, (), id="another text"),
        pytest.param({"leftovers": (LEFT_OF_SOCKET,)}, (gone(LEFT_OF_SOCKET),), id="what a killed run left"),
    ],
)
def test_socket(found: Dict[str, Any], more: Tuple[Entry, ...]) -> None:
    judged = case(installed={"socket": Installed(units=("web.socket",), **found)})
    assert STRATEGIES["socket"].desired(judged, NOTHING) == Desired(
        entries=(
            *more,
            file(SOCKET, HANDED.files[0].text),
            link(SOCKET_LINK, SOCKET),
            file(DROPIN, HANDED.dropin),
        ),
        with_service=("web.socket",),
    )


def test_socket_taken_away() -> None:
    there = Installed(units=("web.socket",), files=HANDED.files, active=("web.socket",), leftovers=(LEFT_OF_SOCKET,))
    judged = case(installed={"socket": there}, **dropin_of("socket"))
    assert STRATEGIES["socket"].absent(judged, NOTHING) == Desired(
        entries=(gone(DROPIN), gone(LEFT_OF_SOCKET), gone(SOCKET_LINK), gone(SOCKET)), stopped=("web.socket",)
    )


# --- redirects

NFT = redirect.Tool(name="nftables", programs={"nft": "/usr/sbin/nft"})
IPTABLES = redirect.Tool(
    name="iptables", programs={"iptables": "/usr/sbin/iptables", "ip6tables": "/usr/sbin/ip6tables"}
)
LED = [redirect.Redirect(Port(80), 8080)]
BY_NFT, BY_IPTABLES = (
    redirect.installation("web", redirect.rules("web", LED, families=(), tool=tool), tool=tool)
    for tool in (NFT, IPTABLES)
)
LOADER = "privport-redirect-web.service"
UNLOAD_NFT = (("nft", "table inet privport_web; delete table inet privport_web"),)
UNLOAD_IPTABLES = (
    "iptables --wait -t nat -D PREROUTING -j privport_web",
    "iptables --wait -t nat -D OUTPUT -j privport_web/out",
    "iptables --wait -t nat -F privport_web",
    "iptables --wait -t nat -X privport_web",
    "iptables --wait -t nat -F privport_web/out",
    "iptables --wait -t nat -X privport_web/out",
)
BOTH_IPTABLES = tuple(
    tuple(line.replace("iptables", program).split())
    for program in ("iptables", "ip6tables")
    for line in UNLOAD_IPTABLES
)


def led(found: Mapping[str, Any], *, tool: Any = NFT, **fields: Any) -> Case:
    ground = redirect.Ground(tool=tool, refused="", barriers=())
    there = Installed(units=(LOADER,), **found)
    description = {"backend_ports": {80: 8080}}
    return case(description=description, redirect=ground, installed={"redirect": there}, **fields)


def there(wanted: Any, **more: Any) -> Dict[str, Any]:
    return {"files": wanted.files, "active": wanted.units, "kernel": wanted.kernel, **more}


@pytest.mark.parametrize(
    ("found", "more", "unload"),
    [
        pytest.param({}, (), (), id="new"),
        pytest.param(there(BY_NFT), (), (), id="it is there"),
        pytest.param(there(BY_NFT, kernel=()), (), (), id="the kernel lost it"),
        pytest.param(there(BY_NFT, kernel=("table x",)), (), UNLOAD_NFT, id="the kernel holds older rules"),
        pytest.param(there(BY_NFT, kernel=None), (), (), id="hidden"),
        pytest.param(
            there(BY_IPTABLES),
            tuple(gone(it.path) for it in reversed(BY_IPTABLES.files) if it.path not in {f.path for f in BY_NFT.files}),
            BOTH_IPTABLES,
            id="by another tool before",
        ),
    ],
)
def test_redirect(found: Dict[str, Any], more: Tuple[Entry, ...], unload: Tuple[Any, ...]) -> None:
    desired = STRATEGIES["redirect"].desired(led(found), NOTHING)
    entries = (*more, *map(of_file, BY_NFT.files))
    assert desired == Desired(entries=entries, running=(LOADER,), unload=unload)


@pytest.mark.parametrize(
    ("found", "entries", "unload"),
    [
        pytest.param(there(BY_NFT), tuple(gone(it.path) for it in reversed(BY_NFT.files)), UNLOAD_NFT, id="by nft"),
        pytest.param({"kernel": BY_IPTABLES.kernel}, (), BOTH_IPTABLES, id="the kernel's alone"),
        pytest.param({"leftovers": ("/etc/x",), "kernel": None}, (gone("/etc/x"),), (), id="what a killed run left"),
    ],
)
def test_redirect_taken_away(found: Dict[str, Any], entries: Tuple[Entry, ...], unload: Tuple[Any, ...]) -> None:
    absent = STRATEGIES["redirect"].absent(led(found), NOTHING)
    assert absent == Desired(entries=entries, stopped=(LOADER,), unload=unload)


# --- forwarders

FRONT = ("privport-forward-web-80.socket", "privport-forward-web-80.service")
PATHS = tuple(f"/etc/systemd/system/{name}" for name in FRONT)
SYSTEMD = process(pid=1, uid=0, unit="init.scope")


def forwarded(*holders: Any, found: Mapping[str, Any] = {}, **fields: Any) -> Case:
    """A service behind its backend port, and who holds the port itself."""
    listeners = (listener(process(), port=8080), *((listener(*holders),) if holders else ()))
    description = {"strategy": "forward", "backend_ports": {80: 8080}, **fields.pop("description", {})}
    installed = {"forward": Installed(units=fields.pop("names", FRONT), **found)}
    return case(description=description, listeners=listeners, installed=installed, **fields)


@pytest.mark.parametrize(
    ("judged", "running", "later"),
    [
        pytest.param(forwarded(), FRONT, (), id="nobody holds the port"),
        pytest.param(forwarded(process()), (), FRONT, id="the service holds it"),
        pytest.param(forwarded(SYSTEMD), (), FRONT, id="systemd holds it for the service"),
        pytest.param(forwarded(SYSTEMD, found={"active": FRONT}), FRONT, (), id="systemd holds it for the forwarder"),
        pytest.param(forwarded(process(unit=FRONT[1])), FRONT, (), id="the forwarder holds it"),
    ],
)
def test_forward(judged: Case, running: Tuple[str, ...], later: Tuple[str, ...]) -> None:
    desired = STRATEGIES["forward"].desired(judged, NOTHING)
    wants = f"/etc/systemd/system/web.service.wants/{FRONT[1]}"
    assert [(it.path, it.kind, it.mode) for it in desired.entries] == [
        (PATHS[1], "file", 0o644),
        (PATHS[0], "file", 0o644),
        (wants, "link", 0o777),
    ]
    assert (desired.running, desired.with_service, desired.stopped) == (running, later, ())
    assert desired.trials == ()


def test_a_forwarder_with_a_configuration() -> None:
    older = File("/etc/netbind.privport/web-80.haproxy.cfg", text="older")
    unknown = File("/etc/netbind.privport/web-81.nginx.conf", text="older")
    judged = forwarded(description={"forward_with": "nginx"}, found={"files": (older, unknown)})
    desired = STRATEGIES["forward"].desired(judged, NOTHING)
    assert desired.entries[:2] == (gone(unknown.path), gone(older.path))
    assert "/etc/netbind.privport/web-80.nginx.conf" in desired.written
    (trial,) = desired.trials
    assert trial.argv == ("/usr/bin/nginx", "-t", "-q", "-c", "/run/netbind.privport/trial/nginx")
    assert (trial.path, "listen unix:/run/netbind.privport/trial/socket" in trial.content) == (trial.argv[-1], True)


SCRIPT = "privport-forward-web-80"
SYSV: Dict[str, Any] = {"host_fields": {"systemd": None, "init_scripts": True}, "unit": None}


def test_an_init_script() -> None:
    judged = forwarded(names=(SCRIPT,), description={"executable": SERVER}, **SYSV)
    desired = STRATEGIES["forward"].desired(judged, NOTHING)
    assert [(it.path, it.mode) for it in desired.entries] == [(f"/etc/init.d/{SCRIPT}", 0o755)]
    assert desired.running == (SCRIPT,)


@pytest.mark.parametrize(
    ("fields", "files", "names", "stopped"),
    [
        pytest.param({}, PATHS, FRONT, FRONT, id="units"),
        pytest.param(SYSV, (f"/etc/init.d/{SCRIPT}",), (SCRIPT,), (SCRIPT,), id="a script"),
        pytest.param(SYSV, (), FRONT, (), id="no systemd that could stop a unit"),
    ],
)
def test_forward_taken_away(
    fields: Dict[str, Any], files: Tuple[str, ...], names: Tuple[str, ...], stopped: Tuple[str, ...]
) -> None:
    found = {"files": tuple(File(path, text="x") for path in files), "leftovers": ("/etc/x",)}
    judged = forwarded(found=found, names=names, **fields)
    entries = (gone("/etc/x"), *(gone(path) for path in reversed(files)))
    assert STRATEGIES["forward"].absent(judged, NOTHING) == Desired(entries=entries, stopped=stopped)


# --- the setting of sysctl

OPENED = file(sysctl.OWN_PATH, sysctl.render(80))
FOREIGN = {sysctl.OWN_PATH: "net.ipv4.ip_unprivileged_port_start = 80\n"}
OTHER = {"/etc/sysctl.d/a.conf": "net.ipv4.ip_unprivileged_port_start = 70\n"}
OF_OURS = {sysctl.OWN_PATH: sysctl.render(80)}
LEFT_OF_FILE = ("/etc/sysctl.d/.netbind.privport.x",)


def opened(files: Mapping[str, str], *, left: Tuple[str, ...] = (), start: int = 1024, **description: Any) -> Case:
    fields = {"sysctl_files": files, "sysctl_leftovers": left, "unprivileged_port_start": start}
    return case(description={"strategy": "sysctl", **description}, host_fields=fields)


@pytest.mark.parametrize(
    ("judged", "entries", "start"),
    [
        pytest.param(opened({}), (OPENED,), 80, id="new"),
        pytest.param(opened({}, ports=[443, 80]), (OPENED,), 80, id="the lowest port"),
        pytest.param(opened(OTHER), (), 80, id="another file does it at boot"),
        pytest.param(opened({**OF_OURS, **OTHER}), (gone(sysctl.OWN_PATH),), 80, id="another file does it, too"),
        pytest.param(opened(OF_OURS, start=80), (OPENED,), 80, id="it is there"),
        pytest.param(opened({}, start=0), (OPENED,), 0, id="a lower value stays"),
    ],
)
def test_sysctl(judged: Case, entries: Tuple[Entry, ...], start: int) -> None:
    desired = STRATEGIES["sysctl"].desired(judged, NOTHING)
    assert desired == Desired(entries=entries, settings=(KernelSetting(sysctl.LIVE, str(start)),))


@pytest.mark.parametrize(
    ("judged", "planned", "entries", "start"),
    [
        pytest.param(opened(OF_OURS, start=80), NOTHING, (gone(sysctl.OWN_PATH),), ("1024",), id="the default"),
        pytest.param(
            opened({**OF_OURS, **OTHER}, start=70), NOTHING, (gone(sysctl.OWN_PATH),), ("70",), id="another file's"
        ),
        pytest.param(
            opened({}, left=LEFT_OF_FILE, start=80), NOTHING, (gone(sysctl.OWN_PATH),), ("80",), id="a killed run's"
        ),
        pytest.param(opened(FOREIGN, left=LEFT_OF_FILE, start=80), NOTHING, (), ("80",), id="somebody else's"),
        pytest.param(opened(OF_OURS, start=80), Desired(entries=(OPENED,)), (), (), id="another service has it"),
    ],
)
def test_sysctl_taken_away(judged: Case, planned: Desired, entries: Tuple[Entry, ...], start: Tuple[str, ...]) -> None:
    settings = tuple(KernelSetting(sysctl.LIVE, value) for value in start)
    assert STRATEGIES["sysctl"].absent(judged, planned) == Desired(entries=entries, settings=settings)


def test_one_file_opens_the_ports_of_all_services_that_have_it() -> None:
    judged = [opened({}, name=name, ports=[port]) for name, port in (("a", 443), ("b", 80))]
    cases, decisions = decided(*(it._replace(facts=it.facts._replace(name=it.service.name)) for it in judged))
    assert joined(grants(cases, decisions)).entries == (OPENED,)
    done = [it._replace(host=it.host._replace(sysctl_files=OF_OURS, unprivileged_port_start=80)) for it in cases]
    assert [set(it.pending) & {"sysctl"} for it in decide_cases(done)] == [set(), set()]


# --- several services


def decided(*judged: Case, **host_fields: Any) -> Tuple[Tuple[Case, ...], Any]:
    """The services of these cases on one host, and what is decided for them."""
    observation, services = on_one_host(judged, **host_fields)
    cases = cases_of(observation, services)
    return cases, decide_cases(cases)


def named(name: str, *, port: int = 80, strategy: str = "auto", state: str = "present", **fields: Any) -> Case:
    """A service with a unit and a program of its own, of user web."""
    own = {
        "properties": {"Id": f"{name}.service", **fields.pop("properties", {})},
        "program_fields": {"path": f"/usr/sbin/{name}"},
        "authbind_ports": (authbind_port(port, own_rules=fields.pop("own", ())),),
    }
    described = {"name": name, "ports": [port], "strategy": strategy, "state": state, "unit": f"{name}.service"}
    return case(**{"name": name, **own, **fields, "description": {**described, **fields.get("description", {})}})


def paths_of(groups: Sequence[Group]) -> Dict[str, Set[str]]:
    return {it.service: {entry.path for entry in it.desired.entries} for it in groups}


def dropin(name: str) -> str:
    return f"/etc/systemd/system/{name}.service.d/50-privport.conf"


def test_what_is_granted_and_what_goes() -> None:
    """What voids the grant goes with it, and what is surplus beside goes afterwards."""
    web = case(
        program_fields={"attribute": BIND, "capability": f"{CAP}=ep", "binds": True},
        authbind_ports=(authbind_port(own_rules=(BYPORT,)),),
    )
    cases, decisions = decided(web, authbind_rules=(OURS,))
    assert grants(cases, decisions) == (
        Group("web", Desired(entries=(file(DROPIN, AMBIENT_DROPIN),), attributes=(Attribute(SERVER, None),))),
    )
    assert removals(cases, decisions) == (Group("web", Desired(entries=(gone(BYPORT),))),)


def test_nothing_is_planned_for_what_only_has_to_start() -> None:
    running = {"AmbientCapabilities": CAP, "ActiveState": "inactive"}
    cases, decisions = decided(case(properties=running, **dropin_of("ambient")))
    assert decisions[0].pending == ("start",)
    assert grants(cases, decisions) == removals(cases, decisions) == ()


def test_what_takes_the_place_of_a_dropin_is_not_removed_again() -> None:
    cases, decisions = decided(case(**dropin_of("authbind")), authbind_rules=())
    assert decisions[0].surplus == ("authbind",)
    granted = grants(cases, decisions)
    assert joined(granted).written == {DROPIN: file(DROPIN, AMBIENT_DROPIN)}
    assert removals(cases, decisions, granted=granted) == ()


def test_services_of_one_user_share_its_lines() -> None:
    """Where lines have to do, each service goes on from what the one before it adds."""
    cases, decisions = decided(
        named("a", port=80, strategy="authbind"), named("b", port=81, strategy="authbind"), authbind_rules=(OTHERS,)
    )
    granted = grants(cases, decisions)
    assert paths_of(granted) == {"a": {BYUID, dropin("a")}, "b": {BYUID, dropin("b")}}
    assert joined(granted).written[BYUID].content == OF_80 + OF_81


def test_what_goes_of_shared_lines_leaves_what_is_granted() -> None:
    """One service comes and one goes, in one run: what goes is taken from what is there by then."""
    rules = (OTHERS, LINES_OF_WEB._replace(content=OF_81))
    cases, decisions = decided(
        named("a", port=80, strategy="authbind"),
        named("b", port=81, state="absent", own=(BYUID,)),
        authbind_rules=rules,
    )
    granted = grants(cases, decisions)
    assert joined(granted).written[BYUID].content == OF_81 + OF_80
    (removed,) = removals(cases, decisions, granted=granted)
    assert removed == Group("b", Desired(entries=(file(BYUID, OF_80),)))


def test_services_that_need_different_things_of_one_file() -> None:
    accounts = {"web": WEB, "other": WEB._replace(name="other", uid=991)}
    of_root = {"Id": "web.service", "User": ""}
    judged = [
        named(name, port=port, account=accounts[user], properties=of_root, description={"user": user})
        for name, port, user in (("a", 80, "web"), ("b", 81, "other"))
    ]
    cases, decisions = decided(*judged)
    assert [it.strategy for it in decisions] == ["ambient", "ambient"]
    with pytest.raises(InvalidInput, match=f"service 'b': {DROPIN} would have to be another file for service 'a'"):
        grants(cases, decisions)


@pytest.mark.parametrize(
    ("failed", "shared"),
    [
        pytest.param({"a"}, {"a", "b", "c"}, id="over a file and then over a unit"),
        pytest.param({"c"}, {"a", "b", "c"}, id="the other way round"),
        pytest.param({"d"}, {"d"}, id="alone"),
        pytest.param(set(), set(), id="none"),
    ],
)
def test_who_shares_a_resource(failed: Set[str], shared: FrozenSet[str]) -> None:
    cases = [named("a"), named("b", port=81), named("c", port=82), named("d", port=83)]
    cases[2] = cases[2]._replace(facts=cases[2].facts._replace(unit=cases[1].facts.unit))
    groups = [
        Group("a", Desired(entries=(gone(BYUID),))),
        Group("b", Desired(entries=(gone(BYUID),))),
        Group("d", Desired(attributes=(Attribute("/usr/sbin/d", None),))),
    ]
    assert sharing(groups, cases, failed) == shared
