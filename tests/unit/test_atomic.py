# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are changed whole or not at all, on a real file system, and what a killed process leaves of it."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host import atomic
from ansible_collections.netbind.privport.plugins.module_utils._host import lock as host_lock
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import TEMPORARY

OWNER = {"uid": os.geteuid(), "gid": os.getegid()}


def write(path: Path, content: bytes = b"new", mode: int = 0o644) -> None:
    atomic.write(str(path), content=content, mode=mode, **OWNER)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["with its folder", "without"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "unit.d"
    if request.param == "with its folder":
        folder.mkdir()
    return folder / "a.conf"


def test_a_file_is_written_whole_with_its_folder(path: Path) -> None:
    write(path, b"one", mode=0o600)
    write(path, b"two", mode=0o640)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o640)
    assert (names(path.parent), names(path.parents[1])) == (["a.conf"], ["unit.d"])


@pytest.mark.parametrize("call", ["open", "fchown", "fchmod", "fsync", "rename"])
@pytest.mark.parametrize(
    ("number", "sentence"), [(errno.ENOSPC, "free some space or inodes"), (errno.EROFS, "remount")], ids=["full", "ro"]
)
def test_a_failure_leaves_what_was_there(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, sentence: str
) -> None:
    def fail(*_arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    existed = path.parent.is_dir()
    if existed:
        path.write_bytes(b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(HostError, match=f"a.conf cannot be written: {os.strerror(number)}; {sentence}"):
            write(path)
    assert names(path.parents[1]) == (["unit.d"] if existed else [])
    if existed:
        assert (path.read_bytes(), names(path.parent)) == (b"old", ["a.conf"])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    path = tmp_path / "unit.d" / "a.conf"
    (tmp_path / "unit.d").write_text("a file")
    with pytest.raises(HostError, match=r"unit\.d cannot be made: File exists"):
        write(path)
    assert names(tmp_path) == ["unit.d"]


def test_what_a_killed_write_left_is_known_and_replaced(path: Path) -> None:
    for temporary in atomic.temporaries(str(path)):
        if Path(temporary).parent.is_dir():
            Path(temporary).write_bytes(b"half")
    assert [Path(it).name[: len(TEMPORARY)] for it in atomic.leftovers(str(path))]
    write(path)
    assert atomic.leftovers(str(path)) == ()
    assert (names(path.parent), names(path.parents[1])) == (["a.conf"], ["unit.d"])


def test_the_temporary_name_is_short_enough_for_the_longest_unit() -> None:
    assert all(len(os.path.basename(it)) < 40 for it in atomic.temporaries(f"/etc/{'u' * 250}.d/a.conf"))


@pytest.mark.parametrize("others", [[], ["zz.conf"]], ids=["alone", "beside others"])
def test_removal(tmp_path: Path, others: list[str]) -> None:
    path = tmp_path / "unit.d" / "a.conf"
    write(path)
    for name in others:
        (path.parent / name).touch()
    for temporary in atomic.temporaries(str(path)):
        Path(temporary).write_bytes(b"half")
    atomic.remove(str(path), with_folder=True)
    atomic.remove(str(path), with_folder=True)
    assert names(tmp_path) == (["unit.d"] if others else [])
    assert not others or names(path.parent) == others


def test_what_cannot_be_removed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(HostError, match="cannot be removed: Is a directory"):
        atomic.remove(str(tmp_path / "a"), with_folder=False)
    with pytest.raises(HostError, match="cannot be removed: Is a directory"):
        atomic.discard([str(tmp_path / "a")])


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lock"
    monkeypatch.setattr(host_lock, "LOCK", str(path))
    return path


@pytest.fixture
def holder(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock for as long as it lives."""
    code = (
        "import fcntl, os, time\n"
        f"file = open({str(lock)!r}, 'w')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "file.write(str(os.getpid())); file.flush()\n"
        "print('holds', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        yield process
        process.kill()


def test_a_lock_that_another_run_keeps(holder: subprocess.Popen[str]) -> None:
    sentence = rf"pid {holder.pid} holds .*within 0.2 seconds; wait for it"
    with pytest.raises(HostError, match=sentence), host_lock.locked(seconds=0.2):
        pass


def test_a_lock_ends_with_its_process(holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    with host_lock.locked(seconds=5):
        pass


def test_a_lock_is_taken_one_after_the_other(lock: Path) -> None:
    for _time in range(2):
        with Host().locked(needed=True):
            assert lock.read_text() == str(os.getpid())
            with pytest.raises(HostError, match="another run"), host_lock.locked(seconds=0.1):
                pass


def test_a_run_that_changes_nothing_takes_no_lock(lock: Path) -> None:
    with Host().locked(needed=False):
        assert not lock.exists()


@pytest.mark.parametrize(("number", "refused"), [(errno.EACCES, False), (errno.EROFS, True)])
def test_a_lock_that_cannot_be_opened(lock: Path, monkeypatch: pytest.MonkeyPatch, number: int, refused: bool) -> None:
    def fail(*_arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    if refused:
        with pytest.raises(HostError, match="cannot be opened: Read-only file system; remount"), host_lock.locked():
            pass
    else:
        with host_lock.locked():
            assert not lock.exists()


def test_a_command_gets_the_time_that_a_slow_host_needs() -> None:
    host = Host()
    host.be_patient(10)
    assert host.run(["sleep", "0.3"], seconds=0.1).rc == 0


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(HostError, match=r"sh -c .* did not finish within 0.5 seconds; it was ended. Find out why"):
        Host().run(["sh", "-c", f"sleep 60 & echo $! >{tmp_path}/pid; wait"], seconds=0.5)
    assert time.monotonic() - started < 10
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while lives(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not lives(child)


def lives(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has collected yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_link_takes_the_place_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("old")
    Path(atomic.temporaries(str(path))[0]).write_text("half")
    atomic.link(str(path), target="/dev/null")
    assert (os.readlink(path), names(tmp_path)) == ("/dev/null", ["a.conf"])
    with pytest.raises(HostError, match=r"b/a\.conf cannot be made a link: No such file"):
        atomic.link(str(tmp_path / "b/a.conf"), target="/dev/null")
