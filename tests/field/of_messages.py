# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons of chats, mail, queues and stores."""

from __future__ import annotations

from typing import Tuple

from .daemon import HTTP, IRC, ITSELF, REDIRECTED, REDIS, ROOT, TLS, XMPP, Daemon, Question, widened

_SMTP = Question("SMTP", "^220 ")
_MQTT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04fiel"

DAEMONS: Tuple[Daemon, ...] = (
    Daemon(
        name="prosody",
        packages="prosody",
        unit="prosody.service",
        kind="Lua",
        configure=r'sed -i -e "1i c2s_ports = { $PORT }" -e /^c2s_ports/d /etc/prosody/prosody.cfg.lua',
        question=XMPP,
        strategy="ambient",
        always=True,
    ),
    Daemon(
        name="ejabberd",
        packages="ejabberd",
        unit="ejabberd.service",
        kind="Erlang behind a shell script; notify; grants itself",
        configure=r'sed -i -E "0,/port: [0-9]+/s//port: $PORT/" /etc/ejabberd/ejabberd.yml',
        question=XMPP,
        strategy="ambient",
    ),
    Daemon(
        name="rabbitmq",
        packages="rabbitmq-server",
        unit="rabbitmq-server.service",
        kind="Erlang behind a shell script; notify",
        configure="echo listeners.tcp.default = $PORT >/etc/rabbitmq/rabbitmq.conf",
        question=Question("AMQP", "RabbitMQ", b"AMQP\x00\x00\x09\x01"),
        strategy="ambient",
    ),
    Daemon(
        name="nats",
        packages="nats-server",
        unit="nats-server.service",
        kind="Go",
        configure=r"printf 'host: 0.0.0.0\nport: %s\n' $PORT >/etc/nats-server.conf",
        question=Question("NATS", "^INFO {"),
        strategy="ambient",
    ),
    Daemon(
        name="etcd",
        packages="etcd-server",
        unit="etcd.service",
        kind="Go; notify",
        configure=r"""
cat >/etc/default/etcd <<CONF
ETCD_LISTEN_CLIENT_URLS=http://0.0.0.0:$PORT
ETCD_ADVERTISE_CLIENT_URLS=http://localhost:$PORT
CONF
""",
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="redis",
        packages="redis-server",
        unit="redis-server.service",
        kind="C; notify; narrow sandbox, user namespace of its own, empty bounding set",
        configure="""
sed -i -e "s/^port .*/port $PORT/" -e "s/^bind .*/bind 0.0.0.0/" -e "s/^protected-mode .*/protected-mode no/" \
  /etc/redis/redis.conf
""",
        question=REDIS,
        refused="PrivateUsers",
        way=widened("bounding_set", "private_users"),
    ),
    Daemon(
        name="valkey",
        packages="valkey-server",
        unit="valkey-server.service",
        kind="C; notify; narrow sandbox: NoExecPaths=/, user namespace of its own, empty bounding set",
        configure="""
sed -i -e "s/^port .*/port $PORT/" -e "s/^bind .*/bind 0.0.0.0/" -e "s/^protected-mode .*/protected-mode no/" \
  /etc/valkey/valkey.conf
""",
        question=REDIS,
        refused="PrivateUsers",
        way=REDIRECTED,
    ),
    Daemon(
        name="memcached",
        packages="memcached",
        unit="memcached.service",
        kind="C behind a Perl wrapper; root that drops; a bounding set without the capability",
        configure='sed -i -e "s/^-p .*/-p $PORT/" -e "s/^-l 127.*/-l 0.0.0.0/" -e "/^-l ::1/d" /etc/memcached.conf',
        question=Question("memcached", "^VERSION", b"version\r\n"),
        refused=ROOT,
        way=REDIRECTED,
    ),
    Daemon(
        name="postgresql",
        packages="postgresql",
        unit="postgresql@17-main.service",
        kind="C behind a Perl wrapper; forking; instance of a template; root that becomes postgres",
        configure=r"""
sed -i -E -e "s/^port = [0-9]+/port = $PORT/" -e "s/^#?listen_addresses = '[^']*'/listen_addresses = '*'/" \
  /etc/postgresql/17/main/postgresql.conf
""",
        question=Question("PostgreSQL", "^[SN]", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"),
        refused=ROOT,
        way=REDIRECTED,
        suites=("trixie",),
    ),
    Daemon(
        name="slapd",
        packages="slapd",
        unit="slapd.service",
        kind="C behind a shell; notify; root that drops",
        configure=r'sed -i "s|^SLAPD_SERVICES=.*|SLAPD_SERVICES=\"ldap://:$PORT/\"|" /etc/default/slapd',
        question=Question("LDAP", "^0\\x0c\\x02\\x01\\x01a", bytes.fromhex("300c020101600702010304008000")),
        refused=ROOT,
        way=REDIRECTED,
    ),
    Daemon(
        name="mosquitto",
        packages="mosquitto",
        unit="mosquitto.service",
        kind="C; notify; root that drops, its folders made by ExecStartPre=",
        configure=r"printf 'listener %s\nallow_anonymous true\n' $PORT >/etc/mosquitto/conf.d/field.conf",
        question=Question("MQTT", r"^\x20\x02\x00\x00", _MQTT),
        refused=ROOT,
        way=REDIRECTED,
        # Its next unit has User=.
        suites=("trixie",),
    ),
    Daemon(
        name="ngircd",
        packages="ngircd",
        unit="ngircd.service",
        kind="C; forking; no new privileges",
        configure=r'sed -i -e "/^Ports = /d" -e "/^\[Global\]/a Ports = $PORT" /etc/ngircd/ngircd.conf',
        question=IRC,
        strategy="ambient",
        always=True,
    ),
    Daemon(
        name="inspircd",
        packages="inspircd",
        unit="inspircd.service",
        kind="C++",
        configure=r"""
sed -i -E "s/<bind address=\S+ port=\S+/<bind address=\"0.0.0.0\" port=\"$PORT\"/" /etc/inspircd/inspircd.conf
""",
        question=IRC,
        strategy="ambient",
        suites=("trixie",),
    ),
    Daemon(
        name="znc",
        packages="znc",
        unit="znc.service",
        kind="C++; narrow sandbox, user namespace of its own",
        configure=r"""
mkdir -p /var/lib/znc/configs
cat >/var/lib/znc/configs/znc.conf <<CONF
Version = 1.9.0
<Listener field>
  Port = $PORT
  IPv4 = true
  IPv6 = false
  SSL = false
</Listener>
<User field>
  Admin = true
  Pass = plain#field
</User>
CONF
chown -R _znc: /var/lib/znc
""",
        question=HTTP,
        refused="PrivateUsers",
        way=widened("private_users"),
    ),
    Daemon(
        name="sslh",
        packages="sslh",
        unit="sslh.service",
        kind="C; DynamicUser=; narrow sandbox, SecureBits=; grants itself",
        configure="""echo "DAEMON_OPTS='--listen 0.0.0.0:$PORT --ssh 127.0.0.1:22'" >/etc/default/sslh""",
        question=Question("SSH", r"SSH-2\.0", b"SSH-2.0-field\r\n"),
        strategy="ambient",
    ),
    Daemon(
        name="pygopherd",
        packages="pygopherd",
        unit="pygopherd.service",
        kind="Python; narrow sandbox, changes its root; grants itself",
        configure=r'sed -i -E "s/^port = .*/port = $PORT/" /etc/pygopherd/pygopherd.conf',
        question=Question("Gopher", r"\t[0-9]+\r\n|\.\r\n", b"\r\n"),
        strategy="ambient",
    ),
    Daemon(
        name="schleuder",
        packages="schleuder",
        unit="schleuder-api-daemon.service",
        kind="Ruby",
        configure=r"""
sed -i -E -e '/^api:/,$ s/^(  host: ).*/\10.0.0.0/' -e "/^api:/,$ s/^(  port: ).*/\1$PORT/" /etc/schleuder/schleuder.yml
""",
        question=TLS,
        strategy="ambient",
    ),
    Daemon(
        name="amavis",
        packages="amavisd-new",
        unit="amavis.service",
        kind="Perl; an empty bounding set",
        configure=r"""
cat >/etc/amavis/conf.d/60-field <<CONF
\$myhostname = 'field.example.org';
\$inet_socket_bind = '0.0.0.0';
\$inet_socket_port = $PORT;
@inet_acl = qw(10.0.0.0/8 127.0.0.1);
1;
CONF
""",
        question=_SMTP,
        refused="CapabilityBoundingSet",
        way=REDIRECTED,
    ),
    Daemon(
        name="postfix",
        packages="postfix",
        unit="postfix.service",
        kind="C behind a shell script; forking; root, master and workers",
        configure=r"""
[ -s /etc/postfix/main.cf ] || cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
sed -i -E "s/^(smtp|[0-9]+) +inet /$PORT inet /" /etc/postfix/master.cf
""",
        question=_SMTP,
        refused=ROOT,
        way=ITSELF,
    ),
    Daemon(
        name="dovecot",
        packages="dovecot-imapd",
        unit="dovecot.service",
        kind="C; notify; root, master and workers",
        configure=r"""
printf 'service imap-login {\n  inet_listener imap {\n    port = %s\n  }\n}\n' $PORT >/etc/dovecot/conf.d/99-field.conf
""",
        question=Question("IMAP", r"^\* OK"),
        refused=ROOT,
        way=ITSELF,
    ),
    Daemon(
        name="vsftpd",
        packages="vsftpd",
        unit="vsftpd.service",
        kind="C; root, one process a session",
        configure=r'sed -i /^listen_port/d /etc/vsftpd.conf; echo "listen_port=$PORT" >>/etc/vsftpd.conf',
        question=Question("FTP", "^220 "),
        refused=ROOT,
        way=ITSELF,
    ),
)
