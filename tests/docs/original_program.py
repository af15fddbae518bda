# SPDX-License-Identifier: Apache-2.0
"""A program as people wrote them for the system that Spanflow grew from; only its import line is another."""

from spanflow import Streamer


class PauseClassifier:
    """Finds flows that were silent for more than half a second, and counts what it sees of each."""

    name = "pauses"

    def __init__(self):
        self.opened = 0
        self.closed = 0
        self.finished = False

    def on_flow_init(self, flow):
        self.opened += 1
        flow.classifiers[self.name]["pauses"] = 0
        flow.classifiers[self.name]["last"] = None
        flow.classifiers[self.name]["packets"] = [0, 0]
        flow.classifiers[self.name]["flags"] = {"FIN": 0, "RST": 0, "ACK": 0}

    def on_flow_update(self, packet, flow):
        mine = flow.classifiers[self.name]
        if mine["last"] is not None and packet.ts_float - mine["last"] > 0.5:
            mine["pauses"] += 1
        mine["last"] = packet.ts_float
        mine["packets"][packet.direction] += 1
        mine["flags"]["FIN"] += packet.FIN_flag
        mine["flags"]["RST"] += packet.RST_flag
        mine["flags"]["ACK"] += packet.ACK_flag

    def on_flow_terminate(self, flow):
        self.closed += 1
        mine = flow.classifiers[self.name]
        mine["verdict"] = "with pauses" if mine["pauses"] else "steady"
        mine["reason"] = flow.export_reason
        mine["mean"] = flow.avg_pkt_size

    def on_exit(self):
        self.finished = True


def full_packets(packet, flow):
    return flow.metrics["full_packets"] + 1 if packet.size >= 1400 else flow.metrics["full_packets"]


def answer_ratio(packet, flow):
    return flow.dst_to_src_bytes / flow.src_to_dst_bytes if flow.src_to_dst_bytes else 0


def ends(flow):
    """The short form of a flow."""
    return ",".join(
        str(value)
        for value in (
            flow.ip_protocol,
            flow.ip_src,
            flow.src_port,
            flow.ip_dst,
            flow.dst_port,
            flow.src_to_dst_pkts,
            flow.src_to_dst_bytes,
            flow.dst_to_src_pkts,
            flow.dst_to_src_bytes,
        )
    )


def run(path):
    """Everything that this program finds out about a capture."""
    classifier = PauseClassifier()
    streamer = Streamer(
        source=path,
        capacity=1000,
        active_timeout=120,
        inactive_timeout=60,
        user_metrics={"full_packets": full_packets, "answer_ratio": answer_ratio},
        user_classifiers=classifier,
    )
    flows = list(streamer)
    return streamer, classifier, flows
