#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Compares what is predicted for the units that Debian ships with the kernel, inside the fleet's namespaces.
# Usage: corpus.sh FOLDER [--write]
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

hosts=(trixie forky)
"$ROOT/tests/fleet/hosts.sh" up "${hosts[@]}"
PYTHONPATH=$ROOT/.collections:$ROOT/tests exec python -m corpus.compare "$@" "${hosts[@]}"
