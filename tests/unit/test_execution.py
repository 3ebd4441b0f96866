# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told beforehand of execve(2), compared with real files, modes and users of this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Account
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import execution, units
from ansible_collections.netbind.privport.tests.unit.fake_host import DROPIN, FakeHost

WEB = Account(name="web", uid=64990, gid=64991, groups=(64991, 64992))


@pytest.fixture(name="folder")
def _folder() -> Iterator[Path]:
    """A folder that every user can search, unlike pytest's own."""
    folder = Path(f"/var/tmp/privport-execution-{os.getpid()}")
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    shutil.copyfile("/bin/true", folder / "true")
    (folder / "true").chmod(0o755)
    (folder / "in").mkdir()
    shutil.copyfile("/bin/true", folder / "in/true")
    (folder / "in/true").chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def why_not(path: Path, *, account: Any = WEB, **properties: str) -> str:
    by = execution.runner(Host(), properties=properties, account=account)
    return execution.why_not(Host(), str(path), by=by)


@pytest.mark.parametrize(
    ("mode", "group", "folder_mode", "reason"),
    [
        (0o755, 0, 0o755, ""),
        (0o644, 0, 0o755, "user web may not execute or search {folder}/in/true (mode 0644)"),
        (0o750, 0, 0o755, "user web may not execute or search {folder}/in/true (mode 0750)"),
        (0o750, 64991, 0o755, ""),
        (0o750, 64992, 0o755, ""),
        (0o755, 0, 0o700, "user web may not execute or search {folder}/in (mode 0700)"),
        (0o755, 0, 0o711, ""),
    ],
)
def test_modes(folder: Path, mode: int, group: int, folder_mode: int, reason: str) -> None:
    os.chown(folder / "in/true", 0, group)
    (folder / "in/true").chmod(mode)
    (folder / "in").chmod(folder_mode)
    assert why_not(folder / "in/true") == reason.format(folder=folder)


def test_a_file_that_root_alone_executes(folder: Path) -> None:
    (folder / "true").chmod(0o700)
    assert why_not(folder / "true", account=Account(name="root", uid=0, gid=0, groups=(0,))) == ""
    assert "its dynamic user" in why_not(folder / "true", account=None, DynamicUser="yes")
    assert why_not(folder / "true", account=None) == ""


def test_what_is_bound_is_reached_past_a_closed_folder(folder: Path) -> None:
    (folder / "in").chmod(0o700)
    (folder / "in/deep").mkdir()
    shutil.copy("/bin/true", folder / "in/deep/true")
    assert why_not(Path("/opt/deep/true"), BindPaths=f"{folder}/in/deep:/opt/deep:rbind") == ""
    assert why_not(Path("/opt/true"), BindPaths=f"{folder}/in/deep/true:/opt/true:rbind") == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"#!/bin/sh\n", ""),
        (b"#!{folder}/true\n", ""),
        (b"#!/nowhere/python\n", "{folder}/it needs /nowhere/python: /nowhere/python does not exist"),
        (b"echo no program\n", "{folder}/it is no program of this machine's architecture"),
        (b"#!{folder}/it\n", "{folder}/it is a script of a script, more than 5 deep, which the kernel refuses"),
    ],
)
def test_formats(folder: Path, content: bytes, reason: str) -> None:
    assert why_not(script(folder, content)) == reason.format(folder=folder)


@pytest.mark.parametrize(
    ("content", "properties", "reason"),
    [
        (b"#!/usr/bin/env sh\n", {}, ""),
        (b"#!/usr/bin/env -S sh -e\n", {}, ""),
        (
            b"#!/usr/bin/env nosuch\n",
            {},
            "{folder}/it needs nosuch, which is in none of the folders "
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        (
            b"#!/usr/bin/env sh\n",
            {"ExecSearchPath": "/opt"},
            "{folder}/it needs sh, which is in none of the folders /opt",
        ),
        (b"#!/usr/bin/env nosuch\n", {"Environment": "PATH"}, ""),
        (b"#!/usr/bin/env {folder}/gone\n", {}, "{folder}/it needs {folder}/gone: {folder}/gone does not exist"),
    ],
)
def test_scripts_of_env(folder: Path, content: bytes, properties: Dict[str, str], reason: str) -> None:
    assert why_not(script(folder, content), Id="web.service", **properties) == reason.format(folder=folder)


def script(folder: Path, content: bytes) -> Path:
    path = folder / "it"
    path.write_bytes(content.replace(b"{folder}", str(folder).encode()))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"InaccessiblePaths": "{folder}"}, "InaccessiblePaths={folder} hides {folder}/true from the unit"),
        ({"NoExecPaths": "{folder}"}, "NoExecPaths={folder} forbids to execute {folder}/true"),
        ({"RootDirectory": "{folder}/in"}, "{folder}/true does not exist below RootDirectory={folder}/in"),
        ({"RootImage": "/a.raw", "InaccessiblePaths": "{folder}"}, ""),
    ],
)
def test_namespaces(folder: Path, properties: Dict[str, str], reason: str) -> None:
    shown = {name: value.format(folder=folder) for name, value in properties.items()}
    assert why_not(folder / "true", **shown) == reason.format(folder=folder)


def test_a_missing_program(folder: Path) -> None:
    assert why_not(folder / "gone") == f"{folder}/gone does not exist"


class LinuxHost(FakeHost):
    """authbind's files are there."""

    noexec_paths: Tuple[str, ...] = ()

    def noexec(self, path: str) -> bool:
        return path in self.noexec_paths

    def may_execute(self, paths: Sequence[str], **_: Any) -> Tuple[bool, ...]:
        return tuple(path not in self.noexec_paths for path in paths)


PRELOAD = "/usr/lib/authbind/libauthbind.so.1"
HELPER = "/usr/lib/authbind/helper"
HIDDEN = "/run/systemd/system/plain.service.d/50-privport.conf"
AUTHBIND_FILES = {"/usr/bin/authbind": "", HELPER: "", PRELOAD: "", "/etc/authbind/": "", "/srv/": ""}


@pytest.mark.parametrize(
    ("properties", "noexec", "reason"),
    [
        ({}, (), ""),
        ({}, (HELPER,), f"{HELPER} is on a mount with the option noexec"),
        ({}, (PRELOAD,), f"{PRELOAD} is on a mount with the option noexec"),
        (
            {"InaccessiblePaths": "/etc/authbind"},
            (),
            "InaccessiblePaths=/etc/authbind hides /etc/authbind from the unit",
        ),
        ({"NoExecPaths": "/etc"}, (), "NoExecPaths=/etc forbids to execute /etc/authbind"),
        ({"BindPaths": "/srv:/etc:"}, (), "/etc/authbind does not exist below BindPaths=/srv:/etc:"),
        ({"BindPaths": "/usr:/etc:"}, (), "/etc/authbind does not exist below BindPaths=/usr:/etc:"),
        (
            {"BindPaths": "/srv:/etc/authbind:"},
            (),
            "BindPaths=/srv:/etc/authbind: puts another /etc/authbind before the unit than the host's",
        ),
        (
            {"RootImage": "/a.raw"},
            (),
            "",
        ),
    ],
)
@pytest.mark.parametrize("uid", [0, 990])
def test_authbind_closed(properties: Dict[str, str], noexec: Tuple[str, ...], reason: str, uid: int) -> None:
    host = LinuxHost(files=AUTHBIND_FILES, uid=uid)
    host.noexec_paths = noexec
    by = execution.runner(host, properties=properties, account=WEB)
    # Who is not root cannot tell.
    assert execution.authbind_closed(host, "/usr/bin/authbind", by=by) == (reason if uid == 0 else "")


@pytest.mark.parametrize(
    ("files", "paths", "foreign"),
    [
        ({}, "", ""),
        ({DROPIN: "# Managed by netbind.privport (ambient)\n[Service]\n"}, DROPIN, ""),
        ({DROPIN: "[Service]\n"}, DROPIN, DROPIN),
        ({DROPIN: ""}, "", DROPIN),
        ({}, HIDDEN, HIDDEN),
        ({}, "/etc/systemd/system/service.d/40-privport.conf", ""),
    ],
)
def test_foreign_dropin(files: Dict[str, str], paths: str, foreign: str) -> None:
    assert units.foreign_dropin(FakeHost(files=files), {"DropInPaths": paths}, own_dropin=DROPIN) == foreign
