# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints every path below the named folders with all that is restored of it: everything but times."""

from __future__ import annotations

import hashlib
import os
import stat
import sys


def described(path):
    status = os.lstat(path)
    held = ""
    if stat.S_ISLNK(status.st_mode):
        held = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            held = hashlib.sha256(file.read()).hexdigest()
    attributes = {
        name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
    }
    return f"{path} {status.st_mode:o} {status.st_uid}:{status.st_gid} {held} {attributes}"


for folder in sys.argv[1:]:
    print(described(folder))
    for parent, folders, files in os.walk(folder):
        for name in sorted(folders + files):
            print(described(os.path.join(parent, name)))
