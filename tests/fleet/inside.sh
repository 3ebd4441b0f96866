#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The first process of the namespaces that enter.sh makes: prepares them and runs the command.
set -euo pipefail

# The pid as the outside sees it, read before /proc shows the new namespace.
read -r pid _ </proc/self/stat
echo "$pid" >"$FLEET_STATE/pid"
mount -t proc proc /proc
! mountpoint --quiet /sys/fs/cgroup || umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
for dir in /dev/shm /run/containers /run/libpod /run/netns /run/runc /var/lib/containers; do
  mkdir -p "$dir"
  mount -t tmpfs -o mode=755 none "$dir"
done
ip link set lo up
mkdir /run/containers/networks "$ANSIBLE_SSH_CONTROL_PATH_DIR"
# Not exec: as pid 1 this shell reaps what the containers leave behind.
status=0
"$@" || status=$?
exit "$status"
