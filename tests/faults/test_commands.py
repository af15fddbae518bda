# SPDX-License-Identifier: Apache-2.0
"""`spanflow meter` with a spool: what one run could not send the next one sends."""

from __future__ import annotations

from pathlib import Path

from end_to_end.command import DEMO, GOLDEN, shown, spanflow
from faults.serving import Serving

AWAY = "export.send_timeout=1s"


def test_a_run_without_its_collector_and_one_with_it(tmp_path: Path) -> None:
    peer, mirror = Serving(up=False), Serving()
    spool = f"export.spool_directory={tmp_path}"
    noc = f"ipfix+tcp://127.0.0.1:{peer.port}?name=noc&profile=generic"
    settings = ("--set", spool, "--set", AWAY)
    first = spanflow("meter", DEMO, "--collector", noc, *_to(mirror), *settings)
    assert first.returncode == 0, first.stdout + first.stderr
    assert shown(first.stdout)["left in the spool"] == "67"
    assert "accounted = sent + dropped + left in the spool\n" in first.stdout
    assert 'warning collector not connected collector=noc error="127.0.0.1:' in first.stderr
    listed = spanflow("spool", "ls", "--set", spool, "--json")
    peer.come()
    second = spanflow("meter", GOLDEN / "fin_linger.pcap", "--collector", noc, *settings)
    assert second.returncode == 0, second.stdout + second.stderr
    replay = spanflow("spool", "replay", "noc", "--to", f"ipfix+tcp://127.0.0.1:{peer.port}", "--set", spool)
    assert replay.returncode == 0, replay.stdout + replay.stderr
    all_of_first = sorted(map(_key, mirror.arrivals().records))
    at_noc = sorted(map(_key, peer.arrivals().records))
    assert all_of_first
    assert listed.returncode == 0, listed.stderr
    missing = [each for each in all_of_first if each not in at_noc]
    assert missing == []
    assert len(at_noc) > len(all_of_first)
    assert shown(second.stdout or second.stderr)


def _to(peer: Serving) -> tuple[str, str]:
    return "--collector", f"ipfix+tcp://127.0.0.1:{peer.port}"


def _key(record: dict[str, object]) -> str:
    return f"{record['flowId']} {record['flowStartMilliseconds']} {record['octetDeltaCount']}"
