# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves HTTP on the address and port that it is given, and tells each client whom it sees and which headers."""

from __future__ import annotations

import http.server
import json
import socket
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = json.dumps({"client": self.client_address[0], **dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET


Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
