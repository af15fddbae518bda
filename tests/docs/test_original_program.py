# SPDX-License-Identifier: Apache-2.0
"""A program for the original system: metrics, a classifier, flows by their old names. Values are by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from craft.capture import Capture
from craft.conversation import Pair, play
from docs import original_program

# IPv4 without options is 20 octets, so is TCP; UDP is 8.
TCP = (
    "0     > S",  #         40
    "0.01  < SA",  #        40
    "0.02  > A",  #         40
    "0.03  > PA 100",  #   140
    "0.05  < A 1400",  #  1440
    "0.06  < PA 600",  #   640
    "0.07  > A",  #         40
    "1.07  > FA",  #        40
    "1.08  < FA",  #        40
    "1.09  > A",  #         40
)
UDP = ("2     > udp 32", "2.005 < udp 72")  # 60 and 100
CLIENT, SERVER = 0x0A000001, 0x0A000002


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("original") / "capture.pcap"
    capture = play(Capture(), *TCP)
    path.write_bytes(play(capture, *UDP, pair=Pair(server_port=4000)).pcap())
    return original_program.run(str(path))


@pytest.fixture
def tcp(found: Any) -> Any:
    (flow,) = (flow for flow in found[2] if flow.ip_protocol == 6)
    return flow


@pytest.fixture
def udp(found: Any) -> Any:
    (flow,) = (flow for flow in found[2] if flow.ip_protocol == 17)
    return flow


def test_only_the_import_names_spanflow() -> None:
    text = Path(original_program.__file__).read_text()
    code = text.partition('"""')[2].partition('"""')[2]
    assert [line for line in code.splitlines() if "spanflow" in line] == ["from spanflow import Streamer"]


def test_the_streamer(found: Any) -> None:
    streamer, classifier, flows = found
    assert (streamer.flows_number, streamer.processed_packets, streamer.current_flows) == (2, 12, 0)
    assert (streamer.capacity, streamer.active_timeout, streamer.inactive_timeout) == (1000, 120, 60)
    assert (classifier.opened, classifier.closed, classifier.finished) == (2, 2, True)
    assert len(flows) == 2


def test_the_short_form(tcp: Any, udp: Any) -> None:
    assert original_program.ends(tcp) == f"6,{CLIENT},40000,{SERVER},443,6,340,4,2160"
    assert original_program.ends(udp) == f"17,{CLIENT},40000,{SERVER},4000,1,60,1,100"


def test_metrics(tcp: Any, udp: Any) -> None:
    assert tcp.metrics == {"full_packets": 1, "answer_ratio": 2160 / 340}
    assert udp.metrics == {"full_packets": 0, "answer_ratio": 100 / 60}


def test_what_the_classifier_saw(tcp: Any, udp: Any) -> None:
    start = 1_700_000_000
    assert tcp.classifiers["pauses"] == {
        "pauses": 1,  # from 0.07 to 1.07
        "last": start + 1.09,
        "packets": [6, 4],
        "flags": {"FIN": 2, "RST": 0, "ACK": 9},
        "verdict": "with pauses",
        "reason": 3,  # both FINs and the last acknowledgment
        "mean": 250,
    }
    assert udp.classifiers["pauses"] == {
        "pauses": 0,
        "last": start + 2.005,
        "packets": [1, 1],
        "flags": {"FIN": 0, "RST": 0, "ACK": 0},
        "verdict": "steady",
        "reason": 2,  # the end of the file
        "mean": 80,
    }
    assert set(tcp.classifiers["ndpi"]) >= {"application_name", "category_name"}


def test_flows_by_their_old_names(tcp: Any) -> None:
    expected = {
        "export_reason": 3,
        "pktTotalCount": 10,
        "octetTotalCount": 2500,
        "min_pkt_size": 40,
        "max_pkt_size": 1440,
        "avg_pkt_size": 250.0,
        "f_min_pkt_size": 40,
        "f_max_pkt_size": 140,
        "f_avg_pkt_size": 340 / 6,
        "b_avg_pkt_size": 540.0,
        "b_std_dev_pkt_size": math.sqrt((500**2 + 900**2 + 100**2 + 500**2) / 3),
        "start_time": 1_700_000_000.0,
        "f_end_time": 1_700_000_001.09,
        "b_start_time": 1_700_000_000.01,
        "flowDuration": 1.09,
        "b_flowDuration": 1.07,
        "max_piat": 1.0,
        "min_piat": 0.01,
        "avg_piat": 1.09 / 9,
        "b_max_piat": 1.02,
        "FIN_flag_counter": 2,
        "ACK_flag_counter": 2,
    }
    assert {name: getattr(tcp, name) for name in expected} == pytest.approx(expected)


def test_a_flow_is_one_json_object(tcp: Any) -> None:
    shown = json.loads(str(tcp))
    assert shown["metrics"]["full_packets"] == 1
    assert shown["classifiers"]["pauses"]["verdict"] == "with pauses"
