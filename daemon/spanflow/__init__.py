# SPDX-License-Identifier: Apache-2.0
"""Spanflow: a flow probe. Packets in, IPFIX out, numbers that add up.

As a library:

>>> from spanflow import FlowStream
>>> for flow in FlowStream("config/demo.pcap", enable_ndpi=False):
...     if flow.dst_port == 443 and flow.pktTotalCount > 20:
...         print(flow.src_ip, flow.dst_ip, flow.octetTotalCount)
192.0.2.10 198.51.100.80 9181
192.0.2.10 198.51.100.80 9101

docs/library.md is the tutorial.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanflow.errors import CaptureError as CaptureError
    from spanflow.errors import ConfigError as ConfigError
    from spanflow.errors import PluginError as PluginError
    from spanflow.errors import SpanflowError as SpanflowError
    from spanflow.errors import UsageError as UsageError
    from spanflow.features.batch import FlowBatch as FlowBatch
    from spanflow.plugins.declaration import flow_plugin as flow_plugin
    from spanflow.stream.flow import Flow as Flow
    from spanflow.stream.flow_stream import FlowStream as FlowStream
    from spanflow.stream.streamer import Streamer as Streamer

_HOMES = {
    "CaptureError": "errors",
    "ConfigError": "errors",
    "PluginError": "errors",
    "SpanflowError": "errors",
    "UsageError": "errors",
    "FlowBatch": "features.batch",
    "flow_plugin": "plugins.declaration",
    "Flow": "stream.flow",
    "FlowStream": "stream.flow_stream",
    "Streamer": "stream.streamer",
}

__all__ = [
    "CaptureError",
    "ConfigError",
    "Flow",
    "FlowBatch",
    "FlowStream",
    "PluginError",
    "SpanflowError",
    "Streamer",
    "UsageError",
    "flow_plugin",
]


def __getattr__(name: str) -> Any:
    """The public names, each when it is asked for: numpy would make `spanflow --version` slow."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"spanflow.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'spanflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
