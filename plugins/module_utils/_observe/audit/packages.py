# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package a file belongs to."""

from __future__ import annotations

from typing import Dict, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host


def packages_of(host: Host, paths: Sequence[str]) -> Dict[str, str]:
    """The package of each of these paths that a package manager knows, by the path."""
    absolute = sorted({it for it in paths if it.startswith("/")})
    if not absolute:
        return {}
    if host.which("dpkg-query"):
        return _of_dpkg(host, absolute)
    return _of_rpm(host, absolute) if host.which("rpm") else {}


def _of_dpkg(host: Host, paths: Sequence[str]) -> Dict[str, str]:
    # Packages from before the merge of /usr name files as they were (dpkg -S does not follow /bin).
    older = {path[len("/usr") :]: path for path in paths if path.startswith("/usr/")}
    found: Dict[str, str] = {}
    # Its status tells of the paths that it does not know; what it knows it prints all the same.
    for line in host.query(["dpkg-query", "--search", *paths, *older]).stdout.splitlines():
        names, colon, path = line.partition(": ")
        if colon and not names.startswith("diversion by"):
            found.setdefault(older.get(path, path), names.split(",")[0].partition(":")[0])
    return found


def _of_rpm(host: Host, paths: Sequence[str]) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for path in paths:
        done = host.query(["rpm", "--query", "--file", path, "--queryformat", "%{NAME}"])
        if done.rc == 0:
            found[path] = done.stdout.strip()
    return found
