# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the host has what a unit sees at a path; the properties as systemctl 247, 252 and 257 show them."""

from __future__ import annotations

import posixpath
from typing import Dict

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.namespace import Files, namespace

LINKS = {
    "/bin": "usr/bin",
    "/usr/bin/server": "../lib/server/main",
    "/root-of/etc/link": "/usr/lib/real",
    "/loop": "/loop",
    "/home/web/bin": "/opt/bin",
}


def resolve(path: str) -> str:
    """realpath(3) of these links, one at each path."""
    for link, target in LINKS.items():
        if path == link or path.startswith(link + "/"):
            return posixpath.normpath(posixpath.join(posixpath.dirname(link), target) + path[len(link) :])
    return path


THERE = {"/srv", "/usr", "/a/file", "/opt"}
FILES = Files(exists=THERE.__contains__, resolve=resolve)


@pytest.mark.parametrize(
    ("properties", "path", "outer", "setting"),
    [
        pytest.param({}, "/opt/server", "/opt/server", "", id="the host's own"),
        pytest.param({}, "/bin/server", "/usr/lib/server/main", "", id="links"),
        pytest.param({}, "/opt/./a/../server", "/opt/server", "", id="dots"),
        pytest.param({}, "/loop", "/loop", "", id="a loop of links ends"),
        pytest.param({}, "/", "/", "", id="the root"),
        pytest.param({"ProtectHome": "yes"}, "/home/web/server", "", "ProtectHome=yes", id="ProtectHome"),
        pytest.param({"ProtectHome": "yes"}, "/root/server", "", "ProtectHome=yes", id="of root"),
        pytest.param({"ProtectHome": "yes"}, "/homes/server", "/homes/server", "", id="another name"),
        pytest.param({"ProtectHome": "read-only"}, "/home/web/server", "/home/web/server", "", id="read-only"),
        pytest.param({"ProtectHome": "tmpfs"}, "/home/web/server", "", "ProtectHome=tmpfs", id="tmpfs"),
        pytest.param(
            {"ProtectHome": "tmpfs", "BindPaths": "/srv:/home/web:rbind"},
            "/home/web/server",
            "/srv/server",
            "BindPaths=/srv:/home/web:rbind",
            id="bound into the tmpfs",
        ),
        pytest.param(
            {"ProtectHome": "yes", "BindPaths": "/srv:/home/web:rbind"},
            "/home/web/server",
            "",
            "ProtectHome=yes",
            id="what is closed takes no mounts",
        ),
        pytest.param({"ProtectHome": "yes"}, "/home/web/bin/x", "", "ProtectHome=yes", id="a link that is hidden"),
        pytest.param({"PrivateTmp": "yes"}, "/var/tmp/server", "", "PrivateTmp=yes", id="PrivateTmp"),
        pytest.param({"PrivateTmp": "no", "PrivateTmpEx": "disconnected"}, "/tmp/a", "", "PrivateTmp=yes", id="257"),
        pytest.param({"PrivateTmp": "no", "PrivateTmpEx": "no"}, "/tmp/a", "/tmp/a", "", id="not private"),
        pytest.param(
            {"TemporaryFileSystem": "/var:ro /opt"}, "/opt/server", "", "TemporaryFileSystem=/opt", id="temporary"
        ),
        pytest.param(
            {"InaccessiblePaths": "-/etc/authbind +/opt/"}, "/opt/a", "", "InaccessiblePaths=+/opt/", id="inaccessible"
        ),
        pytest.param({"InaccessiblePaths": "/bin"}, "/usr/bin/a", "", "InaccessiblePaths=/bin", id="by a link"),
        pytest.param(
            {"TemporaryFileSystem": "/home/web/bin:ro"},
            "/opt/bin/a",
            "",
            "TemporaryFileSystem=/home/web/bin:ro",
            id="a tmpfs by a link",
        ),
        pytest.param(
            {"BindPaths": "/bin:/home/web/bin:rbind"},
            "/opt/bin/a",
            "/usr/bin/a",
            "BindPaths=/bin:/home/web/bin:rbind",
            id="bound by links",
        ),
        pytest.param(
            {"RootDirectory": "/root-of", "InaccessiblePaths": "/opt /root-of/srv"},
            "/opt/a",
            "/root-of/opt/a",
            "RootDirectory=/root-of",
            id="a path of the host's",
        ),
        pytest.param(
            {"RootDirectory": "/root-of", "InaccessiblePaths": "/opt /root-of/srv"},
            "/srv/a",
            "",
            "InaccessiblePaths=/root-of/srv",
            id="one below the root",
        ),
        pytest.param(
            {"RootDirectory": "/root-of"},
            "/usr/server",
            "/root-of/usr/server",
            "RootDirectory=/root-of",
            id="a root of its own",
        ),
        pytest.param(
            {"RootDirectory": "/root-of/", "BindReadOnlyPaths": "/usr:/usr:rbind"},
            "/etc/link",
            "/usr/lib/real",
            "BindReadOnlyPaths=/usr:/usr:rbind",
            id="a link below a root of its own",
        ),
        pytest.param(
            {"BindReadOnlyPaths": "/a/file:/opt/server"},
            "/opt/server",
            "/a/file",
            "BindReadOnlyPaths=/a/file:/opt/server",
            id="a file over a file",
        ),
        pytest.param({"BindPaths": "-/gone:/opt:rbind"}, "/opt/a", "/opt/a", "", id="what may be missing is"),
        pytest.param(
            {"BindPaths": "/gone:/opt:rbind"}, "/opt/a", "/gone/a", "BindPaths=/gone:/opt:rbind", id="must be"
        ),
        pytest.param({"BindPaths": "-/srv"}, "/srv/a", "/srv/a", "BindPaths=-/srv", id="what may be missing is there"),
    ],
)
def test_place(properties: Dict[str, str], path: str, outer: str, setting: str) -> None:
    found = namespace(properties, files=FILES).place(path, link_target=LINKS.get)
    assert (found.path, found.outer, found.setting) == (path, outer, setting)


@pytest.mark.parametrize(
    ("properties", "path", "noexec"),
    [
        ({}, "/opt/server", ""),
        ({"NoExecPaths": "/opt"}, "/opt/server", "NoExecPaths=/opt"),
        ({"NoExecPaths": "-/opt"}, "/usr/server", ""),
        ({"NoExecPaths": "/", "ExecPaths": "/usr /opt"}, "/opt/server", ""),
        ({"NoExecPaths": "/", "ExecPaths": "/usr"}, "/opt/server", "NoExecPaths=/"),
        ({"NoExecPaths": "/", "ExecPaths": "/bin"}, "/usr/bin/a", ""),
        ({"NoExecPaths": "/", "ExecPaths": "+/home/web/bin"}, "/opt/bin/a", ""),
        ({"NoExecPaths": "/bin"}, "/usr/bin/a", "NoExecPaths=/bin"),
        ({"NoExecPaths": "/opt/a", "ExecPaths": "/opt"}, "/opt/a/server", "NoExecPaths=/opt/a"),
    ],
)
def test_noexec(properties: Dict[str, str], path: str, noexec: str) -> None:
    found = namespace(properties, files=FILES).place(path, link_target=LINKS.get)
    assert found.noexec == noexec


@pytest.mark.parametrize(
    ("properties", "image"),
    [
        ({}, ""),
        ({"RootImage": "", "MountImages": "/a.raw:/opt"}, "MountImages=/a.raw:/opt"),
        ({"RootImage": "/srv/root.raw"}, "RootImage=/srv/root.raw"),
        ({"RootMStack": "/srv/root.mstack"}, "RootMStack=/srv/root.mstack"),
    ],
)
def test_image(properties: Dict[str, str], image: str) -> None:
    assert namespace(properties, files=FILES).image == image
