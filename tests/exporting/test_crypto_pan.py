# SPDX-License-Identifier: Apache-2.0
"""Crypto-PAn: the published vectors, that prefixes are kept, and a slow second implementation."""

from __future__ import annotations

import sys
from ipaddress import ip_address

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from spanflow.errors import ConfigError
from spanflow.exporting.address_cache import AddressCache
from spanflow.exporting.crypto_pan import CryptoPan
from spanflow.record import Array

KEY = bytes.fromhex("1522178d33a4cf80130a5b1649907d10d8988f83797965276257 4c2d2a842202")
"""The key of the sample in the first distribution of Crypto-PAn."""

# Its sample trace: addresses before and after. The last ones, of IPv6, are from its implementation in Go.
VECTORS = """
128.11.68.132 135.242.180.132    129.118.74.4 134.136.186.123     130.132.252.244 133.68.164.234
141.223.7.43 141.167.8.160       141.233.145.108 141.129.237.235  152.163.225.39 151.140.114.167
156.29.3.236 147.225.12.42       165.247.96.84 162.9.99.234       166.107.77.190 160.132.178.185
192.102.249.13 252.138.62.131    192.215.32.125 252.43.47.189     192.233.80.103 252.25.108.8
192.41.57.43 252.222.221.184     193.150.244.223 253.169.52.216   195.205.63.100 255.186.223.5
198.200.171.101 249.199.68.213   198.26.132.101 249.36.123.202    198.36.213.5 249.7.21.132
198.51.77.238 249.18.186.254     199.217.79.101 248.38.184.213    202.49.198.20 245.206.7.234
203.12.160.252 244.248.163.4     204.184.162.189 243.192.77.90    204.202.136.230 243.178.4.198
204.29.20.4 243.33.20.123        205.178.38.67 242.108.198.51     205.188.147.153 242.96.16.101
205.188.248.25 242.96.88.27      205.245.121.43 242.21.121.163    207.105.49.5 241.118.205.138
207.135.65.238 241.202.129.222   207.155.9.214 241.220.250.22     207.188.7.45 241.255.249.220
207.25.71.27 241.33.119.156      207.33.151.131 241.1.233.131     208.147.89.59 227.237.98.191
208.234.120.210 227.154.67.17    208.28.185.184 227.39.94.90      208.52.56.122 227.8.63.165
209.12.231.7 226.243.167.8       209.238.72.3 226.6.119.243       209.246.74.109 226.22.124.76
209.68.60.238 226.184.220.233    209.85.249.6 226.170.70.6        212.120.124.31 228.135.163.231
212.146.8.236 228.19.4.234       212.186.227.154 228.59.98.98     212.204.172.118 228.71.195.169
212.206.130.201 228.69.242.193   216.148.237.145 235.84.194.111   216.157.30.252 235.89.31.26
216.184.159.48 235.96.225.78     216.227.10.221 235.28.253.36     216.254.18.172 235.7.16.162
216.32.132.250 235.192.139.38    216.35.217.178 235.195.157.81    24.0.250.221 100.15.198.226
24.13.62.231 100.2.192.247       24.14.213.138 100.1.42.141       24.5.0.80 100.9.15.210
24.7.198.88 100.10.6.25          24.94.26.44 100.88.228.35        38.15.67.68 64.3.66.187
4.3.88.225 124.60.155.63         63.14.55.111 95.9.215.7          63.195.241.44 95.179.238.44
63.97.7.140 95.97.9.123          64.14.118.196 0.255.183.58       64.34.154.117 0.221.154.117
64.39.15.238 0.219.7.41          10.185.25.118 117.161.29.118
::1 78ff:f001:9fc0:20df:8380:b1f1:704:ed
::2 78ff:f001:9fc0:20df:8380:b1f1:704:ef
::ffff 78ff:f001:9fc0:20df:8380:b1f1:704:f838
2001:db8::1 4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e
2001:db8::2 4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c
"""
_WORDS = VECTORS.split()
PAIRS = list(zip(_WORDS[::2], _WORDS[1::2], strict=True))

# One for all tests: its caches fill up with all that they ask for.
CRYPTO_PAN = CryptoPan(KEY)

WIDTHS = st.sampled_from((4, 16))


def replaced(addresses: list[bytes], by: CryptoPan = CRYPTO_PAN) -> list[bytes]:
    found = by.replace(np.frombuffer(b"".join(addresses), np.uint8).reshape(len(addresses), -1))
    return [bytes(row) for row in found]


def slowly(address: bytes, key: bytes = KEY) -> bytes:
    """As the paper has it: bit by bit, one block at a time."""
    cipher = Cipher(algorithms.AES(key[:16]), modes.ECB()).encryptor()
    pad = int.from_bytes(cipher.update(key[16:]), "big")
    bits = len(address) * 8
    whole = int.from_bytes(address.ljust(16, b"\0"), "big")
    flips = 0
    for bit in range(bits):
        below = (1 << 128 - bit) - 1
        block = (whole & ~below) | (pad & below)
        flips = flips << 1 | cipher.update(block.to_bytes(16, "big"))[0] >> 7
    return (int.from_bytes(address, "big") ^ flips).to_bytes(len(address), "big")


def common_bits(one: bytes, other: bytes) -> int:
    different = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return len(one) * 8 - different.bit_length()


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_published_vectors(before: str, after: str) -> None:
    assert replaced([ip_address(before).packed]) == [ip_address(after).packed]


def test_all_vectors_at_once_and_again() -> None:
    """The second time they come from the cache."""
    fresh = CryptoPan(KEY)
    for version in (4, 6):
        pairs = [(ip_address(before), ip_address(after)) for before, after in PAIRS]
        own = [(one.packed, other.packed) for one, other in pairs if one.version == version]
        for _ in range(2):
            assert replaced([before for before, _ in own], fresh) == [after for _, after in own]


@given(st.data(), WIDTHS)
def test_is_what_the_paper_says(data: st.DataObject, width: int) -> None:
    address = data.draw(st.binary(min_size=width, max_size=width))
    assert replaced([address]) == [slowly(address)]


@given(st.data(), WIDTHS)
def test_prefixes_are_kept(data: st.DataObject, width: int) -> None:
    """Two addresses share as many bits after as before: so it is injective too."""
    one = data.draw(st.binary(min_size=width, max_size=width))
    changed = data.draw(st.integers(0, (1 << width * 8) - 1)) >> data.draw(st.integers(0, width * 8))
    other = (int.from_bytes(one, "big") ^ changed).to_bytes(width, "big")
    first, second = replaced([one, other])
    assert common_bits(first, second) == common_bits(one, other)


@pytest.mark.parametrize("width", [4, 16])
def test_a_flood_of_addresses(width: int) -> None:
    """More addresses than the caches have room for, those of a network among them: still each its own."""
    random = np.random.default_rng(7)
    addresses = random.integers(0, 256, (6000, width), dtype=np.uint8)
    addresses[::2, : width // 2] = 1
    fresh = CryptoPan(KEY)
    found = fresh.replace(addresses)
    again = fresh.replace(addresses[::-1])[::-1]
    np.testing.assert_array_equal(found, again)
    for number in range(0, 6000, 500):
        assert bytes(found[number]) == slowly(bytes(addresses[number]))
    assert len(np.unique(found, axis=0)) == len(np.unique(addresses, axis=0))


def test_another_key_gives_other_addresses() -> None:
    other = CryptoPan(bytes(reversed(KEY)))
    address = ip_address("192.0.2.1").packed
    assert replaced([address], other) == [slowly(address, bytes(reversed(KEY)))] != replaced([address])


def test_no_addresses() -> None:
    for width in (4, 16):
        assert CRYPTO_PAN.replace(np.empty((0, width), np.uint8)).shape == (0, width)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(ConfigError, match=r"^anonymize=crypto-pan needs .*; install spanflow\[crypto\]"):
        CryptoPan(KEY)


@pytest.mark.parametrize("words", [1, 2])
def test_addresses_that_want_the_same_slot(words: int) -> None:
    """With 4 slots nearly all collide; 0 is what empty slots hold."""
    asked: list[int] = []

    def compute(addresses: Array) -> Array:
        asked.append(len(addresses))
        return addresses * np.uint64(3) + np.uint64(1)

    cache = AddressCache(compute, slots=4, words=words, seed=5)
    random = np.random.default_rng(3)
    for _ in range(20):
        addresses = random.integers(0, 9, (50, words)).astype(np.uint64)
        np.testing.assert_array_equal(cache.of(addresses), addresses * np.uint64(3) + np.uint64(1))
    assert max(asked) <= 50


def test_what_is_known_is_not_computed_again() -> None:
    asked: list[int] = []

    def compute(addresses: Array) -> Array:
        asked.append(len(addresses))
        return addresses

    cache = AddressCache(compute, slots=1 << 12, words=1, seed=5)
    asked.clear()
    addresses = np.repeat(np.arange(1, 4, dtype=np.uint64), 100).reshape(-1, 1)
    cache.of(addresses)
    cache.of(addresses)
    assert asked == [3]
