# SPDX-License-Identifier: Apache-2.0
"""nfacctd 1.7.7 of pmacct: what it shows of each protocol and profile, as a user names them in a URL.

It takes IPFIX over UDP alone (and DTLS, where it was built with GnuTLS, which Debian's is not). It shows no
names of interfaces, and of applications only those in Data Records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporting.classified_flows import APPLICATIONS, cut
from exporting.flow_batches import Values
from exporting.netflow_export import in_order
from exporting.product_export import CHOSEN, ONE_OF_100, export, sent
from exporting.running_collector import collector_running, free_port, wait_for
from exporting.test_netflow_collectors import added_up
from exporting.test_nfacctd import expected
from spanflow.exporting.options import EVERY_PACKET, Sampling

NAMES = {each.application_id: cut(each.name, 23) for each in APPLICATIONS.by_number.values()}
NO_MAC = "00:00:00:00:00:00"
COUNTERS = ("packets", "bytes")

# What is no primitive of its own it takes as one of the user's.
PRIMITIVES = """
name=application_id field_type=95 len=4 semantics=raw
name=application_name field_type=96 len=24 semantics=str
name=flow_end_reason field_type=136 len=1 semantics=u_int
name=biflow_direction field_type=239 len=1 semantics=u_int
name=minimum_ttl field_type=52 len=1 semantics=u_int
"""
CONFIGURATION = """
daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
nfacctd_time_new: true
nfacctd_renormalize: true
aggregate_primitives: {primitives}
print_num_protos: true
timestamps_since_epoch: true
plugins: print[all]
aggregate[all]: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags,src_mac,dst_mac,vlan,in_iface,\
out_iface,timestamp_start,timestamp_end,sampling_rate,class,export_proto_version,export_proto_sysid,\
application_id,application_name,flow_end_reason,biflow_direction,minimum_ttl
print_output[all]: json
print_output_file[all]: {output}
print_output_file_append[all]: true
print_refresh_time[all]: 1
"""


def of_profile(values: Values) -> dict[str, Any]:
    """Everything: with the flags of one octet they are right."""
    return expected(values) | {
        "tcp_flags": str(values["tcpControlBits"] & 0xFF),
        "class": "unknown",  # it wants ids of 2, 3 or 5 octets
        "application_id": values["applicationId"].to_bytes(4, "big").hex("-").upper(),
        "application_name": NAMES.get(values["applicationId"], ""),
        "flow_end_reason": str(values["flowEndReason"]),
        "biflow_direction": str(values["biflowDirection"]),
        "minimum_ttl": str(values["minimumTTL"]),
    }


def of_generic(values: Values) -> dict[str, Any]:
    """Of flags in two octets it shows none."""
    return without_name(values) | {"tcp_flags": "0"}


def without_name(values: Values) -> dict[str, Any]:
    return of_profile(values) | {"application_name": ""}


def only_chosen(values: Values) -> dict[str, Any]:
    none = {
        "application_name": "",
        "tcp_flags": "0",
        "flow_end_reason": "0",
        "biflow_direction": "0",
        "minimum_ttl": "0",
    }
    return of_profile(values) | none | {"tos": 0, "vlan": 0, "mac_src": NO_MAC, "mac_dst": NO_MAC}


def of_version_9(values: Values) -> dict[str, Any]:
    """Times from the uptime: to the second, by the clock of the header, which is rounded up."""
    return of_profile(values) | seconds_of(values, later=1)


def of_version_5(values: Values) -> dict[str, Any]:
    none = {"flow_end_reason": "0", "biflow_direction": "0", "minimum_ttl": "0", "application_id": ""}
    shown = without_name(values) | none | {"vlan": 0, "mac_src": NO_MAC, "mac_dst": NO_MAC}
    if values["protocolIdentifier"] == 132:
        shown |= {"port_src": 0, "port_dst": 0}  # of SCTP it shows none there
    return shown | seconds_of(values, later=0)


def seconds_of(values: Values, *, later: int) -> dict[str, str]:
    return {
        key: f"{values[name] // 1000 + later}.000000"
        for key, name in (
            ("timestamp_start", "flowStartMilliseconds"),
            ("timestamp_end", "flowEndMilliseconds"),
        )
    }


@dataclass(frozen=True)
class Case:
    """A URL without host and port, and what nfacctd shows of a Data Record."""

    url: str
    shows: Callable[[Values], dict[str, Any]]
    sampling: Sampling = EVERY_PACKET

    @property
    def version(self) -> int:
        return {"netflow9": 9, "netflow5": 5}.get(self.url.partition(":")[0], 10)

    def wanted(self, domain: int) -> list[dict[str, Any]]:
        """What it has to print: of a Biflow the forward half; multiplied by the rate, which is 1 then."""
        records = sent(biflow="biflow=true" in self.url, versions=(4,) if self.version == 5 else (4, 6))
        shown = [self.shows(values) for values in records]
        for row in shown:
            row |= {name: row[name] * self.sampling.rate for name in COUNTERS}
            row |= {"export_proto_version": self.version, "export_proto_sysid": domain}
        return shown


CASES = {
    "pmacct": Case("ipfix+udp://{}?profile=pmacct", of_profile),
    "pmacct, Biflows": Case("ipfix+udp://{}?profile=pmacct&biflow=true", of_profile),
    "pmacct, less": Case("ipfix+udp://{}?profile=pmacct&remove=applicationName", without_name),
    "generic": Case("ipfix+udp://{}?profile=generic", of_generic),
    "elements": Case(f"ipfix+udp://{{}}?profile=pmacct&elements={CHOSEN}", only_chosen),
    "netflow9": Case("netflow9://{}?profile=pmacct", of_version_9),
    "netflow5": Case("netflow5://{}?dscp=8", of_version_5),
    "1 of 100": Case("ipfix+udp://{}?profile=pmacct", of_profile, ONE_OF_100),
    "generic, 1 of 100": Case("ipfix+udp://{}?profile=generic", of_generic, ONE_OF_100),
    "netflow9, 1 of 100": Case("netflow9://{}?profile=pmacct", of_version_9, ONE_OF_100),
    "netflow5, 1 of 100": Case("netflow5://{}?dscp=8", of_version_5, ONE_OF_100),
}
DOMAINS = {name: domain for domain, name in enumerate(CASES, 40)}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """All that nfacctd prints of all CASES, which have a domain each."""
    port, folder = free_port(), tmp_path_factory.mktemp("nfacctd")
    output, configuration = folder / "flows.json", folder / "nfacctd.conf"
    (folder / "primitives.lst").write_text(PRIMITIVES)
    configuration.write_text(
        CONFIGURATION.format(port=port, output=output, primitives=folder / "primitives.lst")
    )
    packets = sum(row["packets"] for name, case in CASES.items() for row in case.wanted(DOMAINS[name]))
    # What it receives before its plugin is at work may never be printed.
    with collector_running(["nfacctd", "-f", str(configuration)], port, says="Purging cache - END"):
        for name, case in CASES.items():
            url = case.url.format(f"127.0.0.1:{port}") + f"&domain={DOMAINS[name]}"
            export(url, sampling=case.sampling)
        wait_for(lambda: sum(row["packets"] for row in rows_of(output)) >= packets, "nfacctd to print")
    return rows_of(output)


def rows_of(output: Path) -> list[dict[str, Any]]:
    text = output.read_text() if output.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


@pytest.mark.parametrize("name", CASES)
def test_every_field(name: str, printed: list[dict[str, Any]]) -> None:
    """Flows in both directions, the rate, the number of the application; and nothing else."""
    found = [row for row in printed if row["export_proto_sysid"] == DOMAINS[name]]
    assert in_order(summed(found)) == in_order(CASES[name].wanted(DOMAINS[name]))


def summed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of one half as one row, as it adds them up if they come within a second."""
    renamed = [
        {{"packets": "packetDeltaCount", "bytes": "octetDeltaCount"}.get(key, key): row[key] for key in row}
        for row in rows
    ]
    return [
        {{"packetDeltaCount": "packets", "octetDeltaCount": "bytes"}.get(key, key): row[key] for key in row}
        for row in added_up(renamed)
    ]
