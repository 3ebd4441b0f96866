#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Takes the service units out of Debian's packages, and compiles what stands in for their programs.
# Usage: fetch.sh SUITE FOLDER. The units are FOLDER/SUITE/units/*.service then, the program is FOLDER/standin.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=$1
mkdir -p "$2/$suite"
folder=$(realpath "$2")

gcc -O2 -Wall -Wextra -o "$folder/standin" "$here/standin.c"
cd "$folder/$suite"
stamp=$(cat "$here/packages.txt" "$here/fetch.sh" | sha256sum)
[[ ! -f stamp || $(<stamp) != "$stamp" ]] || exit 0

# An apt of its own, which knows nothing of this machine's packages.
mkdir -p apt/lists/partial apt/archives/partial debs
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >apt/sources.list
cat >apt/apt.conf <<CONF
Dir::State::Lists "$PWD/apt/lists";
Dir::Cache "$PWD/apt";
Dir::Etc::SourceList "$PWD/apt/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Status "/dev/null";
Acquire::Languages "none";
// That of the next Debian says that it is expired.
Acquire::Check-Valid-Until "false";
CONF
export APT_CONFIG=$PWD/apt/apt.conf
apt-get update -qq
# Not every Debian has all of them.
mapfile -t packages < <(comm -12 <(grep -v '^#' "$here/packages.txt" | sort) <(apt-cache pkgnames | sort))
echo "downloading ${#packages[@]} packages of $suite"
(cd debs && apt-get download -qq "${packages[@]}" 2>/dev/null)
rm -rf units
mkdir units
for package in debs/*.deb; do
  dpkg-deb --fsys-tarfile "$package" |
    tar --extract --directory units --wildcards --transform 's,^\./\(usr/\)\?lib/systemd/system/,,' \
      './usr/lib/systemd/system/*.service' './lib/systemd/system/*.service' 2>/dev/null || true
done
rm -rf debs apt
echo "$stamp" >stamp
