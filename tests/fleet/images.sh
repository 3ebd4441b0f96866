#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the images that are not there yet, of the hosts named or of those that start unnamed. Their names end in a hash
# of the recipe, so that a changed one is built anew and an unchanged one costs nothing. Runs outside the fleet's
# namespaces, which have no way out.
# Usage: images.sh [HOST…] | name HOST
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

image_of() {
  local recipe
  recipe=$({ declare -f build customize && suite_of "$1" && packages_of "$1"; } | sha256sum | cut -c1-12)
  printf 'localhost/privport-%s:%s' "$1" "$recipe"
}

podman_images() {
  CONTAINERS_CONF=$ROOT/tests/fleet/containers.conf podman --root "$FLEET_CACHE/images" --runroot "$FLEET_CACHE/images-run" --storage-driver overlay "$@"
}

suite_of() {
  case $1 in
    bare | runit) echo bookworm ;;
    field | openrc) echo trixie ;;
    field-forky) echo forky ;;
    *) echo "$1" ;;
  esac
}

# The daemons of tests/field: all or those of every run of the tests.
daemons() { PYTHONPATH=$ROOT/tests python3 -m field.table "$@"; }

packages_of() {
  local packages=python3,procps,passwd,openssh-server,sudo
  if is_bare "$1"; then
    case $1 in
      bare) packages+=,sysvinit-core ;;
      openrc) packages+=,sysvinit-core,openrc,nftables,daemontools ;;
      runit) packages+=,runit-init,nftables ;;
    esac
  else
    # Everything that a test needs: the hosts have no way to install more.
    packages+=,systemd,systemd-sysv,dbus,iproute2,libcap2-bin,authbind,nginx,webfs,curl,nftables
    packages+=,ca-certificates,openssl,iptables,haproxy,gunicorn
  fi
  packages+=,socat
  # Bullseye has no caddy.
  case $1 in bookworm | trixie | forky) packages+=,caddy ;; esac
  case $1 in bookworm) packages+=,nodejs ;; esac
  # What supervises services beside systemd, and what starts programs for connections. Nothing of it starts by itself
  # here, and Debian has one inetd installed at a time.
  case $1 in bookworm | trixie) packages+=,supervisor,runit,s6,daemontools,ucspi-tcp,ipsvd ;; esac
  case $1 in
    bookworm) packages+=,xinetd ;;
    trixie) packages+=,openbsd-inetd ;;
  esac
  # Managers of users.
  case $1 in bookworm | trixie) packages+=,libpam-systemd ;; esac
  # Its systemd does not bring it along.
  case $1 in forky | field-forky) packages+=,mount ;; esac
  case $1 in
    trixie) packages+=,$(daemons trixie always) ;;
    field | field-forky) packages+=,$(daemons "$(suite_of "$1")" all) ;;
  esac
  echo "$packages"
}

# The mirror that this machine uses for its own Debian serves the other releases too.
mirror() {
  local codename
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' |
    awk -v codename="$codename" '$2 == codename { print $1; exit }'
}

customize() {
  cat <<'HOOK'
set -eu
chroot "$1" useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' >"$1/etc/sudoers.d/admin"
chmod 440 "$1/etc/sudoers.d/admin"
cat >"$1/etc/ssh/sshd_config.d/fleet.conf" <<'CONF'
AuthorizedKeysFile /etc/ssh/fleet_authorized_keys
PasswordAuthentication no
UseDNS no
MaxStartups 100
CONF
# A connection of the tests, or a login in a unit, starts no manager of its user, and stays where it was started.
sed -i '/pam_systemd/d' "$1"/etc/pam.d/common-session "$1"/etc/pam.d/runuser-l
if [ -x "$1/bin/systemctl" ]; then
  # The servers are there for the tests to start.
  for link in "$1"/etc/systemd/system/*.wants/*; do
    case ${link##*/} in ssh* | systemd-* | getty@* | *.target | *.timer) ;; *) rm "$link" ;; esac
  done
  rm -f "$1"/etc/rc?.d/S*
  # webfs is the server that has no unit, but where the daemons are as they are packaged.
  case $2 in
    field*) ;;
    *) rm -f "$1/etc/init.d/webfs" "$1/lib/systemd/system/webfs.service" "$1"/etc/rc?.d/*webfs ;;
  esac
  # Each daemon-reload runs all generators: those for disks, terminals and kernel command lines find nothing here.
  mkdir -p "$1/etc/systemd/system-generators"
  for generator in "$1"/usr/lib/systemd/system-generators/*; do
    [ "${generator##*/}" = systemd-sysv-generator ] ||
      ln -sf /dev/null "$1/etc/systemd/system-generators/${generator##*/}"
  done
  # No kernel modules and no network to update from: these would leave the host degraded or busy.
  chroot "$1" systemctl mask systemd-modules-load.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer man-db.timer
fi
if [ -e "$1/etc/inittab" ]; then
  # A container has its file systems already, and no terminals.
  sed -i -e '/:sysinit:/d' -e '/getty/d' "$1/etc/inittab"
fi
HOOK
}

build() {
  local host=$1 options=() work tar log
  work=$FLEET_CACHE/build-$host
  tar=$work/root.tar
  log=$work/log
  mkdir -p "$work"
  customize >"$work/customize"
  # A mirror's copy of what is not released yet may be older than it says it stays valid.
  [[ $(suite_of "$host") != forky ]] || options+=(--aptopt='Acquire::Check-Valid-Until "false"')
  # Java's packages make links among the manual pages.
  # shellcheck disable=SC2016
  if ! mmdebstrap --quiet --variant=apt "${options[@]}" --include="$(packages_of "$host")" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt=force-unsafe-io \
    --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
    --customize-hook="sh $work/customize \"\$1\" $host" "$(suite_of "$host")" "$tar" "$(mirror)" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    die "the image for $host was not built; the whole log is $log"
  fi
  podman_images import --quiet --change 'CMD ["/sbin/init"]' --change 'STOPSIGNAL SIGRTMIN+3' \
    "$tar" "$(image_of "$host")" >/dev/null
  rm -rf "$work"
}

if [[ ${1:-} == name ]]; then
  image_of "$2"
  exit
fi

[[ $# -gt 0 ]] || set -- "${FLEET_HOSTS[@]}"
mkdir -p "$FLEET_CACHE"
exec 9>"$FLEET_CACHE/images.lock"
flock 9
failed=0
jobs=()
for host in "$@"; do
  [[ -v FLEET_ADDRESS[$host] ]] || die "there is no host '$host'; there are ${FLEET_HOSTS[*]} ${FLEET_BY_NAME[*]}"
  podman_images image exists "$(image_of "$host")" && continue
  echo "building the image for $host"
  build "$host" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job" || failed=1; done
exit "$failed"
