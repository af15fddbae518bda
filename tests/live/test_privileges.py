# SPDX-License-Identifier: Apache-2.0
"""A user that is nobody with CAP_NET_RAW is enough, and no thread of a running daemon has even that."""

from __future__ import annotations

import re
import stat
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from exporting.running_collector import wait_for
from live.harness.collectors import receiver
from live.harness.daemon import UNPRIVILEGED, spanflow_run
from live.harness.links import Link, connect, network
from live.harness.sender import Sender
from live.harness.traffic import udp_flows

NO_PERMISSION = 77
USER = 65532
WITHOUT_CAPABILITIES = ("setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--")
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")


@pytest.fixture
def link() -> Iterator[Link]:
    with network("eth0") as (link,):
        yield link


def tasks(pid: int) -> dict[str, Mapping[str, str]]:
    """What the kernel says of every thread of a process, by the thread's number."""
    return {
        status.parent.name: dict(re.findall(r"^(\w+):[ \t]*(.*)$", status.read_text(), re.M))
        for status in Path(f"/proc/{pid}/task").glob("*/status")
    }


@pytest.mark.parametrize("prefix", [UNPRIVILEGED, ()], ids=["nobody with CAP_NET_RAW", "root"])
@pytest.mark.parametrize("workers", [1, 3])
def test_no_thread_keeps_a_capability(workers: int, prefix: tuple[str, ...], link: Link) -> None:
    """Also none of numpy's, of the collectors', of the metrics' server, while packets are metered."""
    with (
        receiver(link.far) as collector,
        spanflow_run(
            link.far,
            *("-i", "eth0", "--collector", collector.url),
            settings={"capture.workers": workers},
            prefix=prefix,
        ) as daemon,
        Sender(link.near, "t-eth0") as sender,
    ):
        sender.send(udp_flows(100))
        daemon.settle(100)
        threads = tasks(daemon.pid)
        assert len(threads) >= 2 + workers
        for status in threads.values():
            # The bounding set alone gives nothing, and nobody may change it without CAP_SETPCAP.
            assert {int(status[name], 16) for name in CAPABILITIES} == {0}
            assert status["NoNewPrivs"] == "1"
        if prefix:
            assert {status["Uid"].split()[1] for status in threads.values()} == {str(USER)}
        daemon.stop_in_peace()
        assert len(collector.flows()) == 100


def test_deleted_interface_is_captured_again_without_the_capability(link: Link) -> None:
    with spanflow_run(link.far, "-i", "eth0", prefix=UNPRIVILEGED) as daemon:
        link.remove()
        (again,) = connect(link.near, link.far, (link.near_name, link.far_name))
        wait_for(
            lambda: daemon.metrics().total("spanflow_capture_appearances_total") == 2, "it to be captured"
        )
        with Sender(again.near, again.near_name) as sender:
            sender.send(udp_flows(10))
            daemon.settle(10)
        daemon.stop_in_peace()


def others_may_read_the_interpreter() -> bool:
    """Whether a user that is nobody can import modules at all."""
    folder = Path(sysconfig.get_path("stdlib")).resolve()
    return all(each.stat().st_mode & stat.S_IXOTH for each in (folder, *folder.parents))


@pytest.mark.skipif(not others_may_read_the_interpreter(), reason="this interpreter is for its owner only")
def test_user_to_become(link: Link) -> None:
    """process.user: started as root, it goes on as somebody else, with all of its threads and groups."""
    with (
        spanflow_run(link.far, "-i", "eth0", settings={"process.user": USER}) as daemon,
        Sender(link.near, "t-eth0") as sender,
    ):
        sender.send(udp_flows(10))
        daemon.settle(10)
        for status in tasks(daemon.pid).values():
            assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(USER)}
            assert status["Groups"].split() in ([], [str(USER)])
            assert int(status["CapPrm"], 16) == 0
        daemon.stop_in_peace()


def test_missing_capability_is_one_line_with_the_remedy(link: Link) -> None:
    with spanflow_run(link.far, "-i", "eth0", prefix=WITHOUT_CAPABILITIES, ready=False) as daemon:
        end = daemon.wait_for_end()
    assert end.code == NO_PERMISSION
    (line,) = end.stderr.splitlines()
    assert "eth0" in line
    assert "CAP_NET_RAW" in line
