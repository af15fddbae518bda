# SPDX-License-Identifier: Apache-2.0
"""nfdump 1.7.1: what it shows of each protocol and profile, as a user names them in a URL.

What it does not show is written down as it is: a later version may show more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporting.classified_flows import APPLICATIONS, cut
from exporting.flow_batches import Values
from exporting.netflow_export import in_order
from exporting.product_export import CHOSEN, INTERFACES, ONE_OF_100, export, sent
from exporting.running_collector import collector_running, free_port
from exporting.test_nfdump import Shown, expected, label, nfdump, shown_id
from spanflow.exporting.counters import DropReason, ExporterCounters
from spanflow.exporting.options import EVERY_PACKET, Sampling

NO_MAC = "00:00:00:00:00:00"
ABSENT = {
    "in src mac": NO_MAC,
    "in dst mac": NO_MAC,
    "out dst mac": NO_MAC,
}
"""What it leaves out where a record has none."""


def as_expected(values: Values) -> Values:
    return expected(values)


def in_the_other_pair(values: Values) -> Values:
    """The profile has the destination MAC address in 57."""
    return expected(values) | {"destinationMacAddress": NO_MAC, "other": values["destinationMacAddress"]}


def only_chosen(values: Values) -> Values:
    """Without its element a value is 0."""
    names = (
        "tcpControlBits",
        "flowEndReason",
        "flowDirection",
        "biflowDirection",
        "vlanId",
        "egressInterface",
    )
    shown = expected(values) | dict.fromkeys(names, 0)
    shown |= {"sourceMacAddress": NO_MAC, "destinationMacAddress": NO_MAC}
    if "icmp" in shown:  # type and code are in the port too
        shown["icmp"] = values["destinationTransportPort"]
    else:
        shown["ipClassOfService"] = 0
    return shown


def of_version_9(values: Values) -> Values:
    """It does not read flowEndReason and biflowDirection there."""
    return expected(values) | {"flowEndReason": 0, "biflowDirection": 0}


def of_version_5(values: Values) -> Values:
    names = ("flowEndReason", "flowDirection", "biflowDirection", "vlanId", "egressInterface")
    shown = expected(values) | dict.fromkeys(names, 0)
    return shown | {"sourceMacAddress": NO_MAC, "destinationMacAddress": NO_MAC}


def times_100(what: Callable[[Values], Values]) -> Callable[[Values], Values]:
    def multiplied(values: Values) -> Values:
        shown = what(values)
        return shown | {name: 100 * shown[name] for name in ("packetDeltaCount", "octetDeltaCount")}

    return multiplied


@dataclass(frozen=True)
class Case:
    """A URL without host and port, and what nfdump shows of a Data Record."""

    url: str
    shows: Callable[[Values], Values]
    sampling: Sampling = EVERY_PACKET

    @property
    def version(self) -> int:
        return {"netflow9": 9, "netflow5": 5}.get(self.url.partition(":")[0], 10)

    @property
    def biflow(self) -> bool:
        return "biflow=true" in self.url


CASES = {
    "nfdump": Case("ipfix+udp://{}?profile=nfdump", in_the_other_pair),
    "nfdump, Biflows": Case("ipfix+udp://{}?profile=nfdump&biflow=true", in_the_other_pair),
    "generic": Case("ipfix+udp://{}?profile=generic", as_expected),
    "generic, Biflows": Case("ipfix+udp://{}?profile=generic&biflow=true", as_expected),
    "generic, 1 of 100": Case("ipfix+udp://{}?profile=generic", as_expected, ONE_OF_100),
    "elements": Case(f"ipfix+udp://{{}}?elements={CHOSEN}", only_chosen),
    "netflow9": Case("netflow9://{}?profile=generic", of_version_9),
    "netflow5": Case("netflow5://{}?dscp=8", of_version_5),
    "1 of 100": Case("ipfix+udp://{}?profile=nfdump", times_100(in_the_other_pair), ONE_OF_100),
    "netflow9, 1 of 100": Case("netflow9://{}?profile=generic", times_100(of_version_9), ONE_OF_100),
    "netflow5, 1 of 100": Case("netflow5://{}?dscp=8", times_100(of_version_5), ONE_OF_100),
}
EACH = pytest.mark.parametrize("name", CASES)


@dataclass
class Collected:
    """records: as `nfdump -o raw` has them. said: what nfcapd said at the end."""

    counters: ExporterCounters
    records: list[Shown]
    application_names: list[str]
    said: str


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Collected]:
    """All CASES, each from a source address of its own, which nfcapd keeps apart."""
    port, folder = free_port(), tmp_path_factory.mktemp("nfcapd")
    sources = {name: f"127.0.1.{number}" for number, name in enumerate(CASES, 1)}
    command = ["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-t", "3600"]
    for number, source in enumerate(sources.values()):
        (folder / source).mkdir()
        command += ["-n", f"source{number},{source},{folder / source}"]
    counters = {}
    with collector_running(command, port) as said:
        for domain, (name, case) in enumerate(CASES.items(), 40):
            url = case.url.format(f"127.0.0.1:{port}")
            url += f"&source={sources[name]}&domain={domain}"
            counters[name] = export(url, sampling=case.sampling)
    # The interfaces of `generic`, whose number stands in the scope.
    complaints = {line.strip() for line in said if "rror:" in line or "extra bytes" in line}
    assert complaints == {"Proces ifvrf data record - 56 extra bytes"}
    return {
        name: Collected(counters[name], *read(folder / source), said=said_of(number, said))
        for number, (name, source) in enumerate(sources.items())
    }


def said_of(number: int, said: Sequence[str]) -> str:
    (line,) = (line for line in said if line.startswith(f"Ident: 'source{number}'"))
    return line


def read(folder: Path) -> tuple[list[Shown], list[str]]:
    """What `nfdump` shows of a folder: records by its labels, and the names of applications."""
    (file,) = folder.glob("nfcapd.2*")
    records = [
        ABSENT
        | {
            key.strip(): value.strip()
            for key, _, value in (line.partition("=") for line in record.splitlines())
        }
        for record in nfdump("-q", "-r", str(file), "-o", "raw").split("Flow Record:")[1:]
    ]
    names = nfdump("-q", "-r", str(file), "-o", "fmt:%nbnam").splitlines()
    return records, [name.strip() for name in names]


def shown_of(record: Shown, case: Case) -> Values:
    values = label(record)
    return values | ({"other": record["out dst mac"]} if "profile=nfdump" in case.url else {})


def wanted_of(case: Case) -> list[Values]:
    """Every Data Record; of version 5 IPv4 alone, and the one half of 5 x 2^32 octets in six parts."""
    records = sent(biflow=case.biflow, versions=(4,) if case.version == 5 else (4, 6))
    if case.version != 5:
        return records
    parts = []
    for values in records:
        count = max(1, -(-values["octetDeltaCount"] // ((1 << 32) - 1)))
        for number in range(count):
            parts.append(
                values
                | {
                    name: values[name] // count + (number < values[name] % count)
                    for name in ("packetDeltaCount", "octetDeltaCount")
                }
            )
    return parts


@EACH
def test_every_field(name: str, collected: dict[str, Collected]) -> None:
    case = CASES[name]
    shown = [shown_of(record, case) for record in collected[name].records]
    assert in_order(shown) == in_order([case.shows(values) for values in wanted_of(case)])


@EACH
def test_session(name: str, collected: dict[str, Collected]) -> None:
    """It takes it for the right version, and finds no gap in the sequence numbers."""
    found, version = collected[name], CASES[name].version
    assert {record["Flags"].split()[2] for record in found.records} == {f"v{version},"}
    assert found.said.startswith(f"Ident: 'source{list(CASES).index(name)}' Flows: {len(found.records)},")
    assert "Sequence Errors: 0, Bad Packets: 0" in found.said


@EACH
def test_nothing_is_lost_uncounted(name: str, collected: dict[str, Collected]) -> None:
    dropped = {key: tally.records for key, tally in collected[name].counters.dropped.items() if tally.records}
    assert dropped == ({DropReason.UNEXPORTABLE: 4} if CASES[name].version == 5 else {})


@EACH
def test_sampling(name: str, collected: dict[str, Collected]) -> None:
    """It reads the form of its profile and those of version 9 and 5; 1:1 is none to it in version 5."""
    case = CASES[name]
    sampled = {
        10: "profile=nfdump" in case.url,
        9: True,
        5: case.sampling is ONE_OF_100,
    }[case.version]
    flags = {record["Flags"].split()[-1] for record in collected[name].records}
    assert flags == {"Sampled" if sampled else "Unsampled"}


@EACH
def test_interface_names(name: str, collected: dict[str, Collected]) -> None:
    """With its profile the name, of version 9 the description.

    None with `generic`, where the number stands in the scope.
    """
    case = CASES[name]
    texts = {
        "profile=nfdump" in case.url: {number: told for number, (told, _) in INTERFACES.items()},
        case.version == 9: {number: told for number, (_, told) in INTERFACES.items()},
        case.version == 5: dict.fromkeys(INTERFACES, ""),
    }.get(True, dict.fromkeys(INTERFACES, "<ingress not found>"))
    wanted = {f"{number} {text}".strip() for number, text in texts.items()}
    if case.biflow:
        wanted = {text for text in wanted if text.startswith("3")}  # of the responder it shows counters alone
    assert {record["input"] for record in collected[name].records} == wanted


@EACH
def test_application(name: str, collected: dict[str, Collected]) -> None:
    """Of IPFIX the number in the order of the machine, and no name for it; of version 9 both."""
    case, found = CASES[name], collected[name]
    ids = {values["applicationId"] for values in wanted_of(case)} - {0}
    shown = {record["app ID"] for record in found.records if "app ID" in record}
    shown = {text for text in shown if not text.startswith("0..0")}
    match case.version:
        case 5:
            assert not shown
        case 9:
            names = {each.application_id: cut(each.name, 23) for each in APPLICATIONS.by_number.values()}
            assert {text.split("/")[0] for text in shown} == {
                f"{each >> 24}..{each & 0xFFFFFF}: {names[each]}" for each in ids
            }
        case _:
            assert shown == {f"{shown_id(each)}: <no info>" for each in ids}
            assert set(found.application_names) == {"<no info>"}
