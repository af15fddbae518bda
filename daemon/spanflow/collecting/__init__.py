# SPDX-License-Identifier: Apache-2.0
"""The Collecting Process: a strict, bounded decoder of IPFIX Messages (RFC 7011) and its UDP listener."""
