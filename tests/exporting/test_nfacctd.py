# SPDX-License-Identifier: Apache-2.0
"""nfacctd (pmacct) receives what we send: every field that it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exporting.classified_flows import (
    APPLICATIONS,
    CLASSIFIED_IPV4,
    CLASSIFIED_IPV6,
    records_of,
    rich_of,
)
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, Values, biflow_of, uniflows_of
from exporting.running_collector import collector_running, free_port, send_to, wait_for

# tcpflags are left out: this version reads one octet of tcpControlBits, the upper one of our two.
CONFIGURATION = """
daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
nfacctd_time_new: true
nfacctd_renormalize: true
print_num_protos: true
timestamps_since_epoch: true
plugins: print[all]
aggregate[all]: src_host,dst_host,src_port,dst_port,proto,tos,src_mac,dst_mac,vlan,in_iface,out_iface,\
timestamp_start,timestamp_end,sampling_rate
print_output[all]: json
print_output_file[all]: {output}
print_output_file_append[all]: true
print_refresh_time[all]: 1
"""


# Its `class` wants applicationIds of 2, 3 or 5 octets. Those of 4 it takes as a field of the user's own.
PRIMITIVES = """
name=application_id field_type=95 len=4 semantics=raw
name=application_name field_type=96 len=24 semantics=str
name=server_name field_type=32473:9 len={server_name} semantics=str
name=flow_risk field_type=32473:4 len=8 semantics=u_int
"""


def collected(tmp_path: Path, *, biflow: bool, count: int) -> list[dict[str, Any]]:
    """All Flows as nfacctd prints them, as soon as there are so many."""
    port, output = free_port(), tmp_path / "flows.json"
    configuration = tmp_path / "nfacctd.conf"
    configuration.write_text(CONFIGURATION.format(port=port, output=output))
    # What it receives before its plugin is up may never be printed.
    with collector_running(["nfacctd", "-f", str(configuration)], port, says="setting object handlers"):
        send_to(port, IPV4_FLOWS, IPV6_FLOWS, biflow=biflow)
        wait_for(lambda: output.exists() and output.read_text().count("\n") >= count, "nfacctd to print")
    return [json.loads(line) for line in output.read_text().splitlines()]


def expected(values: Values) -> dict[str, Any]:
    """What nfacctd has to show for one of our Data Records."""
    version = values["ipVersion"]
    return {
        "event_type": "purge",
        "ip_src": values[f"sourceIPv{version}Address"],
        "ip_dst": values[f"destinationIPv{version}Address"],
        "port_src": values["sourceTransportPort"],
        "port_dst": values["destinationTransportPort"],
        "ip_proto": str(values["protocolIdentifier"]),
        "tos": values["ipClassOfService"],
        "mac_src": values["sourceMacAddress"],
        "mac_dst": values["destinationMacAddress"],
        "vlan": values["vlanId"],
        "iface_in": values["ingressInterface"],
        "iface_out": values["egressInterface"],
        "timestamp_start": seconds(values["flowStartMilliseconds"]),
        "timestamp_end": seconds(values["flowEndMilliseconds"]),
        "packets": values["packetDeltaCount"],
        "bytes": values["octetDeltaCount"],
        # Announced, and multiplied with: packets and bytes would be wrong otherwise.
        "sampling_rate": 1,
    }


def seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03}000"


def by_flow(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(records, key=lambda record: (record["ip_src"], record["ip_dst"]))


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
def test_nfacctd_shows_every_field(biflow: bool, tmp_path: Path) -> None:
    flows = IPV4_FLOWS + IPV6_FLOWS
    if biflow:
        # Of a Biflow it shows the forward half.
        sent = [biflow_of(flow) for flow in flows]
    else:
        sent = [values for flow in flows for values in uniflows_of(flow)]
    printed = collected(tmp_path, biflow=biflow, count=len(sent))
    assert by_flow(printed) == by_flow([expected(values) for values in sent])


@pytest.mark.parametrize(
    ("options", "server_name", "names"),
    [
        ({}, "vlen", ("application_id",)),
        ({"profile": "rich"}, "vlen", ("application_id", "application_name", "server_name", "flow_risk")),
        (
            {"profile": "rich", "strings": "fixed"},
            "64",
            ("application_id", "application_name", "server_name", "flow_risk"),
        ),
    ],
    ids=["generic", "rich variable", "rich fixed"],
)
def test_nfacctd_shows_the_application(
    options: dict[str, Any], server_name: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    port, output = free_port(), tmp_path / "flows.json"
    primitives, configuration = tmp_path / "primitives.lst", tmp_path / "nfacctd.conf"
    primitives.write_text(PRIMITIVES.format(server_name=server_name))
    text = CONFIGURATION.format(port=port, output=output).replace(
        "sampling_rate", ",".join(("sampling_rate", *names))
    )
    configuration.write_text(f"{text}aggregate_primitives: {primitives}\n")
    records = records_of(
        biflow=False, added=lambda flow: rich_of(flow, fixed=options.get("strings") == "fixed")
    )
    with collector_running(["nfacctd", "-f", str(configuration)], port, says="setting object handlers"):
        send_to(port, CLASSIFIED_IPV4, CLASSIFIED_IPV6, applications=APPLICATIONS, **options)
        wait_for(
            lambda: output.exists() and output.read_text().count("\n") >= len(records), "nfacctd to print"
        )
    printed = [json.loads(line) for line in output.read_text().splitlines()]
    assert by_flow(printed) == by_flow([expected(values) | named(values, names) for values in records])


def named(values: Values, names: tuple[str, ...]) -> dict[str, Any]:
    shown = {
        "application_id": values["applicationId"].to_bytes(4, "big").hex("-").upper(),
        "application_name": values["applicationName"],
        "server_name": values["serverName"],
        "flow_risk": str(values["flowRisk"]),
    }
    return {name: shown[name] for name in names}


def test_its_own_profile(tmp_path: Path) -> None:
    """TCP flags, which it reads of one octet alone, and the name of each application."""
    port, output = free_port(), tmp_path / "flows.json"
    primitives, configuration = tmp_path / "primitives.lst", tmp_path / "nfacctd.conf"
    primitives.write_text(PRIMITIVES.format(server_name=1))
    text = CONFIGURATION.format(port=port, output=output)
    text = text.replace("sampling_rate", "sampling_rate,tcpflags,application_id,application_name")
    configuration.write_text(f"{text}aggregate_primitives: {primitives}\n")
    records = records_of(biflow=False, added=rich_of)
    with collector_running(["nfacctd", "-f", str(configuration)], port, says="setting object handlers"):
        send_to(port, CLASSIFIED_IPV4, CLASSIFIED_IPV6, applications=APPLICATIONS, profile="pmacct")
        wait_for(
            lambda: output.exists() and output.read_text().count("\n") >= len(records), "nfacctd to print"
        )
    printed = [json.loads(line) for line in output.read_text().splitlines()]
    flags = [{"tcp_flags": str(values["tcpControlBits"] & 0xFF)} for values in records]
    assert any(each["tcp_flags"] != "0" for each in flags)
    assert by_flow(printed) == by_flow(
        [
            expected(values) | each | named(values, ("application_id", "application_name"))
            for values, each in zip(records, flags, strict=True)
        ]
    )
