# SPDX-License-Identifier: Apache-2.0
"""The network interfaces of this network namespace, and what their cards and the kernel lost.

By rtnetlink(7) and the ethtool ioctl, which answer for the namespace of the caller, without privileges and
without /sys, which may show another namespace. Nothing is kept between two calls.
"""

from spanflow.interfaces.devices import NetworkInterface, libpcap_devices, list_interfaces
from spanflow.interfaces.losses import CardCounters, card_counters, softnet_drops

__all__ = [
    "CardCounters",
    "NetworkInterface",
    "card_counters",
    "libpcap_devices",
    "list_interfaces",
    "softnet_drops",
]
