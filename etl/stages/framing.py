"""A stream of UTF-8 bytes -> the texts of its JSON values, one at a time, in bounded memory.

The containers above the records are read token by token (`members`, `items`); a record, or anything beside the way to
one, is framed whole by matching brackets outside strings (`take`), so that the C decoder reads it from its own text.
Depth is counted while framing, before anything recursive runs. Every fault names line, column and JSON pointer.
"""

import re
from collections.abc import Iterator

from etl.errors import UnsoundFileError
from etl.stages.decoding import TextError, ValueReader, diagnose, find_first_fault, shown
from etl.stages.encoding import EncodingError, decode_utf8

MAX_DEPTH = 64
MAX_KEY = 1_000  # characters of a key above record level: it becomes part of every pointer
MAX_MEMBERS = 100_000  # of an object above record level: its keys are held to see duplicates
MAX_SCALAR = 10_000  # characters of a number or literal
MEND = "mend the file and import it again"
SAVE_AS_UTF8 = "save it as UTF-8 and import it again"

_BODY = r'[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+'  # possessive: a hostile text must not make it backtrack
_PLAIN = r'[^"{}\[\]\x00-\x08\x0b\x0c\x0e-\x1f]*+'
_WHITESPACE = re.compile(r"[ \t\n\r]*+")
_LINE_END = re.compile(r"[ \t\r]*+")
_STRING = re.compile(rf'"{_BODY}"')
_STRING_BODY = re.compile(_BODY)
_STRING_BEGUN = re.compile(rf'(?:"{_BODY}\\?)?')
_UP_TO_BRACKET = re.compile(rf'{_PLAIN}(?:"{_BODY}"{_PLAIN})*+([{{}}\[\]]?)')
_SCALAR = re.compile(r'[^ \t\n\r,:"{}\[\]]*+')
_CLOSING = {"{": "}", "[": "]"}
_SHALLOW = 3  # levels inside a container that one match frames


def _frame(levels: int) -> str:
    """Return the pattern of a container with at most so many levels inside."""
    inner = rf"|{_frame(levels - 1)}" if levels else ""
    content = rf'{_PLAIN}(?:(?:"{_BODY}"{inner}){_PLAIN})*+'
    return rf"(?:\{{{content}\}}|\[{content}\])"


_SHALLOW_CONTAINER = re.compile(_frame(_SHALLOW))


class Scanner:
    """The text of one file that is being read: a window of it, and the position in the window.

    `pointer` is where the reader stands in the document; the reader sets it, faults and containers use it.
    """

    def __init__(self, chunks: Iterator[bytes], *, file: str) -> None:
        self.pointer = ""
        self._file = shown(file)
        self._texts = decode_utf8(chunks)
        self._keys = ValueReader()
        self._text = ""
        self._pos = 0
        self._start = 0  # of the value taken last
        self._line, self._column = 1, 1  # of the window's first character
        self._depth = 0

    # faults

    def fault(self, what: str, *, at: int | None = None, remedy: str = MEND) -> UnsoundFileError:
        """Return the error that stands for a fault at an index of the window, by default at the position."""
        line, column = self._locate(self._pos if at is None else at)
        where = f" ({shown(self.pointer, 120)})" if self.pointer else ""
        return UnsoundFileError(f"{self._file} line {line} column {column}{where}: {what}; {remedy}")

    def fault_in_value(self, error: TextError) -> UnsoundFileError:
        """Return the error that stands for a fault inside the value taken last."""
        return self.fault(error.what, at=self._start + error.index)

    def expected(self, what: str) -> UnsoundFileError:
        """Return the error that stands for something else at the position than what must stand there."""
        return self.fault(diagnose(self._text, self._pos, what))

    def _fault_in_frame(self, what: str, at: int) -> UnsoundFileError:
        """Return the first fault of a value that cannot be framed: a lost quote shows far behind its place."""
        first = find_first_fault(self._text[self._pos : at + 1])
        if first is None or self._pos + first.index >= at:
            return self.fault(what, at=at)
        return self.fault(first.what, at=self._pos + first.index)

    def _locate(self, index: int) -> tuple[int, int]:
        newlines = self._text.count("\n", 0, index)
        if not newlines:
            return self._line, self._column + index
        return self._line + newlines, index - self._text.rfind("\n", 0, index)

    # the window

    def _refill(self) -> bool:
        """Return whether more text came into the window. What stands before the position is let go."""
        self._line, self._column = self._locate(self._pos)
        self._text = self._text[self._pos :]
        self._pos = 0
        # a long token is scanned again after each refill: doubling keeps that linear
        wanted = len(self._text) if len(self._text) > 65_536 else 1
        parts: list[str] = []
        try:
            while wanted > 0 and (part := next(self._texts, None)) is not None:
                parts.append(part)
                wanted -= len(part)
        except EncodingError as error:
            self._text += "".join(parts)
            raise self.fault(str(error), at=len(self._text), remedy=SAVE_AS_UTF8) from None
        self._text += "".join(parts)
        return wanted <= 0 or any(parts)

    # tokens

    def peek(self) -> str:
        """Return the next character that is no white space, "" at the end of the file."""
        # three calls for each record, and most find the character at once
        found = self._text[self._pos : self._pos + 1]
        return found if found > " " else self._peek_past(_WHITESPACE)

    def peek_in_line(self) -> str:
        """Return the next character that is no white space inside the line, "" at the end of the file."""
        return self._peek_past(_LINE_END)

    def _peek_past(self, blank: re.Pattern[str]) -> str:
        while True:
            match = blank.match(self._text, self._pos)
            assert match is not None  # both patterns match the empty text
            self._pos = match.end()
            if self._pos < len(self._text):
                return self._text[self._pos]
            if not self._refill():
                return ""

    def members(self, *, are_checked: bool = True) -> Iterator[str]:
        """Yield the keys of the object at the position; who gets one takes its value before asking for the next.

        Unchecked, keys may be double, and a key that cannot be part of a pointer comes as "".
        """
        seen: set[str] = set()
        for _ in self._entries("}"):
            key, what_is_wrong = self._take_key()
            if key in seen:
                what_is_wrong = f'the key "{shown(key)}" stands more than once in one object'
            if len(seen) >= MAX_MEMBERS:
                what_is_wrong = f"an object of more than {MAX_MEMBERS:,} members above the records"
            if are_checked and what_is_wrong:
                raise self.fault(what_is_wrong, at=self._start)
            if are_checked:
                seen.add(key)
            if self.peek() != ":":
                raise self.expected('":"')
            self._pos += 1
            yield key

    def items(self) -> Iterator[int]:
        """Yield the indexes of the list at the position; who gets one takes its value before asking for the next."""
        for index, _ in enumerate(self._entries("]")):
            yield index

    def _entries(self, closing: str) -> Iterator[None]:
        pointer = self.pointer
        self._depth += 1
        self._pos += 1
        found = self.peek()
        if found != closing:
            yield
            self.pointer = pointer
            while (found := self.peek()) == ",":
                self._pos += 1
                if self.peek() == closing:
                    raise self.fault("trailing comma")
                yield
                self.pointer = pointer
            if found != closing:
                raise self.expected(f'"," or "{closing}"')
        self._pos += 1
        self._depth -= 1

    def _take_key(self) -> tuple[str, str]:
        """Return the key at the position, and what is wrong with it."""
        if self.peek() != '"':
            raise self.expected("a key in double quotes")
        text = self.take(MAX_KEY)
        if text is None:
            return "", f"a key of more than {MAX_KEY:,} characters above the records"
        try:
            key, findings = self._keys.read(text, self.pointer)
        except TextError as error:
            raise self.fault_in_value(error) from None
        if findings:
            return "", findings[0].message.replace("the text", f"the key {shown(text)}")
        return str(key), ""

    # whole values

    def take(self, limit: int) -> str | None:
        """Return the text of the value at the position and step over it; None where it is longer than `limit`.

        Brackets and strings match; the grammar inside is the decoder's to check. Of a longer value nothing is held.
        """
        first = self.peek()
        if first in _CLOSING:
            length = self._measure_container(limit)
        elif first == '"':
            length = self._measure_string(limit)
        else:
            length = self._measure_scalar()
        self._start = self._pos
        self._pos += length or 0
        return None if length is None or length > limit else self._text[self._start : self._pos]

    def _measure_container(self, limit: int) -> int | None:
        """Return the length of the container at the position; None where it was too long to hold and is skipped."""
        # nearly every record is shallow and whole in the window: one match instead of one for each bracket
        if self._depth + 1 + _SHALLOW <= MAX_DEPTH and (whole := _SHALLOW_CONTAINER.match(self._text, self._pos)):
            return whole.end() - self._pos
        open_brackets: list[str] = []
        length = 0
        while True:
            length = self._match_brackets(open_brackets, self._pos + length) - self._pos
            if not open_brackets:
                return length
            if len(self._text) - self._pos > limit:
                self._pos += length
                self._skip_to_close(open_brackets)
                return None
            self._bring_more(self._pos + length)

    def _match_brackets(self, open_brackets: list[str], index: int) -> int:
        """Return how far brackets match: the index behind the last closing one, or where a token is not complete."""
        for match in _UP_TO_BRACKET.finditer(self._text, index):
            bracket = match[1]
            if not bracket:
                return match.end()
            if closing := _CLOSING.get(bracket):
                open_brackets.append(closing)
                if self._depth + len(open_brackets) > MAX_DEPTH:
                    raise self._fault_in_frame(f"nested deeper than {MAX_DEPTH} levels", match.end() - 1)
            elif open_brackets.pop() != bracket:
                raise self._fault_in_frame(f'"{bracket}" closes what another bracket opened', match.end() - 1)
            elif not open_brackets:
                return match.end()
        raise AssertionError  # the pattern matches the empty text, so the last match comes without bracket

    def _bring_more(self, index: int) -> None:
        """Bring more text where the window ends at or in the token at an index; anything else there is a fault."""
        begun = _STRING_BEGUN.match(self._text, index)
        assert begun is not None  # the pattern matches the empty text
        if begun.end() < len(self._text):
            raise self._fault_in_frame(diagnose(self._text, begun.end(), ""), begun.end())
        length = len(self._text) - self._pos
        if not self._refill():
            raise self._fault_in_frame(diagnose("", 0, ""), length)

    def _measure_string(self, limit: int) -> int | None:
        while (match := _STRING.match(self._text, self._pos)) is None:
            if len(self._text) - self._pos > limit:
                self._skip_string()
                return None
            self._bring_more(self._pos)
        return match.end() - self._pos

    def _measure_scalar(self) -> int:
        while True:
            match = _SCALAR.match(self._text, self._pos)
            assert match is not None  # the pattern matches the empty text
            length = match.end() - self._pos
            if length > MAX_SCALAR:
                raise self.fault(f"a number or word of more than {MAX_SCALAR:,} characters")
            if match.end() < len(self._text) or not self._refill():
                break
        if not length:
            raise self.expected("a value")
        return length

    # values too long to hold

    def _skip_to_close(self, open_brackets: list[str]) -> None:
        while open_brackets:
            self._pos = self._match_brackets(open_brackets, self._pos)
            if not open_brackets:
                return
            if self._text.startswith('"', self._pos):
                self._skip_string()
            elif self._pos < len(self._text) or not self._refill():
                raise self.expected("a value")

    def _skip_string(self) -> None:
        self._pos += 1
        while True:
            match = _STRING_BODY.match(self._text, self._pos)
            assert match is not None  # the pattern matches the empty text
            self._pos = match.end()
            if self._text.startswith('"', self._pos):
                self._pos += 1
                return
            rest = self._text[self._pos : self._pos + 2]
            if rest not in ("", "\\") or not self._refill():
                raise self.expected("the end of the string")
