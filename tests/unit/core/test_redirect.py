# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a redirect as text, and what keeps them in force."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import redirect
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.redirect import Redirect, Tool

NFT = Tool(name="nftables", programs={"nft": "/usr/sbin/nft"})
IPTABLES = Tool(name="iptables", programs={"iptables": "/sbin/iptables", "ip6tables": "/sbin/ip6tables"})
WEB = (Redirect(Port(80), 8080), Redirect(Port(53, "udp"), 5353))
FIXTURES = Path(__file__).parents[1] / "fixtures"


def read(name: str) -> str:
    return (FIXTURES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("nft", "keeps_address"), [("0.9.8", False), ("1.0.6", True), ("1.1.3", True)])
def test_a_table_is_listed_as_it_was_written(nft: str, keeps_address: bool) -> None:
    made = redirect.rules("web", WEB, families=(), tool=NFT._replace(keeps_address=keeps_address))
    listed = read(f"nft-list-table-{nft}.txt")
    head, text = made.text.split("\n", 1)
    assert head == "# Managed by netbind.privport (redirect); state=absent removes this file."
    # The table is made where it is missing, and then made anew, in one transaction.
    assert text == "table inet privport_web\ndelete table inet privport_web\n" + listed
    assert redirect.listed_table(listed) == made.kernel


@pytest.mark.parametrize("iptables", ["1.8.7", "1.8.9", "1.8.11"])
def test_chains_are_saved_as_they_were_written(iptables: str) -> None:
    made = redirect.rules("web", WEB, families=("ipv4",), tool=IPTABLES)
    # It holds the chain of another service as well.
    saved = read(f"iptables-save-nat-{iptables}.txt")
    assert tuple(sorted(redirect.listed_chains(saved, service="web", family="ipv4"))) == made.kernel
    assert made.text.splitlines()[1:3] == ["*nat", ":privport_web - [0:0]"]
    # A jump more is another rule.
    assert len(redirect.listed_chains(saved * 2, service="web", family="ipv4")) == 2 * len(made.kernel)


@pytest.mark.parametrize(
    ("families", "condition", "programs"),
    [
        ((), "fib daddr", {"/sbin/iptables-restore", "/sbin/ip6tables-restore"}),
        (("ipv4", "ipv6"), "fib daddr", {"/sbin/iptables-restore", "/sbin/ip6tables-restore"}),
        (("ipv4",), "meta nfproto ipv4 fib daddr", {"/sbin/iptables-restore"}),
        (("ipv6",), "meta nfproto ipv6 fib daddr", {"/sbin/ip6tables-restore"}),
    ],
)
def test_families(families: Tuple[str, ...], condition: str, programs: set[str]) -> None:
    assert redirect.rules("web", WEB, families=families, tool=NFT).kernel[3].startswith(condition)
    load = redirect.rules("web", WEB, families=families, tool=IPTABLES).load
    assert {argv[0] for argv in load if argv[0].endswith("-restore")} == programs


@pytest.mark.parametrize("tool", [NFT, IPTABLES], ids=["nftables", "iptables"])
def test_what_is_installed(tool: Tool) -> None:
    made = redirect.rules("web", WEB, families=(), tool=tool)
    wanted = redirect.installation("web", made, tool=tool)
    assert {it.path for it in wanted.files} <= set(redirect.paths("web"))
    assert wanted.files[0].path == redirect.rules_path("web", tool=tool.name)
    assert (wanted.units, wanted.kernel) == (("privport-redirect-web.service",), made.kernel)
    texts = [it.text for it in wanted.files if it.text]
    assert all(text.startswith("# Managed by netbind.privport") for text in texts)
    # A failure is never the failure of whose drop-in it is.
    drop_ins = [it.text for it in wanted.files if it.path.endswith(".conf")]
    commands = [line.split("=", 1)[1] for text in drop_ins for line in text.splitlines() if line.startswith("Exec")]
    assert commands
    assert all(command.startswith("-/") for command in commands)
    for moment in ("ExecStartPost=", "ExecReload=", "ExecStopPost="):
        assert all(moment in text for text in drop_ins)


ODD = 'my web-é/x%d"'


def test_a_name_of_any_characters() -> None:
    assert redirect.table_name(ODD) == "privport_my/20web-/c3/a9/2fx/25d/22"
    assert redirect.unit_name(ODD) == r"privport-redirect-my\x20web\x2d\xc3\xa9\x2fx\x25d\x22.service"
    made = redirect.rules(ODD, WEB, families=(), tool=NFT)
    unit = redirect.installation(ODD, made, tool=NFT).files[1].text
    # systemd takes a backslash in a command for the beginning of an escape.
    assert r"ExecStart=/usr/sbin/nft -f /etc/netbind.privport/my\\x20web\\x2d" in unit


def test_services_have_files_of_their_own() -> None:
    names = ("a", "a.service", "a.conf", "a.nft", "a/out", r"a\x2f")
    found = [path for name in names for path in redirect.paths(name)]
    assert len(set(found)) == len(found)


def test_chains_have_short_names() -> None:
    services = ("web", "a" * 15, "a" * 16, "a" * 17, ODD, "web_out", "web/out")
    names = [name for service in services for name in redirect.chain_names(service).values()]
    assert names[:3] == ["privport_web", "privport_web/out", "privport_" + "a" * 15]
    # With the NUL at their end they take the 29 characters of linux/netfilter/x_tables.h.
    assert max(map(len, names)) == 28
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "said"), [("", "name is ''"), (" ", "name is ' '"), ("é" * 30, "too long for the name of a unit")]
)
def test_a_name_that_cannot_be(name: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        redirect.parse_name(name)


def test_every_port_has_a_backend() -> None:
    assert redirect.redirects((Port(80), Port(53, "udp")), {"80": 8080, "53": 5353}, where="backend_ports") == WEB
    with pytest.raises(InvalidInput, match=r"backend_ports names no port for 443/udp; .* such as \{443: 8080\}"):
        redirect.redirects((Port(443, "udp"),), {"80": 8080}, where="backend_ports")


@pytest.mark.parametrize("tool", [NFT, IPTABLES], ids=["nftables", "iptables"])
def test_an_init_script_loads_the_rules_and_takes_them_away(tool: Tool) -> None:
    made = redirect.rules("my web", [Redirect(Port(80), 8080)], families=(), tool=tool)
    found = redirect.installation("my web", made, tool=tool, scripts=True)
    rules_file, script = found.files
    assert found.units == ("privport-redirect-my+20web",)
    assert (script.path, script.mode) == ("/etc/init.d/privport-redirect-my+20web", 0o755)
    assert rules_file.path in script.text
    assert subprocess.run(["sh", "-n"], input=script.text, text=True, check=False).returncode == 0
    assert {it.path for it in found.files} <= set(redirect.paths("my web", scripts=True))
    # What takes rules away may find none.
    stop = script.text.split("stop() {")[1].split("}")[0].strip().splitlines()
    assert stop
    assert all(line.endswith("2>/dev/null || true") for line in stop)
