#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Kills, fills and hangs things on the fleet, and looks what the collection makes of it. Runs inside the fleet's namespaces.
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

"$ROOT/tests/fleet/hosts.sh" up
PYTHONPATH=$ROOT/.collections:$ROOT/tests exec python -m faults.inject "$@"
