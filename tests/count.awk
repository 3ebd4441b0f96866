# SPDX-License-Identifier: GPL-3.0-or-later
# Sums up how many cases the logs of the tests' steps say that passed and failed; prints "N passed, M failed".

function number(name) { return match($0, name "=[0-9]+") ? substr($0, RSTART + length(name) + 1, RLENGTH - length(name) - 1) : 0 }
function before(word) { return match($0, "[0-9]+ " word) ? substr($0, RSTART, RLENGTH) + 0 : 0 }

# Ansible: the tasks of a host in a play.
/ok=[0-9]+ +changed=[0-9]+ +unreachable=[0-9]+ +failed=[0-9]+/ {
  passed += number("ok")
  failed += number("failed") + number("unreachable")
}
# pytest
/^(=+ )?([0-9]+ failed, )?[0-9]+ (passed|failed).* in [0-9.]+s/ {
  passed += before("passed")
  failed += before("failed") + before("error")
}
# ansible-test sanity tells what it runs, and at last what of it failed.
/^Running sanity test / { passed++ }
/^ERROR: The [0-9]+ sanity test\(s\) listed below/ {
  failed += before("sanity test")
  passed -= before("sanity test")
}
# tests/outcomes
/^[0-9]+ outcomes, [0-9]+ wrong$/ {
  passed += before("outcomes") - before("wrong")
  failed += before("wrong")
}
# tests/faults and tests/hazards
/: [0-9]+ injected, [0-9]+ problems$/ {
  passed += before("injected") - (before("problems") < before("injected") ? before("problems") : before("injected"))
  failed += before("problems")
}
/^[0-9]+ cells, [0-9]+ disagree$/ {
  passed += before("cells") - before("disagree")
  failed += before("disagree")
}
# tests/readme.py
/^ok +[0-9]+ s  / { passed++ }
/^FAILED +[0-9]+ s  / { failed++ }
# The steps that are shell scripts.
/^[0-9]+ passed, [0-9]+ failed$/ {
  passed += before("passed")
  failed += before("failed")
}
END { printf "%d passed, %d failed\n", passed, failed }
