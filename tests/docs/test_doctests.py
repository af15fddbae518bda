# SPDX-License-Identifier: Apache-2.0
"""The examples in docstrings of what the library offers."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import spanflow

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("stream", "features", "tables", "plugins", "reference")


def modules() -> Iterator[str]:
    """`spanflow`, and all modules of the library's packages."""
    yield "spanflow"
    for name in PACKAGES:
        package = importlib.import_module(f"spanflow.{name}")
        yield package.__name__
        yield from (each.name for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."))


def has_examples(name: str) -> bool:
    return ">>>" in source(importlib.import_module(name))


def source(module: ModuleType) -> str:
    assert module.__file__ is not None
    return Path(module.__file__).read_text()


@pytest.mark.parametrize("name", [name for name in modules() if has_examples(name)])
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They name files from the root of the repository."""
    monkeypatch.chdir(REPOSITORY)
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", ["FlowStream", "Flow", "flow_plugin"])
def test_what_people_begin_with_has_an_example(name: str) -> None:
    assert ">>>" in (getattr(spanflow, name).__doc__ or "")
