# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what answers on each ADDRESS:PORT that it is given, a line each; nobody where that is so."""

from __future__ import annotations

import http.client
import sys
import urllib.request

for target in sys.argv[1:]:
    try:
        with urllib.request.urlopen(f"http://{target}/", timeout=10) as answer:
            print(answer.read().decode())
    except (OSError, http.client.HTTPException):
        print("nobody")
