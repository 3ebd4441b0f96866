# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host as root: gives the services of rows their ports, twice, and takes them back.

Usage: on_host.py FIRST EVERY [NAME…], of the rows of these names, or of all, from the first on each one or each second.
Each answer is a line: the row's name, a tab, what was wrong as a JSON list. Only the standard library of Python 3.9;
the modules and their module_utils lie beside this file.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from runs import HERE, run, touched, tree
from table import ROWS

SERVED = HERE / "bin"
TIMEOUT = 8
PRELUDE = f"""
set -eu
bin={SERVED}
units=/etc/systemd/system
# unit NAME LINE...: a unit file with these lines in [Service].
unit() {{ local name=$1; shift; printf '%s\\n' '[Service]' "$@" >"$units/$name"; }}
# server PORT: the command of a server on this port.
server() {{ echo "$bin/server TCP-LISTEN:$1,fork,reuseaddr EXEC:/bin/cat"; }}
# python OPTION...: the command of serve.py with a Python of everybody's; own_python: with one for casey alone.
python() {{ echo "/usr/bin/python3 {HERE}/serve.py $*"; }}
own_python() {{ echo "$bin/python3 {HERE}/serve.py $*"; }}
# supervised SCANNED COMMAND WORD...: a folder with a run script of these words and the command, found by its name.
supervised() {{
  local scanned=$1 command=$2
  shift 2
  mkdir -p /run/case-sv/case "$scanned"
  printf '%s\\n' '#!/bin/sh' 'exec 2>&1' "$* $command" >/run/case-sv/case/run
  chmod +x /run/case-sv/case/run
  ln -sfn /run/case-sv/case "$scanned/case"
}}
# under COMMAND: a unit of root's that runs a supervisor.
under() {{
  unit case-supervisor.service "ExecStart=$1"
  systemctl daemon-reload
  systemctl start case-supervisor
  sleep 1
}}
# section COMMAND LINE...: a program of supervisord, which runs.
section() {{
  local command=$1
  shift
  printf '%s\\n' '[program:case]' "command=$command" startsecs=0 "$@" >/etc/supervisor/conf.d/case.conf
  systemctl restart supervisor
  for _ in $(seq 50); do sleep 0.1; ! supervisorctl pid >/dev/null || return 0; done
}}
# own: an address of this host's.
own() {{ hostname -I | cut -d ' ' -f 1; }}
# user_unit NAME LINE...: a unit of the manager of caseu, which runs, with a home of its own.
user_unit() {{
  local name=$1
  shift
  id caseu >/dev/null 2>&1 || useradd --create-home --home-dir /run/caseu caseu
  mkdir -p /run/caseu/.config/systemd/user /var/lib/systemd/linger
  printf '%s\\n' '[Service]' Restart=always RestartSec=0.5 "$@" '[Unit]' StartLimitIntervalSec=0 '[Install]' \
    WantedBy=default.target >"/run/caseu/.config/systemd/user/$name"
  chown -R caseu: /run/caseu
  touch /var/lib/systemd/linger/caseu
  systemctl start "user@$(id -u caseu)"
  of_caseu daemon-reload
  of_caseu start "$name"
}}
# of_caseu WORD...: systemctl of that manager.
of_caseu() {{ runuser -u caseu -- env "XDG_RUNTIME_DIR=/run/user/$(id -u caseu)" systemctl --user "$@"; }}
# serves PORT [ADDRESS]: whether something answers there.
# A forwarder ends a connection of which one side has ended.
serves() {{ [[ -n $({{ echo hello; sleep 0.3; }} | timeout 5 socat -t 2 - "TCP:${{2:-127.0.0.1}}:$1") ]]; }}
# dropin NAME FILE LINE...: a drop-in of somebody's.
dropin() {{
  local name=$1 file=$2
  shift 2
  mkdir -p "$units/$name.d"
  printf '%s\\n' '[Service]' "$@" >"$units/$name.d/$file.conf"
}}
"""
# Nothing of the row before is left, and every row finds the same.
CLEAN = """
# Under systemd 262 a unit that is not there ends the call for all.
systemctl stop 'case*' '_case*'
systemctl stop cpu 2>/dev/null || true
if [[ -e /run/caseu ]]; then systemctl stop "user@$(id -u caseu)"; rm -rf /run/caseu /var/lib/systemd/linger/caseu; fi
if [[ -e /etc/supervisor/conf.d/case.conf ]]; then systemctl stop supervisor; fi
rm -rf /run/case-sv {/etc,/run}/service/case /etc/supervisor/conf.d/case.conf
nft delete table inet case 2>/dev/null || true
nft delete table ip case 2>/dev/null || true
rm -rf "$units"/{case*,_case*,cpu.service*,*.wants/case*} "$bin"
rm -rf /etc/xinetd.d/case
sed -i /pam_systemd/d /etc/pam.d/su-l
[[ ! -e /root/case-inetd.conf ]] || mv /root/case-inetd.conf /etc/inetd.conf
systemctl stop xinetd inetd 2>/dev/null || true
rm -rf /etc/authbind/by{port,uid}/* {/var/lib,/run}/netbind.privport
for user in casey casez; do id "$user" >/dev/null 2>&1 || useradd --system "$user"; done
mkdir -p "$bin"
cp /usr/bin/socat "$bin/server"
install --group casey --mode 750 "$(realpath /usr/bin/python3)" "$bin/python3"
systemctl daemon-reload
systemctl reset-failed
"""


def main():
    first, every, *names = sys.argv[1:]
    rows = [row for row in ROWS if not names or row.name in names]
    anywhere = [row for row in rows if not row.host]
    here = [row for row in rows if row.host == os.uname().nodename]
    for row in (*anywhere[int(first) :: int(every)], *here):
        print(row.name, json.dumps(wrong_with(row)), sep="\t", flush=True)
    shell(CLEAN)


def shell(script):
    return subprocess.run(["bash", "-c", PRELUDE + script], check=False, capture_output=True, text=True)


def must(script, when):
    done = shell(script)
    return [f"{when}: {script.strip()!r} fails: {(done.stderr or done.stdout)[-300:]}"] if done.returncode else []


def wrong_with(row):
    """Sentences on what is otherwise than the row says."""
    failed = must(f"{CLEAN}\n{row.prepare}\nsystemctl daemon-reload", "prepare")
    if failed:
        return failed
    before = tree()
    started = invocations(row)
    first = outcome(row)
    wrong = judged(row, first) + must(row.holds, "after the run")
    if row.verdict in ("fail", "refused"):
        wrong += [f"{first['verdict']}: {it}" for it in touched(before)]
        return wrong if started == invocations(row) or row.verdict == "fail" else [*wrong, "something was restarted"]
    running = invocations(row)
    again = outcome(row)
    if again.get("changed") or again.get("failed"):
        wrong.append(f"the second run: {shown(again)}")
    if running != invocations(row):
        wrong.append("the second run restarted something")
    wrong += must(row.since, "since") if row.since else []
    gone = outcome(row, state="absent", restart_absent=True)
    wrong += [
        f"the removal does not say {it!r}: {told(gone)[-900:]}" for it in row.removal_says if it not in told(gone)
    ]
    wrong += [f"the removal fails: {told(gone)[-600:]}"] if gone.get("failed") else []
    return wrong + must(row.removed, "after the removal") + ([] if row.since else touched(before))


def invocations(row):
    """By which start each unit runs."""
    # A template has no start of its own; its running instances have.
    units = [it["unit"].replace("@.service", "@*.service") for it in row.services if "unit" in it and "scope" not in it]
    # systemctl ends at one that systemd cannot show.
    told = "".join(shell(f"systemctl show --property=InvocationID -- '{it}'").stdout for it in units)
    return told, served_by() if any("manager" in it or "scope" in it for it in row.services) else ()


def served_by():
    """The processes of the rows' own programs, without those that serve a single connection."""
    found = {it.parent.name for it in Path("/proc").glob("[0-9]*/exe") if target(it).startswith(str(SERVED))}
    return sorted(it for it in found if parent(it) not in found)


def parent(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
    except OSError:
        return ""


def target(link):
    try:
        return os.readlink(link)
    except OSError:
        return ""


def outcome(row, **options):
    return run("privport", {"services": list(row.services), "timeout": TIMEOUT, **row.options, **options})


def told(result):
    """All that a result says, without what was asked."""
    return json.dumps({key: value for key, value in result.items() if key != "invocation"}, ensure_ascii=False)


def shown(result):
    """The part of a result that tells what went wrong."""
    keys = ("exception", "msg", "verdict", "reasons", "restored", "left", "warnings", "steps")
    bad = [it["text"] for one in result.get("evidence", ()) for it in one["checks"] if it["verdict"] != "pass"]
    plan = [(it["strategy"], it["error"]) for it in result.get("plan", ())]
    lines = [line for found in result.get("journal", {}).values() for line in found][-3:]
    return json.dumps([plan, bad, {key: result[key] for key in keys if result.get(key)}, lines], ensure_ascii=False)


def judged(row, result):
    if result.get("exception"):
        return [f"a traceback: {shown(result)}"]
    plan = {it["name"]: it["strategy"] for it in result.get("plan", ())}
    refused = any(it["error"] for it in result.get("plan", ()))
    verdict = "refused" if refused else result.get("verdict")
    text = told(result)
    wrong = [f"it says {it!r}" for it in row.never if it in text]
    wrong += [f"it does not say {it!r}" for it in row.says if it not in text]
    if verdict != row.verdict:
        wrong.append(f"verdict {verdict!r}, not {row.verdict!r}")
    if plan != row.strategies:
        wrong.append(f"strategies {plan}, not {dict(row.strategies)}")
    return [*wrong, shown(result)] if wrong else []


if __name__ == "__main__":
    main()
