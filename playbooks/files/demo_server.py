# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small web server that tells who answers. Usage: demo_server.py PORT SECONDS"""

from __future__ import annotations

import http.server
import os
import signal
import sys


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"Hello from uid {os.getuid()} on port {self.server.server_address[1]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: nobody reads it."""


def main() -> None:
    port, seconds = int(sys.argv[1]), int(sys.argv[2])
    # Whatever happens to the play, the server does not outlive it for long.
    signal.alarm(seconds)
    http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()


if __name__ == "__main__":
    main()
