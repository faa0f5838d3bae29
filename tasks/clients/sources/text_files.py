"""Opens files of text, and says exactly where and why one cannot be read in the encoding it was said to have."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from tasks.clients.sources.errors import SourceError

_CANDIDATES = ("utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16")
_CHUNK_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 16


def open_binary(filesystem: Any, path: str) -> BinaryIO:
    """Open a file for reading bytes, unpacked where its suffix says it is packed."""
    opened: BinaryIO = filesystem.open(path, "rb", compression="infer")
    return opened


@contextmanager
def open_text(
    filesystem: Any, path: str, encoding: str, source: str, *, newline: str = "", errors: str = "strict"
) -> Iterator[io.TextIOWrapper]:
    """Open a file for reading text; a byte order mark is not part of it.

    Raises:
        SourceError: A byte does not fit the encoding: its offset, its line, and which encoding would fit.
    """
    if codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"
    _refuse_utf8_taken_for_another(filesystem, path, encoding, source)
    with open_binary(filesystem, path) as binary:
        text = io.TextIOWrapper(binary, encoding=encoding, errors=errors, newline=newline)
        try:
            yield text
        except UnicodeError as error:
            raise _encoding_error(filesystem, path, encoding, source) from error


def _refuse_utf8_taken_for_another(filesystem: Any, path: str, encoding: str, source: str) -> None:
    """Some UTF-8 reads without an error as CP932, as nonsense; real Japanese text in CP932 is never valid UTF-8."""
    if codecs.lookup(encoding).name.startswith("utf"):
        return
    with open_binary(filesystem, path) as binary:
        sample = binary.read(_SAMPLE_BYTES)
    if sample.isascii():
        return
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return
    what = f"{path} is UTF-8, not the encoding given, {encoding}"
    raise SourceError(source, what, "set 'encoding: utf-8'")


def _encoding_error(filesystem: Any, path: str, encoding: str, source: str) -> SourceError:
    fault = _first_fault(filesystem, path, encoding) or _Fault(0, 1, is_after_ascii=True)
    given = encoding.removesuffix("-sig")
    what = f"{path} is not {given}: the byte at offset {fault.offset} (line {fault.line}) does not fit"
    # what has read as UTF-8 beyond ASCII for a while is UTF-8, and damaged
    is_other = fault.is_after_ascii or not given.startswith("utf")
    fitting = [name for name in _CANDIDATES if is_other and _first_fault(filesystem, path, name) is None]
    if fitting:
        return SourceError(source, what, f"set 'encoding: {fitting[0]}', in which the whole file can be read")
    return SourceError(source, what, "the file mixes encodings or is damaged; save it anew as UTF-8")


@dataclass(frozen=True)
class _Fault:
    offset: int
    line: int
    is_after_ascii: bool
    """Whether nothing but ASCII stands before it."""


def _first_fault(filesystem: Any, path: str, encoding: str) -> _Fault | None:
    """Return what does not fit an encoding first; None where all of the file does."""
    decoder = codecs.getincrementaldecoder(encoding)()
    read_bytes, lines, is_ascii = 0, 1, True
    with open_binary(filesystem, path) as binary:
        while True:
            chunk = binary.read(_CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                within = error.start - pending
                before = chunk[: max(within, 0)]
                return _Fault(read_bytes + within, lines + before.count(b"\n"), is_ascii and before.isascii())
            except UnicodeError:
                return _Fault(read_bytes, lines, is_ascii)
            if not chunk:
                return None
            read_bytes += len(chunk)
            lines += chunk.count(b"\n")
            is_ascii = is_ascii and chunk.isascii()
