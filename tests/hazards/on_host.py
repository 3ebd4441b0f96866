# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host as root: makes programs and units, applies grants, and looks what the kernel does with them.

Usage: on_host.py prepare|try, with the work as JSON on standard input. The answer is JSON on standard output.
Only the standard library of Python 3.9.
"""

import fcntl
import json
import os
import pwd
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

XATTR = "security.capability"
UNITS = Path("/etc/systemd/system")
RULES = Path("/etc/authbind/byport")
START = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
# Where units with NetworkNamespacePath= run.
NETWORK = Path("/run/netns/hazards")
# That of units with UserNamespacePath=.
USER_NAMESPACE = Path("/run/userns/hazards")
SECONDS = 20
CAP_NET_BIND_SERVICE = 1 << 10
# The state of a socket that waits for clients, by the file below /proc/net (include/net/tcp_states.h).
LISTENING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x40086602, 0x10  # linux/fs.h; the hosts have no chattr
SERVE = """\
import os, socket, sys
family = socket.AF_INET6 if sys.argv[-1] == "inet6" else socket.AF_INET
kind = socket.SOCK_DGRAM if sys.argv[-1] == "udp" else socket.SOCK_STREAM
handed = "LISTEN_FDS" in os.environ
server = socket.socket(fileno=3) if handed else socket.socket(family, kind)
if not handed:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("", int(sys.argv[-2])))
    except OSError as error:
        sys.exit(error.errno)
    if kind == socket.SOCK_STREAM:
        server.listen()
while kind == socket.SOCK_STREAM:
    client = server.accept()[0]
    client.sendall(b"here")
    client.close()
while True:
    server.sendto(b"here", server.recvfrom(9)[1])
"""


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def main():
    work = json.load(sys.stdin)
    answer = {"prepare": prepare, "try": try_grants}[sys.argv[1]](work)
    json.dump(answer, sys.stdout)


# --- The programs and the units.


def prepare(work):
    folder = Path(work["folder"])
    folder.mkdir()
    (folder / "serve.py").write_text(SERVE)
    for name, program in work["programs"].items():
        make_programs(Path(program["place"]) / name, program, work)
    for name, text in work["files"].items():
        path = UNITS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            path.symlink_to(text[2:])
        else:
            path.write_text(text)
    run("ip", "netns", "add", NETWORK.name)
    run("ip", "-netns", NETWORK.name, "link", "set", "lo", "up")
    make_user_namespace()
    run("systemctl", "daemon-reload")
    return {}


def make_user_namespace():
    """A user namespace that maps each id to itself, and that outlives its first process."""
    USER_NAMESPACE.parent.mkdir()
    USER_NAMESPACE.touch()
    first = subprocess.Popen(["unshare", "--user", "sleep", "60"])
    while os.stat(f"/proc/{first.pid}/ns/user").st_ino == os.stat("/proc/self/ns/user").st_ino:
        time.sleep(0.01)
    for kind in ("uid_map", "gid_map"):
        Path(f"/proc/{first.pid}/{kind}").write_text("0 0 4294967295")
    run("mount", "--bind", f"/proc/{first.pid}/ns/user", str(USER_NAMESPACE))
    first.kill()
    first.wait()


def make_programs(folder, program, work):
    folder.mkdir()
    kind, options = (program["mount"].split() or ["", ""])[:2]
    if kind:
        run("mount", "-t", kind, "-o", "mode=755," + options.replace("ro", "rw"), "none", str(folder))
    ports = work["static_ports"] if program["kind"] == "static" else [""]
    for port in ports:
        names = {"env": "env", "python": "python3", "static": f"server-{port}"}
        path = folder / names.get(program["kind"], "server")
        write_program(path, program, port)
        set_identity(path, program)
    folder.chmod(program["folder_mode"])
    if options == "ro":
        run("mount", "-o", "remount,ro", str(folder))


def write_program(path, program, port):
    kind = program["kind"]
    if kind == "script":
        interpreter = program["interpreter"]
        if not interpreter.startswith("/"):
            interpreter = path.parents[1] / interpreter / "server" if interpreter else "/usr/bin/python3"
        path.write_text(f"#!{interpreter}\n{SERVE}")
    elif kind == "wrapper":
        path.write_text('#!/bin/sh\n/usr/bin/python3 "$@"\n')
    elif kind == "text":
        path.write_text("no program\n")
    elif kind == "lost loader":
        path.write_bytes(Path(os.path.realpath("/usr/bin/python3")).read_bytes().replace(b"/lib64/ld-", b"/nolib/ld-"))
    elif kind in ("origin", "origin needed"):
        shutil.copyfile(os.path.realpath("/usr/bin/python3"), path)
        name, private = "libexpat.so.1", path.parent / "lib" / "libprivate.so.1"
        private.parent.mkdir()
        shutil.copyfile(
            next(path for top in ("/usr/lib", "/lib") for path in Path(top).glob(f"*-linux-gnu/{name}")), private
        )
        needed = "$ORIGIN/lib/libprivate.so.1" if kind == "origin needed" else private.name
        run("/opt/patchelf", "--replace-needed", name, needed, "--set-rpath", "$ORIGIN/lib", str(path))
    elif kind == "foreign machine":
        # e_machine of elf(5): 183 is AArch64.
        path.write_bytes(static_program(1)[:18] + struct.pack("<H", 183) + static_program(1)[20:])
    elif kind == "static":
        path.write_bytes(static_program(port))
    else:
        source = {
            "server": "/usr/bin/python3",
            "python": "/usr/bin/python3",
            "caddy": "/usr/bin/caddy",
            "env": "/usr/bin/env",
        }[kind]
        shutil.copyfile(os.path.realpath(source), path)


def set_identity(path, program):
    shutil.chown(path, program["owner"], program["group"])
    # After chown, which clears the mode's high bits and the attribute.
    path.chmod(program["mode"])
    if program["xattr"]:
        os.setxattr(path, XATTR, bytes.fromhex(program["xattr"]))
    if program["immutable"]:
        with path.open("rb") as file:
            fcntl.ioctl(file, FS_IOC_SETFLAGS, struct.pack("l", FS_IMMUTABLE_FL))


def static_program(port):
    """An ELF program for x86-64 that binds and listens by itself, without any library."""
    code = bytes.fromhex(
        "b829000000bf02000000be0100000031d20f05"  # socket(AF_INET, SOCK_STREAM, 0)
        "89c389df488d3532000000ba10000000b8310000000f05"  # bind(it, &address, 16); the address follows the code
        "85c07517"  # Did it fail?
        "89dfbe01000000b8320000000f05"  # listen(it, 1)
        "b8220000000f05ebf7"  # pause() for ever
        "f7d889c7b83c0000000f05"  # exit(errno)
    )
    image = code + struct.pack("<H", socket.AF_INET) + struct.pack(">H", port) + bytes(12)
    base, headers = 0x400000, 64 + 56
    size = headers + len(image)
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096) + image


# --- A strategy's grants, by force.


def try_grants(work):
    """Applies each unit's grant, starts all units, returns for each what came of it, and takes everything back."""
    undo = [step for name, grant in work["grants"].items() for step in apply(name, grant)]
    names = list(work["grants"])
    run("systemctl", "daemon-reload")
    grants = list(work["grants"].values())
    START.write_text(str(grants[0]["start"]))
    load([grant["ruleset"] for grant in grants if grant["ruleset"]])
    started = [unit for grant in grants for unit in grant["started"]]
    if started:
        run("systemctl", "start", *started)
    run("systemctl", "start", "--no-block", *names)
    found = settle(work["grants"], seconds=work.get("seconds", SECONDS))
    answer = {name: judge(found[name], work["grants"][name]) for name in names}
    run("systemctl", "stop", *(unit for grant in grants for unit in grant["units"]), *names)
    subprocess.run(["systemctl", "reset-failed", *names], check=False, capture_output=True)
    for step, *arguments in reversed(undo):
        step(*arguments)
    run("systemctl", "daemon-reload")
    START.write_text("1024")
    if any(grant["ruleset"] for grant in grants):
        run("nft", "flush", "ruleset")
    return answer


def load(rulesets):
    """Have the kernel hold these rules of nft."""
    if rulesets:
        subprocess.run(["nft", "-f", "-"], input="".join(rulesets), check=True, text=True)


def apply(name, grant):
    """The steps that take the grant back; a step that the system itself refuses leaves the grant out."""
    undo = []
    for path in grant["take_away"]:
        undo += set_attribute(path, None)
    for path in grant["attribute"]:
        undo += set_attribute(path, bytes.fromhex(grant["value"]))
    if grant["dropin"]:
        undo += [write(UNITS / f"{name}.d" / "50-privport.conf", grant["dropin"], mode=0o644, uid=0)]
    for unit, text in grant["units"].items():
        undo += [write(UNITS / unit, text, mode=0o644, uid=0)]
    for user, rule in grant["rules"]:
        # The service's user alone may use it: authbind(1) asks access(X_OK).
        undo += [write(RULES / rule, "", mode=0o500, uid=uid_of(user))]
    return undo


def uid_of(user):
    return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid


def set_attribute(path, value):
    try:
        before = os.getxattr(path, XATTR)
    except OSError:
        before = None
    if before == value:
        return []
    try:
        os.removexattr(path, XATTR) if value is None else os.setxattr(path, XATTR, value)
    except OSError:
        return []
    return [(set_attribute, path, before)]


def write(path, text, *, mode, uid):
    path.parent.mkdir(exist_ok=True)
    kept = path.with_name(".kept")
    # Somebody else's, or a link.
    there = os.path.lexists(path)
    if there:
        path.rename(kept)
    path.write_text(text)
    path.chmod(mode)
    os.chown(path, uid, -1)
    return (kept.rename, path) if there else (path.unlink,)


# --- What the kernel did.


def settle(grants, *, seconds):
    """What became of each unit, once it listens or has ended, or when the time is over."""
    deadline = time.monotonic() + seconds
    found = {}
    while True:
        waiting = [name for name in grants if name not in found]
        states = show(waiting)
        listening = sockets("/proc/self/net")
        late = time.monotonic() > deadline
        for name in waiting:
            outcome = look(states[name], grants[name], listening)
            if outcome or late:
                found[name] = outcome or {"error": "timeout"}
        if len(found) == len(grants):
            return found
        time.sleep(0.2)


def show(names):
    properties = "Id,ActiveState,SubState,MainPID,ExecMainStatus,ExecMainCode,Result,ControlGroup"
    blocks = run("systemctl", "show", f"--property={properties}", *names).strip().split("\n\n")
    shown = [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]
    return {state["Id"]: state for state in shown}


def look(state, grant, listening):
    """None while nothing can be said."""
    port = grant["port"]
    if state["ActiveState"] in ("failed", "inactive") and state["ExecMainCode"] != "0":
        by_signal = state["ExecMainCode"] in ("2", "3")
        return {"status": int(state["ExecMainStatus"]), "signal": by_signal}
    for pid in pids_of(state):
        inodes = socket_inodes(pid)
        held = inodes & listening.get(port, set())
        if held:
            return {"uids": uids_of(pid), **how_it_serves(pid, held, grant)}
        if inodes & sockets(f"/proc/{pid}/net").get(port, set()) and not listening.get(port):
            return look_inside(pid, grant)
    return None


def look_inside(pid, grant):
    """What is to be said of a process that listens in a network which may not be ours."""
    if os.path.samefile(f"/proc/{pid}/ns/net", "/proc/self/ns/net"):
        return None  # It has begun to listen since our sockets were read.
    if grant["front"] != grant["port"] or not os.path.samefile(f"/proc/{pid}/ns/net", NETWORK):
        return {"error": "own network"}
    return {"uids": uids_of(pid), "answers": answers_inside(grant["port"]), "means": means_of(pid)}


def how_it_serves(pid, held, grant):
    port = grant["port"]
    udp = any(held & sockets("/proc/self/net", only=it).get(port, set()) for it in ("udp", "udp6"))
    means = means_of(pid)
    if grant["front"] != port:
        return {"answers": serves(grant["front"], udp=udp), "means": {grant["strategy"]: True}}
    if held & socket_inodes(1):
        # It has the socket from its start on, whether or not it takes it: only its answer tells.
        return {"answers": says_here(port, udp=udp), "means": {"socket": True, **means}}
    # By UDP nobody answers: who holds the socket is all there is to see.
    return {"answers": udp or answers(port), "means": means}


def pids_of(state):
    group = state["ControlGroup"]
    try:
        return [int(it) for it in Path(f"/sys/fs/cgroup{group}/cgroup.procs").read_text().split()] if group else []
    except OSError:
        return []


def sockets(folder, only=""):
    """The inodes of the listening sockets by port."""
    found = {}
    for name, listening in LISTENING.items() if not only else [(only, LISTENING[only])]:
        try:
            lines = Path(folder, name).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            if fields[3] == listening:
                found.setdefault(int(fields[1].rsplit(":", 1)[1], 16), set()).add(int(fields[9]))
    return found


def socket_inodes(pid):
    inodes = set()
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(link)
            if target.startswith("socket:["):
                inodes.add(int(target[8:-1]))
    except OSError:
        pass
    return inodes


def uids_of(pid):
    return [int(it) for it in status_of(pid)["Uid"].split()[:3]]


def status_of(pid):
    return dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def means_of(pid):
    """By which strategies' means the process may bind ports."""
    status = status_of(pid)
    means = {
        "ambient": int(status["CapAmb"], 16) & CAP_NET_BIND_SERVICE,
        "setcap": int(status["CapEff"], 16) & CAP_NET_BIND_SERVICE and file_id(f"/proc/{pid}/exe"),
        "authbind": "libauthbind" in Path(f"/proc/{pid}/maps").read_text(),
    }
    return {name: value for name, value in means.items() if value}


def file_id(path):
    """A process in a root of its own has another path for the file."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def answers(port):
    for address in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((address, port), timeout=2):
                return True
        except OSError:
            continue
    return False


def says_here(port, *, udp):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as client:
        client.settimeout(2)
        try:
            client.connect(("127.0.0.1", port))
            client.send(b"who?")
            return client.recv(9) == b"here"
        except OSError:
            return False


def serves(port, *, udp):
    """Whether who accepts a connection to the port does not close it at once, or answers it."""
    for address in ("127.0.0.1", "::1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as client:
            client.settimeout(2)
            try:
                client.connect((address, port))
                client.settimeout(1)
                client.send(b"who?\n")
                if client.recv(9):
                    return True
            except socket.timeout:
                return not udp
            except OSError:
                continue
    return False


def answers_inside(port):
    connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=2)"
    argv = ["ip", "netns", "exec", NETWORK.name, "python3", "-c", connect]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def judge(outcome, grant):
    """'works', or in a word what happened instead."""
    if "uids" in outcome:
        return who_listens(outcome, grant)
    if "error" in outcome:
        return outcome["error"]
    if outcome["signal"]:
        return f"signal {outcome['status']}"
    names = {1: "EPERM", 13: "EACCES", 97: "EAFNOSUPPORT"}
    return names.get(outcome["status"], f"status {outcome['status']}")


def who_listens(outcome, grant):
    user, strategy = grant["user"], grant["strategy"]
    if 0 in outcome["uids"]:
        return "root"
    # A dynamic user has no entry to compare with.
    if user and set(outcome["uids"]) != {uid_of(user)}:
        return "other user"
    # Where every user may bind, no process shows it.
    if (strategy != "sysctl" and strategy not in outcome["means"]) or (
        strategy == "setcap" and outcome["means"]["setcap"] not in map(file_id, grant["attribute"])
    ):
        return "other means"
    return "works" if outcome["answers"] else "no answer"


if __name__ == "__main__":
    main()
