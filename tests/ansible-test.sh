#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs ansible-test on the collection as its users get it: built and installed, in a folder outside the checkout.
# Usage: ansible-test.sh sanity|integration [ARGUMENT…]; integration runs inside the fleet's namespaces.
set -euo pipefail
# shellcheck source=tests/fleet/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/fleet/common.sh"

kind=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ansible-test would download get-pip for its environments; what Python brings along does as well.
make_home() {
  local version cache=$HOME/.ansible/test/cache
  mkdir -p "$cache"
  version=$(python -c '
import types
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(types.SimpleNamespace(version="3.11"))["pip"].replace(".", "_"))')
  cat >"$cache/get_pip_$version.py" <<'PYTHON'
import subprocess
import sys

arguments = [each for each in sys.argv[1:] if each not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", *arguments])
PYTHON
}

# Without --python ansible-test tries every Python that it supports and finds: the controller's own, and of pyenv's the
# oldest and the newest that a host may have.
add_pythons() {
  local folder pyenv=${PYENV_ROOT:-$1/.pyenv}
  # Its shims have the names of all versions.
  PATH=:$PATH:
  PATH=${PATH//":$pyenv/shims:"/:}
  PATH=${PATH#:}
  PATH=${PATH%:}
  for folder in "$pyenv"/versions/{3.8,3.13}.*/bin; do
    [[ ! -d $folder ]] || PATH=$PATH:$folder
  done
}

ansible-galaxy collection build --force --output-path "$work" >/dev/null
ansible-galaxy collection install --offline --no-deps --force --collections-path "$work" \
  "$work"/netbind-privport-*.tar.gz >/dev/null
# The artifact has no tests.
mkdir "$work/ansible_collections/netbind/privport/tests"
cp -r tests/integration "$work/ansible_collections/netbind/privport/tests/"

case $kind in
  sanity)
    add_pythons "$HOME"
    export HOME=$ROOT/.cache/ansible-test
    make_home
    commands=("sanity $*")
    # ruff has the rules of pylint for what is not a plugin, and takes a hundredth of the time.
    # Of the plugins it has most of them as well, so that a short test does without.
    if [[ -n ${PRIVPORT_WITHOUT_PYLINT:-} ]]; then
      commands=('sanity --skip-test pylint')
    elif [[ $# -eq 0 ]]; then
      commands=('sanity --skip-test pylint' 'sanity --test pylint --exclude tests/')
    fi
    ;;
  integration)
    compgen -G "$ROOT/tests/integration/targets/*/tasks/main.yml" >/dev/null || die "there are no integration targets"
    # A role of the collection wins over a target of its name, which would then pass without having run.
    for role in roles/*; do
      [[ ! -d tests/integration/targets/${role##*/} ]] || die "rename the target ${role##*/}: a role has its name"
    done
    tests/fleet/hosts.sh up bookworm
    # A home of its own: the addresses are those of every fleet, so kept connections must not be shared.
    export HOME=$work/home
    make_home
    install -m 600 "$FLEET_KEY" "$HOME/.ansible/test/id_rsa"
    install -m 644 "$FLEET_KEY.pub" "$HOME/.ansible/test/id_rsa.pub"
    controller=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    # The host is made for this run and removed after it.
    target="ssh:root@${FLEET_ADDRESS[bookworm]},python=3.11"
    commands=("integration --allow-destructive --controller origin:python=$controller --target $target $*")
    ;;
  *) die "usage: ansible-test.sh sanity|integration [ARGUMENT…]" ;;
esac

cd "$work/ansible_collections/netbind/privport"
failed=0
for command in "${commands[@]}"; do
  # shellcheck disable=SC2086
  ansible-test $command 2>&1 | tee --append "$work/output" || failed=1
done
if grep -q 'All targets skipped' "$work/output"; then
  die "ansible-test skipped every target"
fi
exit "$failed"
