# SPDX-License-Identifier: Apache-2.0
"""The Python package `ipfix` 0.9.7 reads what an ExportingProcess sends over TCP and TLS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporting.classified_flows import APPLICATIONS, cut
from exporting.flow_batches import Values
from exporting.netflow_export import in_order
from exporting.product_export import CHOSEN, INTERFACES, ONE_OF_100, export, sent
from exporting.stream_peers import peer, read_all
from exporting.test_second_reader import as_octets, read
from exporting.tls_peers import NAME, server_context, tls_peer, write_files

Export = Callable[[str], bytes]


@pytest.fixture(params=["tcp", "tls"])
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> Export:
    """Everything that a collector over this transport gets; the function takes the options of the URL."""

    def over(options: str) -> bytes:
        received: list[bytes] = []
        ended = threading.Event()

        def serve(connection: socket.socket) -> None:
            received.append(read_all(connection))
            ended.set()

        if request.param == "tcp":
            listening = peer(serve)
        else:
            authority = trustme.CA()
            files = write_files(tmp_path, authority, authority.issue_cert(NAME))
            # Each side wants the other's certificate.
            listening = tls_peer(server_context(files, client_ca=files.ca), serve)
            options += f"&ca={files.ca}&certificate={files.certificate}&key={files.key}&server_name={NAME}"
        with listening as address:
            host, port = address.sockaddr[:2]
            export(f"ipfix+{request.param}://{host}:{port}?{options}", sampling=ONE_OF_100)
            assert ended.wait(10)
        return b"".join(received)

    return over


def records_in(octets: bytes) -> list[dict[str, Any]]:
    """By name. It leaves the NULs of a fixed length in place."""
    return [
        {name: value.rstrip("\0") if isinstance(value, str) else value for name, value in record.items()}
        for record in read(octets)
    ]


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
def test_generic(exported: Export, biflow: bool) -> None:
    """Flows in both directions with the application; the rate; names of interfaces and applications."""
    records = records_in(exported("profile=generic&domain=7" + ("&biflow=true" if biflow else "")))
    flows = [record for record in records if "octetDeltaCount" in record]
    assert in_order(flows) == in_order([as_octets(values) for values in sent(biflow=biflow)])
    rates = [
        (each["samplingPacketInterval"], each["samplingPacketSpace"])
        for each in records
        if "samplingPacketSpace" in each
    ]
    assert rates == [(1, 99)]
    interfaces = {
        each["ingressInterface"]: (each["interfaceName"], each["interfaceDescription"])
        for each in records
        if "interfaceName" in each
    }
    assert {number: name for number, (name, _) in interfaces.items()} == {
        number: name for number, (name, _) in INTERFACES.items()
    }
    assert interfaces[3] == INTERFACES[3]
    names = {each["applicationId"]: each["applicationName"] for each in records if "applicationName" in each}
    assert names == {
        each.application_id.to_bytes(4, "big").hex(":"): cut(each.name, 23)
        for each in APPLICATIONS.by_number.values()
    }


def test_elements_of_ones_choice(exported: Export) -> None:
    records = records_in(exported(f"elements={CHOSEN}"))
    flows = [record for record in records if "octetDeltaCount" in record]
    chosen = CHOSEN.split(",")
    wanted: list[Values] = [{name: each[name] for name in chosen if name in each} for each in sent()]
    assert in_order(flows) == in_order([as_octets(values) for values in wanted])
    assert list(flows[0]) == [name for name in chosen if name in flows[0]]
