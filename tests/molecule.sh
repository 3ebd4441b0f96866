#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the named Molecule scenarios, or all, inside the fleet's namespaces.
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

cd "$ROOT/extensions"
if [[ $# -eq 0 ]]; then
  for folder in molecule/*/molecule.yml; do
    set -- "$@" "$(basename "$(dirname "$folder")")"
  done
fi
export MOLECULE_PROJECT_DIRECTORY=$ROOT
for scenario in "$@"; do
  [[ -f molecule/$scenario/molecule.yml ]] || die "there is no scenario '$scenario'"
  export MOLECULE_EPHEMERAL_DIRECTORY=$FLEET_STATE/molecule/$scenario
  molecule --base-config molecule/config.yml test --scenario-name "$scenario"
done
