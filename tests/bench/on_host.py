# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the host as root: makes services, takes their grants away, loads the host, and times modules there.

Usage: on_host.py ACTION, with the action's arguments as JSON on standard input. The answer is JSON on standard output.
Only the standard library of Python 3.9.
"""

import base64
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from capable_files import capable_files

FOLDER = Path("/opt/bench")
UNITS = Path("/etc/systemd/system")
# What the collection and the play written by hand leave on the host.
GRANTS = ("/etc/systemd/system/bench-*.service.d", "/var/lib/netbind.privport")
PASSWD = Path("/etc/passwd")
PASSWD_BEFORE = FOLDER / "passwd"
# Where Ansible puts its modules, without pipelining.
TEMPORARY = Path("/home/admin/.ansible/tmp")
FIRST_HIGH_PORT = 20000
FILES_A_FOLDER = 1000
FIRST_USER_ID = 100000
IMPORT = (
    "import importlib, sys, time; sys.path.insert(0, sys.argv[1]); start = time.perf_counter(); "
    "importlib.import_module(sys.argv[2]); print(time.perf_counter() - start)"
)


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def install(ports):
    """Makes a service for each port, that runs as no more than its user and is not started."""
    for port in ports:
        # Without `fork` it would end after the first client.
        server = f"/usr/bin/socat -u TCP-LISTEN:{port},fork,reuseaddr OPEN:/dev/null"
        unit = f"[Service]\nUser=www-data\nExecStart={server}\n[Install]\nWantedBy=multi-user.target\n"
        (UNITS / f"bench-{port}.service").write_text(unit)
    shutil.copy2("/usr/bin/socat", FOLDER / "server")
    # What an earlier run kept there is not of this one.
    shutil.rmtree(TEMPORARY, ignore_errors=True)
    run("systemctl", "daemon-reload")


def withdraw():
    """Stops every service and removes every grant, whoever made it."""
    names = [path.name for path in UNITS.glob("bench-*.service")]
    run("systemctl", "stop", *names)
    for folder in (it for pattern in GRANTS for it in glob.glob(pattern)):
        shutil.rmtree(folder)
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed")
    left = run("ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes")
    if "socat" in left:
        sys.exit(f"a service still listens: {left}")


def load(sockets=0, processes=0, users=0):
    """Makes the host as full as that, whatever it was before, and tells how full it is."""
    # As a pattern, it may match nothing.
    run("systemctl", "stop", "bench-load*")
    if users and not PASSWD_BEFORE.exists():
        shutil.copy2(PASSWD, PASSWD_BEFORE)
        accounts = (
            f"bench{it}:x:{it}:65534::/nonexistent:/usr/sbin/nologin\n"
            for it in range(FIRST_USER_ID, FIRST_USER_ID + users)
        )
        with PASSWD.open("a") as passwd:
            passwd.writelines(accounts)
    elif not users and PASSWD_BEFORE.exists():
        os.replace(PASSWD_BEFORE, PASSWD)
    if sockets or processes:
        options = ("--property=Type=notify", "--property=TasksMax=infinity", "--property=LimitNOFILE=20000")
        argv = ("python3", __file__, "hold", str(sockets), str(processes))
        run("systemd-run", "--quiet", "--unit=bench-load", *options, *argv)
    found = {
        "sockets": len(run("ss", "--no-header", "--listening", "--tcp", "--numeric").splitlines()),
        "processes": sum(it.isdigit() for it in os.listdir("/proc")),
        "users": len(PASSWD.read_text().splitlines()),
    }
    wanted = {"sockets": sockets, "processes": processes, "users": users}
    if any(found[it] < wanted[it] for it in wanted):
        sys.exit(f"the host cannot hold {wanted}: it has {found}")
    return found


def hold(sockets, processes):
    """Listens on that many ports, with that many children, until it is stopped."""
    servers = [socket.socket() for _ in range(sockets)]
    for port, server in enumerate(servers, start=FIRST_HIGH_PORT):
        server.bind(("", port))
        server.listen()
    for server in servers:
        server.set_inheritable(False)
    for _ in range(processes):
        os.posix_spawn("/usr/bin/sleep", ["sleep", "infinity"], os.environ)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    signal.pause()


def time_search(files, rounds):
    """How many seconds the search for files with capabilities takes, and getcap and find, for each round."""
    top = FOLDER / "files"
    shutil.rmtree(top, ignore_errors=True)
    for number in range(files):
        folder = top / str(number // FILES_A_FOLDER)
        if not number % FILES_A_FOLDER:
            folder.mkdir(parents=True)
        os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
    capable = top / "0/0"
    shutil.copy2("/bin/true", capable)
    run("setcap", "cap_net_bind_service=ep", str(capable))
    ways = {
        "search": lambda: [path for path, _text in capable_files([str(top)], ends=frozenset(), seconds=600).found],
        "getcap": lambda: [line.split()[0] for line in run("getcap", "-r", str(top)).splitlines()],
        "find": lambda: run("find", str(top), "-name", "0", "-path", "*/0/0").splitlines(),
    }
    seconds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            found = way()
            seconds[name].append(time.perf_counter() - start)
            if found != [str(capable)]:
                sys.exit(f"{name} finds {found}")
    shutil.rmtree(top)
    return seconds


def keep(name):
    """Takes aside the modules that Ansible left in its temporary folder."""
    kept = FOLDER / "modules" / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in TEMPORARY.glob("*/AnsiballZ_*.py"):
        folder = path.parent
        # Two runs of one module are two files.
        shutil.move(path, kept / f"{folder.name}-{path.name}")
        shutil.rmtree(folder)
    return {"bytes": [path.stat().st_size for path in kept.iterdir()]}


def time_modules(names, rounds):
    """How many seconds the modules of each name take to import, and how many from start to end, for each round."""
    seconds = {name: {"import": [], "run": []} for name in names}
    for _ in range(rounds):
        for name in names:
            paths = sorted((FOLDER / "modules" / name).glob("*.py"))
            seconds[name]["import"].append(sum(map(seconds_of_import, paths)))
            seconds[name]["run"].append(sum(map(seconds_of_run, paths)))
    return seconds


def seconds_of_import(path):
    text = path.read_text()
    (module,) = re.findall(r"^module_fqn='([\w.]+)'", text, re.MULTILINE)
    archive = path.with_suffix(".zip")
    if not archive.exists():
        (data,) = re.findall(r"^zip_data='([^']+)'", text, re.MULTILINE)
        archive.write_bytes(base64.b64decode(data))
    # As in AnsiballZ, everything is compiled anew: an archive keeps no bytecode.
    return float(run("python3", "-B", "-c", IMPORT, str(archive), module))


def seconds_of_run(path):
    start = time.perf_counter()
    answer = json.loads(run("python3", str(path)))
    seconds = time.perf_counter() - start
    if answer.get("failed") or answer.get("changed"):
        sys.exit(f"{path.name} changed something or failed: {answer}")
    return seconds


ACTIONS = {it.__name__: it for it in (install, withdraw, load, keep, time_modules, time_search)}

if __name__ == "__main__":
    if sys.argv[1] == "hold":
        hold(*map(int, sys.argv[2:]))
    else:
        print(json.dumps(ACTIONS[sys.argv[1]](**json.load(sys.stdin)) or {}))
