#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Gives services as people have them their ports, and takes them back; then audits a host with something planted for
# each rule, and rolls out to many names of it. Runs inside the fleet's namespaces.
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

"$ROOT/tests/fleet/hosts.sh" up bookworm trixie
export PYTHONPATH=$ROOT/.collections:$ROOT/tests
failed=0
python -m outcomes "$@" || failed=1
[[ $# -gt 0 ]] || python -m audit || failed=1
# The scenario rollout of molecule runs the playbook in every run of the tests.
[[ $# -gt 0 || ${PRIVPORT_OUTCOMES:-} == once ]] || python -m rollout || failed=1
exit "$failed"
