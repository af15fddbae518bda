# SPDX-License-Identifier: Apache-2.0
"""The code of docs/plugins.md, and its configuration, do what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docs.code_blocks import code_blocks
from exporting.flow_batches import IPV4_FLOWS, batch_of
from spanflow.applications import NO_APPLICATIONS
from spanflow.config.load import load
from spanflow.metric_table import METRICS
from spanflow.plugins.chain import PluginChain
from spanflow.plugins.declaration import COLUMN_TYPES
from spanflow.plugins.loading import load_plugin

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "plugins.md"


def test_the_plugins_of_the_page() -> None:
    names: dict[str, Any] = {}
    for block in code_blocks(PAGE):
        exec(compile(block.code, f"{PAGE}:{block.line}", "exec"), names)
    chain = PluginChain([names["rates"], names["PortLabels"]("443,53", label="web or DNS")], strict=True)
    columns = chain.apply(batch_of(*IPV4_FLOWS), NO_APPLICATIONS).columns
    assert columns["is_bulk"].tolist() == [True, *[False] * 7]
    assert columns["label"].tolist() == ["web or DNS", "web or DNS", *[""] * 6]


def test_the_configuration_of_the_page(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "probe.yaml"
    path.write_text(text)
    _, labels = load(path).plugins
    example = DOCS / "examples" / "flow_labels.py"
    plugin = load_plugin(f"{example}:FlowLabels", labels.arguments())
    assert [each.column for each in labels.columns] == list(plugin.columns)


def test_the_page_names_every_metric_and_type() -> None:
    text = PAGE.read_text()
    assert all(row.name in text for row in METRICS if row.name.startswith("spanflow_plugin_"))
    assert all(f"`{name}`" in text for name in COLUMN_TYPES if not re.fullmatch("signed(16|32)", name))
