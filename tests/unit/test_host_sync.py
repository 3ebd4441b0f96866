# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host layer changes is on the disk before it says done: ./run test-vm cuts the power to prove it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, List

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """The paths that were synced, in order."""
    paths: List[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: paths.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    return paths


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda host, root: host.make_folder(f"{root}/a/b"), ["a", ""], id="each folder that is new"),
        pytest.param(lambda host, root: host.make_folder(f"{root}/old"), [], id="no folder is new"),
        pytest.param(lambda host, root: host.remove(f"{root}/old/file"), ["old"], id="a file removed"),
        pytest.param(lambda host, root: host.remove_folder_if_empty(f"{root}/empty"), [""], id="a folder removed"),
        pytest.param(lambda host, root: host.remove_folder_if_empty(f"{root}/old"), [], id="a folder in use"),
    ],
)
def test_folders_are_synced(
    tmp_path: Path, synced: List[str], change: Callable[[Host, Path], None], expected: List[str]
) -> None:
    for folder in ("old", "empty"):
        (tmp_path / folder).mkdir()
    (tmp_path / "old/file").touch()
    change(Host(), tmp_path)
    assert synced == [str(tmp_path / name) for name in expected]


def test_a_file_is_synced_before_it_gets_its_name_and_its_folder_after(tmp_path: Path, synced: List[str]) -> None:
    Host().write(f"{tmp_path}/file", content="text", uid=os.getuid(), gid=os.getgid())
    assert [Path(path).name.partition("-")[0] for path in synced] == [".privport", tmp_path.name.partition("-")[0]]


def test_an_attribute_is_synced(tmp_path: Path, synced: List[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "program"
    path.touch()
    # Not every user may set it.
    monkeypatch.setattr(os, "setxattr", lambda *arguments: synced.append("set"))
    monkeypatch.setattr(os, "removexattr", lambda *arguments: synced.append("removed"))
    with Host().open_regular(str(path)) as file:
        file.set_capability(b"x")
        file.remove_capability()
    assert synced == ["set", str(path), "removed", str(path)]
