# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is asked each thing once in a look, and whose questions are kept."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Sequence, Set

from ansible_collections.netbind.privport.plugins.module_utils._host.answers import Answer, answer_of
from ansible_collections.netbind.privport.plugins.module_utils._host.asking import AskingFile, AskingHost
from ansible_collections.netbind.privport.plugins.module_utils._host.files import OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.questions import ENTERED, OF_FILE, OPENED, Question

# What is the same during a whole run, whatever the run changes, and costs time to ask.
_LASTING = ("attached_profile", "authbind_in_profile", "bind_in_profile")
_LASTING_QUERIES = (("systemctl", "--version"), ("semanage", "port"))


def _lasts(question: Question) -> bool:
    if question.name == "query":
        program, *more = question.arguments[0]
        return (program.rpartition("/")[2], *more[:1]) in _LASTING_QUERIES
    return question.name in _LASTING


class _RecordingFile(AskingFile):
    """A file that is looked at through a RecordingHost, and changed at once."""

    def __init__(self, host: RecordingHost, file: OpenFile) -> None:
        super().__init__(host, path=file.path)
        self._recorder, self._file = host, file

    def set_capability(self, value: bytes) -> None:
        self._recorder.forget()
        self._file.set_capability(value)

    def remove_capability(self) -> None:
        self._recorder.forget()
        self._file.remove_capability()


class RecordingHost(AskingHost):
    """A host as it is, of which a look asks nothing twice.

    begin() begins a new look, and so does every change: what was answered before may no longer be true. A few answers
    last for the whole run.
    """

    def __init__(self, host: Host | None = None) -> None:
        super().__init__()
        self._host = host or Host()
        self._answers: Dict[str, Answer] = {}
        self._questions: Dict[str, Question] = {}
        self._lasting: Set[str] = set()
        self._open: Dict[str, OpenFile] = {}

    @property
    def questions(self) -> List[Question]:
        """What was asked since begin(), in its order."""
        return list(self._questions.values())

    def begin(self) -> None:
        self.forget()
        self._questions.clear()

    def answer(self, question: Question) -> Any:
        key = question.key
        self._questions.setdefault(key, question)
        if key not in self._answers:
            self._answers[key] = answer_of(self._ask, question)
            if _lasts(question):
                self._lasting.add(key)
        return self._answers[key].get()

    def _ask(self, question: Question) -> Any:
        name, arguments = question.name, question.arguments
        if name.startswith(OF_FILE):
            return getattr(self._open[arguments[0]], name[len(OF_FILE) :])(*arguments[1:], **question.named)
        return getattr(self._host, name)(*arguments, **question.named)

    def do(self, name: str, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
        self.forget()
        return getattr(self._host, name)(*arguments, **named)

    def forget(self) -> None:
        """Ask anew from here on, in the same look, what may be otherwise by now."""
        self._answers = {key: self._answers[key] for key in self._lasting}

    def _note(self, name: str, path: str) -> None:
        question = Question(self.inside, name, (path,), {})
        self._questions.setdefault(question.key, question)

    @contextlib.contextmanager
    def network(self, path: str) -> Iterator[None]:
        """Be in a network namespace, as Host.network()."""
        if path:
            self._note(ENTERED, path)
        with self._host.network(path):
            before, self.inside = self.inside, path or self.inside
            try:
                yield
            finally:
                self.inside = before

    @contextlib.contextmanager
    def open_regular(self, path: str) -> Iterator[OpenFile]:
        """Open a regular file, as Host.open_regular()."""
        self._note(OPENED, path)
        with self._host.open_regular(path) as file:
            before, self._open[path] = self._open.get(path), file
            try:
                yield _RecordingFile(self, file)
            finally:
                if before is None:
                    del self._open[path]
                else:
                    self._open[path] = before
