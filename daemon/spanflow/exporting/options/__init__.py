# SPDX-License-Identifier: Apache-2.0
"""Options Data Records: what a collector has to know beside the Flows (RFC 7011 section 4). A file for each
kind."""

from spanflow.exporting.options.sampling import EVERY_PACKET as EVERY_PACKET
from spanflow.exporting.options.sampling import Sampling as Sampling
