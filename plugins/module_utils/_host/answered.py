# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is looked at from afar: by the answers that it gave to the questions of an earlier look."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, List, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._host.answers import decode, unpack_answers
from ansible_collections.netbind.privport.plugins.module_utils._host.asking import AskingFile, AskingHost
from ansible_collections.netbind.privport.plugins.module_utils._host.files import OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.questions import ENTERED, OPENED, Question


class Unanswered(PrivportError):
    """The answers do not tell what was asked; the host itself has to be looked at."""


class AnsweredHost(AskingHost):
    """A host of which is known what a bundle of answers tells.

    Raises Unanswered for everything else, and in end() once more: what was missing may have been taken for a fact.
    """

    def __init__(self, bundle: str) -> None:
        super().__init__()
        self._missing: List[str] = []
        try:
            self._answers = unpack_answers(bundle)
        except ValueError as failure:
            raise Unanswered(f"{failure}; look at the host itself") from failure

    def answer(self, question: Question) -> Any:
        key = question.key
        try:
            answer = decode(self._answers[key])
        except (LookupError, TypeError, ValueError) as failure:
            raise self._unanswered(key) from failure
        return answer.get()

    def do(self, name: str, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
        raise self._unanswered(name)

    def _unanswered(self, what: str) -> Unanswered:
        self._missing.append(what)
        return Unanswered(f"the host was not asked {what}; look at the host itself")

    def end(self) -> None:
        if self._missing:
            raise self._unanswered(self._missing[0])

    @contextlib.contextmanager
    def network(self, path: str) -> Iterator[None]:
        """As Host.network(), where the host could be in it."""
        if path:
            self.ask_for(ENTERED, (path,), {})
        before, self.inside = self.inside, path or self.inside
        try:
            yield
        finally:
            self.inside = before

    @contextlib.contextmanager
    def open_regular(self, path: str) -> Iterator[OpenFile]:
        """As Host.open_regular(), where the host could open it."""
        self.ask_for(OPENED, (path,), {})
        yield AskingFile(self, path=path)
