# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module on a host, kills it at a change of its, and looks at the host.

Only the standard library of Python 3.9; the modules and their module_utils lie beside this file.
"""

import hashlib
import importlib
import itertools
import json
import os
import signal
import stat
import subprocess
import sys
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from ansible.module_utils import basic  # noqa: E402

MODULES = {
    name: importlib.import_module(f"ansible_collections.netbind.privport.plugins.modules.privport_{name}")
    for name in ("ambient", "authbind", "forward", "redirect", "setcap", "socket", "superserver", "sysctl")
}
MODULES["privport"] = importlib.import_module("ansible_collections.netbind.privport.plugins.modules.privport")
commands = importlib.import_module("ansible_collections.netbind.privport.plugins.module_utils._host.commands")

UNIT = "faults.service"
DROPIN = Path(f"/etc/systemd/system/{UNIT}.d/50-privport.conf")
PROGRAM = HERE / "bin/server"
OWN_UNITS = (
    *("faults.socket", "privport-keep-opt-faults-bin-server.path", "privport-redirect-faults.service"),
    *(f"privport-forward-faults-600.{it}" for it in ("socket", "service")),
    "privport-superserver-faults.socket",
)
BYUID = Path("/etc/authbind/byuid/33")
PORT_START = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
TEMPORARY = ".privport-"
WATCHED = ("/etc", "/opt/faults/bin")
# Notes of insserv(8), which it writes anew in an order of its own.
UNWATCHED = "/etc/init.d/.depend."
SYSTEMD = Path("/run/systemd/system").exists()
UNIT_TEXT = f"[Service]\nUser=www-data\nExecStart={PROGRAM} 600\n"
# Every change that a Python program can make to files, as sys.audit() tells it.
CHANGING = {
    *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.link", "os.symlink"),
    *("os.truncate", "os.utime", "os.setxattr", "os.removexattr", "os.mknod"),
}
# What holds nothing: before the lock is taken nothing is changed.
UNCOUNTED = ("/dev/null", "/run/netbind.privport.lock")
LOOKING = ("show", "--version", "--check", "--numeric-priority")


def systemctl(*arguments):
    return subprocess.run(["systemctl", *arguments], check=True, capture_output=True, text=True).stdout


# --- One run of a module, in a process of its own.


def run(name, params, **faults):
    """The module's result, or {'killed': the change that it did not come to make}."""
    return finish(start(name, params, **faults))


def start(name, params, *, kill_at=0, seconds=None, path=None):
    reader, writer = os.pipe()
    output, printed = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(printed, 1)
        run_here(name, params, kill_at=kill_at, report=writer, seconds=seconds, path=path)
    os.close(writer)
    os.close(printed)
    return pid, output, reader


def finish(started):
    pid, output, reader = started
    with os.fdopen(output) as printed, os.fdopen(reader) as changes:
        text, last = printed.read(), changes.read().strip().rpartition("\n")[2]
    if os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
        return {"killed": last}
    return json.loads(text.strip().splitlines()[-1])


def run_here(name, params, *, kill_at, report, seconds, path):
    if seconds is not None:
        for function in (commands.Commands.run, commands.Commands.query):
            function.__kwdefaults__["seconds"] = seconds
    if path is not None:
        os.environ["PATH"] = f"{path}:{os.environ['PATH']}"
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": params}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    seen = []

    def before(event, arguments):
        if changes_something(event, arguments):
            seen.append(event)
            os.write(report, f"{event} {str(arguments)[:100]!r}\n".encode())
            if len(seen) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    flush = os.fsync
    # The one change that is not audited.
    os.fsync = lambda descriptor: (before("os.rename", ("fsync",)), flush(descriptor))[1]
    sys.addaudithook(before)
    try:
        MODULES[name].main()
    except SystemExit:
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def changes_something(event, arguments):
    if event == "open":
        path, _mode, flags = arguments
        return path not in UNCOUNTED and isinstance(path, str) and bool(flags & (os.O_WRONLY | os.O_RDWR))
    if event == "subprocess.Popen":
        program = arguments[1][0]
        changing = os.path.basename(program) in ("systemctl", "nft", "update-rc.d") or program.startswith(
            "/etc/init.d/"
        )
        return changing and arguments[1][1] not in LOOKING
    return event in CHANGING


# --- What the host looks like.


def tree():
    """Everything below the watched folders: kind, owner, mode, attributes and content."""
    found = {}
    for top in WATCHED:
        for folder, folders, names in os.walk(top):
            for path in (os.path.join(folder, name) for name in (*folders, *names)):
                if not path.startswith(UNWATCHED):
                    found[path] = describe(path)
    return found


def describe(path):
    status = os.lstat(path)
    content = ""
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    attributes = {
        name: os.getxattr(path, name, follow_symlinks=False).hex() for name in os.listxattr(path, follow_symlinks=False)
    }
    return [status.st_mode, status.st_uid, status.st_gid, content, attributes]


def in_force():
    if not SYSTEMD:
        running = subprocess.run(["pgrep", "--exact", "--count", "socat"], check=False, capture_output=True, text=True)
        return [running.stdout, *sorted(path.name for path in Path("/run").glob("privport-*"))]
    shown = systemctl("show", "--property=AmbientCapabilities,DropInPaths,ExecStart,Requires,NeedDaemonReload", UNIT)
    own = systemctl("show", "--property=Id,LoadState,ActiveState,NeedDaemonReload", *OWN_UNITS)
    rules = subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout
    held = subprocess.run(["ss", "-H", "-l", "-t", "-n", "sport = :600"], check=True, capture_output=True, text=True)
    # What a unit requires comes in any order.
    words = (sorted(it.replace("Requires=", "Requires ").split()) for it in (shown, own))
    # While there is a note in it, a daemon may not have read its files.
    notes = str(sorted(path.name for path in Path("/run/netbind.privport").glob("reload-*")))
    return [PORT_START.read_text(), rules, held.stdout, notes, *itertools.chain.from_iterable(words)]


def differences(now, *wanted):
    """The paths that are as in none of the wanted trees, temporary files of the collection left out."""
    paths = {path for each in (now, *wanted) for path in each}
    return sorted(
        path
        for path in paths
        if not os.path.basename(path).startswith(TEMPORARY) and all(now.get(path) != each.get(path) for each in wanted)
    )


def touched(before):
    now = tree()
    return [f"{path} was changed" for path in sorted(before.keys() | now.keys()) if before.get(path) != now.get(path)]


def settle(module, params):
    outcome = run(module, params)
    if outcome.get("failed"):
        sys.exit(f"{module} {params} fails: {outcome['msg']}")
