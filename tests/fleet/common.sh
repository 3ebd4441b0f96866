# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Names and places that the fleet's scripts share. Sourced, never run.
# shellcheck disable=SC2034

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# The cache may be a link; podman keeps the name of its folder.
FLEET_CACHE=$(realpath --canonicalize-missing "$ROOT/.cache")/fleet
# Several fleets may run side by side, each in its own namespaces with the same addresses.
FLEET=${FLEET:-default}
FLEET_STATE=$FLEET_CACHE/run/$FLEET
FLEET_KEY=$FLEET_CACHE/ssh/id_ed25519
# Those that start where none is named, and those that start only by name.
FLEET_HOSTS=(bullseye bookworm trixie bare)
FLEET_BY_NAME=(forky field field-forky openrc runit)

declare -A FLEET_ADDRESS=(
  [bullseye]=10.43.80.11
  [bookworm]=10.43.80.12
  [trixie]=10.43.80.13
  [bare]=10.43.80.14
  [forky]=10.43.80.15
  [field]=10.43.80.16
  [field-forky]=10.43.80.17
  [openrc]=10.43.80.18
  [runit]=10.43.80.19
)

FLEET_SSH=(ssh -F none -i "$FLEET_KEY" -o BatchMode=yes -o ConnectTimeout=5 -o IdentitiesOnly=yes
  -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)

export FLEET FLEET_KEY

# Whether systemd does not run the host of this name.
is_bare() { [[ $1 == bare || $1 == openrc || $1 == runit ]]; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

make_key() {
  [[ -f $FLEET_KEY ]] && return
  mkdir -p "$(dirname "$FLEET_KEY")"
  ssh-keygen -q -t ed25519 -N '' -C fleet -f "$FLEET_KEY"
}
