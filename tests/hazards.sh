#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Compares the predictions of the collection with the kernel, and its proofs with what clients get, inside the fleet's
# namespaces.
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

"$ROOT/tests/fleet/hosts.sh" up bullseye bookworm trixie forky
export PYTHONPATH=$ROOT/.collections:$ROOT/tests
python -m hazards.compare "$@"
python -m hazards.proofs "$@"
