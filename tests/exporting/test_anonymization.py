# SPDX-License-Identifier: Apache-2.0
"""Anonymised Flow Records: what is replaced, what is left out, what stays, and no trace of the rest."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporting.classified_flows import CLASSIFIED_IPV4, CLASSIFIED_IPV6
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, Classified, Flow, batch_of
from spanflow.config.schema import Collector
from spanflow.errors import ConfigError
from spanflow.exporting.anonymization import Anonymizer, Truncation, anonymizer_of
from spanflow.exporting.crypto_pan import CryptoPan
from spanflow.record import Attachment, Batch

KEY = bytes(range(32))
TRUNCATION = Anonymizer(Truncation(ipv4_bits=24, ipv6_bits=48))
CRYPTO_PAN = Anonymizer(CryptoPan(KEY))
ALL_FLOWS = (CLASSIFIED_IPV4, CLASSIFIED_IPV6)
REPLACED = {
    *("source_address", "destination_address", "flow_id", "details_offset", "details_octets"),
    *("forward", "reverse"),
}
MACS = ("source_mac_address", "destination_mac_address")


def addresses(batch: Batch) -> list[tuple[str, str]]:
    """Source and destination of each record, as collectors show them."""
    width = 4 if batch.records["ip_version"][0] == 4 else 16
    ends = [
        [str(ip_address(bytes(each[-width:]))) for each in batch.records[member]]
        for member in ("source_address", "destination_address")
    ]
    return list(zip(*ends, strict=True))


TRUNCATED: list[tuple[int, int, Flow, tuple[str, str]]] = [
    (24, 48, IPV4_FLOWS[0], ("192.0.2.0", "198.51.100.0")),
    (32, 128, IPV4_FLOWS[0], ("192.0.2.1", "198.51.100.1")),
    (12, 0, IPV4_FLOWS[0], ("192.0.0.0", "198.48.0.0")),
    (0, 0, IPV4_FLOWS[0], ("0.0.0.0", "0.0.0.0")),
    (24, 48, replace(IPV4_FLOWS[0], source="127.0.0.1", destination="239.1.2.3"), ("127.0.0.0", "239.1.2.0")),
    (24, 48, IPV6_FLOWS[0], ("2001:db8::", "2001:db8:1::")),
    (24, 47, IPV6_FLOWS[0], ("2001:db8::", "2001:db8::")),
    (0, 128, IPV6_FLOWS[0], ("2001:db8::1", "2001:db8:1::1")),
    (0, 65, replace(IPV6_FLOWS[0], source="ff02::8000:0:0:1"), ("ff02::8000:0:0:0", "2001:db8:1::")),
    (0, 0, IPV6_FLOWS[0], ("::", "::")),
]


@pytest.mark.parametrize(("ipv4_bits", "ipv6_bits", "flow", "expected"), TRUNCATED)
def test_truncation(ipv4_bits: int, ipv6_bits: int, flow: Flow, expected: tuple[str, str]) -> None:
    found = Anonymizer(Truncation(ipv4_bits=ipv4_bits, ipv6_bits=ipv6_bits)).apply(batch_of(flow))
    assert addresses(found) == [expected]


def test_crypto_pan_replaces_both_ends() -> None:
    for flows in (IPV4_FLOWS, IPV6_FLOWS):
        width = 4 if flows is IPV4_FLOWS else 16
        cipher = CryptoPan(KEY)
        expected = []
        for flow in flows:
            octets = ip_address(flow.source).packed + ip_address(flow.destination).packed
            ends = cipher.replace(np.frombuffer(octets, np.uint8).reshape(2, width))
            expected.append(tuple(str(ip_address(bytes(end))) for end in ends))
        found = CRYPTO_PAN.apply(batch_of(*flows))
        assert addresses(found) == expected
        if width == 4:
            head = found.records["source_address"][:, :12]
            assert (head == list(bytes(10) + b"\xff\xff")).all()


@pytest.mark.parametrize("flows", ALL_FLOWS)
@pytest.mark.parametrize("anonymizer", [TRUNCATION, CRYPTO_PAN])
def test_all_else_stays(anonymizer: Anonymizer, flows: tuple[Flow, ...]) -> None:
    batch = batch_of(*flows)
    found = anonymizer.apply(batch)
    assert found.records.dtype.names is not None
    for name in set(found.records.dtype.names) - REPLACED:
        np.testing.assert_array_equal(found.records[name], batch.records[name], name)
    for half in ("forward", "reverse"):
        for name in set(found.records[half].dtype.names or ()) - set(MACS):
            np.testing.assert_array_equal(found.records[half][name], batch.records[half][name], name)


@pytest.mark.parametrize("flows", ALL_FLOWS)
@pytest.mark.parametrize("anonymizer", [TRUNCATION, CRYPTO_PAN])
def test_texts_and_mac_addresses_are_gone(anonymizer: Anonymizer, flows: tuple[Flow, ...]) -> None:
    found = anonymizer.apply(batch_of(*flows))
    assert len(found.details) == 0
    assert not found.records["details_octets"].any()
    assert not found.records["details_offset"].any()
    for half in ("forward", "reverse"):
        for name in MACS:
            assert not found.records[half][name].any()


def test_what_is_cut_off_leaves_no_trace() -> None:
    """Flows that differ in nothing but what is to be hidden are the same afterwards."""
    one = IPV4_FLOWS[0]
    other = replace(
        one,
        source="192.0.2.77",
        destination="198.51.100.200",
        flow_id=one.flow_id ^ 0x5555,
        forward=replace(one.forward, source_mac="02:00:00:00:00:77"),
        reverse=replace(one.reverse, destination_mac="02:00:00:00:00:77"),
        classified=Classified(texts={"server_name": "www.example.com", "dns_answer": "198.51.100.200"}),
    )
    first, second = (TRUNCATION.apply(batch_of(flow)) for flow in (one, other))
    for name in first.records.dtype.names or ():
        np.testing.assert_array_equal(first.records[name], second.records[name], name)


@pytest.mark.parametrize("anonymizer", [TRUNCATION, CRYPTO_PAN])
def test_flow_id_is_that_of_the_flow(anonymizer: Anonymizer) -> None:
    """The same for a part that the active timeout split off; another for a Flow of other ends or times."""
    flows = IPV4_FLOWS[:6]
    batch = batch_of(flows[0], flows[0], *flows, flows[0])
    records = batch.records.copy()
    records["flow_start_ns"] = 1_700_000_000_000_000_000
    records["forward"]["first_ns"][1] += 60_000_000_000
    records["flow_start_ns"][-1] += 1
    ids = anonymizer.apply(replace(batch, records=records)).records["flow_id"].tolist()
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids)) == len(flows) + 1
    assert not set(ids) & set(records["flow_id"].tolist())


def test_columns_and_attachments_of_plugins() -> None:
    octets = np.array([b"10.0.0.1", b"host.example"], np.dtype((np.void, 16)))
    columns: dict[str, Any] = {
        "score": np.array([0.5, 1.5]),
        "label": np.array(["10.0.0.1", "host.example"], object),
        "sent": octets,
    }
    packets = np.zeros((2, 3), np.uint8)
    batch = replace(
        batch_of(*IPV4_FLOWS[:2]),
        columns=columns,
        first_packets=packets,
        attachments=[Attachment({}, {"x": {"address": "10.0.0.1"}})] * 2,
    )
    found = TRUNCATION.apply(batch)
    assert found.columns["score"].tolist() == [0.5, 1.5]
    assert found.columns["label"].tolist() == ["", ""]
    assert found.columns["sent"].tobytes() == bytes(32)
    assert found.attachments == ()
    assert found.first_packets is packets


def test_the_batch_stays_as_it_is() -> None:
    batch = batch_of(*CLASSIFIED_IPV4)
    before = batch.records.tobytes()
    found = CRYPTO_PAN.apply(batch)
    assert batch.records.tobytes() == before
    assert len(batch.details)
    assert not found.records.flags.writeable


def test_no_records() -> None:
    assert len(CRYPTO_PAN.apply(batch_of())) == 0


def test_of_a_collector(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY.hex() + "\n")
    file.chmod(0o600)
    batch = batch_of(*IPV4_FLOWS)
    none = anonymizer_of(Collector(host="h"))
    truncating = anonymizer_of(Collector(host="h", anonymize="truncate", anonymize_ipv4=16))
    replacing = anonymizer_of(Collector(host="h", anonymize="crypto-pan", anonymize_key=str(file)))
    assert none is None
    assert truncating is not None
    assert addresses(truncating.apply(batch))[0] == ("192.0.0.0", "198.51.0.0")
    assert replacing is not None
    assert addresses(replacing.apply(batch)) == addresses(CRYPTO_PAN.apply(batch))


def test_the_error_names_the_collector() -> None:
    collector = Collector(host="h", name="noc", anonymize="crypto-pan", anonymize_key="/nowhere/key")
    with pytest.raises(ConfigError) as error:
        anonymizer_of(collector)
    assert str(error.value) == (
        f"collector noc: anonymize_key /nowhere/key: {os.strerror(2)}; make one with `spanflow keygen FILE`,"
        " readable for the user that spanflow runs as"
    )
