# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit makes of files, rules, units and settings: grants, whether they work, what is wrong with them."""

from __future__ import annotations

from typing import Any, Dict, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.at_boot import (
    AtBoot,
    files_of,
    included,
    makes_rules,
    persistence,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.authbind import Authbind, grants_of_rules
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.files import CapableFile, grant_of_file
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.filesystems import parse_mountinfo, walk_of
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import Grant
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.netfilter import (
    Way,
    grants_of_ways,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.superservers import (
    grants_of_inetd,
    grants_of_xinetd,
    ports_by_name,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.texts import (
    PortStart,
    grant_of_setting,
    grants_of_openrc,
    grants_of_pam,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.units import (
    UnitSeen,
    grants_of_sockets,
    grants_of_units,
    grants_of_user_units,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import Executable
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import Inode, ProgramFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    FileCapabilities,
    format_xattr,
    parse_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import SocketUnit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.nat import Led
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision import openrc_settings
from ansible_collections.netbind.privport.tests.unit.fake_host import fixture

CAP = "cap_net_bind_service"


def rules(grants: Sequence[Grant]) -> Tuple[str, ...]:
    return tuple(it.rule for grant in grants for it in grant.remarks)


def program(path: str = "/opt/server", *, form: str = "elf-dynamic", **fields: Any) -> ProgramFile:
    inode = Inode(path=path, **{"mode": 0o755, "uid": 0, "owner": "root", "group": "root", **fields})
    folder = Inode(path="/opt", mode=0o755, uid=0, owner="root", group="root")
    return ProgramFile(inode=inode, folders=(folder,), executable=Executable(form=form), nosuid=False)


def capable(capabilities: str, *, path: str = "/opt/server", units: Tuple[str, ...] = (), **fields: Any) -> CapableFile:
    held = format_xattr(parse_text(capabilities) if capabilities else FileCapabilities())
    return CapableFile(path, held, program(path, **fields), volatile=False, units=units)


@pytest.mark.parametrize(
    ("file", "effective", "holders", "found"),
    [
        pytest.param(capable(f"{CAP}=ep"), True, ("every user",), (), id="for everybody"),
        pytest.param(capable(f"{CAP}=ep", mode=0o750, group="web"), True, ("root", "group web"), (), id="for a group"),
        pytest.param(capable(f"{CAP}=p"), None, ("every user",), (), id="permitted alone"),
        pytest.param(capable(f"{CAP}=i"), False, ("every user",), ("setcap-without-effect",), id="inheritable alone"),
        pytest.param(capable(""), False, ("every user",), ("setcap-empty-attribute",), id="an empty attribute"),
        pytest.param(capable("=ep"), True, ("every user",), ("setcap-all-capabilities",), id="all"),
        pytest.param(capable("cap_setuid=ep"), True, ("every user",), ("setcap-makes-root",), id="one that makes root"),
        pytest.param(
            capable(f"{CAP}=ep", mode=0o757), True, ("every user",), ("setcap-writable-program",), id="writable"
        ),
        pytest.param(
            capable(f"{CAP}=ep", path="/usr/bin/python3.11"),
            True,
            ("every user",),
            ("setcap-shared-interpreter",),
            id="an interpreter",
        ),
        pytest.param(
            capable(f"{CAP}=ep", form="script"), False, ("every user",), ("setcap-without-effect",), id="a script"
        ),
        pytest.param(
            capable(f"{CAP}=ep", units=("a.service", "b.service")),
            True,
            ("every user",),
            ("setcap-shared-program",),
            id="of two units",
        ),
    ],
)
def test_a_file(file: CapableFile, effective: bool | None, holders: Tuple[str, ...], found: Tuple[str, ...]) -> None:
    grant = grant_of_file(file)
    assert grant is not None
    assert (grant.effective, grant.holders, rules([grant])) == (effective, holders, found)
    assert bool(grant.why_not) is (effective is not True)


def test_a_file_of_another_kind() -> None:
    assert grant_of_file(capable("cap_net_raw=ep")) is None
    # Version 3 with a root id, and an attribute of no known form.
    foreign = capable(f"{CAP}=ep")._replace(attribute=format_xattr(parse_text(f"{CAP}=ep")._replace(rootid=100000)))
    assert grant_of_file(foreign) is not None
    assert grant_of_file(foreign)._asdict()["effective"] is False
    unread = grant_of_file(capable(f"{CAP}=ep")._replace(attribute=b"odd"))
    assert unread is not None
    assert (unread.effective, unread.evidence) == (None, "security.capability 0x6f6464")
    closed = grant_of_file(capable(f"{CAP}=ep")._replace(program=None))
    assert closed is not None
    assert closed.effective is None


def rule(path: str, mode: int = 0o500, content: str = "", uid: int = 990) -> RuleFile:
    return RuleFile(path=f"/etc/authbind/{path}", uid=uid, gid=990, mode=mode, content=content)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param([rule("byport/80")], {"byport/80": (("user web",), ("80",), ())}, id="of a user"),
        pytest.param([rule("byport/80", 0o050)], {"byport/80": (("group web",), ("80",), ())}, id="of a group"),
        pytest.param([rule("byport/80", 0o600)], {"byport/80": ((), ("80",), ())}, id="of nobody"),
        pytest.param(
            [rule("byport/80", 0o755)],
            {"byport/80": (("every user",), ("80",), ("authbind-open-to-all",))},
            id="of everybody",
        ),
        pytest.param([rule("byport/600")], {"byport/600": ((), (), ("authbind-invalid-rule",))}, id="without its mark"),
        pytest.param([rule("byport/!600")], {"byport/!600": (("user web",), ("600",), ())}, id="with its mark"),
        pytest.param([rule("byport/web")], {"byport/web": ((), (), ("authbind-invalid-rule",))}, id="no port"),
        pytest.param([rule("byport/8080")], {"byport/8080": ((), (), ("authbind-invalid-rule",))}, id="a high port"),
        pytest.param(
            [rule("byport/80"), rule("byaddr/::1,80"), rule("byaddr/::1,81")],
            {
                "byport/80": (("user web",), ("80",), ()),
                "byaddr/::1,80": ((), ("80",), ("authbind-shadowed-rule",)),
                "byaddr/::1,81": (("user web",), ("81",), ()),
            },
            id="asked before",
        ),
        pytest.param(
            [rule("byport/80"), rule("byuid/990", content="0.0.0.0/0,80\n::/0,80-90\nall\n0.0.0.0/0,600\n")],
            {
                "byport/80": (("user web",), ("80",), ()),
                "byuid/990": (
                    ("user web",),
                    ("81-90",),
                    ("authbind-shadowed-rule", "authbind-invalid-rule", "authbind-shadowed-rule"),
                ),
            },
            id="lines of a user",
        ),
    ],
)
def test_rules_of_authbind(files: Sequence[RuleFile], expected: Dict[str, Any]) -> None:
    found = grants_of_rules(Authbind({it.path: it for it in files}, users={990: "web"}, groups={990: "web"}))
    shown = {it.subject[len("/etc/authbind/") :]: (it.holders, it.ports, rules([it])) for it in found}
    assert shown == expected
    broken = grants_of_rules(Authbind({it.path: it for it in files}, {}, {}, broken="authbind is not installed"))
    assert not [it for it in broken if it.effective]


def unit(name: str = "web.service", *, files: Dict[str, str] | None = None, **properties: str) -> UnitSeen:
    shown = {"Id": name, "User": "web", "ActiveState": "active", "FragmentPath": f"/etc/systemd/system/{name}"}
    return UnitSeen({**shown, "AmbientCapabilities": "", "NeedDaemonReload": "no", **properties}, files or {})


def test_units() -> None:
    granting = unit(
        AmbientCapabilities=CAP, files={"/etc/a.conf": "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"}
    )
    (grant,) = grants_of_units([granting, unit("other.service")])
    assert (grant.subject, grant.holders, grant.live, grant.persistent) == ("web.service", ("user web",), True, True)
    assert grant.file == "/etc/a.conf"
    (vain,) = grants_of_units([granting._replace(effective=False, why_not="its bounding set is empty")])
    assert rules([vain]) == ("ambient-without-effect",)
    (volatile,) = grants_of_units([unit(AmbientCapabilities=CAP, FragmentPath="/run/systemd/system/web.service")])
    assert volatile.persistent is False
    (idle,) = grants_of_units([unit(AmbientCapabilities=CAP, ActiveState="inactive", User="")])
    assert (idle.live, idle.holders) == (False, ("user root",))
    asked = unit("web@privport-audit.service", AmbientCapabilities=CAP)
    assert grants_of_units([asked])[0].subject == "web@.service"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("AmbientCapabilities=CAP_NET_BIND_SERVICE cap_chown", 0),
        ("CapabilityBoundingSet=~CAP_SET_UID", 1),
        ("CapabilityBoundingSet=", 0),
        ("AmbientCapabilities=CAP_NET_BIND 10", 1),
        ("Environment=CapabilityX", 0),
    ],
)
def test_names_that_systemd_does_not_know(line: str, found: int) -> None:
    grants = grants_of_units([unit(files={"/etc/a.conf": f"[Service]\n{line}\n"})])
    assert rules(grants) == found * ("unit-unknown-capability",)
    # A file that systemd itself cannot read is nobody's grant.
    assert grants_of_units([unit(files={"/etc/a.conf": f"[Service\n{line}\n"})]) == ()


def test_units_of_users_and_sockets() -> None:
    text = "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"
    (of_user,) = grants_of_user_units({"/home/a/.config/systemd/user/web.service": text, "/etc/b": "[Service]\n"})
    assert (of_user.effective, rules([of_user])) == (False, ("ambient-without-effect",))
    low = SocketUnit("web.socket", True, False, False, ("80", "8080", "53/udp"), ("web.service",))
    grants = grants_of_sockets([low, low._replace(ports=("8080",)), low._replace(active=False)], services={})
    assert [(it.ports, it.live, it.persistent, it.holders) for it in grants] == [
        (("80", "53/udp"), True, False, ("user root of web.service",))
    ]


NFT = "table ip a {\n  chain in {\n    tcp dport 80 redirect to :8080 # web\n  }\n}\n"


@pytest.mark.parametrize(
    ("texts", "opaque", "persistent", "told"),
    [
        pytest.param([NFT], (), True, "u loads it from /0", id="nft's file"),
        pytest.param(["-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080"], (), True, "/0", id="iptables'"),
        pytest.param(["", NFT], ("ufw.service",), True, "from /1", id="an included file"),
        pytest.param([NFT.replace("tcp", "# tcp")], (), False, "no file that the next boot loads", id="a comment"),
        pytest.param([NFT.replace("80 ", "180 ")], (), False, "has it (/0)", id="another port"),
        pytest.param([NFT.replace(":8080", ":8081")], (), False, "has it", id="another backend"),
        pytest.param(["tcp dport 80 accept; tcp dport 8080 accept"], (), False, "has it", id="no redirect"),
        pytest.param([NFT.replace("80 ", "$web ")], (), None, "/0 of u has rules by names", id="a variable"),
        pytest.param([NFT.replace("80 ", "http ")], (), None, "rules by names", id="a name"),
        pytest.param([], ("ufw.service",), None, "ufw.service may make it", id="a program that makes rules"),
        pytest.param([], (), False, "(none is loaded)", id="nothing"),
    ],
)
def test_whether_a_boot_loads_a_redirect(
    texts: Sequence[str], opaque: Tuple[str, ...], persistent: bool | None, told: str
) -> None:
    found = AtBoot({f"/{number}": ("u", text) for number, text in enumerate(texts)}, opaque)
    found_persistent, evidence = persistence(found, [Port(80, "tcp")], "8080")
    assert (found_persistent, told in evidence) == (persistent, True), evidence


def test_what_loads_rules_at_a_boot() -> None:
    shown = "{ path=/usr/sbin/nft ; argv[]=/usr/sbin/nft -f /etc/sysconfig/nftables.conf ; ignore_errors=no }"
    assert files_of("nftables.service", shown) == ("/etc/sysconfig/nftables.conf",)
    assert files_of("nftables.service", "") == ("/etc/nftables.conf",)
    assert files_of("web.service", shown) == ()
    text = 'include "/etc/a.d/*.nft"\n#include "/no"\n  include \'/a\'\n'
    assert included(text) == ("/etc/a.d/*.nft", "/a")
    assert makes_rules("my-firewall.service", "/a")
    assert makes_rules("a.service", "{ path=/usr/sbin/iptables ; }")
    assert not any(
        makes_rules(it, "") for it in ("performance.service", "nftables.service", "privport-redirect.service")
    )


@pytest.mark.parametrize(
    ("unit_name", "command", "to"),
    [
        ("a.service", "argv[]=/lib/systemd/systemd-socket-proxyd 127.0.0.1:8080 ; ignore", "127.0.0.1:8080"),
        ("a.service", "argv[]=/lib/systemd/systemd-socket-proxyd --connections-max 9 -c=8 /run/a ; ignore", "/run/a"),
        (
            "a.service",
            "argv[]=/usr/bin/socat TCP-LISTEN:80,fork TCP:127.0.0.1:8080 ; ignore",
            "TCP:127.0.0.1:8080",
        ),
        ("a.service", "argv[]=/usr/bin/socat TCP-LISTEN:80,fork EXEC:/bin/cat ; ignore", ""),
        ("privport-forward-web-80.service", "argv[]=/usr/sbin/haproxy -f /a ; ignore", "its backend"),
        ("a.service", "argv[]=/usr/sbin/haproxy -f /a ; ignore", ""),
    ],
)
def test_forwarders(unit_name: str, command: str, to: str) -> None:
    seen = UnitSeen({"Id": unit_name, "ExecStart": command, "AmbientCapabilities": CAP})
    assert seen.leads_to == to
    socket = SocketUnit("a.socket", True, True, False, ("80",), (unit_name,))
    for grant in (*grants_of_units([seen]), *grants_of_sockets([socket], services={unit_name: seen})):
        assert (grant.mechanism == "forwarder") is bool(to)
        assert (f"whoever listens on {to}" in grant.holders[0]) is bool(to)


LED = Led(chain="chain in of table ip a", rule="rule 4 of chain in", to="8080", certain=True)


@pytest.mark.parametrize(
    ("led", "forwarded", "listening", "found"),
    [
        pytest.param(LED, False, {Port(8080, "tcp")}, (), id="to a backend"),
        pytest.param(LED, True, {Port(8080, "tcp")}, ("redirect-captures-forwarded",), id="what is forwarded too"),
        pytest.param(LED, False, set(), ("redirect-without-backend",), id="to nobody"),
        pytest.param(
            LED, False, {Port(80, "tcp"), Port(8080, "tcp")}, ("redirect-in-front-of-listener",), id="before a listener"
        ),
        pytest.param(LED._replace(to="192.0.2.1:80"), False, set(), (), id="to another host"),
        pytest.param(LED._replace(certain=False), True, set(), (), id="perhaps"),
        pytest.param(
            LED._replace(chain="chain privport_web of table ip privport_web", rule=" privport_"),
            True,
            {Port(80, "tcp"), Port(8080, "tcp")},
            (),
            id="the collection's own",
        ),
    ],
)
def test_redirects(led: Led, forwarded: bool, listening: set[Port], found: Tuple[str, ...]) -> None:
    way = Way(Port(80, "tcp"), "ipv4", led)
    (grant,) = grants_of_ways(
        [way], forwarded=[way] if forwarded else [], listening=listening, at_boot=AtBoot(told=False)
    )
    assert rules([grant]) == found
    assert grant.ports == ("80",)
    # The number of a rule is another one after each load.
    assert "rule 4" not in grant.subject


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        pytest.param(PortStart(1024, None), None, id="the default"),
        pytest.param(PortStart(80, 80), (True, True, ("sysctl-open-to-all",)), id="now and at the next boot"),
        pytest.param(PortStart(80, None), (True, False, ("sysctl-open-to-all",)), id="until the next boot"),
        pytest.param(PortStart(1024, 0), (False, True, ("sysctl-open-to-all",)), id="from the next boot on"),
        pytest.param(PortStart(0, None, "of web", False), (True, None, ("sysctl-open-to-all",)), id="of a container"),
        pytest.param(PortStart(0, None, "blue", True), (True, None, ("volatile-network",)), id="of a named network"),
        pytest.param(PortStart(None, None), None, id="unknown"),
    ],
)
def test_the_setting(start: PortStart, expected: Any) -> None:
    grant = grant_of_setting(start)
    assert (grant and (grant.live, grant.persistent, rules([grant]))) == expected


def test_files_of_other_programs() -> None:
    text = f"# {CAP} a\n{CAP},cap_chown web @staff\n!all *\nnone *\n^{CAP} *\nall root\n"
    found = grants_of_pam(text, loaded=True)
    assert [it.holders for it in found] == [("web", "@staff"), ("every user",), ("root",)]
    assert not [it for it in grants_of_pam(text, loaded=False) if it.effective]
    files = {
        "/etc/conf.d/web": f'capabilities="^{CAP}"\n',
        "/etc/conf.d/b": "#capabilities=x\ncapabilities=cap_chown\n",
    }
    (openrc,) = grants_of_openrc(files, runs=True)
    assert (openrc.units, openrc.effective) == (("web",), True)
    assert grants_of_openrc(files, runs=False)[0].effective is False
    own = openrc_settings.text("web", capability=CAP, heading="# Ours")
    assert [it.units for it in grants_of_openrc({openrc_settings.path("web"): own}, runs=True)] == [("web",)]


SERVICES = "# a\nident 113/tcp auth # who\ntftp\t69/udp\nhttp-alt 8080/tcp\n"


def test_super_servers() -> None:
    named = ports_by_name(SERVICES)
    assert named[("auth", "tcp")] == 113
    text = """\
# ident stream tcp nowait root /usr/sbin/tcpd
127.0.0.1:ident stream tcp nowait identd:ident /usr/sbin/identd identd
tftp dgram udp wait root /usr/sbin/tftpd tftpd
8080 stream tcp nowait nobody /bin/a a
http-alt stream tcp6 nowait nobody /bin/a a
unknown stream tcp nowait nobody /bin/a a
"""
    found = grants_of_inetd(text, named)
    assert [(it.ports, it.holders) for it in found] == [
        (("113",), ("user identd",)),
        (("69/udp",), ("user root",)),
    ]
    section = "service ident\n{\n user = nobody\n server = /usr/sbin/identd\n}\n"
    off = "service tftp\n{\n socket_type = dgram\n disable = yes\n}\nservice own\n{\n port = 79\n}\n"
    of_files = grants_of_xinetd({"/etc/xinetd.d/a": section, "/etc/xinetd.d/b": off}, named)
    assert [(it.subject, it.holders) for it in of_files] == [
        ("/etc/xinetd.d/a: 113", ("user nobody",)),
        ("/etc/xinetd.d/b: 79", ("user root",)),
    ]


def test_mounts() -> None:
    mounts = parse_mountinfo(
        fixture("mountinfo-podman5.txt")
        + r"90 1 8:1 / /srv/with\040blank rw - ext4 /dev/sda1 rw"
        + "\n91 1 8:1 /sub /srv/part rw - ext4 /dev/sda1 rw\n92 1 8:1 / /srv/again rw - ext4 /dev/sda1 rw"
        + "\n93 1 0:99 / /srv/nas rw - nfs4 nas:/a rw\n94 1 0:98 / /mnt rw - fuse.sshfs a rw\nnonsense\n"
    )
    walk = walk_of(mounts, filesystems=fixture("filesystems-linux6.18.txt"))
    tops = [it.path for it in walk.tops]
    assert "/" in tops
    assert "/srv/with blank" in tops
    assert not {"/srv/part", "/srv/again", "/srv/nas", "/mnt", "/proc", "/sys"} & set(tops)
    assert [it.what for it in walk.skipped] == ["/srv/nas", "/mnt"]
    assert {"/srv/nas", "/proc", "/srv/part"} <= set(walk.ends)
