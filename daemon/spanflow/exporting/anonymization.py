# SPDX-License-Identifier: Apache-2.0
"""Anonymisation of Flow Records (RFC 6235), for one collector, before anything is queued for it.

Addresses are truncated, or replaced by Crypto-PAn; all of them, whether private, multicast or loopback: which
ranges are left as they are would tell what stands behind their neighbours. What else would tell an address
goes too:

- flowId: it is an unkeyed hash of the addresses; whoever tries them all finds them. It is made anew, from
  what the collector sees.
- MAC addresses become zero: they stand for one device, and IPv6 addresses may contain them. The manufacturer
  alone (the OUI) is not kept either, as in a small network it may stand for one device too.
- Details (server name, URL, user agent, DNS answer, fingerprints) and what per-packet plugins attach are left
  out, and texts of plugin columns are emptied: they are taken from packets and may hold anything.

Times, counters, ports, interfaces, VLANs and applications stay, and so do numbers in plugin columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from spanflow.config.schema import Collector
from spanflow.errors import ConfigError
from spanflow.exporting.anonymization_key import read_key
from spanflow.exporting.crypto_pan import CryptoPan
from spanflow.exporting.group import flow_keys
from spanflow.record import Array, Batch

_ADDRESS_OCTETS = {4: 4, 6: 16}
_ODD = np.uint64(0x9E37_79B9_7F4A_7C15)
_NUMBERS = "biuf"
"""The kinds of dtype (numpy) of columns that hold numbers; texts are objects, or octets as they are sent."""


class Replacement(Protocol):
    """How addresses are replaced."""

    def replace(self, addresses: Array) -> Array:
        """addresses: uint8, shape (n, 4) or (n, 16), contiguous. As many others, of the same shape."""
        ...


class Truncation:
    """Keeps the first bits of an address, the others become zero (RFC 6235: truncation)."""

    def __init__(self, *, ipv4_bits: int, ipv6_bits: int) -> None:
        self._masks = {4: _mask(ipv4_bits, 4), 16: _mask(ipv6_bits, 16)}

    def replace(self, addresses: Array) -> Array:
        """addresses: uint8, shape (n, 4) or (n, 16), contiguous. As many others, of the same shape."""
        mask = self._masks[addresses.shape[1]]
        # As words: many times faster than octet by octet.
        kept: Array = addresses.view(mask.dtype) & mask
        return kept.view(np.uint8)


class Anonymizer:
    """The anonymisation of what one collector gets. For one thread at a time."""

    def __init__(self, addresses: Replacement) -> None:
        self._addresses = addresses

    def apply(self, batch: Batch) -> Batch:
        """The same Flow Records, anonymised, in new arrays; the batch stays as it is."""
        records = _copy(batch.records)
        if len(records):
            self._replace_addresses(records)
            records["flow_id"] = _flow_ids(records)
        for half in (records["forward"], records["reverse"]):
            half["source_mac_address"] = 0
            half["destination_mac_address"] = 0
        records["details_offset"] = 0
        records["details_octets"] = 0
        records.flags.writeable = False
        return replace(
            batch,
            records=records,
            details=np.empty(0, np.uint8),
            columns=_without_texts(batch.columns),
            attachments=(),
        )

    def _replace_addresses(self, records: Array) -> None:
        octets = _ADDRESS_OCTETS[int(records["ip_version"][0])]
        sources = records["source_address"][:, -octets:]
        destinations = records["destination_address"][:, -octets:]
        replaced = self._addresses.replace(np.concatenate((sources, destinations)))
        sources[...] = replaced[: len(records)]
        destinations[...] = replaced[len(records) :]


def anonymizer_of(collector: Collector) -> Anonymizer | None:
    """The anonymisation that a collector's settings ask for; None without any.

    Raises ConfigError if the key cannot be read, or a package is missing.
    """
    if collector.anonymize == "none":
        return None
    if collector.anonymize == "truncate":
        bits = {"ipv4_bits": collector.anonymize_ipv4, "ipv6_bits": collector.anonymize_ipv6}
        return Anonymizer(Truncation(**bits))
    try:
        return Anonymizer(CryptoPan(read_key(collector.anonymize_key or "")))
    except ConfigError as error:
        raise ConfigError(f"collector {collector.name}: {error}") from error


def _copy(records: Array) -> Array:
    # As opaque items: member by member, as numpy copies structures, takes ten times as long.
    copied: Array = records.view(np.dtype((np.void, records.itemsize))).copy().view(records.dtype)
    return copied


def _flow_ids(records: Array) -> Array:
    """The same for every part of a Flow, and made of nothing that is not sent: uint64, shape (n,)."""
    starts = records["flow_start_ns"].astype(np.uint64)
    ids: Array = flow_keys(Batch(records)) ^ starts * _ODD
    return ids


def _without_texts(columns: Mapping[str, Array]) -> dict[str, Array]:
    return {
        name: values if values.dtype.kind in _NUMBERS else _emptied(values)
        for name, values in columns.items()
    }


def _emptied(texts: Array) -> Array:
    return np.full_like(texts, "") if texts.dtype.kind == "O" else np.zeros_like(texts)


def _mask(bits: int, octets: int) -> Array:
    """Ones, then zeros, as words: uint32 of shape (1,), or uint64 of shape (2,)."""
    ones = np.arange(octets * 8) < bits
    return np.packbits(ones).view(np.uint32 if octets == 4 else np.uint64)
