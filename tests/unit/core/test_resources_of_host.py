# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What redirect, forward and sysctl make of their files, units and settings for one service."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding.forwarder import TRIAL_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import File, Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Desired,
    Entry,
    KernelSetting,
    file,
    gone,
    of_file,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import redirect
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    SERVER,
    case,
    listener,
    process,
)

NOTHING = Desired()


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
        pytest.param(
            {"paths": ("/etc/x", "/etc/y"), "foreign": ("/etc/y",), "kernel": None},
            (gone("/etc/x"),),
            (),
            id="what a killed run left",
        ),
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
    assert trial.argv == ("/usr/bin/nginx", "-t", "-q", "-c", f"{TRIAL_FOLDER}/nginx")
    assert (trial.path, f"listen unix:{TRIAL_FOLDER}/socket" in trial.content) == (trial.argv[-1], True)


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
    found = {"files": tuple(File(path, text="x") for path in files), "paths": (*files, "/etc/x")}
    judged = forwarded(found=found, names=names, **fields)
    entries = (*(gone(path) for path in reversed(files)), gone("/etc/x"))
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
        pytest.param(opened(OTHER), (gone(sysctl.OWN_PATH),), 80, id="another file does it at boot"),
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
