# SPDX-License-Identifier: Apache-2.0
"""Broken settings of the daemon: interfaces, live capture, metrics, log, process."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.broken import findings_of

# As in test_broken_files.py: name, content, and how each line must begin after the name of the file.
BROKEN: list[tuple[str, str, list[str]]] = [
    (
        "interface_names",
        "interfaces:\n  - eth0/1\n  - 'my eth'\n  - ..\n  - ''\n  - " + "e" * 65 + '\n  - "eth\\x01"\n',
        [
            "2:5: interfaces[0]: 'eth0/1' is no interface name; use 1 to 64 printable characters without",
            "3:5: interfaces[1]: 'my eth' is no interface name; use 1 to 64 printable characters without",
            "4:5: interfaces[2]: '..' is no interface name;",
            "5:5: interfaces[3]: '' is no interface name;",
            f"6:5: interfaces[4]: '{'e' * 59}…' is no interface name;",
            "7:5: interfaces[5]: 'eth\\x01' is no interface name;",
        ],
    ),
    (
        "interface_mappings",
        "interfaces:\n  - workers: 2\n  - name: eth0\n    worker: 2\n    ring_size: 5\n"
        "    filter: tcp prot 80\n    max_flows: 1\n    snap_length: auto\n    engine: [ring]\n    index: 0\n"
        "  - name:\n    enabled: no\n"
        "  - eth1: {workers: 2}\n  - [eth2]\n  -\n",
        [
            "2:5: interfaces[0]: has no name; add name: NAME",
            "4:5: interfaces[1].worker: unknown key; did you mean workers?",
            "5:16: interfaces[1].ring_size: '5' has no unit; write 5B, or another of",
            "6:13: interfaces[1].filter: 'tcp prot 80' is no capture filter: can't parse filter expression:",
            "7:5: interfaces[1].max_flows: unknown key; did you mean cache.max_flows or dpi.max_flows?",
            "8:18: interfaces[1].snap_length: 'auto' is not a whole number; use 64 to 65535",
            "9:13: interfaces[1].engine: a list is not allowed here; write a word such as libpcap",
            "10:12: interfaces[1].index: '0' is out of range; use 1 to 4294967295",
            "11:10: interfaces[2].name: has no value; write a name such as eth0",
            "12:14: interfaces[2].enabled: 'no' is not a boolean; write true or false",
            "13:5: interfaces[3].eth1: unknown key; known here: name, enabled, index, workers, filter,",
            "13:5: interfaces[3]: has no name; add name: NAME",
            "14:5: interfaces[4]: a list is no interface; write a name, or a mapping with name:",
            "15:4: interfaces[5]: nothing is no interface; write a name, or a mapping with name:",
        ],
    ),
    (
        "interfaces_no_list",
        "interfaces: {eth0: {workers: 2}}\n",
        ["1:13: interfaces: a mapping is not a list; write a list: each interface on a line that"],
    ),
    (
        "same_interface_twice",
        "interfaces:\n  - eth0\n  - eth1\n  - name: eth0\n    enabled: false\n",
        ["4:11: interfaces: a second interface has the name 'eth0'; remove one"],
    ),
    (
        "many_interfaces",
        "interfaces:\n" + "".join(f"  - eth{number}\n" for number in range(66)),
        ["66:5: interfaces: more than 64 interfaces; remove some"],
    ),
    (
        "capture_live",
        "capture:\n  ring_size: 64\n  block_timeout: 2s\n  promiscuous: yes\n  snap_length: 63\n"
        "  engine: pcap\n  when_missing: ignore\n  queue_size: 5GiB\nqueue_size: 1MiB\n",
        [
            "2:14: capture.ring_size: '64' has no unit; write 64B, or another of",
            "3:18: capture.block_timeout: '2s' is out of range; use 1ms to 100ms",
            "4:16: capture.promiscuous: 'yes' is not a boolean; write true or false",
            "5:16: capture.snap_length: '63' is out of range; use 64 to 65535",
            "6:11: capture.engine: unknown value 'pcap'; did you mean libpcap?",
            "7:17: capture.when_missing: unknown value 'ignore'; known: refuse, wait",
            "8:15: capture.queue_size: '5GiB' is out of range; use 1MiB to 4GiB",
            "9:1: queue_size: unknown key; did you mean capture.queue_size or export.queue_size?",
        ],
    ),
    (
        "operation",
        "metrics: {listen: localhost:9730, port: 1}\nlog: {format: jsonl, level: warn}\n"
        "process: {user: a b, group: x}\n",
        [
            "1:19: metrics.listen: 'localhost:9730' does not begin with an IP address; write 127.0.0.1:9730,",
            "1:35: metrics.port: unknown key; known here: listen",
            "2:15: log.format: unknown value 'jsonl'; did you mean json?",
            "2:29: log.level: unknown value 'warn'; did you mean warning?",
            "3:17: process.user: 'a b' is not allowed here; use a user name, a number, or nothing",
            "3:22: process.group: unknown key; known here: user",
        ],
    ),
    (
        "listen_unquoted_ipv6",
        "metrics:\n  listen: [::1]:9730\n",
        ["2:12: not YAML: did not find expected node content while parsing a flow node; quote a value that"],
    ),
    (
        "fewer_flows_than_workers_of_interfaces",
        "interfaces: [eth0, {name: eth1, workers: 3}, {name: eth2, enabled: false, workers: 64}]\n"
        "capture: {workers: 2}\ncache: {max_flows: 4}\n",
        ["3:20: cache.max_flows: 4 flows do not do for 5 workers; raise it"],
    ),
]


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_every_error_is_located_and_explained(tmp_path: Path, content: str, expected: list[str]) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text(content)
    found = findings_of(path)
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected
