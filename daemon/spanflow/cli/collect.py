# SPDX-License-Identifier: Apache-2.0
"""`spanflow collect`: a small IPFIX collector that shows what arrives, as a table or as JSON lines."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, Protocol

from spanflow.cli.flow_rows import FlowRow, row_from_record
from spanflow.cli.tables import Fact, FlowTable, Style, human, summary_lines
from spanflow.collecting.listener import UdpListener, address_text, parse_address
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import DataSet, Message
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.session import TransportSession
from spanflow.errors import ExitCode, SpanflowError
