# SPDX-License-Identifier: Apache-2.0
"""Broken configuration files: every error is located, named and explained, all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.broken import findings_of
from spanflow.config.load import load
from spanflow.errors import ConfigError

# Name, content, and how each line `FILE:line:column: key: …` must begin after the name of the file.
BROKEN: list[tuple[str, str | bytes, list[str]]] = [
    (
        "unknown_key_in_section",
        "cache:\n  active_timout: 60s\n",
        ["2:3: cache.active_timout: unknown key; did you mean active_timeout?"],
    ),
    (
        "unknown_section",
        "caches:\n  active_timeout: 60s\nzzz: 1\n",
        [
            "1:1: caches: unknown key; did you mean cache?",
            "3:1: zzz: unknown key; known here: interfaces, capture, cache, dpi, plugins, export, collectors,"
            " metrics, log, process",
        ],
    ),
    (
        "key_of_another_section",
        "cache:\n  workers: 2\nactive_timeout: 5s\n",
        [
            "2:3: cache.workers: unknown key; did you mean capture.workers?",
            "3:1: active_timeout: unknown key; did you mean cache.active_timeout?",
        ],
    ),
    (
        "dotted_key",
        "cache.active_timeout: 5s\n",
        ["1:1: cache.active_timeout: unknown key; write active_timeout on a line of its own, indented below"],
    ),
    (
        "bare_numbers",
        "cache:\n  active_timeout: 60\n  memory: 1.5\n",
        [
            "2:19: cache.active_timeout: '60' has no unit; write 60s, or another of ns, us, ms, s, m, h, d",
            "3:11: cache.memory: '1.5' has no unit; write 1.5B, or another of B, kB, MB, GB, TB, KiB,",
        ],
    ),
    (
        "wrong_units",
        "cache:\n  active_timeout: 60 seconds\n  memory: 64mib\nexport:\n  queue_size: 64 MiB\n",
        [
            "2:19: cache.active_timeout: '60 seconds' is not a duration; write a number and one of ns, us,",
            "3:11: cache.memory: unknown unit 'mib'; did you mean MiB?",
            "5:15: export.queue_size: '64 MiB' is not a size; write a number and one of B, kB,",
        ],
    ),
    (
        "negative",
        "cache:\n  tcp_linger: -2s\n  max_flows: -1\n",
        [
            "2:15: cache.tcp_linger: '-2s' is negative; use 1ms to 1h, or 0 (the Flow leaves at once)",
            "3:14: cache.max_flows: '-1' is negative; use 1 to 268435456",
        ],
    ),
    (
        "not_a_number",
        "cache:\n  max_flows: .nan\n  inactive_timeout: NaN\n  active_timeout: .inf\n"
        "capture: {workers: 1e0}\n",
        [
            "2:14: cache.max_flows: '.nan' is not a whole number; use 1 to 268435456",
            "3:21: cache.inactive_timeout: 'NaN' is not a duration;",
            "4:19: cache.active_timeout: '.inf' is not a duration;",
            "5:20: capture.workers: '1e0' is not a whole number; use 1 to 64",
        ],
    ),
    (
        "huge",
        f"cache:\n  max_flows: {'9' * 5000}\n  active_timeout: {'9' * 30}d\n  memory: {'9' * 5000}TiB\n",
        [
            f"2:14: cache.max_flows: '{'9' * 59}…' is out of range; use 1 to 268435456",
            f"3:19: cache.active_timeout: '{'9' * 30}d' is out of range; use 1ms to 7d, or 0 (off)",
            f"4:11: cache.memory: '{'9' * 59}…' is out of range; use 1MiB to 64GiB",
        ],
    ),
    (
        "booleans_of_yaml_1_1",
        "cache:\n  preallocate: yes\ndpi:\n  enabled: on\n",
        [
            "2:16: cache.preallocate: 'yes' is not a boolean; write true or false",
            "4:12: dpi.enabled: 'on' is not a boolean; write true or false",
        ],
    ),
    (
        "octal_or_decimal",
        "capture:\n  workers: 010\n",
        ["2:12: capture.workers: '010' begins with 0; write 10"],
    ),
    (
        "duplicate_keys",
        "cache:\n  max_flows: 1\n  max_flows: 2\ncapture: {}\ncache: {}\n",
        [
            "3:3: cache.max_flows: given twice, first in line 2; remove one",
            "5:1: cache: given twice, first in line 1; remove one",
        ],
    ),
    (
        "no_value",
        "cache:\n  max_flows:\n  active_timeout: null\n",
        [
            "2:13: cache.max_flows: has no value; write a whole number such as 4000000, or remove the line",
            "3:19: cache.active_timeout: has no value; write a duration such as 120s, or remove the line",
        ],
    ),
    (
        "wrong_shapes",
        "capture: [1]\ncache: 5\nexport:\n  pace: [1]\n  instance: {a: b}\ndpi: enabled:true\n",
        [
            "1:10: capture: a list stands where keys belong; write keys with their values, as in `workers:",
            "2:8: cache: '5' stands where keys belong; write keys with their values, as in `active_",
            "4:9: export.pace: a list is not allowed here; write a whole number such as 5000",
            "5:13: export.instance: a mapping is not allowed here; write a text such as uplink-2",
            "6:6: dpi: 'enabled:true' stands where keys belong; put a space after the colon",
        ],
    ),
    ("root_is_a_list", "- cache\n", ["1:1: a list stands where keys belong; write keys with their values"]),
    ("root_is_a_word", "hello\n", ["1:1: 'hello' stands where keys belong; write keys with their values"]),
    (
        "flow_key",
        "cache:\n  key: [vlan, tunnel]\nexport: {instance: a b}\n",
        [
            "2:8: cache.key: unknown value 'tunnel'; known: vlan, interface",
            "3:20: export.instance: 'a b' is not allowed here; use 1 to 64 letters, digits, '.', '_' or '-'",
        ],
    ),
    (
        "flow_key_twice",
        "cache:\n  key:\n    - vlan\n    - [vlan]\n    - vlan\n",
        [
            "3:5: cache.key: 'vlan' is there twice; remove one",
            "4:7: cache.key[1]: a list is not allowed here; write a word",
        ],
    ),
    (
        "filters",
        "capture:\n  filter: tcp prot 80\n",
        ["2:11: capture.filter: 'tcp prot 80' is no capture filter: can't parse filter expression: syntax"],
    ),
    (
        "filter_port",
        'capture:\n  filter: "udp port 70000"\n',
        ["2:11: capture.filter: 'udp port 70000' is no capture filter: illegal port number 70000 > 65535"],
    ),
    (
        "filter_too_long",
        f"capture:\n  filter: {'(' * 3000}tcp{')' * 3000}\n",
        ["2:11: capture.filter: 6003 characters are too long; use at most 4096"],
    ),
    (
        "collector_urls",
        "collectors:\n  - 10.0.0.1:4739\n  - ipfix+tpc://h\n  - ipfix+udp://h?biflw=1&mtu=9&domain=x\n",
        [
            "2:5: collectors[0]: '10.0.0.1:4739' is no URL; write ipfix+udp://HOST:PORT",
            "3:5: collectors[1]: unknown scheme 'ipfix+tpc'; did you mean ipfix+tcp?",
            "4:5: collectors[2].biflw: unknown option 'biflw'; did you mean biflow?",
            "4:5: collectors[2].mtu: '9' is out of range; use 512 to 65507, or 0 or auto (from the path MTU)",
            "4:5: collectors[2].domain: 'x' is not a whole number; use 0 to 4294967295",
        ],
    ),
    (
        "collector_mappings",
        "collectors:\n  - biflow: true\n  - url: ipfix+udp://:1\n    biflow: no\n    max_message_size: 1\n"
        "    pace: [1]\n    name:\n  - [a]\n  -\n",
        [
            "2:5: collectors[0]: has no url; add url: ipfix+udp://HOST:PORT",
            "3:10: collectors[1].url: the host is missing; write a name or an address after ://",
            "4:13: collectors[1].biflow: 'no' is not a boolean; write true or false",
            "5:5: collectors[1].max_message_size: unknown option 'max_message_size'; its name is mtu here",
            "6:11: collectors[1].pace: a list is not allowed here; write one value",
            "7:10: collectors[1].name: has no value; write one, or remove the line",
            "8:5: collectors[2]: a list is no collector; write a URL, or a mapping with url:",
            "9:4: collectors[3]: nothing is no collector; write a URL, or a mapping with url:",
        ],
    ),
    (
        "collectors_no_list",
        "collectors: ipfix+udp://h\n",
        ["1:13: collectors: 'ipfix+udp://h' is not a list; write a list: each collector on a line"],
    ),
    (
        "collector_option_given_twice",
        "collectors:\n  - url: ipfix+udp://h?pace=5\n    pace: 6\n",
        ["3:11: collectors[0].pace: given twice; remove one"],
    ),
    (
        "same_collector_twice",
        "collectors:\n  - ipfix+udp://h\n  - ipfix+udp://h:4739?biflow=true\n"
        "  - url: ipfix+udp://i\n    name: a\n  - url: ipfix+udp://j\n    name: a\n",
        [
            "3:5: collectors: a second collector has the name 'ipfix+udp://h:4739'; give it another",
            "7:11: collectors: a second collector has the name 'a'; give it another with name=",
        ],
    ),
    (
        "many_collectors",
        "collectors:\n" + "".join(f"  - ipfix+udp://h{number}\n" for number in range(66)),
        ["66:5: collectors: more than 64 collectors; remove some"],
    ),
    (
        "fewer_flows_than_workers",
        "capture: {workers: 8}\ncache: {max_flows: 4}\n",
        ["2:20: cache.max_flows: 4 flows do not do for 8 workers; raise it"],
    ),
    (
        "tab_indentation",
        "cache:\n\tmax_flows: 5\n",
        ["2:1: not YAML: found character that cannot start any token"],
    ),
    ("unclosed_list", "cache:\n  key: [vlan\n", ["2:8: not YAML: did not find expected ',' or ']'"]),
    ("unclosed_quote", 'export:\n  instance: "a\n', ["2:13: not YAML: found unexpected end of stream"]),
    ("wrong_indentation", "cache:\n   max_flows: 5\n  key: []\n", ["3:3: not YAML: did not find expected"]),
    ("colon_in_value", "export:\n  instance: a: b\n", ["2:14: not YAML: mapping values are not allowed"]),
    ("no_such_anchor", "cache: *later\n", ["1:8: not YAML: found undefined alias"]),
    (
        "tag",
        "cache:\n  max_flows: !!int 5\n",
        ["2:14: tag 'tag:yaml.org,2002:int' is not allowed; remove it"],
    ),
    (
        "object_tag",
        "!!python/object:os.system\nx: 1\n",
        ["1:1: tag 'tag:yaml.org,2002:python/object:os.system' is"],
    ),
    (
        "two_documents",
        "cache: {}\n---\ncache: {}\n",
        ["2:1: a second document begins; keep only one, remove ---"],
    ),
    ("key_is_a_list", "? [a, b]\n: 1\n", ["1:3: a list or mapping cannot be a key; use a word"]),
    (
        "merge_key",
        "cache:\n  <<: {max_flows: 5}\n",
        ["2:3: cache.<<: unknown key; merging (<<) is not supported"],
    ),
    (
        "deep",
        "cache: " + "[" * 50 + "]" * 50 + "\n",
        ["1:39: nested more than 32 levels deep; no setting needs that"],
    ),
    (
        "endless_alias",
        "cache: &a\n  key: *a\n",
        ["1:8: cache.key: a mapping is not allowed here; write a list such"],
    ),
    (
        "many_aliases",
        "a: &a 1\nb: [" + "*a, " * 65 + "]\n",
        ["2:261: more than 64 aliases; write the values out"],
    ),
    (
        "many_nodes",
        "a: [" + "1," * 100_000 + "]\n",
        ["1:199999: more than 100000 values and keys; make the file"],
    ),
    (
        "nul_octet",
        b"cache:\n  max_flows: 5\x00\n",
        ["2:15: character U+0000 is not allowed in YAML; remove it"],
    ),
    (
        "escape_character",
        b"cache:\r\n  # \x1b[31m\r\n",
        ["2:5: character U+001B is not allowed in YAML; remove it"],
    ),
    ("not_utf_8", b"cache:\n  # M\xfcnchen\n", ["2:6: octet 0xfc is not UTF-8; save the file as UTF-8 text"]),
    ("utf_16", "cache: {}\n".encode("utf-16"), ["1:1: octet 0xff is not UTF-8; save the file as UTF-8 text"]),
    (
        "capture_file",
        b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(16),
        ["1:1: octet 0xd4 is not UTF-8; save the"],
    ),
    ("binary", bytes(range(256)), ["1:1: character U+0000 is not allowed"]),
]


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_every_error_is_located_and_explained(
    tmp_path: Path, content: str | bytes, expected: list[str]
) -> None:
    path = tmp_path / "probe.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = findings_of(path)
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


def test_the_source_line_and_a_caret_follow(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text("cache:\n  max_flows: many  # all\n  key: [vlan, x]\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).split("\n") == [
        f"{path}:2:14: cache.max_flows: 'many' is not a whole number; use 1 to 268435456",
        "      max_flows: many  # all",
        "                 ^",
        f"{path}:3:8: cache.key: unknown value 'x'; known: vlan, interface",
        "      key: [vlan, x]",
        "           ^",
    ]


def test_binary_with_a_late_octet_says_what_it_might_be(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_bytes(b"\xef\xbb\xbfcache: {}\n# \xff\n")
    assert findings_of(path) == ["2:3: octet 0xff is not UTF-8; save the file as UTF-8 text"]


def test_errors_beyond_the_number_that_anybody_reads_are_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text("".join(f"key{number}: 1\n" for number in range(30_000)))
    with pytest.raises(ConfigError) as caught:
        load(path)
    lines = str(caught.value).split("\n")
    assert len(lines) == 601
    assert lines[-1] == "200 errors are enough; repair these first"
