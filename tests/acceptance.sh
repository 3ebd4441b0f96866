#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The demo as a newcomer meets it: run, with its port taken, and interrupted. Nothing of it may be left afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
holder=
passed=0
trap '[[ -z $holder ]] || kill "$holder"; rm -rf "$work"' EXIT

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Every file with its owner, mode, size and time, and who listens on ports like the demo's.
machine() {
  find /opt /etc /var/lib -xdev -not -path '/var/lib/containers/*' \( -type f -o -type l \) -printf '%p %m %U:%G %s %T@\n' | sort
  getcap -r /opt 2>/dev/null
  ss -Hltn 'sport < 1024' | awk '{ print $4 }' | sort
}

unchanged() {
  machine >"$work/after"
  diff "$work/before" "$work/after" || die "$1 left something behind"
  passed=$((passed + 1))
}

port_80_is_taken() { [[ -n $(ss -Hltn 'sport = :80') ]]; }

machine >"$work/before"

./run demo >"$work/log" 2>&1 || die "the demo failed: $(tail -n 30 "$work/log")"
grep -q 'Hello from uid 65534 on port ' "$work/log" || die "the demo's server did not answer as nobody"
unchanged 'the demo'

if ! port_80_is_taken; then
  python3 -c '
import socket, time
taken = socket.create_server(("127.0.0.1", 80))
time.sleep(120)' &
  holder=$!
  until port_80_is_taken; do sleep 0.1; done
fi
./run demo >"$work/log" 2>&1 || die "the demo failed with its port taken: $(tail -n 30 "$work/log")"
grep -Eq 'Hello from uid 65534 on port (8[1-9]|9[0-9])' "$work/log" ||
  die 'the demo did not take another port'
if [[ -n $holder ]]; then
  kill "$holder"
  wait "$holder" || true
  holder=
fi
unchanged 'the demo on another port'

moments=(/opt/privport-demo/demo_server.py)
if [[ -d /run/systemd/system ]]; then
  moments+=(/etc/systemd/system/privport-demo.service{,.d/50-privport.conf})
else
  moments+=(/opt/privport-demo/{python3,pid})
fi
for moment in "${moments[@]}"; do
  ./run demo >"$work/log" 2>&1 &
  demo=$!
  until [[ -e $moment ]]; do
    kill -0 "$demo" 2>/dev/null || die "the demo ended before it made $moment: $(tail -n 30 "$work/log")"
    sleep 0.05
  done
  kill -TERM "$demo"
  status=0
  wait "$demo" || status=$?
  [[ $status -eq 130 ]] || die "the interrupted demo ended with $status"
  unchanged "the demo, interrupted when it had made $moment,"
done
echo "$passed passed, 0 failed"
