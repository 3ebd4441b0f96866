# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files of haproxy and nginx as forwarders."""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple, Tuple

_HAPROXY = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h

listen forward
{binds}
    server backend {backend} send-proxy-v2
"""

# What the service itself decides is left to it: how large a request is, how long it takes, when an answer is sent.
_NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    server_tokens off;
    client_body_temp_path {folder}/client_body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    map $http_upgrade $forward_connection {{
        default upgrade;
        '' '';
    }}
    server {{
{listens}
        location / {{
            proxy_pass http://{backend};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $forward_connection;
            proxy_redirect off;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"""
# Its unit has one that nobody else sees (systemd.exec(5), PrivateTmp=).
_OWN_FOLDER = "/tmp"  # noqa: S108
_LISTENS = {"ipv4": "listen 0.0.0.0:{port};", "ipv6": "listen [::]:{port} ipv6only=on;"}


class Front(NamedTuple):
    """A port, the families that it is reached by, and where its connections go, as ADDRESS:PORT.

    trial is '' or a folder: for a configuration that the program is only to judge, without sockets of systemd's.
    """

    port: int
    families: Tuple[str, ...]
    backend: str
    trial: str = ""


def _haproxy(front: Front) -> str:
    """TCP as it is, behind a header that tells the client's address (proxy-protocol.txt, version 2)."""
    handed = [f"    bind fd@{descriptor}" for descriptor in descriptors(front.families)]
    binds = [f"    bind unix@{front.trial}/socket"] if front.trial else handed
    return _HAPROXY.format(binds="\n".join(binds), backend=front.backend)


def _nginx(front: Front) -> str:
    """HTTP, with the client's address in its headers (ngx_http_proxy_module)."""
    handed = [_LISTENS[family].format(port=front.port) for family in front.families]
    listens = [f"listen unix:{front.trial}/socket;"] if front.trial else handed
    return _NGINX.format(
        folder=front.trial or _OWN_FOLDER,
        listens="\n".join(f"        {it}" for it in listens),
        backend=front.backend,
    )


CONFIGURATIONS: Mapping[str, Callable[[Front], str]] = {"haproxy": _haproxy, "nginx": _nginx}


def descriptors(families: Tuple[str, ...]) -> Tuple[int, ...]:
    """The numbers of the sockets, one for each family, that systemd hands over (sd_listen_fds(3))."""
    return tuple(range(3, 3 + len(families)))
