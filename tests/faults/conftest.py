# SPDX-License-Identifier: Apache-2.0
"""Each fault has a network of its own, in which nothing else speaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from live.harness.namespace import NotPermittedError, namespaces


@pytest.fixture(autouse=True)
def own_network() -> Iterator[None]:
    """A network namespace with nothing but `lo`; where that is not permitted, the one that is there."""
    try:
        with namespaces(1, ipv6=True) as (namespace,), namespace.entered():
            yield
    except NotPermittedError:
        yield
