# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What privport_redirect does to a machine in memory, and what is read of such a machine's rules."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import redirect as _redirect
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    PrivportError,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.input_filter import Packet
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.redirect import PROBE
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.module_utils._observe.firewall import Firewall
from ansible_collections.netbind.privport.plugins.modules import privport_redirect
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost, fixture

UNIT = "privport-redirect-web.service"
UNIT_PATH = f"/etc/systemd/system/{UNIT}"
NFT = ("systemctl", "nft")
IPTABLES = ("systemctl", "iptables", "ip6tables", "iptables-save", "ip6tables-save")


class Machine(FakeHost):
    """A systemd with the unit of the service web, and a kernel that holds what the unit loads."""

    active = False
    # The text of the file that was loaded, by the program that can list it.
    loaded: Optional[str] = None
    refused = ""
    keeps_address = True
    ruleset = '{"nftables": []}'
    saves: Sequence[str] = ()

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        self.ran.append(tuple(argv))
        program = argv[0].rpartition("/")[2]
        if program == "systemctl":
            return self._systemctl(argv)
        if program == "nft":
            return self._nft(argv)
        if program.endswith("-save"):
            text = self.loaded or ""
            return self._said(argv, "\n".join([text, *self.saves]))
        self.loaded = None
        return self._said(argv, "")

    def _systemctl(self, argv: Sequence[str]) -> Completed:
        if argv[1] == "show":
            state = "active" if self.active else "inactive"
            return self._said(argv, f"Id={UNIT}\nActiveState={state}\nNeedDaemonReload=no\n")
        if argv[1] == "--version":
            return self._said(argv, fixture("systemctl-version-systemd252.txt"))
        if argv[1] in ("start", "stop"):
            self.active = argv[1] == "start"
            self.loaded = self._rules() if self.active else None
        return self._said(argv, "")

    def _rules(self) -> str:
        return next(text for path, text in self.files.items() if path.startswith("/etc/netbind.privport/web."))

    def _nft(self, argv: Sequence[str]) -> Completed:
        if argv[1] == "--check" and argv[2] == PROBE and not self.keeps_address:
            return Completed(argv=tuple(argv), rc=1, stdout="", stderr="Error: Could not process rule: Protocol error")
        if argv[1] == "--check":
            return Completed(argv=tuple(argv), rc=1 if self.refused else 0, stdout="", stderr=self.refused)
        if argv[1] == "--json":
            return self._said(argv, self.ruleset)
        if argv[1] != "--numeric-priority":
            self.loaded = None
        elif self.loaded is None:
            return Completed(argv=tuple(argv), rc=1, stdout="", stderr="Error: No such file or directory")
        # Behind the heading and the two lines that make the table anew.
        return self._said(argv, "\n".join((self.loaded or "").splitlines()[3:]))


def machine(*programs: str, **files: str) -> Machine:
    return Machine(programs=programs or NFT, files=files)


def run(host: FakeHost, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    params = {"name": "web", "ports": [80], "backend_ports": {"80": 8080}, "families": [], "state": "present"}
    return privport_redirect.run({**params, **options}, host=host, check_mode=check_mode)


@pytest.mark.parametrize("programs", [NFT, IPTABLES], ids=["nftables", "iptables"])
def test_there_and_back(programs: Sequence[str]) -> None:
    host = machine(*programs)
    before = dict(host.files), dict(host.links)
    foreseen = run(host, check_mode=True)
    assert (host.files, host.links, host.active) == (*before, False)
    assert run(host) == foreseen
    assert host.active
    assert foreseen["rules"] == host.files[foreseen["path"]]
    assert foreseen["backend"] == ("nftables" if programs is NFT else "iptables")
    assert run(host)["changed"] is False
    gone = run(host, state="absent", ports=[], backend_ports={})
    assert (gone["changed"], gone["rules"], host.active, host.loaded) == (True, "", False, None)
    assert run(host, state="absent")["changed"] is False
    folders = [path for path in host.files if path.endswith("/") and path not in before[0]]
    assert {**host.files} == {**before[0], **dict.fromkeys(folders, "")}
    assert host.links == before[1]


@pytest.mark.parametrize("loaded", [None, "\n\n\ntable inet privport_web {\n}\n"], ids=["flushed", "changed"])
def test_rules_that_are_not_in_force_are_loaded_again(loaded: Optional[str]) -> None:
    host = machine()
    run(host)
    host.loaded = loaded
    foreseen = run(host, check_mode=True)
    (shown,) = foreseen["diff"]
    assert (shown["before_header"], "tcp dport 80 dnat to :8080" in shown["after"]) == ("the kernel", True)
    assert run(host) == foreseen
    assert run(host)["changed"] is False


@pytest.mark.parametrize(("keeps_address", "action"), [(True, "dnat"), (False, "redirect")])
def test_an_old_nft_leads_to_loopback(keeps_address: bool, action: str) -> None:
    host = machine()
    host.keeps_address = keeps_address
    assert f"tcp dport 80 {action} to :8080" in run(host)["rules"].partition("chain output")[2]
    host.uid = 1000
    found = _redirect.find_tool(host)
    # One who may not ask nft takes it for one of today.
    assert found is not None
    assert found.keeps_address


def test_rules_without_files_go_too() -> None:
    host = machine()
    run(host)
    for path in [path for path in host.files if "privport" in path]:
        del host.files[path]
    host.links.clear()
    host.active = False
    assert run(host, state="absent")["changed"]
    assert host.loaded is None


def test_absent_without_any_tool() -> None:
    host = machine("systemctl")
    assert run(host, state="absent") == {
        "changed": False,
        "diff": [],
        "path": "/etc/netbind.privport/web.nft",
        "unit": UNIT,
        "backend": "",
        "rules": "",
    }
    host.files["/etc/netbind.privport/web.nft"] = "# Managed by netbind.privport\n"
    assert run(host, state="absent")["changed"]


def not_root() -> Machine:
    host = machine()
    host.uid = 1000
    return host


def no_systemd() -> Machine:
    host = machine()
    del host.files["/run/systemd/system/"]
    return host


def old_kernel() -> Machine:
    host = machine()
    host.refused = "Error: Could not process rule: Operation not supported\ntable inet\n"
    return host


@pytest.mark.parametrize(
    ("host", "options", "error", "said"),
    [
        (machine(), {"ports": []}, InvalidInput, "ports is empty"),
        (machine(), {"ports": ["http"]}, InvalidInput, "ports holds 'http'"),
        (machine(), {"ports": [443]}, InvalidInput, "backend_ports names no port for 443"),
        (machine(), {"backend_ports": {"80": "x"}}, InvalidInput, "backend_ports port is 'x'"),
        (machine(), {"families": ["ip"]}, InvalidInput, "families is"),
        (machine(), {"name": ""}, InvalidInput, "name is ''"),
        (machine(), {"name": " "}, InvalidInput, "name is ' '"),
        (not_root(), {}, HostError, "become: true"),
        (no_systemd(), {}, HostError, "neither systemd nor init scripts would load the rules"),
        (machine("systemctl"), {}, HostError, "install nftables first"),
        (machine("systemctl", "iptables"), {}, HostError, "install nftables first"),
        (old_kernel(), {}, HostError, "Operation not supported; it needs nat and fib for the family inet"),
        (machine(**{UNIT_PATH: "mine"}), {}, Refused, "was not written by this collection"),
    ],
)
def test_an_error_is_one_sentence(
    host: Machine, options: dict[str, Any], error: type[PrivportError], said: str
) -> None:
    before = dict(host.files)
    with pytest.raises(error, match=said):
        run(host, **options)
    assert (host.files, host.active) == (before, False)


def test_rules_that_do_not_come_into_force_are_taken_back() -> None:
    class Forgetful(Machine):
        """Its kernel takes every rule and keeps none."""

        def _rules(self) -> str:
            return ""

    host = Forgetful(programs=NFT)
    with pytest.raises(HostError, match=f"the kernel does not hold what {UNIT} loads"):
        run(host)
    assert (host.active, [path for path in host.files if "redirect" in path]) == (False, [])


# --- What is observed.

(SERVICE,) = parse_services([{"name": "web", "ports": [80, 443], "backend_ports": {80: 8080}}])
DROPPING = fixture("nft-list-ruleset-1.0.6.json").replace('"accept": null', '"counter": null')


def test_nothing_is_asked_for_a_service_without_backends() -> None:
    host = machine()
    (plain,) = parse_services([{"name": "web", "ports": [80]}])
    assert _redirect.observe(host, plain, None).units == (UNIT,)
    assert _redirect.ground(host, plain, firewall=Firewall(host)) is None
    assert host.ran == []
    run(host)
    assert _redirect.observe(host, plain, None).active == (UNIT,)


def test_a_service_with_backends_is_looked_at() -> None:
    assert _redirect.observe(machine(), SERVICE, None).nothing
    found = _redirect.ground(old_kernel(), SERVICE, firewall=Firewall(old_kernel()))
    assert found is not None
    assert found.refused == "Error: Could not process rule: Operation not supported"
    bare = machine("systemctl")
    found = _redirect.ground(bare, SERVICE, firewall=Firewall(bare))
    assert found is not None
    assert (found.tool, found.refused, found.barriers) == (None, "", ())


def test_only_root_sees_the_rules() -> None:
    host = not_root()
    assert _redirect.look(host, "web").kernel is None
    found = _redirect.ground(host, SERVICE, firewall=Firewall(host))
    assert found is not None
    assert [(it.certain, it.evidence) for it in found.barriers] == [(False, "only root can read the host's own rules")]


PACKETS = [Packet(family=family, protocol="tcp", port=8080, original=80) for family in ("ipv4", "ipv6")]
CLOSED = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"
OPEN = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
# A chain that iptables made, as nft shows it.
OF_IPTABLES = """{"nftables": [{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "handle": 1,
"type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}]}"""
LEGACY = "/proc/net/ip_tables_names"


@pytest.mark.parametrize(
    ("programs", "ruleset", "saves", "files", "certain"),
    [
        (NFT, '{"nftables": []}', (), {}, []),
        (NFT, DROPPING, (), {}, [True]),
        (NFT, OF_IPTABLES, (), {}, [True]),
        # iptables-save knows better what the extensions of iptables mean.
        ((*NFT, "iptables-save"), OF_IPTABLES, (OPEN,), {}, []),
        (IPTABLES, "", (CLOSED,), {}, [True, True]),
        (IPTABLES, "", (OPEN,), {}, []),
        (("iptables-legacy-save",), "", (CLOSED,), {}, []),
        (("iptables-legacy-save",), "", (CLOSED,), {LEGACY: "filter\n"}, [True]),
        # What cannot be read keeps nobody out for certain.
        (NFT, "JSON support not compiled-in", (), {}, [False]),
    ],
)
def test_the_hosts_own_rules(
    programs: Sequence[str], ruleset: str, saves: Sequence[str], files: dict[str, str], certain: list[bool]
) -> None:
    host = machine(*programs, **files)
    host.ruleset, host.saves = ruleset, saves
    assert [it.certain for it in Firewall(host).barriers(PACKETS)] == certain
    assert not Firewall(host).barriers([])


def test_the_hosts_own_rules_are_read_once() -> None:
    host = machine(*NFT, *IPTABLES)
    firewall = Firewall(host)
    assert firewall.barriers(PACKETS) == firewall.barriers(PACKETS) == ()
    assert len(host.ran) == len(set(host.ran)) == 3
