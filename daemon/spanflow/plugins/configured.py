# SPDX-License-Identifier: Apache-2.0
"""The plugins that the settings name, loaded, and what of them collectors get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spanflow.config.schema import Plugin
from spanflow.config.wording import nearest, shown
from spanflow.errors import ConfigError, PluginError
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.plugins.chain import PluginChain
from spanflow.plugins.declaration import FlowPlugin
from spanflow.plugins.loading import load_plugin


@dataclass(frozen=True, slots=True)
class ConfiguredPlugins:
    """chain: all plugins in their order. exported: the columns that collectors get."""

    chain: PluginChain
    exported: tuple[PluginColumn, ...] = ()


def open_plugins(settings: Sequence[Plugin]) -> ConfiguredPlugins:
    """Load the plugins. Raises ConfigError with everything that is wrong, a line each.

    It runs their code: call it when all privileges are given up, and no earlier.
    """
    problems: list[str] = []
    loaded: list[FlowPlugin] = []
    exported: list[PluginColumn] = []
    for index, each in enumerate(settings):
        try:
            plugin = load_plugin(each.plugin, each.arguments())
        except PluginError as error:
            problems.append(f"plugins[{index}]: {error}")
            continue
        loaded.append(plugin)
        exported += _exported(f"plugins[{index}]", each, plugin, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    try:
        chain = PluginChain(loaded, names=[shown(each.plugin) for each in settings])
    except PluginError as error:
        raise ConfigError(f"plugins: {error}") from error
    return ConfiguredPlugins(chain, tuple(exported))


def _exported(path: str, settings: Plugin, plugin: FlowPlugin, problems: list[str]) -> list[PluginColumn]:
    """The columns of one plugin that collectors get."""
    found = []
    for number, each in enumerate(settings.columns):
        if each.column not in plugin.columns:
            near = nearest(each.column, plugin.columns)
            advice = f"did you mean {near}?" if near else f"it has: {', '.join(plugin.columns)}"
            problems.append(
                f"{path}.columns[{number}].column: plugin {shown(settings.plugin)} has no column"
                f" {each.column}; {advice}"
            )
            continue
        found.append(
            PluginColumn(
                name=each.column,
                number=each.id,
                type=plugin.columns[each.column],
                width=each.width,
                plugin=shown(settings.plugin),
            )
        )
    return found
