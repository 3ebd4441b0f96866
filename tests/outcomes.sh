#!/usr/bin/env bash
# Gives services as people have them their ports, and takes them back. Runs inside the fleet's namespaces.
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

"$ROOT/tests/fleet/hosts.sh" up bookworm trixie
PYTHONPATH=$ROOT/.collections:$ROOT/tests exec python -m outcomes "$@"
