# SPDX-License-Identifier: Apache-2.0
"""One function per golden capture; its name is the golden's, its docstring says what the golden shows."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from golden.recipe import Recipe
from golden.recipes import (
    direction,
    discards,
    files,
    fragments,
    link_layers,
    network_layer,
    tcp_end,
    timeouts,
)

STAGES = (files, link_layers, network_layer, fragments, direction, timeouts, tcp_end, discards)


def all_recipes() -> dict[str, Callable[[], Recipe]]:
    """Every public function of the modules of this package, by name."""
    return {name: function for module in STAGES for name, function in _recipes_of(module)}


def _recipes_of(module: ModuleType) -> list[tuple[str, Callable[[], Recipe]]]:
    return [
        (name, member)
        for name, member in vars(module).items()
        if getattr(member, "__module__", None) == module.__name__
        and callable(member)
        and not name.startswith("_")
    ]
