# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose every look is a question as data, whoever answers it."""

from __future__ import annotations

from typing import Any, Callable, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._host.files import OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.looks import FILE_LOOKS, LOOKS
from ansible_collections.netbind.privport.plugins.module_utils._host.questions import OF_FILE, Question

# What the machine alone does: a change, and a look that is too large to travel.
DOES = ("run", "capable_files", *(name for name, it in vars(Host).items() if callable(it) and name[0] != "_"))


class AskingHost(Host):
    """Looks become questions to answer(), and everything else is left to do()."""

    def __init__(self) -> None:
        # The network namespace that it is in.
        self.inside = ""

    def answer(self, question: Question) -> Any:
        """The answer; raises what it ended in."""
        raise NotImplementedError

    def do(self, name: str, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
        """What this method of Host does and returns."""
        raise NotImplementedError

    def ask_for(self, name: str, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
        """The answer to a method with these arguments, in the network namespace that it is in."""
        return self.answer(Question(self.inside, name, arguments, named))


class AskingFile(OpenFile):
    """A file that is open for an AskingHost."""

    def __init__(self, host: AskingHost, *, path: str, descriptor: int = -1) -> None:
        super().__init__(path=path, descriptor=descriptor)
        self.host = host


def _look(name: str) -> Callable[..., Any]:
    def look(self: AskingHost, *arguments: Any, **named: Any) -> Any:
        return self.ask_for(name, arguments, named)

    return look


def _look_of_file(name: str) -> Callable[..., Any]:
    def look(self: AskingFile, *arguments: Any, **named: Any) -> Any:
        return self.host.ask_for(OF_FILE + name, (self.path, *arguments), named)

    return look


def _do(name: str) -> Callable[..., Any]:
    def do(self: AskingHost, *arguments: Any, **named: Any) -> Any:
        return self.do(name, arguments, named)

    return do


def _give(kind: type, makers: Tuple[Tuple[Sequence[str], Callable[[str], Callable[..., Any]]], ...]) -> None:
    for names, maker in makers:
        for name in names:
            setattr(kind, name, maker(name))


_give(AskingHost, ((LOOKS, _look), (DOES, _do)))
_give(AskingFile, ((FILE_LOOKS, _look_of_file),))
