#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Judges the built collection as those do who publish it. Usage: publish.sh ENVIRONMENT [--lint]
# ENVIRONMENT is the folder that holds galaxy-importer; --lint has it run ansible-lint too, as ./run lint does anyhow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $# -gt 0 ]] || { echo 'usage: publish.sh ENVIRONMENT [--lint]' >&2; exit 2; }
export PATH=$PWD/$1/bin:$PATH
export GALAXY_IMPORTER_CONFIG=$PWD/tests/galaxy-importer.cfg
export GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false
[[ ${2:-} != --lint ]] || GALAXY_IMPORTER_RUN_ANSIBLE_LINT=true

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ansible-galaxy collection build --force --output-path "$work" >/dev/null
# It leaves a file where it runs.
cd "$work"
# The importer succeeds with warnings, and a collection that has some is not certified.
if ! python -m galaxy_importer.main netbind-privport-*.tar.gz >log || grep -qE '^(WARNING|ERROR|CRITICAL)' log; then
  grep -vE '^Loading ' log >&2
  exit 1
fi
tail -n 1 log
