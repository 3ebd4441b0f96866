# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions of a look: as data, remembered in a file of root's alone, and answered anew.

A look at a host asks the same questions as long as the host is what it was. Remembered are the questions, and of the
answers no more than what tells whether they are the same again: then they mean the same again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Protocol, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._host import regular
from ansible_collections.netbind.privport.plugins.module_utils._host.answers import Answer, answer_of, pack_answers
from ansible_collections.netbind.privport.plugins.module_utils._host.looks import FILE_LOOKS, LOOKS, Looks

PATH = "/run/netbind.privport/questions"
# Different plays may describe different services of one host.
_KEPT = 8
# How a question is named that an open file is asked; its first argument is the path.
OF_FILE = "file."
# Whether a network namespace can be entered, and a file opened, are questions too.
ENTERED, OPENED = "network", "open_regular"


class Question(NamedTuple):
    """A method of looks.Looks with its arguments, and the network namespace that it is asked in, '' for the host's."""

    network: str
    name: str
    arguments: Sequence[Any]
    named: Dict[str, Any]

    @property
    def key(self) -> str:
        """The question as JSON: equal for equal questions."""
        return json.dumps(self, sort_keys=True, separators=(",", ":"))


class Judged(NamedTuple):
    """What answers meant: the request that they were judged for, their digest, and the module's result, packed."""

    request: str
    answers: str
    result: str


class Remembered(NamedTuple):
    """The questions of a look, and what the answers meant; None where nobody judged them."""

    questions: Tuple[Question, ...]
    judged: Judged | None

    def result(self, evidence: str, *, request: str) -> str:
        """The packed result for answers that were judged for this request before, else ''."""
        known = self.judged is not None and self.judged[:2] == (request, digest_of(evidence))
        return self.judged.result if self.judged and known else ""


def digest_of(evidence: str) -> str:
    """Equal for equal answers."""
    return hashlib.sha256(evidence.encode()).hexdigest()


class Writes(Protocol):
    """What questions are saved with: a host.Host, which a look alone does without."""

    def read(self, path: str) -> str | None:
        """What a file holds, None without one."""

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""

    def set_owner(self, path: str, *, uid: int, gid: int, mode: int) -> None:
        """Give a folder its owner and mode."""

    def write(self, path: str, *, content: str, uid: int = 0, gid: int = 0, mode: int = 0o644) -> None:
        """Put a whole file in place at once."""


def save(host: Writes, path: str, questions: Iterable[Question], *, key: str, judged: Judged | None = None) -> None:
    """Remember questions at path under their key, for root alone, with those of the last few other keys.

    The folder is made where it is missing. Raises HostError.
    """
    folder = os.path.dirname(path)
    host.make_folder(folder)
    host.set_owner(folder, uid=0, gid=0, mode=0o700)
    asked = {"questions": list(questions), "judged": judged}
    others = {name: it for name, it in _by_key(host.read(path) or "").items() if name != key}
    kept = {**dict(list(others.items())[1 - _KEPT :]), key: asked}
    host.write(path, content=json.dumps(kept, separators=(",", ":")), mode=0o600)


def load(path: str, *, key: str) -> Remembered | None:
    """What is remembered at path under this key; None where nothing is, or something of another form.

    Raises HostError for a file that others than root could have written.
    """
    try:
        descriptor = regular.opened(path)
    except HostError:
        if not os.path.lexists(path):
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid != 0 or stat.S_IMODE(status.st_mode) & 0o022:
            raise HostError(f"{path} is not for root alone to write, and what it asks is not answered; remove it")
        found = _by_key(file.read().decode(errors="replace"))
    try:
        asked, judged = found[key]["questions"], found[key]["judged"]
        return Remembered(tuple(Question(*it) for it in asked), judged and Judged(*judged))
    except (TypeError, KeyError):
        return None


def _by_key(content: str) -> Dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def evidence_of(host: Looks, questions: Sequence[Question]) -> str:
    """The questions with what the host says to them now, as one string."""
    return pack_answers((question.key, answer) for question, answer in answers_to(host, questions))


def answers_to(host: Looks, questions: Sequence[Question]) -> Iterator[Tuple[Question, Answer]]:
    """Each question with what the host says to it now; those that it does not understand are left out.

    A network namespace is entered once for all questions in it. Where that is not possible they are left out as well.
    """
    by_network: Dict[str, List[Question]] = {}
    for question in questions:
        by_network.setdefault(question.network, []).append(question)
    for network, asked in by_network.items():
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(host.network(network))
            except PrivportError:
                continue
            for question in asked:
                try:
                    yield question, answer_of(_ask, host, question)
                except (TypeError, ValueError, LookupError):
                    # Another version of the collection asks otherwise.
                    continue


def _ask(host: Looks, question: Question) -> Any:
    name, arguments = question.name, question.arguments
    if name == ENTERED:
        with host.network(*arguments):
            return None
    if name == OPENED:
        with host.open_regular(*arguments):
            return None
    if name.startswith(OF_FILE) and name[len(OF_FILE) :] in FILE_LOOKS:
        with host.open_regular(arguments[0]) as file:
            return getattr(file, name[len(OF_FILE) :])(*arguments[1:], **question.named)
    if name in LOOKS:
        return getattr(host, name)(*arguments, **question.named)
    raise LookupError(name)
