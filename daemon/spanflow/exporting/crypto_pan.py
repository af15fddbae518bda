# SPDX-License-Identifier: Apache-2.0
"""Crypto-PAn: addresses replaced so that two which share a prefix share one of the same length afterwards.

The scheme of Xu, Fan, Ammar and Moon (Prefix-Preserving IP Address Anonymization, 2002) with AES-128. Bit i
of an address is flipped if the first bit of the cipher text of this block is set:

    |<- the first i bits of the address ->|<- bits i to 127 of the pad, itself enciphered ->|

An address is left aligned: an IPv4 address has 32 such blocks, an IPv6 address 128.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spanflow.errors import ConfigError
from spanflow.exporting.address_cache import AddressCache
from spanflow.record import Array

_BLOCK = 16
_BLOCKS_AT_ONCE = 1 << 15
"""So many are enciphered in one call: half a MiB, which stays in the processor's cache."""
_IPV4_TABLE_BITS = 16
_HALF = 64

_IPV4_SLOTS = 1 << 16
_IPV6_SLOTS = 1 << 15
_PREFIX_SLOTS = 1 << 14


class CryptoPan:
    """The replacement of addresses under one key. For one thread at a time.

    What was found is kept in caches of fixed size (3.2 MiB in all), so a flood of new addresses costs time,
    no memory. The first 16 bits of IPv4 addresses come from a table, the first 64 of IPv6 addresses are found
    once for all addresses of a network.
    """

    def __init__(self, key: bytes) -> None:
        """key: 32 octets, 16 for the cipher, then 16 for the pad.

        Raises ConfigError if the package `cryptography` is missing.
        """
        self._blocks = _Blocks(key)
        self._ipv4_table = _ipv4_table(self._blocks)
        # Slots are chosen with a secret: who sends packets cannot aim at one of them.
        seed = self._blocks.seed
        self._ipv4 = AddressCache(self._ipv4_of, slots=_IPV4_SLOTS, words=1, seed=seed)
        self._prefixes = AddressCache(self._prefixes_of, slots=_PREFIX_SLOTS, words=1, seed=seed)
        self._ipv6 = AddressCache(self._ipv6_of, slots=_IPV6_SLOTS, words=2, seed=seed)

    def replace(self, addresses: Array) -> Array:
        """addresses: uint8, shape (n, 4) or (n, 16), contiguous. As many others, of the same shape."""
        if addresses.shape[1] == _BLOCK:
            return _octets(self._ipv6.of(_words(addresses)))
        padded = np.zeros((len(addresses), 8), np.uint8)
        padded[:, :4] = addresses
        return np.ascontiguousarray(_octets(self._ipv4.of(_words(padded)))[:, :4])

    def _ipv4_of(self, addresses: Array) -> Array:
        """Of IPv4 addresses in the first 4 octets of a word, shape (n, 1)."""
        flips = np.zeros((len(addresses), 8), np.uint8)
        octets = _octets(addresses)
        flips[:, :2] = self._ipv4_table[octets[:, 0].astype(np.intp) << 8 | octets[:, 1]]
        blocks = np.zeros((len(addresses), 2), np.uint64)
        blocks[:, :1] = addresses
        flips[:, 2:4] = self._blocks.flips(blocks, _IPV4_TABLE_BITS, 32)
        return addresses ^ _words(flips)

    def _prefixes_of(self, prefixes: Array) -> Array:
        """Of the first halves of IPv6 addresses, shape (n, 1)."""
        blocks = np.zeros((len(prefixes), 2), np.uint64)
        blocks[:, :1] = prefixes
        return prefixes ^ _words(self._blocks.flips(blocks, 0, _HALF))

    def _ipv6_of(self, addresses: Array) -> Array:
        """Of IPv6 addresses, shape (n, 2)."""
        found = np.empty_like(addresses)
        found[:, :1] = self._prefixes.of(np.ascontiguousarray(addresses[:, :1]))
        found[:, 1:] = addresses[:, 1:] ^ _words(self._blocks.flips(addresses, _HALF, 2 * _HALF))
        return found


class _Blocks:
    """The blocks of addresses, and their encipherment."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 2 * _BLOCK:
            raise ValueError(f"a key has {2 * _BLOCK} octets, not {len(key)}")
        self._cipher = _cipher(key[:_BLOCK])
        pad = np.frombuffer(self._cipher.update(key[_BLOCK:]), np.uint8)
        # Row i has i ones, then zeros. As words in the order of memory: AND and OR do not mind it.
        masks = np.packbits(np.tri(128, 128, -1, dtype=np.uint8), axis=1)
        self._masks = _words(masks)
        self._pads = _words(pad & ~masks)
        self.seed = int.from_bytes(self._cipher.update(bytes(_BLOCK))[:8], "big")
        """A secret number, 64 bits."""

    def flips(self, addresses: Array, first: int, last: int) -> Array:
        """Bits `first` to `last` - 1 of what the addresses are to be XORed with; both multiples of 8.

        addresses: uint64, shape (n, 2), the octets of each in the order of memory. Returns uint8,
        shape (n, octets).
        """
        found = np.empty((len(addresses), (last - first) // 8), np.uint8)
        step = max(1, _BLOCKS_AT_ONCE // (last - first))
        for start in range(0, len(addresses), step):
            part = addresses[start : start + step, np.newaxis, :]
            bits = self.first_bits(part & self._masks[first:last] | self._pads[first:last])
            found[start : start + step] = np.packbits(bits, axis=1)
        return found

    def with_pad(self, addresses: Array, bit: int) -> Array:
        """The blocks of one bit. addresses: as above."""
        blocks: Array = addresses & self._masks[bit] | self._pads[bit]
        return blocks

    def first_bits(self, blocks: Array) -> Array:
        """The first bit of the cipher text of each block, 0 or not 0.

        blocks: uint64, shape (..., 2), contiguous.
        """
        # The encryptor wants room for one block less one octet more than it writes.
        out = np.empty(blocks.nbytes + _BLOCK, np.uint8)
        self._cipher.update_into(blocks.reshape(-1).view(np.uint8), out)
        first: Array = out[: blocks.nbytes : _BLOCK].reshape(blocks.shape[:-1]) & 0x80
        return first


def _ipv4_table(blocks: _Blocks) -> Array:
    """What the first two octets of an IPv4 address are XORed with, for each pair: uint8, shape (65536, 2)."""
    flips = np.zeros(1 << _IPV4_TABLE_BITS, np.uint16)
    for bit in range(_IPV4_TABLE_BITS):
        # Bit i depends on i bits only: 65,535 blocks in all.
        below = _IPV4_TABLE_BITS - bit
        octets = np.zeros((1 << bit, _BLOCK), np.uint8)
        octets[:, :2] = (np.arange(1 << bit) << below).astype(">u2").view(np.uint8).reshape(-1, 2)
        found = blocks.first_bits(blocks.with_pad(_words(octets), bit)) != 0
        flips |= np.repeat(found, 1 << below).astype(np.uint16) << np.uint16(below - 1)
    return flips.astype(">u2").view(np.uint8).reshape(-1, 2)


def _words(octets: Array) -> Array:
    """Octets, shape (n, 8 x k), as uint64 in the order of memory, shape (n, k)."""
    return np.ascontiguousarray(octets).view(np.uint64)


def _octets(words: Array) -> Array:
    return np.ascontiguousarray(words).view(np.uint8)


def _cipher(key: bytes) -> Any:
    # Late and optional: only who anonymises with a key needs the package.
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    except ImportError as error:
        raise ConfigError(
            "anonymize=crypto-pan needs the package cryptography, which is not installed;"
            " install spanflow[crypto], or use anonymize=truncate"
        ) from error
    # Blocks are enciphered one by one here: it is the pseudo-random function of the scheme, no message.
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor()
