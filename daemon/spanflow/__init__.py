# SPDX-License-Identifier: Apache-2.0
"""Spanflow: a flow probe. Packets in, IPFIX out, numbers that add up."""
