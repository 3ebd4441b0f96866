#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs a command in namespaces of its own, where podman can start systemd hosts and nothing outlives the command.
# Usage: enter.sh COMMAND [ARGUMENT…]
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[[ -z ${FLEET_INSIDE:-} ]] || exec "$@"
[[ $EUID -eq 0 ]] || die "the fleet needs root, to make namespaces and mounts"
make_key
mkdir -p "$FLEET_STATE"
# The containers' own storage is a tmpfs of this namespace; only the images are kept.
cat >"$FLEET_STATE/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
[storage.options]
additionalimagestores = ["$FLEET_CACHE/images"]
CONF
export CONTAINERS_CONF=$ROOT/tests/fleet/containers.conf
export CONTAINERS_STORAGE_CONF=$FLEET_STATE/storage.conf
export FLEET_INSIDE=$FLEET FLEET_STATE
# Every fleet has the same addresses, so none may reuse another's SSH connections.
export ANSIBLE_SSH_CONTROL_PATH_DIR=/run/containers/ssh
export ANSIBLE_PIPELINING=true

unshare --mount --net --pid --fork --kill-child --propagation private \
  "$ROOT/tests/fleet/inside.sh" "$@" &
namespace=$!
trap 'rm -rf "$FLEET_STATE"' EXIT
# unshare itself blocks the gentle signals; killing it ends everything inside.
trap 'kill -KILL "$namespace"' HUP INT TERM
wait "$namespace"
