# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of a unit and their words, as systemd reads them (systemd.service(5), "Command lines")."""

from __future__ import annotations

import posixpath
import re
from typing import Iterator, NamedTuple, Sequence

# What may stand before the path, in any order.
_PREFIX = re.compile(r"(?P<prefix>[-@:+!|]*)(?P<line>.*)", re.DOTALL)
# systemd.syntax(7), "Quoting": the escapes by the character that follows the backslash.
_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "s": " ",
}
_NUMBER = re.compile(
    r"x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-7]{3})|u(?P<character>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})"
)
_BLANKS = " \t\n\r"
# Escaped bytes, which may be characters together.
_BYTES = re.compile("[\udc80-\udcff]+")
_LAST_CHARACTER = 0x10FFFF
# Surrogates.
_NO_CHARACTERS = range(0xD800, 0xE000)
# What authbind(1) puts before the command that the unit had.
_BEHIND_AUTHBIND = r"(?:\S*/authbind (?:--deep )?)?"
_SHOWN = re.compile(r"\A\{ path=(?P<path>.*?) ; argv\[\]=(?P<argv>.*?) ; ignore_errors=", re.DOTALL)


class Command(NamedTuple):
    """A command of a unit: its prefix characters and the command line as written, quoting and all."""

    prefix: str
    line: str

    @property
    def words(self) -> tuple[str, ...]:
        """Its words without quotes and escapes; specifiers and variables stay as they are written."""
        return tuple(word for word, _end in _words(self.line, at=0))

    def __str__(self) -> str:
        return f"{self.prefix}{self.line}"

    @property
    def keeps_user(self) -> bool:
        """False for '+' and a single '!', which run the command with full privileges."""
        return "+" not in self.prefix and self.prefix.count("!") != 1


def commands_of(value: str) -> tuple[Command, ...]:
    """The commands of one setting, which a word ';' parts; none for an empty one and for a prefix alone."""
    found = []
    for part in _parts(value):
        match = _PREFIX.fullmatch(part)
        if match is not None and match["line"]:
            found.append(Command(prefix=match["prefix"], line=match["line"].strip()))
    return tuple(found)


def quoted(words: Sequence[str]) -> str:
    """The command line of which systemd makes these words, the first one a path: nothing in them is expanded."""
    path, *arguments = words
    # systemd.service(5): variables are for the arguments, specifiers are for all.
    return " ".join((_quoted(path), *(_quoted(word.replace("$", "$$")) for word in arguments)))


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\t", "\\t")
    return escaped if re.fullmatch(r"[A-Za-z0-9_./:=,@%+$-]+", escaped) else f'"{escaped}"'


def _parts(value: str) -> Iterator[str]:
    begins = 0
    for start, end in _spans(value):
        if value[start:end] == ";":
            yield value[begins:start].strip()
            begins = end
    yield value[begins:].strip()


def _spans(value: str) -> Iterator[tuple[int, int]]:
    """Where each word begins and ends."""
    end = 0
    for _word, after in _words(value, at=0):
        start = end
        while value[start] in _BLANKS:
            start += 1
        yield start, after
        end = after


def _words(line: str, *, at: int) -> Iterator[tuple[str, int]]:
    """The words with the position behind each."""
    while at < len(line):
        if line[at] in _BLANKS:
            at += 1
            continue
        word, at = _word(line, at)
        yield word, at


def _word(line: str, at: int) -> tuple[str, int]:
    """The word that begins there, and the position behind it. A quote that does not close ends with the line."""
    word, quote = "", ""
    while at < len(line) and (quote or line[at] not in _BLANKS):
        character = line[at]
        if character == "\\":
            piece, at = _escaped(line, at + 1)
            word += piece
            continue
        if character == quote:
            quote = ""
        elif character in "\"'" and not quote:
            quote = character
        else:
            word += character
        at += 1
    return _BYTES.sub(_characters, word), at


def _characters(found: re.Match[str]) -> str:
    return found[0].encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _escaped(line: str, at: int) -> tuple[str, int]:
    """What a backslash before this position stands for, and the position behind it; unknown ones stay as they are."""
    if line[at : at + 1] in _ESCAPES:
        return _ESCAPES[line[at]], at + 1
    # The only one that is no escape but keeps a word from parting two commands.
    if line[at : at + 1] == ";":
        return ";", at + 1
    match = _NUMBER.match(line, at)
    if match is None:
        return "\\", at
    byte, octal, character = match["byte"], match["octal"], match["character"] or match["long"]
    number = int(octal, 8) if octal else int(byte or character, 16)
    if not 0 < number <= (_LAST_CHARACTER if character else 0xFF) or number in _NO_CHARACTERS:
        return "\\", at
    whole = chr(number).encode("utf-8" if character else "latin-1")
    return whole.decode("utf-8", "surrogateescape"), match.end()


def path_in(shown: str) -> str:
    """The program of the first command in the property ExecStart=, or the one that authbind starts; '' for none."""
    match = _SHOWN.match(shown)
    if match is None:
        return ""
    behind = re.match(_BEHIND_AUTHBIND + r"(\S+)", match["argv"])
    return behind[1] if behind and match["path"].endswith("/authbind") else match["path"]


def words_in_force(command: Command, shown: str) -> tuple[str, ...]:
    """The words of a unit's first command, with its specifiers as systemd completes them.

    shown is the property ExecStart=, where authbind may stand before the command. What it does not tell stays as it is
    written: all of it where the unit's files changed since systemd read them. '$$' is one '$', and variables stay.
    """
    match = _SHOWN.match(shown)
    words = command.words
    if match is not None and words:
        words = _completed(words, argv0="@" in command.prefix, path=match["path"], argv=match["argv"])
    if ":" in command.prefix:
        return words
    return (*words[:1], *(word.replace("$$", "$") for word in words[1:]))


def _completed(words: tuple[str, ...], *, argv0: bool, path: str, argv: str) -> tuple[str, ...]:
    pattern = " ".join(f"({_pattern(word)})" for word in (words[1:] if argv0 else words))
    found = re.fullmatch(_BEHIND_AUTHBIND + pattern, argv, re.DOTALL)
    if found is None:
        return words
    if argv0:
        return (path, *found.groups())
    # A name without a slash is completed by the folders in which systemd looks for it.
    return (path if posixpath.basename(path) == found[1] else found[1], *found.groups()[1:])


def _pattern(word: str) -> str:
    """What a word with specifiers can come to."""
    parts = re.split(r"(%.)", word)
    return "".join({"%%": "%"}.get(it, ".*?") if it.startswith("%") else re.escape(it) for it in parts)
