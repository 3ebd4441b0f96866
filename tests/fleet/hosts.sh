#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts and removes the fleet's hosts. Runs inside enter.sh.
# Usage: hosts.sh up [HOST…] | down
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

start() {
  local host=$1 name image options
  image=$("$ROOT/tests/fleet/images.sh" name "$host")
  options=(
    --detach --name "$host" --hostname "$host" --pull=never
    --cap-add=ALL --cap-drop=SYS_RESOURCE --security-opt=unmask=/proc/sys
    --network fleet --ip "${FLEET_ADDRESS[$host]}" --ip6 "fd43:80::${FLEET_ADDRESS[$host]##*.}"
    # As a machine's, it is the same after a boot.
    --mac-address "02:43:80:00:00:${FLEET_ADDRESS[$host]##*.}"
    # Engines that set 0 here would let every test pass without any grant.
    --sysctl net.ipv4.ip_unprivileged_port_start=1024
    --volume "$FLEET_KEY.pub:/etc/ssh/fleet_authorized_keys:ro"
  )
  for name in "${!FLEET_ADDRESS[@]}"; do options+=(--add-host "$name:${FLEET_ADDRESS[$name]}"); done
  if is_bare "$host"; then
    # As on a machine, a boot finds nothing there.
    options+=(--systemd=false --tmpfs "/run:rw,mode=755,exec")
  else
    options+=(--systemd=always)
  fi
  podman run "${options[@]}" "$image" >/dev/null
}

wait_for() {
  local host=$1 state deadline=$((SECONDS + 60))
  until "${FLEET_SSH[@]}" "admin@${FLEET_ADDRESS[$host]}" true 2>/dev/null; do
    [[ $SECONDS -lt $deadline && $(podman inspect --format '{{.State.Running}}' "$host") == true ]] ||
      die "$host does not answer on SSH: $(podman logs --tail 5 "$host" 2>&1)"
    sleep 0.1
  done
  if ! is_bare "$host"; then
    state=$(podman exec "$host" systemctl is-system-running --wait) || die "$host is $state: $(
      podman exec "$host" systemctl list-units --failed --no-legend
    )"
  fi
  [[ $(podman exec "$host" cat /proc/sys/net/ipv4/ip_unprivileged_port_start) == 1024 ]] ||
    die "$host lets everyone bind ports below 1024, so a test there proves nothing"
}

up() {
  local host started=() job jobs=()
  podman network exists fleet ||
    podman network create --disable-dns --subnet 10.43.80.0/24 --ipv6 --subnet fd43:80::/64 fleet >/dev/null
  for host in "$@"; do
    [[ -v FLEET_ADDRESS[$host] ]] || die "there is no host '$host'; there are ${FLEET_HOSTS[*]} ${FLEET_BY_NAME[*]}"
    podman container exists "$host" && continue
    start "$host"
    started+=("$host")
  done
  for host in "${started[@]}"; do
    wait_for "$host" &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job"; done
}

case ${1:-} in
  up)
    shift
    [[ $# -gt 0 ]] || set -- "${FLEET_HOSTS[@]}"
    up "$@"
    ;;
  down)
    podman rm --all --force --time 0 >/dev/null
    # A connection kept open to a host that is gone would hang the next command.
    rm -f "$ANSIBLE_SSH_CONTROL_PATH_DIR"/*
    ;;
  *) die "usage: hosts.sh up [HOST…] | down" ;;
esac
