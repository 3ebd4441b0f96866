#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Judges the built collection as those do who publish it. Usage: publish.sh ENVIRONMENT [--lint]
# ENVIRONMENT is the folder that holds galaxy-importer; --lint has it run ansible-lint too, as ./run lint does anyhow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
LIMIT_KB=600
export PATH=$ROOT/$1/bin:$PATH
export GALAXY_IMPORTER_CONFIG=$ROOT/tests/galaxy-importer.cfg
export GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false
[[ ${2:-} != --lint ]] || GALAXY_IMPORTER_RUN_ANSIBLE_LINT=true

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ansible-galaxy collection build --force --output-path "$work" >/dev/null
# The importer leaves a file where it runs.
cd "$work"
artifact=$(echo netbind-privport-*.tar.gz)

grep -q "\b$LIMIT_KB kB" "$ROOT/MAINTAINING.md" || die "MAINTAINING.md does not say that the artifact has at most $LIMIT_KB kB"
size=$(($(stat --format %s "$artifact") / 1000))
[[ $size -le $LIMIT_KB ]] || die "$artifact has $size kB, of at most $LIMIT_KB; see build_ignore in galaxy.yml"

# It succeeds with warnings, and a collection that has some is not certified.
if ! python -m galaxy_importer.main "$artifact" >log || grep -qE '^(WARNING|ERROR|CRITICAL)' log; then
  grep -v '^Loading ' log >&2
  die "galaxy-importer does not take $artifact without a word"
fi

# What an execution environment takes from the collection, and the context that one with it is built from.
installed=ansible_collections/netbind/privport
mkdir -p "$installed"
tar --extract --file "$artifact" --directory "$installed"
ansible-builder introspect . >needs
wanted=$(grep -v '^#' "$installed/requirements.txt")
grep -qF "'$wanted  # from collection netbind.privport'" needs || die "ansible-builder does not find '$wanted': $(<needs)"
ansible-builder create --file "$ROOT/tests/execution-environment.yml" --context context >log || die "$(<log)"
grep -q 'netbind.privport' context/_build/requirements.yml || die "the context has no netbind.privport"

echo "$artifact: $size kB, taken by galaxy-importer and ansible-builder"
