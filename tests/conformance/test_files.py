# SPDX-License-Identifier: Apache-2.0
"""Line 46: files of IPFIX Messages (RFC 5655)."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from conformance.reading import Reader, cut
from conformance.sending import DOMAIN, NOW
from exporting.clocks import FakeClock
from exporting.flow_batches import IPV4_FLOWS, batch_of
from spanflow.collecting.file import read_file
from spanflow.config.schema import Collector, Export
from spanflow.exporting.process import ExportingProcess

BATCH = batch_of(*IPV4_FLOWS)
ROTATE_S = 60
DATA_RECORDS = 2 * len(IPV4_FLOWS) - 4
"""Four Flows have one direction only."""


class Files:
    """An Exporting Process that begins a file every minute; each gets one batch."""

    def __init__(self, folder: Path, count: int, compression: str = "none") -> None:
        self.folder = folder
        self.clock = FakeClock(NOW)
        self.before_the_end: list[list[str]] = []
        """What was in the folder while each file was written."""
        process = ExportingProcess(
            Collector(
                transport="file",
                path=str(folder / "%Y%m%d-%H%M%S.ipfix"),
                rotate_time=ROTATE_S * 10**9,
                compression=compression,
            ),
            Export(),
            domain=DOMAIN,
            clock=self.clock,
        )
        for _ in range(count):
            process.offer(BATCH)
            process.turn(0)
            self.before_the_end.append(sorted(each.name for each in folder.iterdir()))
            self.clock.advance(ROTATE_S)
        process.stop()

    def read(self) -> list[bytes]:
        """What is in each file, in the order of their names."""
        files = sorted(self.folder.iterdir())
        return [
            gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes()
            for each in files
        ]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_46_a_file_is_a_stream_of_messages(tmp_path: Path, compression: str) -> None:
    """A file is Messages one after the other, Templates before their data (RFC 5655 section 7)."""
    (content,) = Files(tmp_path, 1, compression).read()
    reader = Reader().read(cut(content))
    assert len(reader.flows) == DATA_RECORDS
    assert reader.messages[0].sets[0][0] == 2, "a Template Set comes first"
    # And the strict reader of the product takes all of it.
    (path,) = tmp_path.iterdir()
    messages = [message for _, message in read_file(str(path))]
    assert sum(each.records for each in messages) == len(reader.records)
    assert not any(each.ignored for each in messages)


def test_46_each_file_stands_for_itself(tmp_path: Path) -> None:
    """Every rotated file has its own Templates and options, and counts from 0: a session of its own."""
    contents = Files(tmp_path, 3).read()
    assert len(contents) == 3
    for content in contents:
        reader = Reader().read(cut(content))  # nothing is known from the file before
        assert reader.messages[0].sequence_number == 0
        expected = 0
        for each, count in zip(reader.messages, reader.counts, strict=True):
            assert each.sequence_number == expected
            expected += count
        assert len(reader.flows) == DATA_RECORDS
        assert reader.options("samplingPacketInterval")


def test_46_a_file_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    """Who looks for files finds whole ones only: one that is written has another name."""
    made = Files(tmp_path, 2)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert all(each.endswith(".ipfix") and not each.startswith(".") for each in names)
    for written, complete in ((made.before_the_end[0], 0), (made.before_the_end[1], 1)):
        hidden = [each for each in written if each.startswith(".") and each.endswith(".partial")]
        assert (len(hidden), len(written) - len(hidden)) == (1, complete)
