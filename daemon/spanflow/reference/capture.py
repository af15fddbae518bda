# SPDX-License-Identifier: Apache-2.0
"""Capture files, one after the other, as one input (11.1, 11.2).

Our own readers: libpcap through pcapy-ng gives microseconds only, and refuses a pcapng file whose interfaces
differ in link type.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from threading import Event

from spanflow.file_meter import InputProblem
from spanflow.reference import pcap_file, pcapng_file
from spanflow.reference.byte_stream import ByteStream
from spanflow.reference.frame import Frame
from spanflow.reference.link import DECODERS

COMPRESSIONS = (
    (b"\x1f\x8b", "gzip", "zcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
    (b"\xfd7zX", "xz", "xzcat"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4cat"),
    (b"BZh", "bzip2", "bzcat"),
)


class _UnusableError(Exception):
    """Kind and text of a problem."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind, self.text = kind, text


class CaptureFiles:
    """The frames of all files in their order; what is wrong with one is in `problems`, the others are read.

    paths: `-` is standard input. stop: ends the input.
    """

    def __init__(self, paths: Sequence[str], stop: Event) -> None:
        self.problems: list[InputProblem] = []
        self._paths, self._stop = paths, stop
        self._octets_before = 0
        self._stream: ByteStream | None = None

    @property
    def octets_read(self) -> int:
        stream = self._stream
        return self._octets_before + (stream.octets_read if stream else 0)

    def frames(self) -> Iterator[Frame]:
        for path in self._paths:
            if self._stop.is_set():
                return
            try:
                self._stream = _open(path, self._stop)
                yield from self._of_file(path, self._stream)
            except _UnusableError as problem:
                self.problems.append(InputProblem(path, problem.kind, problem.text))
            except pcap_file.DamageError as problem:
                self.problems.append(InputProblem(path, "damaged", str(problem)))
            finally:
                if stream := self._stream:
                    stream.close()
                    self._octets_before, self._stream = self.octets_read, None

    def _of_file(self, path: str, stream: ByteStream) -> Iterator[Frame]:
        read = _reader(path, stream)
        supported = True
        for frame in read(stream) if read else ():
            if supported and frame.link_type not in DECODERS:
                supported = False
                self.problems.append(InputProblem(path, "unsupported", _unsupported(frame.link_type)))
            yield frame
        if stream.error:
            raise _UnusableError("unreadable", os.strerror(stream.error.errno or 0))


def _open(path: str, stop: Event) -> ByteStream:
    try:
        descriptor = os.dup(0) if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot_open(error) from error
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _UnusableError("unreadable", "a directory; name the files in it")
    return ByteStream(descriptor, stop)


def _reader(path: str, stream: ByteStream) -> pcap_file.Reader | None:
    """By the first octets; None when the input was stopped before they came."""
    if not stream.fill(4):
        if stream.stopped:
            return None
        if stream.error:
            raise _cannot_open(stream.error)
    magic = stream.peek(4)
    if magic == pcapng_file.SECTION_HEADER_OCTETS:
        return pcapng_file.read_pcapng
    if magic in pcap_file.MAGICS:
        return pcap_file.read_pcap
    if not magic:
        raise _UnusableError("not_a_capture", "empty; give a pcap or pcapng file")
    for beginning, name, command in COMPRESSIONS:
        if magic.startswith(beginning):
            text = f"compressed by {name}; pipe it in: {command} {path} | spanflow meter -"
            raise _UnusableError("not_a_capture", text)
    begins = magic.ljust(4, b"\0").hex(" ")
    raise _UnusableError(
        "not_a_capture", f"not a capture, it begins with {begins}; give a pcap or pcapng file"
    )


def _cannot_open(error: OSError) -> _UnusableError:
    if isinstance(error, FileNotFoundError):
        return _UnusableError("not_found", "no such file; check the path")
    if isinstance(error, PermissionError):
        return _UnusableError("not_permitted", "not permitted to read it; check its owner and mode")
    return _UnusableError("unreadable", f"{error.strerror}; check the path")


def _unsupported(link_type: int) -> str:
    return (
        f"link type {link_type} is not supported, its frames are counted as unsupported_link; capture on an"
        " Ethernet, cooked, raw IP, PPP or loopback device"
    )
