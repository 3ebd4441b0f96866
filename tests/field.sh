#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Gives real daemons to the role, on a host of the fleet that has them. Runs inside the fleet's namespaces.
# Usage: field.sh HOST SUITE [--always] [--write] [NAME…]
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

"$ROOT/tests/fleet/hosts.sh" up "$1" bookworm
PYTHONPATH=$ROOT/.collections:$ROOT/tests exec python -m field "$@"
