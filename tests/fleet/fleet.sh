#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The fleet for people: hosts that stay up between commands.
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'USAGE'
usage: ./run fleet COMMAND
  up [HOST…]              start the hosts (bullseye, bookworm, trixie, bare; by name: forky, field, field-forky)
  exec HOST COMMAND…      run a command on a host as root
  ssh HOST [COMMAND…]     the same over SSH as the user admin, who may sudo
  in COMMAND…             run a command here, where the hosts can be reached: ./run fleet in ansible fleet -m ping
  shell                   a shell where the hosts can be reached
  down                    remove the hosts
ansible finds the hosts by itself (ANSIBLE_INVENTORY). FLEET=NAME ./run fleet … is a fleet of your own.
USAGE
}

pid_of_fleet() {
  local pid
  [[ -f $FLEET_STATE/pid ]] || return 1
  pid=$(<"$FLEET_STATE/pid")
  # Another process may have been given the number since.
  [[ -r /proc/$pid/cmdline ]] || return 1
  grep -qa tests/fleet/inside.sh "/proc/$pid/cmdline" || return 1
  echo "$pid"
}

inside() {
  local pid
  if [[ -n ${FLEET_INSIDE:-} ]]; then
    "$@"
    return
  fi
  pid=$(pid_of_fleet) || die "the fleet is not up; start it with ./run fleet up"
  nsenter --target "$pid" --mount --net --pid --wd="$PWD" env \
    ANSIBLE_INVENTORY="$ROOT/tests/fleet/inventory.yml" \
    ANSIBLE_PIPELINING=true \
    ANSIBLE_SSH_CONTROL_PATH_DIR=/run/containers/ssh \
    CONTAINERS_CONF="$ROOT/tests/fleet/containers.conf" \
    CONTAINERS_STORAGE_CONF="$FLEET_STATE/storage.conf" \
    FLEET_INSIDE="$FLEET" FLEET_STATE="$FLEET_STATE" "$@"
}

hold() {
  local deadline=$((SECONDS + 20))
  mkdir -p "$FLEET_STATE"
  setsid "$ROOT/tests/fleet/enter.sh" sleep infinity </dev/null >"$FLEET_CACHE/$FLEET.log" 2>&1 &
  # The last thing that entering does is to run the command.
  until pid_of_fleet >/dev/null && inside test -d /run/containers/ssh 2>/dev/null; do
    [[ $SECONDS -lt $deadline ]] || die "the fleet did not start: $(<"$FLEET_CACHE/$FLEET.log")"
    sleep 0.1
  done
}

command=${1:-}
shift || true
case $command in
  up)
    "$ROOT/tests/fleet/images.sh" "$@"
    pid_of_fleet >/dev/null || hold
    inside "$ROOT/tests/fleet/hosts.sh" up "$@"
    inside podman ps --format '{{.Names}} {{.Status}}'
    ;;
  exec)
    options=(--interactive)
    [[ -t 0 && -t 1 ]] && options+=(--tty)
    inside podman exec "${options[@]}" "$@"
    ;;
  ssh)
    host=${1:?which host}
    shift
    inside "${FLEET_SSH[@]}" "admin@${FLEET_ADDRESS[$host]}" "$@"
    ;;
  in) inside "$@" ;;
  shell) inside bash ;;
  down)
    pid=$(pid_of_fleet) || exit 0
    inside "$ROOT/tests/fleet/hosts.sh" down
    kill -KILL "$pid"
    # enter.sh cleans up behind it.
    while [[ -d $FLEET_STATE ]]; do sleep 0.1; done
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
