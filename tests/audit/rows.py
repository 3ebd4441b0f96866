# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planted for each rule of an audit, and the harmless twin of it that must not be found."""

from __future__ import annotations

from typing import NamedTuple, Tuple

# Of what the rows' scripts consist.
PRELUDE = r"""
set -eu
at=/opt/audit units=/etc/systemd/system
mkdir -p "$at" "$at/private"
# unit NAME LINE...: a unit file with these lines in [Service]; started: the same, and it runs.
unit() { local name=$1; shift; printf '%s\n' '[Service]' "$@" >"$units/$name"; }
started() { unit "$@"; systemctl daemon-reload; systemctl start "$1"; }
# serve PORT: the command of a server; serve.py takes a socket of systemd as well.
serve() { echo "/usr/bin/python3 $at/serve.py $1"; }
# capable FILE CAPABILITIES: a program with them.
capable() { cp /bin/true "$at/$1"; setcap "$2" "$at/$1"; }
cat >"$at/serve.py" <<'PYTHON'
import os, socket, sys, time
if sys.argv[1] != "0":
    server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    time.sleep(60)
PYTHON
"""


class Row(NamedTuple):
    """The rule, the script that plants a case of it and that case's subject; the same of the harmless twin.

    subject and twin are a part of the finding's subject, twin '' where nothing of the kind is harmless.
    """

    rule: str
    subject: str
    plant: str
    twin: str = ""
    harmless: str = ""


# What is described to the audit: web has its grant, lacking none.
DECLARED = (
    {"name": "web", "ports": [88], "unit": "audit-web.service"},
    {"name": "lacking", "ports": [89], "unit": "audit-lacking.service"},
    {"name": "guest", "ports": ["84/tcp"], "user": "bin", "executable": "/usr/bin/perl", "strategy": "authbind"},
)
# What the site allows, and the strategies by which these units need not be root then, '' for none.
POLICY = (
    {"forbid": "ambient", "when": "service.declared.unit == 'audit-root.service'", "why": "we give no capabilities"},
)
WITHOUT_ROOT = {"audit-root.service": "", "ssh.service": "ambient"}
# What some of the grants are.
MECHANISMS = {"audit-forward.socket": "forwarder", "audit-two.socket": "socket"}
_WEB = "audit-web.service"
_GOOD = """
started audit-web.service User=daemon AmbientCapabilities=CAP_NET_BIND_SERVICE "ExecStart=$(serve 88)"
mkdir -p "$units/multi-user.target.wants"
ln -sf "$units/audit-web.service" "$units/multi-user.target.wants/"
"""

ROWS: Tuple[Row, ...] = (
    Row(
        "setcap-all-capabilities",
        "/opt/audit/all",
        "capable all =ep",
        "/opt/audit/one",
        "capable one cap_net_bind_service=ep",
    ),
    Row(
        "setcap-writable-program",
        "/opt/audit/writable",
        "capable writable cap_net_bind_service=ep; chmod 777 $at/writable",
        "/opt/audit/one",
    ),
    Row(
        "setcap-shared-interpreter",
        "/opt/audit/perl",
        "cp /usr/bin/perl $at/perl; setcap cap_net_bind_service=ep $at/perl",
        "/opt/audit/private/perl",
        "install --group daemon --mode 750 /usr/bin/perl $at/private/perl; "
        "setcap cap_net_bind_service=ep $at/private/perl",
    ),
    Row(
        "setcap-makes-root",
        "/opt/audit/setuid",
        "capable setuid cap_setuid=ep",
        "/opt/audit/raw",
        "capable raw cap_net_raw=ep",
    ),
    Row(
        "setcap-without-effect",
        "/opt/audit/script",
        r"printf '#!/bin/sh\ntrue\n' >$at/script; chmod 755 $at/script; setcap cap_net_bind_service=ep $at/script",
        "/opt/audit/one",
    ),
    Row(
        "setcap-empty-attribute",
        "/opt/audit/empty",
        'cp /bin/true $at/empty; python3 -c \'import os; os.setxattr("/opt/audit/empty", "security.capability", '
        "bytes([0, 0, 0, 2] + 16 * [0]))'",
        "/opt/audit/one",
    ),
    Row(
        "setcap-shared-program",
        "/opt/audit/shared",
        "capable shared cap_net_bind_service=ep; unit audit-a.service User=daemon ExecStart=$at/shared; "
        "unit audit-b.service User=daemon ExecStart=$at/shared",
        "/opt/audit/one",
        "unit audit-one.service User=daemon ExecStart=$at/one",
    ),
    Row("effect-unknown", "/opt/audit/permitted", "capable permitted cap_net_bind_service=p", "/opt/audit/one"),
    Row(
        "authbind-open-to-all",
        "/etc/authbind/byport/81",
        "install -m 755 /dev/null /etc/authbind/byport/81",
        "/etc/authbind/byport/82",
        "install -o daemon -m 500 /dev/null /etc/authbind/byport/82",
    ),
    Row(
        "authbind-shadowed-rule",
        "/etc/authbind/byaddr/127.0.0.1,81",
        "install -o daemon -m 500 /dev/null /etc/authbind/byaddr/127.0.0.1,81",
        "/etc/authbind/byaddr/127.0.0.1,83",
        "install -o daemon -m 500 /dev/null /etc/authbind/byaddr/127.0.0.1,83",
    ),
    Row(
        "authbind-invalid-rule",
        "/etc/authbind/byuid/65534",
        "echo 'every port' >/etc/authbind/byuid/65534",
        "/etc/authbind/byuid/2",
        "echo 0.0.0.0/0,84 >/etc/authbind/byuid/2",
    ),
    Row(
        "ambient-without-effect",
        "audit-bounded.service",
        "unit audit-bounded.service User=daemon AmbientCapabilities=CAP_NET_BIND_SERVICE "
        "CapabilityBoundingSet=CAP_CHOWN ExecStart=/bin/true",
        _WEB,
        _GOOD,
    ),
    Row(
        "unit-unknown-capability",
        "audit-unknown@.service: CAP_SET_UID",
        "unit audit-unknown@.service CapabilityBoundingSet=CAP_SET_UID ExecStart=/bin/true",
        "audit-known@.service",
        "unit audit-known@.service CapabilityBoundingSet=CAP_SETUID ExecStart=/bin/true",
    ),
    Row(
        "two-grants",
        "audit-two.service",
        'unit audit-two.service User=daemon AmbientCapabilities=CAP_NET_BIND_SERVICE "ExecStart=$(serve 0)"; '
        r"printf '[Socket]\nListenStream=90\n' >$units/audit-two.socket; systemctl daemon-reload; "
        "systemctl start audit-two.socket",
        _WEB,
    ),
    Row(
        "not-persistent",
        "audit-volatile.service",
        "units=/run/systemd/system started audit-volatile.service User=daemon AmbientCapabilities=CAP_NET_BIND_SERVICE "
        '"ExecStart=$(serve 0)"',
        _WEB,
    ),
    Row(
        "root-listener",
        "audit-root.service on port 87",
        'started audit-root.service "ExecStart=$(serve 87)"',
        _WEB,
    ),
    Row(
        "undeclared-grant",
        "/etc/xinetd.d/audit: 92",
        r"printf 'service audit\n{\n type = UNLISTED\n port = 92\n user = daemon\n server = /bin/cat\n}\n' "
        ">/etc/xinetd.d/audit",
        "/etc/xinetd.d/discard",
    ),
    Row(
        "undeclared-grant",
        "audit-forward.socket",
        'unit audit-forward.service User=daemon "ExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:8086"; '
        r"printf '[Socket]\nListenStream=93\n' >$units/audit-forward.socket; systemctl daemon-reload; "
        "systemctl start audit-forward.socket",
    ),
    Row("undeclared-listener", "audit-root.service on port 87", "true", _WEB),
    Row("undeclared-grant", "audit-two.service", "true", _WEB),
    Row("undeclared-grant", "/opt/audit/one", "true", "/etc/authbind/byuid/2"),
    Row(
        "missing-grant",
        "lacking",
        'unit audit-lacking.service User=daemon "ExecStart=$(serve 89)"',
        "web",
    ),
    Row(
        "setuid-listener",
        "on port 91",
        "cp /usr/bin/python3 $at/python-of-root; chmod u+s $at/python-of-root; "
        'started audit-setuid.service User=daemon "ExecStart=$at/python-of-root $at/serve.py 91"',
        _WEB,
    ),
    Row(
        "pam_cap-grant",
        "cap_net_bind_service daemon",
        "echo 'auth optional pam_cap.so' >/etc/pam.d/audit; "
        "echo 'cap_net_bind_service daemon' >>/etc/security/capability.conf",
        "none bin",
        "mkdir -p /etc/security; echo 'none bin' >/etc/security/capability.conf",
    ),
    Row(
        "sysctl-open-to-all",
        "net.ipv4.ip_unprivileged_port_start",
        "echo net.ipv4.ip_unprivileged_port_start = 80 >/etc/sysctl.d/99-audit.conf",
    ),
    Row(
        "volatile-network",
        "in network namespace audit",
        "ip netns add audit; ip netns exec audit sysctl -qw net.ipv4.ip_unprivileged_port_start=80",
        "in network namespace harmless",
        "ip netns add harmless",
    ),
    Row(
        "redirect-captures-forwarded",
        "port 85 to 8085",
        "nft add table ip audit; nft 'add chain ip audit in { type nat hook prerouting priority -100; }'; "
        "nft add rule ip audit in tcp dport 85 redirect to :8085",
        "port 86 to 8086",
        "nft add table ip harmless; nft 'add chain ip harmless in { type nat hook prerouting priority -100; }'; "
        "nft add rule ip harmless in fib daddr type local tcp dport 86 redirect to :8086; "
        'started audit-backend.service User=daemon "ExecStart=$(serve 8086)"',
    ),
    Row(
        "redirect-in-front-of-listener",
        "port 85 to 8085",
        'started audit-front.service User=daemon AmbientCapabilities=CAP_NET_BIND_SERVICE "ExecStart=$(serve 85)"',
        "port 86 to 8086",
    ),
    Row("redirect-without-backend", "port 85 to 8085", "true", "port 86 to 8086"),
    Row(
        "not-persistent",
        "port 85 to 8085",
        "true",
        "port 86 to 8086",
        "mkdir -p /etc/nftables.d; nft list table ip harmless >/etc/nftables.d/harmless.nft; "
        "echo 'include \"/etc/nftables.d/*.nft\"' >>/etc/nftables.conf; systemctl enable --quiet nftables.service",
    ),
)

# Grants that somebody made by hand, which the role takes as they are, with what an audit describes of them.
ADOPTED = ("adopted-ambient", "adopted-authbind", "adopted-forwarded", "adopted-setcap", "adopted-socket", "adopted@7")
BY_HAND = r"""
cp /usr/bin/socat $at/adopted; setcap cap_net_bind_service=ep $at/adopted
answer() { echo "TCP-LISTEN:$1,fork,reuseaddr EXEC:/bin/cat"; }
cat >"$at/handed.py" <<'PYTHON'
import socket
server = socket.socket(fileno=3)
while True:
    server.accept()[0].close()
PYTHON
handed() { printf '[Socket]\nListenStream=%s\n[Install]\nWantedBy=sockets.target\n' "$2" >"$units/$1.socket"; }
unit adopted-setcap.service User=daemon "ExecStart=$at/adopted $(answer 201)"
unit adopted-ambient.service User=daemon "ExecStart=/usr/bin/socat $(answer 202)"
mkdir -p $units/adopted-ambient.service.d
printf '[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n' >$units/adopted-ambient.service.d/ports.conf
unit adopted-authbind.service User=daemon "ExecStart=/usr/bin/authbind --deep /usr/bin/socat $(answer 203)"
install -o daemon -m 500 /dev/null /etc/authbind/byport/203
unit adopted-socket.service User=daemon "ExecStart=/usr/bin/python3 $at/handed.py"
handed adopted-socket 204
unit adopted-forwarded.service User=daemon "ExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:8086"
handed adopted-forwarded 205
unit adopted@.service User=daemon AmbientCapabilities=CAP_NET_BIND_SERVICE "ExecStart=/usr/bin/socat $(answer 20%i)"
systemctl daemon-reload
systemctl start adopted-{socket,forwarded}.socket adopted-{setcap,ambient,authbind,socket,forwarded} adopted@7
"""
