# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what each URL answers, as JSON by URL: content and headers, or an error. Usage: ask.py SECONDS URL…"""

from __future__ import annotations

import json
import os
import ssl
import sys
import urllib.request

CERTIFICATE = "/etc/caddy/cert.pem"
TRUST = ssl.create_default_context(cafile=CERTIFICATE if os.path.exists(CERTIFICATE) else None)


def answer(url):
    try:
        with urllib.request.urlopen(url, timeout=float(sys.argv[1]), context=TRUST) as response:
            return {"content": response.read().decode().strip(), "headers": dict(response.headers), "error": ""}
    except OSError as error:
        return {"content": "", "headers": {}, "error": repr(error)}


print(json.dumps({url: answer(url) for url in sys.argv[2:]}))
