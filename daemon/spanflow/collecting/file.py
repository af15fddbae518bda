# SPDX-License-Identifier: Apache-2.0
"""IPFIX Files (RFC 5655): Messages one after the other, plain or compressed with gzip."""

from __future__ import annotations

import errno
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import Message
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.session import TransportSession
from spanflow.collecting.stream import MessageStream
from spanflow.errors import ExitCode, SpanflowError

STANDARD_INPUT = "-"

_CHUNK = 1 << 16
"""Octets read at once, and octets decompressed at once, however much comes out of them."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_BITS = 16 + zlib.MAX_WBITS
_EXIT_CODES = {
    errno.ENOENT: ExitCode.NO_INPUT,
    errno.EISDIR: ExitCode.NO_INPUT,
    errno.ENOTDIR: ExitCode.NO_INPUT,
    errno.EACCES: ExitCode.NO_PERMISSION,
    errno.EPERM: ExitCode.NO_PERMISSION,
}


class FileError(SpanflowError):
    """A file that cannot be read, or not to its end."""

    def __init__(self, text: str, exit_code: ExitCode) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class _StoppedError(Exception):
    """Whoever wants the Messages has enough: that is no end of the file, thus none within a Message."""


def file_title(path: str) -> str:
    """What a file is called in outputs and errors."""
    return "standard input" if path == STANDARD_INPUT else path


def read_file(
    path: str, process: CollectingProcess | None = None, *, wait: Callable[[int], bool] | None = None
) -> Iterator[tuple[TransportSession, Message]]:
    """The Messages of an IPFIX File; it is one Transport Session.

    path: "-" is standard input. wait: called with the descriptor before each read; it waits until there is
    something, and ends the reading with False. Raises FileError, after all Messages before the fault: one
    that is malformed (exit code 65), an end within a Message (65), a file that cannot be opened or read.
    """
    title = file_title(path)
    stream = MessageStream(process or CollectingProcess(), title)
    try:
        with _opened(path) as descriptor:
            for octets in _decompressed(_chunks(descriptor, wait or _always), title):
                for message in stream.feed(octets):
                    yield stream.session, message
            stream.end()
    except _StoppedError:
        return
    except MalformedMessageError as error:
        where = f"{title}: offset {stream.offset + error.offset}"
        text = f"{where}: {error.reason}: {error.detail}; {_advice(error)}"
        raise FileError(text, ExitCode.DATA) from None
    except OSError as error:
        raise FileError(
            f"{title}: {error.strerror}; name an IPFIX file that can be read",
            _EXIT_CODES.get(error.errno or 0, ExitCode.IO_ERROR),
        ) from None
    finally:
        stream.close()


def _advice(error: MalformedMessageError) -> str:
    match error.reason:
        case Reason.UNFINISHED:
            return "the file is truncated, write it again; what came before was read"
        case Reason.VERSION:
            return "name a file of IPFIX messages (RFC 5655)"
        case _:
            return "what came before was read; mend what wrote the file"


def _always(descriptor: int) -> bool:
    return True


@contextmanager
def _opened(path: str) -> Iterator[int]:
    if path == STANDARD_INPUT:
        yield sys.stdin.fileno()
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _chunks(descriptor: int, wait: Callable[[int], bool]) -> Iterator[bytes]:
    """All there is to read. Raises _StoppedError if it is not to be waited for."""
    while True:
        if not wait(descriptor):
            raise _StoppedError
        octets = os.read(descriptor, _CHUNK)
        if not octets:
            return
        yield octets


def _decompressed(chunks: Iterator[bytes], title: str) -> Iterator[bytes]:
    """The octets themselves, or what they are the gzip form of."""
    start = b""
    while len(start) < len(_GZIP_MAGIC) and (more := next(chunks, b"")):
        start += more
    if not start.startswith(_GZIP_MAGIC):
        yield start
        yield from chunks
        return
    yield from _gunzipped(chain([start], chunks), title)


def _gunzipped(chunks: Iterable[bytes], title: str) -> Iterator[bytes]:
    """RFC 1952: one or more members, each of which may expand to any size; zeros may follow."""
    member = zlib.decompressobj(_GZIP_BITS)
    offset = 0
    for chunk in chunks:
        rest = chunk
        while rest:
            if member.eof:
                if not (rest := rest.lstrip(b"\0")):
                    break
                member = zlib.decompressobj(_GZIP_BITS)
            try:
                yield member.decompress(rest, _CHUNK)
            except zlib.error as error:
                where = f"{title}: near offset {offset} of the compressed file"
                raise FileError(f"{where}: not gzip: {error}; write it again", ExitCode.DATA) from None
            rest = member.unused_data if member.eof else member.unconsumed_tail
        offset += len(chunk)
    if not member.eof:
        yield member.flush()
        raise FileError(
            f"{title}: offset {offset} of the compressed file: it ends within its gzip data; the file is "
            "truncated, write it again; what came before was read",
            ExitCode.DATA,
        )
