# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit that is started once: what comes of it, and that nothing of it stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, List, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host import trial_unit
from ansible_collections.netbind.privport.plugins.module_utils._host.commands import Completed

SHOWN = "LoadState=loaded\nResult={}\nExecMainStatus={}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(trial_unit, "_FOLDER", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("shown", "instance", "expected"),
    [
        (SHOWN.format("success", 0), "", ("success", 0)),
        (SHOWN.format("exit-code", 23), "a", ("exit-code", 23)),
        ("LoadState=not-found\nResult=success\nExecMainStatus=0\n", "", None),
    ],
)
def test_what_comes_of_it(folder: Path, shown: str, instance: str, expected: Any) -> None:
    ran: List[Sequence[str]] = []

    def run(argv: Sequence[str]) -> Completed:
        ran.append(argv)
        if argv[1] == "start":
            assert (folder / argv[-1]).read_text() == "text"
            assert argv[-1].endswith(f"@{instance}.service" if instance else f"-{os.getpid()}.service")
        return Completed(tuple(argv), 0, shown if argv[1] == "show" else "", "")

    assert trial_unit.start_once(run, "text", instance=instance) == expected
    assert [argv[1] for argv in ran] == ["start", "show", "reset-failed"]
    assert list(folder.iterdir()) == []


def test_a_systemd_that_refuses_to_start_anything(folder: Path) -> None:
    def run(argv: Sequence[str]) -> Completed:
        return Completed(tuple(argv), int(argv[1] == "start"), SHOWN.format("success", 0), "")

    assert trial_unit.start_once(run, "text", instance="") is None


def test_a_systemd_that_hangs(folder: Path) -> None:
    def run(argv: Sequence[str]) -> Completed:
        raise HostError("did not finish")

    assert trial_unit.start_once(run, "text", instance="") is None
    assert list(folder.iterdir()) == []


def test_what_a_killed_process_left_goes(folder: Path) -> None:
    for name in ("privport-trial-0.service", "privport-trial-1.service", "other.service"):
        (folder / name).touch()
    trial_unit.start_once(lambda argv: Completed(tuple(argv), 0, SHOWN.format("success", 0), ""), "", instance="")
    assert sorted(it.name for it in folder.iterdir()) == ["other.service", "privport-trial-1.service"]


def test_a_folder_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_unit, "_FOLDER", str(folder / "none"))
    assert trial_unit.start_once(lambda argv: Completed(tuple(argv), 0, "", ""), "", instance="") is None
