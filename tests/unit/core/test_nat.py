# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leads connections away from a port before a socket gets them.

The fixtures are what nft of three versions says of the same rules: the chains, and each table with such a chain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import iptables_ruleset
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.nat import tables_with_nat
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.module_utils._observe.firewall import Firewall
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost

FIXTURES = Path(__file__).parents[1] / "fixtures"
NFT = "nft"
NAMES = {"ip_tables_names": "/proc/net/ip_tables_names"}
SAVED = "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n{}\nCOMMIT\n"


class Filtering(FakeHost):
    """A host whose tools say what they are told to."""

    def __init__(self, said: Mapping[Tuple[str, ...], str], **fields: Any) -> None:
        super().__init__(programs=("nft", "iptables-save", "iptables-legacy-save"), **fields)
        self.said = dict(said)

    def query(self, argv: Sequence[str]) -> Completed:
        words = (argv[0].rpartition("/")[2], *argv[1:])
        return Completed(argv=tuple(argv), rc=0, stdout=self.said.get(words, '{"nftables": []}'), stderr="")


def test_ten_thousand_ports_are_judged_with_one_look_at_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    times: List[Any] = []
    parse = iptables_ruleset.parse
    monkeypatch.setattr(iptables_ruleset, "parse", lambda *a, **k: (times.append(a), parse(*a, **k))[1])
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 99\nCOMMIT\n"
    host = Filtering({("iptables-legacy-save",): text}, files={NAMES["ip_tables_names"]: "nat\n"})
    ports = [Port(80), *(Port(number) for number in range(10000, 20000))]
    assert [it.port for it in Firewall(host).diversions(ports)] == [80]
    assert len(times) < 10


def found(host: FakeHost, port: Port) -> Optional[Tuple[str, bool, str]]:
    diversions = Firewall(host).diversions([port])
    return next(((it.family, it.certain, it.rule) for it in diversions), None)


OLD = "chain pre of table ip old: rule "


@pytest.mark.parametrize("version", ["0.9.8", "1.0.6", "1.1.3"])
@pytest.mark.parametrize(
    ("port", "certain", "rule"),
    [
        pytest.param(Port(80), True, OLD, id="a redirect"),
        pytest.param(Port(80, "udp"), None, "", id="of another protocol"),
        pytest.param(Port(81), False, OLD, id="for some clients"),
        pytest.param(Port(53, "udp"), True, OLD, id="in a chain that another leads to"),
        pytest.param(Port(83), None, "", id="the collection's own"),
        pytest.param(Port(84), None, "", id="no rule"),
    ],
)
def test_rules_of_nft(version: str, port: Port, certain: Optional[bool], rule: str) -> None:
    chains, old, own = (FIXTURES / f"nft-nat-{version}.txt").read_text(encoding="utf-8").splitlines()
    host = Filtering(
        {
            (NFT, "--json", "--stateless", "list", "chains"): chains,
            (NFT, "--json", "--stateless", "list", "table", "ip", "old"): old,
            (NFT, "--json", "--stateless", "list", "table", "inet", "privport_web"): own,
        }
    )
    told = found(host, port)
    if certain is None:
        assert told is None
    else:
        assert told is not None
        assert (told[0], told[1], rule in told[2] or "chain more" in told[2]) == ("ipv4", certain, True)


@pytest.mark.parametrize(
    ("lines", "certain"),
    [
        ("-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080", True),
        ("-A PREROUTING -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 8443", None),
        ("-A PREROUTING -i lo -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080", None),
        ("-A PREROUTING -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:80", False),
        (
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
            "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80",
            False,
        ),
        ("-A PREROUTING -j privport_web\n-A privport_web -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080", None),
    ],
)
def test_rules_of_the_older_iptables(lines: str, certain: Optional[bool]) -> None:
    text = SAVED.format(lines).replace("COMMIT", ":privport_web - [0:0]\nCOMMIT")
    host = Filtering({("iptables-legacy-save",): text}, files={NAMES["ip_tables_names"]: "nat\n"})
    told = found(host, Port(80))
    assert (told and told[1]) == certain


def test_nobody_but_root_reads_them() -> None:
    assert Firewall(Filtering({}, uid=1000)).diversions([Port(80)]) == ()


@pytest.mark.parametrize(
    "text", ["", "{}", '{"nftables": 5}', '{"nftables": [{"chain": {"type": "nat", "hook": "prerouting"}}]}', "[]"]
)
def test_what_nft_does_not_print(text: str) -> None:
    with pytest.raises(UnknownFormat, match="nft --json list chains printed"):
        tables_with_nat(text)
    assert Firewall(Filtering({(NFT, "--json", "--stateless", "list", "chains"): text})).diversions([Port(80)]) == ()
