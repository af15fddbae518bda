# SPDX-License-Identifier: Apache-2.0
"""Texts out of the details of a batch: by record, and as columns of a fixed width."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporting.classified_flows import cut
from exporting.flow_batches import DETAILS, Classified, Flow, batch_of
from spanflow.details import NO_DETAILS, Detail, Texts, texts
from spanflow.record import Batch


def batch_with(*found: dict[str, str]) -> Batch:
    """A batch of one record for each; those without a text have no details."""
    return batch_of(
        *(
            Flow(source="192.0.2.1", destination="192.0.2.2", protocol=17, classified=Classified(texts=each))
            for each in found
        )
    )


def test_kinds_are_those_of_the_native_core_in_order() -> None:
    assert [kind.name.lower() for kind in Detail] == list(DETAILS)
    assert [int(kind) for kind in Detail] == list(range(len(DETAILS)))
    assert bytes(len(DETAILS)) == NO_DETAILS


def test_texts_of_each_record() -> None:
    batch = batch_with(
        {"server_name": "a.example", "dns_answer": "192.0.2.7"},
        {},
        {"alpn": "h2"},
        {"server_name": "ü" * 127},
    )
    assert texts(batch, Detail.SERVER_NAME) == ["a.example", "", "", "ü" * 127]
    assert texts(batch, Detail.ALPN) == ["", "", "h2", ""]
    assert texts(batch, Detail.DNS_ANSWER) == ["192.0.2.7", "", "", ""]
    assert texts(batch_with({}, {}), Detail.ALPN) == ["", ""]
    assert texts(batch_with(), Detail.ALPN) == []


@pytest.mark.parametrize(
    ("name", "text", "width", "expected"),
    [
        ("filled up", "abc", 6, b"abc\0\0\0"),
        ("fits with its NUL", "abcde", 6, b"abcde\0"),
        ("cut for the NUL", "abcdef", 6, b"abcde\0"),
        ("cut", "abcdefgh", 6, b"abcde\0"),
        ("before a character of 2 octets", "abcdü", 6, b"abcd\0\0"),
        ("before one of 3", "abc☃", 6, b"abc\0\0\0"),
        ("before one of 4", "ab😀", 6, b"ab\0\0\0\0"),
        ("behind one of 4", "a😀b", 6, "a😀\0".encode()),
        ("nothing fits", "😀", 4, b"\0\0\0\0"),
        ("no room", "a", 1, b"\0"),
        ("the longest", "x" * 254, 255, b"x" * 254 + b"\0"),
    ],
)
def test_columns_cut_between_characters(name: str, text: str, width: int, expected: bytes) -> None:
    numbers, items = Texts(batch_with({}, {"http_url": text})).column(Detail.HTTP_URL, width)
    assert numbers.tolist() == [1]
    assert [bytes(item) for item in items] == [expected]


@settings(deadline=None, max_examples=100)
@given(
    found=st.lists(
        st.dictionaries(
            st.sampled_from(DETAILS),
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")).map(
                lambda text: cut(text, 254)
            ),
        ),
        max_size=20,
    ),
    width=st.integers(1, 255),
)
def test_any_texts(found: list[dict[str, str]], width: int) -> None:
    batch = batch_with(*found)
    places = Texts(batch)
    for kind, name in zip(Detail, DETAILS, strict=True):
        assert texts(batch, kind) == [each.get(name, "") for each in found]
        numbers, items = places.column(kind, width)
        shown = dict(zip(numbers.tolist(), map(bytes, items), strict=True))
        expected = {number: each[name] for number, each in enumerate(found) if each.get(name)}
        assert shown == {n: cut(text, width - 1).encode().ljust(width, b"\0") for n, text in expected.items()}


def test_a_batch_counts_its_details() -> None:
    batch = batch_with({"alpn": "h2"}, {})
    assert len(batch) == 2
    assert len(batch.details) == len(DETAILS) + 2
    assert batch.nbytes == batch.records.nbytes + len(DETAILS) + 2
    assert Batch(np.zeros(0, batch.records.dtype)).nbytes == 0
