#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the disk of the emulated machine, unless it is there: a whole Debian with its own kernel, AppArmor and SELinux.
# The folder's name ends in a hash of this file, so a changed recipe is built anew. Prints the folder.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=$ROOT/.cache/vm
IMAGE=$CACHE/$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)
SUITE=bookworm
PACKAGES=(
  linux-image-cloud-amd64 systemd systemd-sysv dbus udev openssh-server sudo python3 iproute2 procps kmod netbase
  authbind nginx nftables apparmor auditd socat
  podman conmon crun uidmap slirp4netns dbus-user-session libpam-systemd
  selinux-basics selinux-policy-default policycoreutils-python-utils checkpolicy semodule-utils setools
)

customize() {
  cat <<'HOOK'
set -eu
chroot "$1" useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' >"$1/etc/sudoers.d/admin"
chmod 440 "$1/etc/sudoers.d/admin"
install -d -o "$(chroot "$1" id -u admin)" -m 700 "$1/home/admin/.ssh"
install -o "$(chroot "$1" id -u admin)" -m 600 "$KEY.pub" "$1/home/admin/.ssh/authorized_keys"
echo vm >"$1/etc/hostname"
echo '127.0.0.1 localhost vm' >"$1/etc/hosts"
echo '/dev/vda / ext4 defaults 0 1' >"$1/etc/fstab"
# The emulator's own network.
printf '[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\n' >"$1/etc/systemd/network/vm.network"
chroot "$1" systemctl enable systemd-networkd
chroot "$1" systemctl disable nginx nftables systemd-networkd-wait-online
chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
  fstrim.timer man-db.timer selinux-autorelabel-mark.service
# Written at the first boot, and labelled here.
echo uninitialized >"$1/etc/machine-id"
# Permissive until a test says otherwise. The label of every file is written here: no boot need do it.
sed -i 's/^SELINUX=.*/SELINUX=permissive/' "$1/etc/selinux/config"
chroot "$1" setfiles -F -m /etc/selinux/default/contexts/files/file_contexts / >/dev/null
HOOK
}

# The mirror that this machine uses for its own Debian.
mirror() {
  local codename
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' |
    awk -v codename="$codename" '$2 == codename { print $1; exit }'
}

build() {
  local work=$IMAGE.build include
  echo 'building the disk of the emulated machine' >&2
  rm -rf "$work"
  mkdir -p "$work"
  customize >"$work/customize"
  include=$(IFS=,; echo "${PACKAGES[*]}")
  if ! KEY=$CACHE/id_ed25519 mmdebstrap --quiet --mode=root --format=directory --variant=apt --include="$include" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --customize-hook="sh $work/customize \"\$1\"" "$SUITE" "$work/root" "$(mirror)" >"$work/log" 2>&1; then
    tail -n 30 "$work/log" >&2
    echo "error: the disk was not built; the whole log is $work/log" >&2
    exit 1
  fi
  cp "$work"/root/boot/vmlinuz-* "$work/vmlinuz"
  cp "$work"/root/boot/initrd.img-* "$work/initrd"
  truncate --size 3G "$work/disk.raw"
  mke2fs -q -t ext4 -d "$work/root" "$work/disk.raw"
  qemu-img convert -O qcow2 "$work/disk.raw" "$work/disk.qcow2"
  rm -rf "$work/root" "$work/disk.raw" "$work/customize" "$work/log"
  mv "$work" "$IMAGE"
}

mkdir -p "$CACHE"
[[ -f $CACHE/id_ed25519 ]] || ssh-keygen -q -t ed25519 -N '' -C vm -f "$CACHE/id_ed25519"
exec 9>"$CACHE/lock"
flock 9
[[ -d $IMAGE ]] || build
echo "$IMAGE"
