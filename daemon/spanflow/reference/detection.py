# SPDX-License-Identifier: Apache-2.0
"""From the first packets of a Flow to its application (section 13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spanflow.applications import UNKNOWN, Applications
from spanflow.classification import Classification as Available
from spanflow.classification import installed_engines
from spanflow.config.engine_values import AUTO
from spanflow.config.schema import Dpi
from spanflow.details import Detail
from spanflow.errors import ConfigError
from spanflow.metering_counters import ClassificationCounters
from spanflow.reference.application_rules import Rule
from spanflow.reference.detail_text import clean_text
from spanflow.reference.flows import Flow
from spanflow.reference.ndpi import Ends, Engine, EnginePacket, EngineState, Verdict
from spanflow.reference.original_names import own_octets
from spanflow.reference.packet import SYN, Packet
from spanflow.reference.transport import TCP, UDP

BY_RULE = 6
NO_DNS_RESPONSE = 255
UNKNOWN_ID = 22 << 24
"""13.6: engine 22, nothing known."""

LONGEST_PACKET = 0xFFFF
ENGINE_CACHES = 1 << 20
"""13.3: what the engine's own caches may take beyond its share."""

CLASSIFIER_NAME = "ndpi"
"""What plugins know it by, in `flow.classifiers`."""

NOTHING_FOUND: Mapping[str, int] = {
    "flow_risk": 0,
    "application_id": 0,
    "application": 0,
    "master_protocol": 0,
    "application_category": 0,
    "risk_score": 0,
    "tls_version": 0,
    "dns_query_type": 0,
    "confidence": 0,
    "dns_response_code": NO_DNS_RESPONSE,
}
"""The members of a record where applications are not looked for."""


@dataclass(slots=True)
class Classification:
    """What is known of the application of one Flow. members, details: what a record says now.

    state: of the engine, while it inspects. named: it has named something. in_pieces: a packet was not whole.
    details are those of spanflow.details. words: what plugins are told.
    """

    packets_left: int
    members: dict[str, int] = field(default_factory=lambda: dict(NOTHING_FOUND))
    details: bytes = b""
    words: dict[str, Any] = field(default_factory=dict)
    state: EngineState | None = None
    named: bool = False
    in_pieces: bool = False
    decided: bool = False


class Detection:
    """An Observer of Flows. Raises ConfigError when no engine can be opened.

    available: which engine, and what it knows; `options` None is for who does not look for applications. Of
    13.3 the half of the memory for names is not a bound here.
    """

    def __init__(self, dpi: Dpi, available: Available) -> None:
        assert available.applications is not None
        self._dpi = dpi
        self._applications: Applications = available.applications
        self._numbers = {each.name: number for number, each in _reversed(available.applications)}
        self._engine = _open_engine(dpi)
        self._rules = [Rule(rule) for rule in dpi.rules]
        self._free: list[EngineState] = []
        self._in_use: set[EngineState] = set()
        self._counts = dict.fromkeys(
            ("inspected_packets", "detected", "given_up", "guessed", "refused_flows", "refused_memory"), 0
        )
        # 13.3: a quarter of the memory for the states, a quarter for what the engine allocates beside them.
        quarter = dpi.memory // 4
        self._most_states = min(dpi.max_flows, max(1, quarter // self._engine.flow_octets))
        self._most_allocated = quarter + ENGINE_CACHES

    def close(self) -> None:
        """Flows are under detection still where an error has ended the run."""
        for state in self._in_use:
            self._engine.end(state)
        self._in_use.clear()
        self._engine.close()

    def counters(self) -> ClassificationCounters:
        states = len(self._in_use)
        memory = states * self._engine.flow_octets
        return ClassificationCounters(under_detection=states, memory_octets=memory, **self._counts)

    # ---- as the Flow lives ----

    def on_open(self, flow: Flow) -> None:
        protocol = flow.flow_key.protocol_identifier
        budgets = {TCP: self._dpi.tcp_packets, UDP: self._dpi.udp_packets}
        found = flow.classification = Classification(budgets.get(protocol, self._dpi.other_packets))
        flow.classifiers[CLASSIFIER_NAME] = found.words
        self._tell(found)

    def on_packet(self, packet: Packet, flow: Flow) -> None:
        found = flow.classification
        if found is None or found.decided:
            return
        octets = self._wanted(packet)
        if octets:
            self._inspect(octets, packet, flow, found)
            self._tell(found)

    def on_record(self, flow: Flow) -> None:
        """13.2: the last word on a Flow that leaves; 13.4: of one that lives on, what is known by now."""
        found = flow.classification
        if found is None or found.decided:
            return
        if not flow.detail:
            if not found.named:
                found.members = self._members(self._engine.guess(_ends(flow)))
        elif found.state:
            self._count("detected" if found.named else "given_up")
            self._decide(flow, found, self._engine.give_up(found.state))
        else:
            self._count("guessed")
            self._decide(flow, found, self._engine.guess(_ends(flow)))
        self._tell(found)

    def on_close(self, flow: Flow) -> None:
        pass

    # ---- inspection ----

    def _wanted(self, packet: Packet) -> bytes:
        """13.1: from the IP header on, if there is something above the transport header."""
        if packet.is_later_fragment:
            return b""
        octets = packet.network[:LONGEST_PACKET]
        transport = octets[packet.transport_offset - packet.network_offset :]
        if self._dpi.empty_packets:
            return octets
        if packet.protocol_identifier == TCP:
            return octets if len(transport) > 12 and len(transport) > transport[12] // 16 * 4 else b""
        if packet.protocol_identifier == UDP:
            return octets if len(transport) > 8 else b""
        return octets

    def _inspect(self, octets: bytes, packet: Packet, flow: Flow, found: Classification) -> None:
        if found.state is None:
            found.state = self._take_state()
            if found.state is None:
                self._decide(flow, found, self._engine.guess(_ends(flow)))
                return
        elif self._engine.allocated > self._most_allocated:
            self._count("refused_memory")
            self._decide(flow, found, self._engine.give_up(found.state))
            return
        whole = len(octets) == packet.octets and packet.fragment is None
        if not whole and not found.in_pieces:
            found.details = self._details(found.state)  # 13.1: names that come from now on do not count
            found.in_pieces = True
        octets = _with_true_length(octets, packet.ip_version)
        time_ms = packet.time_ns // 1_000_000
        told = EnginePacket(octets, len(octets), time_ms, packet.direction, _seen_beginning(flow))
        verdict = self._engine.inspect(found.state, told)
        self._count("inspected_packets")
        found.packets_left -= 1
        if verdict.done or (not whole and verdict.protocol):
            self._count("detected")
            self._decide(flow, found, verdict)
        elif found.packets_left == 0:
            self._count("detected" if verdict.protocol else "given_up")
            self._decide(flow, found, verdict if verdict.protocol else self._engine.give_up(found.state))
        else:
            found.members, found.named = self._members(verdict), bool(verdict.protocol)

    def _take_state(self) -> EngineState | None:
        """13.3: None when the bound on Flows or on memory is reached; counted."""
        full = len(self._in_use) == self._most_states
        if full and self._most_states == self._dpi.max_flows:
            self._count("refused_flows")
            return None
        if full or self._engine.allocated > self._most_allocated:
            self._count("refused_memory")
            return None
        state = self._free.pop() if self._free else EngineState(self._engine)
        self._engine.begin(state)
        self._in_use.add(state)
        return state

    def _count(self, name: str) -> None:
        self._counts[name] += 1

    # ---- verdicts ----

    def _decide(self, flow: Flow, found: Classification, verdict: Verdict) -> None:
        """13.4: for the life of the Flow. 13.5: the first rule that matches counts."""
        found.decided = True
        found.members = members = self._members(verdict)
        if found.state:
            if not found.in_pieces:
                found.details = self._details(found.state)
            self._engine.end(found.state)
            self._in_use.remove(found.state)
            self._free.append(found.state)
            found.state = None
        server_name = found.details[1 : 1 + found.details[0]].decode() if found.details else ""
        for rule in self._rules:
            if rule.matches(flow, server_name):
                members["master_protocol"] = members["master_protocol"] or members["application"]
                members["application"] = self._numbers[rule.name]
                members["application_id"] = self._application_id(members["application"])
                members["confidence"] = BY_RULE
                break

    def _members(self, verdict: Verdict) -> dict[str, int]:
        return {
            "flow_risk": verdict.risk,
            "application_id": self._application_id(verdict.protocol),
            "application": verdict.protocol,
            "master_protocol": verdict.master_protocol,
            "application_category": verdict.category,
            "risk_score": verdict.risk_score,
            "tls_version": verdict.tls_version,
            "dns_query_type": verdict.dns_query_type,
            "confidence": verdict.confidence,
            "dns_response_code": verdict.dns_response_code,
        }

    def _application_id(self, number: int) -> int:
        application = self._applications.by_number.get(number)
        return application.application_id if application and application.application_id else UNKNOWN_ID

    def _details(self, state: EngineState) -> bytes:
        """All kinds in their order, each behind its length; empty if every one is."""
        hidden = () if self._dpi.http_details else (Detail.HTTP_USER_AGENT, Detail.HTTP_URL)
        octets = b""
        for kind in Detail:
            text = b"" if kind in hidden else clean_text(self._engine.detail(state, kind))
            octets += bytes([len(text)]) + text
        return octets if any(octets) else b""

    def _tell(self, found: Classification) -> None:
        """Plugins have it in words."""
        number, members = found.members["application"], found.members
        found.words.update(
            application_name=self._applications.title(members["master_protocol"], number) or UNKNOWN,
            category_name=self._applications.categories.get(members["application_category"], ""),
            application_id=members["application_id"],
        )


def _with_true_length(octets: bytes, ip_version: int) -> bytes:
    """13.1: engines believe the length in the header."""
    at, length = (2, len(octets)) if ip_version == 4 else (4, len(octets) - 40)
    return octets[:at] + length.to_bytes(2, "big") + octets[at + 2 :]


def _seen_beginning(flow: Flow) -> bool:
    """13.2: whether a SYN is in this record."""
    record = flow.record
    return record is not None and bool(
        (record.forward.tcp_control_bits | record.reverse.tcp_control_bits) & SYN
    )


def _ends(flow: Flow) -> Ends:
    version = flow.flow_key.ip_version
    ends = Ends(
        client_port=flow.source.port,
        server_port=flow.destination.port,
        ip_version=version,
        protocol=flow.flow_key.protocol_identifier,
    )
    for field_of, end in ((ends.client_address, flow.source), (ends.server_address, flow.destination)):
        octets = own_octets(end.address, version)
        field_of[: len(octets)] = octets
    return ends


def _reversed(applications: Applications) -> list[tuple[int, Any]]:
    """So that of two with one name the lower number counts."""
    return sorted(applications.by_number.items(), reverse=True)


def _open_engine(dpi: Dpi) -> Engine:
    """As open_classification chooses it: the newest that can be loaded, or the one that is named."""
    engines = installed_engines()
    paths = list(engines.values()) if dpi.engine == AUTO else [engines.get(dpi.engine, dpi.engine)]
    reason: Exception = RuntimeError("none is installed")
    for path in paths:
        try:
            return Engine(path, dpi.protocols_file)
        except (OSError, RuntimeError, ValueError) as error:
            reason = error
    raise ConfigError(f"dpi: the classification engine cannot be used: {reason}; set dpi.enabled=false")
