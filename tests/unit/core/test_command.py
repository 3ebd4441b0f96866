# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What command lines come to execute, as people write them in units."""

from __future__ import annotations

import shlex
from typing import Any, Dict

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command import Launch, follow
from hypothesis import given
from hypothesis import strategies as st

S6 = {"wrappers": ("s6-envdir", "s6-softlimit", "s6-setuidgid"), "user": "web"}


@pytest.mark.parametrize(
    ("line", "program", "fields"),
    [
        ("/a b", "/a", {}),
        ("caddy run", "caddy", {}),
        ("/usr/bin/env A=b C=d /a -x", "/a", {"wrappers": ("env",)}),
        ("env -u HOME -S /a b", "/a", {"wrappers": ("env",)}),
        ("env -i /a", "/a", {"wrappers": ("env",), "environment": False}),
        ("env", "", {"wrappers": ("env",)}),
        ("env --unknown /a", "", {"wrappers": ("env",)}),
        ("nice -n 5 /a -n 6", "/a", {"wrappers": ("nice",)}),
        ("nice -n5 /a", "/a", {"wrappers": ("nice",)}),
        ("nice -10 /a", "/a", {"wrappers": ("nice",)}),
        ("timeout -k 5 60 nohup /a", "/a", {"wrappers": ("timeout", "nohup")}),
        ("setsid -w -- /a", "/a", {"wrappers": ("setsid",)}),
        ("stdbuf -oL --error=0 /a", "/a", {"wrappers": ("stdbuf",)}),
        ("taskset -c 0-3 /a -c 1", "/a", {"wrappers": ("taskset",)}),
        ("taskset -ac 0,1 /a", "/a", {"wrappers": ("taskset",)}),
        ("taskset 0x3 /a", "/a", {"wrappers": ("taskset",)}),
        ("flock -nE 5 /run/a.lock /a b", "", {"wrappers": ("flock",)}),
        ("flock -n -E 5 /run/a.lock /a b", "/a", {"wrappers": ("flock",)}),
        ("flock --timeout=5 /run/a.lock -c 'exec /a b'", "/a", {"wrappers": ("flock",)}),
        ("systemd-cat -t web --priority=info -- /a", "/a", {"wrappers": ("systemd-cat",)}),
        ("chrt -f 10 /a", "/a", {"wrappers": ("chrt",)}),
        ("chrt --rr 10 /a", "/a", {"wrappers": ("chrt",)}),
        ("prlimit --nofile=1024 -u10 /a", "/a", {"wrappers": ("prlimit",)}),
        ("ionice -c2 -n7 /a", "/a", {"wrappers": ("ionice",)}),
        ("choom -n 100 -- /a", "/a", {"wrappers": ("choom",)}),
        ("numactl -N 0 --interleave=all /a", "/a", {"wrappers": ("numactl",)}),
        ("tini -g -- /a", "/a", {"wrappers": ("tini",)}),
        ("envdir /etc/a softlimit -m 1000 /a", "/a", {"wrappers": ("envdir", "softlimit")}),
        ("authbind --deep /a", "/a", {"wrappers": ("authbind",)}),
        ("unshare -Ur /a", "/a", {"wrappers": ("unshare",), "container": "unshare"}),
        ("unshare --map-user=0 -m -- /a", "/a", {"wrappers": ("unshare",), "container": "unshare"}),
        ("unshare -m --fork /a", "/a", {"wrappers": ("unshare",)}),
        ("env A=b bwrap --ro-bind / / /a", "", {"wrappers": ("env", "bwrap"), "container": "bwrap"}),
        ("podman run web", "", {"wrappers": ("podman",), "container": "podman"}),
        ("systemd-run --scope /a", "", {"wrappers": ("systemd-run",)}),
        ('env "/my server" x', "/my server", {"wrappers": ("env",)}),
        ("sudo -n -u web A=b /a", "/a", {"wrappers": ("sudo",), "user": "web", "environment": False}),
        ("sudo --user=web -- /a", "/a", {"wrappers": ("sudo",), "user": "web", "environment": False}),
        ("sudo /a", "/a", {"wrappers": ("sudo",), "environment": False}),
        ("runuser -u web -- /a --user b", "/a", {"wrappers": ("runuser",), "user": "web"}),
        ("runuser -u web /a", "/a", {"wrappers": ("runuser",), "user": "web"}),
        ("runuser -s /bin/sh web -c 'exec /a b'", "/a", {"wrappers": ("runuser",), "user": "web"}),
        ("su - web -c '/a b'", "/a", {"wrappers": ("su",), "user": "web", "environment": False}),
        ("su web -c 'cd /x; /a'", "", {"wrappers": ("su",), "user": "web"}),
        ("setpriv --reuid=33 --clear-groups /a", "/a", {"wrappers": ("setpriv",), "user": "33"}),
        ("setpriv --no-new-privs --reuid=33 /a", "", {"wrappers": ("setpriv",)}),
        (
            "start-stop-daemon --start --chuid web:web --exec /a -- -b",
            "/a",
            {"wrappers": ("start-stop-daemon",), "user": "web"},
        ),
        (
            "start-stop-daemon --start --background --make-pidfile --pidfile /run/a.pid --user b --exec /a",
            "/a",
            {"wrappers": ("start-stop-daemon",)},
        ),
        ("chpst -u web:www /a", "/a", {"wrappers": ("chpst",), "user": "web"}),
        ("chpst -P -e ./env -o 99 -u web /a", "/a", {"wrappers": ("chpst",), "user": "web"}),
        ("chpst -/ /srv /a", "", {"wrappers": ("chpst",)}),
        ("s6-envdir -I env s6-softlimit -o 9 s6-setuidgid web /a", "/a", S6),
        ("setuidgid web /a", "/a", {"wrappers": ("setuidgid",), "user": "web"}),
        (
            "sudo -u web env A=b sh -c 'exec /a'",
            "/a",
            {"wrappers": ("sudo", "env", "sh"), "user": "web", "environment": False},
        ),
        ("sh -c 'exec /a b'", "/a", {"wrappers": ("sh",)}),
        ("/bin/bash -lc 'A=b exec /a $PORT'", "/a", {"wrappers": ("bash",)}),
        ("sh -c 'exec $A'", "", {"wrappers": ("sh",)}),
        ("sh -c '/a & wait'", "", {"wrappers": ("sh",)}),
        ("sh -c 'cd /x && /a'", "", {"wrappers": ("sh",)}),
        ("sh /a.sh", "sh", {}),
        ("sh -x -c /a", "/a", {"wrappers": ("sh",)}),
        ("sh -l -c 'exec /a b'", "/a", {"wrappers": ("sh",)}),
        ("bash -xc '/a b' c d", "/a", {"wrappers": ("bash",)}),
        ("bash -euo pipefail -c 'exec /a'", "/a", {"wrappers": ("bash",)}),
        ("bash -eu -o pipefail -c 'exec /a'", "/a", {"wrappers": ("bash",)}),
        ("bash --login --norc -c -- '/a b'", "/a", {"wrappers": ("bash",)}),
        ("bash -cx +e '/a b'", "/a", {"wrappers": ("bash",)}),
        ("sh -s /a", "sh", {}),
        ("sh -c", "sh", {}),
        ("nice --adjustment 5 /a", "/a", {"wrappers": ("nice",)}),
        ("chrt -i /a 5", "/a", {"wrappers": ("chrt",)}),
        ("chrt --idle 0 /a", "/a", {"wrappers": ("chrt",)}),
        ("numactl --membind 0 --cpunodebind=0 /a", "/a", {"wrappers": ("numactl",)}),
        ("tini -s -p SIGTERM -e 143 -- /a", "/a", {"wrappers": ("tini",)}),
        ("dumb-init -v --rewrite 15:3 -- /a", "/a", {"wrappers": ("dumb-init",)}),
        ("dbus-run-session --config-file /b -- /a", "/a", {"wrappers": ("dbus-run-session",)}),
        ("xvfb-run -a -s '-screen 0 1x1x8' -n99 /a", "/a", {"wrappers": ("xvfb-run",)}),
        ("aa-exec -p web -- /a", "/a", {"wrappers": ("aa-exec",)}),
        ("capsh --user=web -- -c /a", "", {"wrappers": ("capsh",)}),
        ("ip netns exec blue /a", "", {"wrappers": ("ip",)}),
        ("strace -f -o /log /a", "", {"wrappers": ("strace",)}),
        ("env /opt/%i/a", "", {"wrappers": ("env",)}),
        ("env -u", "", {"wrappers": ("env",)}),
        ("", "", {}),
    ],
)
def test_follow(line: str, program: str, fields: Dict[str, Any]) -> None:
    assert follow(shlex.split(line)) == Launch(program=program, **fields)


def test_quotes_that_do_not_close() -> None:
    assert follow(["sh", "-c", "exec '/a"]) == Launch(program="", wrappers=("sh",))


WORDS = st.sampled_from(["env", "sudo", "-u", "web", "--", "-c", "sh", "su", "A=b", "/a", "-", "exec", "'", "chpst"])


@given(st.lists(WORDS, max_size=12))
def test_never_raises(words: list[str]) -> None:
    assert len(follow(words).wrappers) <= 8
