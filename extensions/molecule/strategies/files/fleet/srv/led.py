# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells a client its own address: on port 8085 always, and on port 85 when it may."""

from __future__ import annotations

import http.server
import socket
import sys
import threading


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        client = self.client_address[0].replace("::ffff:", "")
        answer = f"{socket.gethostname()} to {client} on {self.server.server_port}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


for port in (85, 8085):
    try:
        server = Server(("::", port), Handler)
    except PermissionError as refused:
        print(f"port {port}: {refused}", file=sys.stderr)
        continue
    threading.Thread(target=server.serve_forever).start()
