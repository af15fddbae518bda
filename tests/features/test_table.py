# SPDX-License-Identifier: Apache-2.0
"""The table of columns: every name that people know finds one, and the page is what it gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanflow.features import UnknownColumnError, select
from spanflow.features.classic import CLASSIC_NAMES
from spanflow.features.elements import element_columns
from spanflow.features.reference import PAGE
from spanflow.features.selection import column_of, selected
from spanflow.features.table import COLUMNS, FEATURE_SETS, columns_by_name
from spanflow.fields import FIELDS

DOCS = Path(__file__).parents[2] / "docs"

OF_A_SIDE = (
    *("pktTotalCount", "octetTotalCount", "min_ps", "max_ps", "avg_ps", "std_dev_ps", "flowStart"),
    *("flowEnd", "flowDuration", "min_piat", "max_piat", "avg_piat", "std_dev_piat"),
)
THE_48 = [
    *["flow_key", "src_ip", "src_port", "dst_ip", "dst_port", "proto"],
    *OF_A_SIDE,
    *(f"f_{name}" for name in OF_A_SIDE),
    *(f"b_{name}" for name in OF_A_SIDE),
    *["flowEndReason", "category", "application_name"],
]
FLOW_OF_OLD = (
    *("key", "ip_src", "src_port", "ip_dst", "dst_port", "ip_protocol", "pktTotalCount"),
    *("octetTotalCount", "min_pkt_size", "max_pkt_size", "avg_pkt_size", "std_dev_pkt_size"),
    *("start_time", "end_time", "flowDuration", "min_piat", "max_piat", "avg_piat", "std_dev_piat"),
    *("src_to_dst_pkts", "src_to_dst_bytes", "f_min_pkt_size", "f_max_pkt_size", "f_avg_pkt_size"),
    *("f_std_dev_pkt_size", "f_start_time", "f_end_time", "f_flowDuration", "f_min_piat"),
    *("f_max_piat", "f_avg_piat", "f_std_dev_piat", "dst_to_src_pkts", "dst_to_src_bytes"),
    *("b_min_pkt_size", "b_max_pkt_size", "b_avg_pkt_size", "b_std_dev_pkt_size", "b_start_time"),
    *("b_end_time", "b_flowDuration", "b_min_piat", "b_max_piat", "b_avg_piat", "b_std_dev_piat"),
    *("export_reason", "FIN_flag_counter", "ACK_flag_counter", "ndpi_proto_num"),
)
"""But for `metrics` and `classifiers`, which are no columns."""


def test_the_page_is_what_the_table_gives() -> None:
    assert not PAGE.is_stale(DOCS), "run python -m spanflow.features.reference --write"


def test_the_page_has_every_name() -> None:
    text = PAGE.text()
    assert [name for name in columns_by_name() if f"`{name}`" not in text] == []
    assert [each for each in FEATURE_SETS if f"## {each.name}, version {each.version}\n" not in text] == []


def test_classic_is_the_48_columns_in_their_order() -> None:
    assert list(select("classic").names) == THE_48 == list(CLASSIC_NAMES)
    assert len(THE_48) == 48


def test_every_name_of_old_and_of_the_field_table_is_known() -> None:
    names = [*THE_48, *FLOW_OF_OLD, *(field.name for field in FIELDS)]
    names += [f"reverse{field.name[0].upper()}{field.name[1:]}" for field in FIELDS if field.directional]
    assert [name for name in names if name not in columns_by_name()] == []


def test_no_name_has_two_meanings() -> None:
    """But alpn, which is an Information Element of ours and a column, with one value."""
    names = [name for column in COLUMNS for name in (column.name, *column.aliases)]
    names += [column.name for column in element_columns()]
    assert sorted({name for name in names if names.count(name) > 1}) == ["alpn"]


def test_every_column_says_what_it_is() -> None:
    for column in (*COLUMNS, *element_columns()):
        assert column.definition.endswith("."), column.name
        assert "|" not in column.definition, column.name
        assert bool(column.dtype) == ("integer" in column.kind and column.kind != "wide_integer"), column.name


PLUGINS = {"label": "string"}


@pytest.mark.parametrize(
    ("features", "names"),
    [
        ("packet_count", ["packet_count"]),
        (("src_ip", "packet_count", "src_ip"), ["src_ip", "packet_count"]),
        (("label", "src_ip"), ["label", "src_ip"]),
        (("packets",), ["first_packet_lengths", "first_packet_directions", "first_packet_gaps_ns", "label"]),
        (
            ("packets", "src_ip"),
            ["first_packet_lengths", "first_packet_directions", "first_packet_gaps_ns", "src_ip"],
        ),
        ("classic", [*THE_48, "label"]),
    ],
)
def test_what_is_selected(features: str | tuple[str, ...], names: list[str]) -> None:
    """Columns of plugins come with sets, and by their names."""
    assert list(selected(features, PLUGINS)) == names
    assert list(select(features, PLUGINS).names) == names


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ("clasic", "unknown feature 'clasic'; did you mean classic?"),
        (("core", "f_avg_pss"), "did you mean f_avg_ps?"),
        ("", "unknown feature ''; docs/features.md lists them, the sets are core, statistics"),
        ((), "features: none is named; name sets (core, statistics"),
        ("lable", "did you mean label?"),
    ],
)
def test_what_is_unknown(features: str | tuple[str, ...], says: str) -> None:
    with pytest.raises(UnknownColumnError) as error:
        select(features, PLUGINS)
    assert says in str(error.value)


def test_an_unknown_column_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="unknown column 'scr_ip'; did you mean src_ip"):
        column_of("scr_ip")
