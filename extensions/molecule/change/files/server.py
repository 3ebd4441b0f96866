# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server for every strategy: it takes a socket that it is handed, else binds port 80 where it may, and port 8080."""

from __future__ import annotations

import os
import selectors
import socket


def bound(port):
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    server.listen()
    return server


def of_port_80():
    # sd_listen_fds(3)
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        return socket.socket(fileno=3)
    try:
        return bound(80)
    except OSError as refused:
        print(f"port 80: {refused.strerror}", flush=True)
        return None


waiting = selectors.DefaultSelector()
for listener in (of_port_80(), bound(8080)):
    if listener is not None:
        waiting.register(listener, selectors.EVENT_READ)
while True:
    for key, _events in waiting.select():
        connection = key.fileobj.accept()[0]
        connection.sendall(b"hello\n")
        connection.close()
