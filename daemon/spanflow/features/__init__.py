# SPDX-License-Identifier: Apache-2.0
"""The columns that flows have for people and programs: defined once, computed from a batch with numpy."""

from spanflow.features.batch import FlowBatch
from spanflow.features.column import Column, Kind
from spanflow.features.selection import Selection, UnknownColumnError, select

__all__ = ["Column", "FlowBatch", "Kind", "Selection", "UnknownColumnError", "select"]
