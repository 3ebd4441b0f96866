# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons that answer datagrams, or names: DNS, RADIUS, STUN, TFTP."""

from __future__ import annotations

from typing import Tuple

from .daemon import BOTH, DNS, ITSELF, REDIRECTED, ROOT, UDP, Daemon, Question, Way

_ACCESS_REQUEST = (
    b"\x01\x07\x00\x29" + bytes(range(16)) + b"\x01\x03x" + b"\x02\x12" + bytes(range(16))
)  # RFC 2865, section 4.1, from a user 'x' with some password

DAEMONS: Tuple[Daemon, ...] = (
    Daemon(
        name="dnsdist",
        packages="dnsdist",
        unit="dnsdist.service",
        kind="C++ with Lua; notify; narrow sandbox; grants itself, and gives it up",
        configure=r"""
cat >/etc/dnsdist/dnsdist.conf <<CONF
addLocal("0.0.0.0:$PORT")
addAction(AllRule(), RCodeAction(DNSRCode.REFUSED))
setSecurityPollSuffix("")
CONF
""",
        question=DNS,
        transports=BOTH,
        strategy="ambient",
        always=True,
    ),
    Daemon(
        name="pdns-recursor",
        packages="pdns-recursor",
        unit="pdns-recursor.service",
        kind="C++; notify; narrow sandbox; grants itself, and gives it up",
        configure=r"printf 'incoming:\n  listen:\n  - 0.0.0.0:%s\n' $PORT >/etc/powerdns/recursor.conf",
        question=DNS,
        transports=BOTH,
        strategy="ambient",
    ),
    Daemon(
        name="pdns",
        packages="pdns-server,pdns-backend-bind",
        unit="pdns.service",
        kind="C++; notify; narrow sandbox; grants itself",
        configure=r"""
printf 'launch=bind\nlocal-port=%s\nlocal-address=0.0.0.0\nsecurity-poll-suffix=\n' $PORT >/etc/powerdns/pdns.conf
""",
        question=DNS,
        transports=BOTH,
        strategy="ambient",
    ),
    Daemon(
        name="knot",
        packages="knot",
        unit="knot.service",
        kind="C; notify; narrow bounding set; grants itself, and gives it up",
        configure=r"printf 'server:\n    listen: [ 0.0.0.0@%s ]\n' $PORT >/etc/knot/knot.conf",
        question=DNS,
        transports=BOTH,
        strategy="ambient",
    ),
    Daemon(
        name="knot-resolver",
        packages="knot-resolver",
        unit="kresd@1.service",
        kind="C with Lua; notify; instance of a template; grants itself, and gives it up",
        configure=r"""
printf "net.listen('0.0.0.0', %s, { kind = 'dns' })\ncache.size = 10 * MB\n" $PORT >/etc/knot-resolver/kresd.conf
""",
        question=DNS,
        transports=BOTH,
        strategy="ambient",
        suites=("trixie",),
    ),
    Daemon(
        name="unbound",
        packages="unbound",
        unit="unbound.service",
        kind="C; notify; root that drops and changes its root",
        configure=r"""
printf 'server:\n interface: 0.0.0.0@%s\n access-control: 10.0.0.0/8 allow\n' $PORT \
  >/etc/unbound/unbound.conf.d/field.conf
""",
        question=DNS,
        transports=BOTH,
        refused=ROOT,
        way=REDIRECTED,
    ),
    Daemon(
        name="bind",
        packages="bind9",
        unit="named.service",
        kind="C; notify; root that drops; binds each address alone",
        configure=r"""
printf 'options { directory "/var/cache/bind"; listen-on port %s { any; }; allow-query { any; }; };\n' $PORT \
  >/etc/bind/named.conf.options
""",
        question=DNS,
        transports=BOTH,
        refused=ROOT,
        way=ITSELF,
    ),
    Daemon(
        name="dnsmasq",
        packages="dnsmasq",
        unit="dnsmasq.service",
        kind="C behind a shell script; forking; root that drops",
        configure="echo port=$PORT >/etc/dnsmasq.d/field.conf",
        question=DNS,
        transports=BOTH,
        refused=ROOT,
        way=Way("user", "ambient", {"user": "dnsmasq"}),
    ),
    Daemon(
        name="freeradius",
        packages="freeradius",
        unit="freeradius.service",
        kind="C; notify; no new privileges",
        configure=r"""
sed -i -E "0,/^(\tport = )[0-9]+/s//\1$PORT/" /etc/freeradius/3.0/sites-available/default
grep -q '^client field' /etc/freeradius/3.0/clients.conf || cat >>/etc/freeradius/3.0/clients.conf <<'CONF'
client field {
  ipaddr = 10.43.80.0/24
  secret = field
  require_message_authenticator = no
}
CONF
""",
        question=Question("RADIUS", r"^\x03\x07", _ACCESS_REQUEST, "udp"),
        transports=UDP,
        strategy="ambient",
    ),
    Daemon(
        name="coturn",
        packages="coturn",
        unit="coturn.service",
        kind="C; notify; paths that are not to be seen",
        configure=r'sed -i /^listening-port/d /etc/turnserver.conf; echo "listening-port=$PORT" >>/etc/turnserver.conf',
        question=Question("STUN", r"^\x01\x01", b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(range(12)), "udp"),
        transports=BOTH,
        strategy="ambient",
    ),
    Daemon(
        name="mumble",
        packages="mumble-server",
        unit="mumble-server.service",
        kind="C++ with Qt; narrow sandbox; grants itself",
        configure='sed -i "s/^port=.*/port=$PORT/" /etc/mumble/mumble-server.ini',
        question=Question("Mumble", r"^\x00\x01", bytes(4) + bytes(range(8)), "udp"),
        transports=BOTH,
        strategy="ambient",
    ),
    Daemon(
        name="tftpd-hpa",
        packages="tftpd-hpa",
        unit="tftpd-hpa.service",
        kind="C; forking; root that drops",
        # Its --secure changes the root at each request, which takes a capability that no other user has.
        configure=r"""
mkdir -p /srv/tftp
sed -i -e "s/^TFTP_ADDRESS=.*/TFTP_ADDRESS=\":$PORT\"/" -e "s/^TFTP_OPTIONS=.*/TFTP_OPTIONS=\"\"/" \
  /etc/default/tftpd-hpa
""",
        question=Question("TFTP", r"^\x00\x05", b"\x00\x01none\x00octet\x00", "udp"),
        transports=UDP,
        refused=ROOT,
        way=Way("user", "ambient", {"user": "tftp"}),
        suites=("trixie",),
    ),
    Daemon(
        name="tftpd-hpa",
        packages="tftpd-hpa",
        unit="tftpd-hpa.service",
        kind="C; no new privileges; socket-activated",
        configure=r"""
mkdir -p /etc/systemd/system/tftpd-hpa.socket.d
printf '[Socket]\nListenDatagram=\nListenDatagram=%s\n' $PORT >/etc/systemd/system/tftpd-hpa.socket.d/port.conf
systemctl daemon-reload
systemctl start tftpd-hpa.socket
""",
        question=Question("TFTP", r"^\x00\x05", b"\x00\x01none\x00octet\x00", "udp"),
        transports=UDP,
        strategy="unneeded",
        said={"socket_activation": True},
        suites=("forky",),
    ),
)
