# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers on TCP and UDP port 8081, and on TCP port 8082, with the port that was asked."""

import selectors
import socket

selector = selectors.DefaultSelector()
for kind, port in ((socket.SOCK_STREAM, 8081), (socket.SOCK_DGRAM, 8081), (socket.SOCK_STREAM, 8082)):
    server = socket.socket(socket.AF_INET6, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        server.listen()
    selector.register(server, selectors.EVENT_READ, data=port)
while True:
    for key, _events in selector.select():
        if key.fileobj.type == socket.SOCK_STREAM:
            connection, _client = key.fileobj.accept()
            with connection:
                connection.sendall(str(key.data).encode())
        else:
            _text, client = key.fileobj.recvfrom(16)
            key.fileobj.sendto(str(key.data).encode(), client)
