#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Compares what the collection costs with what else would be run, inside the fleet's namespaces.
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

"$ROOT/tests/fleet/hosts.sh" up bookworm
PYTHONPATH=$ROOT/tests exec python -m bench "$@"
