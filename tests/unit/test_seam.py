# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the seam answers in one go, on this machine: members, access, secrets, needles, commands."""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
from pathlib import Path
from typing import Any, Iterator, List, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_show
from ansible_collections.netbind.privport.plugins.module_utils._host import accounts, another, probe
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed, Host
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
web:x:990:990::/srv:/bin/false
mail:x:8:990::/:/bin/false
+nis
other:x:77:77::/:/bin/false
"""


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ([], ["web", "mail"]),
        (["other"], ["web", "mail", "other"]),
        (["ldap", "web", "gone"], ["web", "mail", "ldap"]),
    ],
    ids=["a primary group", "one that the group lists", "one of a name service"],
)
def test_members_of_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: List[str], names: Any) -> None:
    file = tmp_path / "passwd"
    file.write_text(PASSWD)
    asked: List[str] = []

    def getpwnam(name: str) -> pwd.struct_passwd:
        asked.append(name)
        if name == "gone":
            raise KeyError(name)
        return pwd.struct_passwd((name, "x", 5000, 5000, "", "/", ""))

    monkeypatch.setattr(accounts, "_FILE", str(file))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("g", "x", gid, listed)))
    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    assert [it.pw_name for it in Host().members(990)] == names
    assert set(asked) <= {"ldap", "gone"}


def test_nobody_lists_all_users() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (Path(__file__).parents[2] / "plugins").rglob("*.py")]
    assert not [text for text in texts if "getpwall" in text or "getgrall" in text]


@pytest.mark.parametrize(
    ("taken", "own", "stranger"), [((), -1, 65000), ((65000, 64999), -1, 64998), ((), 65000, 64999)]
)
def test_a_stranger(monkeypatch: pytest.MonkeyPatch, taken: Tuple[int, ...], own: int, stranger: int) -> None:
    def getpwuid(uid: int) -> None:
        if uid not in taken:
            raise KeyError(uid)

    probe._is_taken.cache_clear()
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    assert probe._stranger_uid(own) == stranger
    probe._is_taken.cache_clear()


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[List[int]]:
    """The processes that are started in a test."""
    another.dismiss()
    started: List[int] = []
    fork = os.fork

    def counting() -> int:
        started.append(fork())
        return started[-1]

    monkeypatch.setattr(os, "fork", counting)
    yield started
    another.dismiss()


PATHS = ["/usr", "/bin/true", "/etc/passwd", "/nowhere"]


def test_one_child_tries_all_as_one_user(children: List[int]) -> None:
    for _time in range(2):
        assert Host().may_execute(PATHS, uid=65534, gids=(65534,)) == (True, True, False, False)
    assert len(children) == 1
    assert Host().may_execute(PATHS, uid=65534, gids=(65534, 4)) is not None
    assert len(children) == 2
    # No such folder to begin in.
    assert Host().may_execute(PATHS, uid=65534, gids=(65534,), base="/nowhere/at/all") is None
    # All were sent away then; a new one serves.
    assert Host().may_execute(PATHS[:1], uid=65534, gids=(65534,)) == (True,)
    Host().end()
    with pytest.raises(ChildProcessError):
        os.waitpid(children[-1], 0)


def test_more_than_a_pipe_holds(children: List[int]) -> None:
    assert Host().may_execute(["/usr"] * 30000, uid=65534, gids=(65534,)) == (True,) * 30000


def test_a_child_keeps_nothing_open(tmp_path: Path, children: List[int]) -> None:
    with open(tmp_path / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert Host().may_execute(["/"], uid=65534, gids=(65534,)) == (True,)
    with open(tmp_path / "lock", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    "argv",
    [
        ["systemctl", "restart", "--", "web.service"],
        ["systemctl", "daemon-reload"],
        ["nft", "flush", "ruleset"],
        ["/usr/sbin/semanage", "port", "--delete"],
        ["rm", "--version"],
    ],
)
def test_what_may_change_a_host_is_no_question(argv: Sequence[str]) -> None:
    with pytest.raises(HostError, match="is not run to look at a host"):
        Host().query(argv)


def test_what_only_tells_is_run() -> None:
    host = FakeHost()
    assert host.query(["/usr/bin/systemctl", "--version"]).rc == 0
    assert host.ran == [("/usr/bin/systemctl", "--version")]


@pytest.mark.parametrize(
    ("path", "question"), [("/etc/passwd", "x"), ("/sys/fs/selinux/../../../etc/passwd", "x"), ("/sys/fs/selinux", "")]
)
def test_selinux_alone_is_asked_by_writing(path: str, question: str) -> None:
    with pytest.raises(HostError, match="it is not a file of SELinux"):
        Host().ask(path, question)


SECRETS = """\
[Unit]
Description=Environment
[Service]
Environment=TOKEN=secret
 Environment = A=secret \\
  B=secret \\
  # a comment does not end it
  C=secret
ExecStart=/usr/bin/a \\
  --more
EnvironmentFile=/etc/default/a
SetCredential=key:secret
SetCredentialEncrypted=key: \\

User=web
"""


def test_a_unit_file_without_its_secrets() -> None:
    host = FakeHost(files={"/a.service": SECRETS, "/crlf": "Environment=A=\\\r\nsecret\r\nUser=web\r\n"})
    text = host.unit_file("/a.service")
    assert text is not None
    assert "secret" not in text
    for line in ("Description=Environment", "ExecStart=/usr/bin/a \\", "  --more", "EnvironmentFile=", "User=web"):
        assert line in text
    assert host.unit_file("/crlf") == "User=web\r\n"
    assert host.unit_file("/gone") is None


def test_a_file_of_the_collections_own_is_read_whole() -> None:
    text = "# Managed by netbind.privport (socket)\n[Service]\nEnvironment=A=b\n"
    assert FakeHost(files={"/own": text}).unit_file("/own") == text


def test_what_systemctl_shows_holds_no_secrets() -> None:
    units = [
        {"Id": "a.service", "Environment": "PASSWORD=secret LD_PRELOAD=/x", "MainPID": "0"},
        {"Id": "b.service", "Environment": "", "EnvironmentFiles": "/etc/b (ignore_errors=yes)", "MainPID": "7"},
        {"Id": "c.service", "MainPID": "8"},
    ]
    files = {"/etc/b": "PATH=/secret\nKEY=secret\n", "/proc/7/status": "Name:\tb\nUid:\t1 1 1 1\nVmRSS:\t5\n"}
    shown = FakeHost(units=units, files=files).show_units(["a.service", "b.service", "c.service"], ["Environment"])
    assert "secret" not in shown.text
    assert "Environment=LD_PRELOAD\n" in shown.text
    assert "Environment=PATH\n" in shown.text
    assert {pid: record.status for pid, record in shown.processes.items()} == {7: "Name:\tb\nUid:\t1 1 1 1\n"}


class Unshown(Host):
    """systemctl, which ends where it comes to a unit that systemd cannot show."""

    active = ("a.service", "bad.service", "c.service")

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        names = argv[argv.index("--") + 1 :] if "--" in argv else []
        if "list-units" in argv:
            return Completed(tuple(argv), 0, "".join(f"{it} loaded active running It\n" for it in self.active), "")
        names = [it for name in names for it in (self.active if "*" in name else (name,))]
        shown = names[: names.index("bad.service")] if "bad.service" in names else names
        text = "\n".join(f"Id={it}\nLoadState=loaded\nExecStart={{ path=/p ; status=0/0 }}\n" for it in shown)
        failed = shown != names
        return Completed(tuple(argv), int(failed), text, "Failed to get properties: Invalid argument" if failed else "")

    def status(self, path: str) -> Any:
        return True


@pytest.mark.parametrize("names", [["a.service", "bad.service", "c.service"], ["*.service"]])
def test_a_unit_that_cannot_be_shown_is_its_own_matter(names: Sequence[str]) -> None:
    shown = parse_show(Unshown().show_units(names, ["Id", "LoadState"]).text)
    assert [(it["Id"], it["LoadState"]) for it in shown] == [
        ("a.service", "loaded"),
        ("bad.service", "error"),
        ("c.service", "loaded"),
    ]
    assert shown[1]["LoadError"] == "Failed to get properties: Invalid argument"
    assert Unshown().units_executing(["/p"]) == ("a.service", "c.service")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"one two", (True, True)),
        (b"one", (True, False)),
        (b"", (False, False)),
        (b"." * ((1 << 20) - 1) + b"one" + b"." * (1 << 20) + b"two", (True, True)),
    ],
)
def test_needles_in_a_file(tmp_path: Path, content: bytes, found: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with Host().open_regular(str(path)) as file:
        assert file.contains(["one", "two"]) == found
    assert Host().contains(str(path), ["one", "two"]) == found
    assert Host().contains(str(tmp_path / "gone"), ["one"]) is None


def test_the_texts_that_hold_a_word(tmp_path: Path) -> None:
    for name, text in (("a", "profile web {"), ("b", "profile other {"), ("c", "")):
        (tmp_path / name).write_text(text)
    (tmp_path / "folder").mkdir()
    assert Host().texts_with(str(tmp_path), "web") == {f"{tmp_path}/a": "profile web {"}


def test_the_network_of_a_unit_that_does_not_run() -> None:
    class Stopped(Host):
        def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
            return Completed(argv=tuple(argv), rc=0, stdout="MainPID=0\n", stderr="")

    with pytest.raises(HostError, match=r"^web\.service does not run"), Stopped().network("unit:web.service"):
        pass


def test_the_network_of_a_unit_that_runs() -> None:
    class Running(Host):
        def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
            return Completed(argv=tuple(argv), rc=0, stdout=f"MainPID={os.getpid()}\n", stderr="")

    before = Host().namespace("/proc/self/ns/net")
    with Running().network("unit:web.service"):
        assert Host().namespace("/proc/self/ns/net") == before
