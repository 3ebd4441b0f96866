#!/usr/bin/env bash
# Compares the predictions of the collection with the kernel, hazard by hazard, inside the fleet's namespaces.
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

"$ROOT/tests/fleet/hosts.sh" up bullseye bookworm trixie forky
PYTHONPATH=$ROOT/.collections:$ROOT/tests exec python -m hazards.compare "$@"
