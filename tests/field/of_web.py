# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons that speak HTTP."""

from __future__ import annotations

from typing import Tuple

from .daemon import HTTP, ITSELF, REDIRECTED, ROOT, TLS, Daemon, Way, widened

# The units of these are ours: Debian has no daemon of their kind with a unit.
_NODE = """
cat >/opt/hello.js <<'JS'
require('http').createServer((_, answer) => answer.end('hello')).listen(process.argv[2])
JS
cat >/etc/systemd/system/hello-node.service <<UNIT
[Service]
User=www-data
ExecStart=/usr/bin/node /opt/hello.js $PORT
UNIT
systemctl daemon-reload
"""
_VENV = """
[ -d /opt/hello ] || python3 -m venv --system-site-packages --without-pip /opt/hello
cat >/opt/hello/hello.py <<'PY'
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
PY
cat >/etc/systemd/system/hello-venv.service <<UNIT
[Service]
Type=notify
DynamicUser=yes
ExecStart=/opt/hello/bin/python3 -m gunicorn --chdir /opt/hello --bind 0.0.0.0:$PORT hello:app
UNIT
systemctl daemon-reload
"""
_CERTIFICATE = """
[ -s /etc/ssl/field.pem ] || openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=field \
  -keyout /etc/ssl/field.pem -out /etc/ssl/field.crt 2>/dev/null
grep -q CERTIFICATE /etc/ssl/field.pem || cat /etc/ssl/field.crt >>/etc/ssl/field.pem
chmod 644 /etc/ssl/field.pem
"""

DAEMONS: Tuple[Daemon, ...] = (
    Daemon(
        name="caddy",
        packages="caddy",
        unit="caddy.service",
        kind="Go; notify; grants itself",
        configure=r"printf ':%s {\n respond hello\n}\n' $PORT >/etc/caddy/Caddyfile",
        question=HTTP,
        strategy="ambient",
        always=True,
    ),
    Daemon(
        name="tomcat",
        packages="tomcat11",
        unit="tomcat11.service",
        kind="Java behind a shell script; no new privileges; grants itself",
        writes="/etc/tomcat11/Catalina/",
        configure=r"""
sed -i -E "0,/Connector port=.[0-9]+./s//Connector port=\"$PORT\"/" /etc/tomcat11/server.xml
""",
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="jetty",
        packages="jetty9",
        unit="jetty9.service",
        kind="Java behind a shell script; no new privileges; grants itself",
        configure="sed -i s/^jetty.http.port=.*/jetty.http.port=$PORT/ /etc/jetty9/start.ini",
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="radicale",
        packages="radicale",
        unit="radicale.service",
        kind="Python; narrow sandbox, no new privileges",
        # What its init script does at each start and its unit does not.
        configure=r"""
chown -R radicale: /var/lib/radicale
sed -i -e "/^hosts *=/d" -e "/^\[server\]/a hosts = 0.0.0.0:$PORT" /etc/radicale/config
""",
        question=HTTP,
        strategy="ambient",
        always=True,
    ),
    Daemon(
        name="prometheus",
        packages="prometheus",
        unit="prometheus.service",
        kind="Go; user namespace of its own",
        configure=r"""echo "ARGS='--web.listen-address=:$PORT'" >/etc/default/prometheus""",
        question=HTTP,
        refused="PrivateUsers",
        way=REDIRECTED,
    ),
    Daemon(
        name="prometheus-node-exporter",
        packages="prometheus-node-exporter",
        unit="prometheus-node-exporter.service",
        kind="Go",
        configure=r"""echo "ARGS='--web.listen-address=:$PORT'" >/etc/default/prometheus-node-exporter""",
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="syncthing",
        packages="syncthing",
        unit="syncthing@files.service",
        kind="Go; instance of a template, User=%i; no new privileges",
        configure="""
id -u files >/dev/null 2>&1 || useradd --create-home files
config=/home/files/.local/state/syncthing/config.xml
[ -f $config ] || runuser -u files -- syncthing generate --skip-port-probing >/dev/null
sed -i -E "s|<address>[0-9.]+:[0-9]+</address>|<address>0.0.0.0:$PORT</address>|" $config
""",
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="transmission",
        packages="transmission-daemon",
        unit="transmission-daemon.service",
        kind="C++; notify; narrow sandbox, an empty bounding set",
        configure="""
sed -i -E -e "s/(.rpc-port.: )[0-9]+/\\1$PORT/" -e 's/(.rpc-whitelist.: ).*/\\1"*.*.*.*",/' \
  /etc/transmission-daemon/settings.json
""",
        writes="/etc/transmission-daemon/settings.json",
        question=HTTP,
        refused="CapabilityBoundingSet",
        way=widened("bounding_set"),
    ),
    Daemon(
        name="webdis",
        packages="webdis",
        unit="webdis.service",
        kind="C; forking, root in ExecStartPre= alone (PermissionsStartOnly=)",
        configure="""
sed -i -E -e "s/(.http_port.: )[0-9]+/\\1$PORT/" -e 's/(.http_host.: ).*/\\1"0.0.0.0",/' /etc/webdis/webdis.json
""",
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="yaws",
        packages="yaws",
        unit="yaws.service",
        kind="Erlang behind a shell script; forking, without a main process (GuessMainPID=no)",
        configure=r'sed -i -E "s/^( *port = ).*/\1$PORT/" /etc/yaws/conf.avail/localhost.conf',
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="webfs",
        packages="webfs",
        unit="webfs.service",
        kind="C behind a shell script",
        configure=r'mkdir -p /var/www/html; sed -i "s/^web_port=.*/web_port=$PORT/" /etc/webfsd.conf',
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="journal-gatewayd",
        packages="systemd-journal-remote",
        unit="systemd-journal-gatewayd.service",
        kind="C; DynamicUser=; socket-activated",
        configure=r"""
mkdir -p /etc/systemd/system/systemd-journal-gatewayd.socket.d
printf '[Socket]\nListenStream=\nListenStream=%s\n' $PORT \
  >/etc/systemd/system/systemd-journal-gatewayd.socket.d/port.conf
systemctl daemon-reload
systemctl start systemd-journal-gatewayd.socket
""",
        question=HTTP,
        strategy="unneeded",
        said={"socket_activation": True},
    ),
    Daemon(
        name="cockpit",
        packages="cockpit-ws",
        unit="cockpit.service",
        kind="C; DynamicUser=, PrivateNetwork=; socket-activated",
        configure=r"""
mkdir -p /etc/systemd/system/cockpit.socket.d
printf '[Socket]\nListenStream=\nListenStream=%s\n' $PORT >/etc/systemd/system/cockpit.socket.d/listen.conf
systemctl daemon-reload
systemctl start cockpit.socket
""",
        writes="/etc/cockpit/ws-certs.d/",
        question=HTTP,
        strategy="unneeded",
        said={"socket_activation": True},
    ),
    Daemon(
        name="node",
        packages="nodejs",
        unit="hello-node.service",
        kind="JavaScript; an interpreter that others use too; a unit of our own",
        configure=_NODE,
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="gunicorn",
        packages="gunicorn,python3-venv",
        unit="hello-venv.service",
        kind="Python in a venv; notify; DynamicUser=; master and workers; a unit of our own",
        configure=_VENV,
        question=HTTP,
        strategy="ambient",
    ),
    Daemon(
        name="nginx",
        packages="nginx",
        unit="nginx.service",
        kind="C; forking; root that drops, master and workers",
        configure=r"""
sed -i -E "s/^(\s+listen (\[::\]:)?)[0-9]+( default_server)/\1$PORT\3/" /etc/nginx/sites-available/default
""",
        question=HTTP,
        refused=ROOT,
        way=ITSELF,
    ),
    Daemon(
        name="apache",
        packages="apache2",
        unit="apache2.service",
        kind="C behind a shell script; forking; root that drops, master and workers",
        configure='echo "Listen $PORT" >/etc/apache2/ports.conf',
        question=HTTP,
        refused=ROOT,
        way=ITSELF,
    ),
    Daemon(
        name="haproxy",
        packages="haproxy",
        unit="haproxy.service",
        kind="C; notify; root that drops, master and workers",
        configure=r"""
sed -i '/^frontend field/,$d' /etc/haproxy/haproxy.cfg
printf 'frontend field\n  mode http\n  bind :%s\n  http-request return status 200\n' $PORT >>/etc/haproxy/haproxy.cfg
""",
        question=HTTP,
        refused=ROOT,
        way=ITSELF,
    ),
    Daemon(
        name="lighttpd",
        packages="lighttpd",
        unit="lighttpd.service",
        kind="C; root that drops; narrow sandbox, no new privileges",
        configure='sed -i "s/^server.port .*/server.port = $PORT/" /etc/lighttpd/lighttpd.conf',
        question=HTTP,
        refused=ROOT,
        way=REDIRECTED,
    ),
    Daemon(
        name="squid",
        packages="squid",
        unit="squid.service",
        kind="C++; notify; root that drops, master and workers",
        configure='sed -i "s/^http_port .*/http_port $PORT/" /etc/squid/squid.conf',
        question=HTTP,
        refused=ROOT,
        way=ITSELF,
    ),
    Daemon(
        name="tinyproxy",
        packages="tinyproxy",
        unit="tinyproxy.service",
        kind="C; root that drops",
        configure=r"""
sed -i -e "s/^Port .*/Port $PORT/" -e '/^Allow 10/d' -e '$ a Allow 10.0.0.0/8' /etc/tinyproxy/tinyproxy.conf
""",
        question=HTTP,
        refused=ROOT,
        way=Way("user", "ambient", {"user": "tinyproxy"}),
    ),
    Daemon(
        name="privoxy",
        packages="privoxy",
        unit="privoxy.service",
        kind="C; forking; root that drops",
        configure='sed -i /^listen-address/d /etc/privoxy/config; echo "listen-address :$PORT" >>/etc/privoxy/config',
        question=HTTP,
        refused=ROOT,
        way=REDIRECTED,
    ),
    Daemon(
        name="icecast",
        packages="icecast2",
        unit="icecast2.service",
        kind="C; an init script, no native unit",
        configure=r"""
sed -i -E "0,/<port>[0-9]+</s//<port>$PORT</" /etc/icecast2/icecast.xml
systemctl daemon-reload
""",
        question=HTTP,
        refused=ROOT,
        way=REDIRECTED,
        suites=("trixie",),
    ),
    Daemon(
        name="hitch",
        packages="hitch,openssl",
        unit="hitch.service",
        kind="C; exec; root that drops, master and workers; narrow sandbox",
        configure=_CERTIFICATE
        + r"""
printf 'frontend = "[*]:%s"\nbackend = "[127.0.0.1]:22"\npem-file = "/etc/ssl/field.pem"\n' $PORT >/etc/hitch/hitch.conf
""",
        question=TLS,
        refused=ROOT,
        way=Way("user", "ambient", {"user": "_hitch"}),
    ),
    *(
        Daemon(
            name="stunnel",
            packages="stunnel4,openssl",
            unit="stunnel@field.service",
            kind="C; instance of a template; root",
            configure=_CERTIFICATE
            + r"""
printf 'foreground = yes\n[field]\naccept = %s\nconnect = 22\ncert = /etc/ssl/field.pem\n' $PORT \
  >/etc/stunnel/field.conf
""",
            question=TLS,
            refused=ROOT,
            way=Way("user", "ambient", {"user": user}),
            suites=(suite,),
        )
        for suite, user in (("trixie", "stunnel4"), ("forky", "stunnel"))
    ),
)
