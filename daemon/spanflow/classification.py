# SPDX-License-Identifier: Apache-2.0
"""Which classification engine is used, and what it knows.

Engines are shared objects beside the native module; each knows one version of its library, and refuses any
other. One is opened here, to read its tables and to see that it works; every worker opens it once more.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from spanflow import _core
from spanflow.applications import Applications
from spanflow.config.application_rules import TAKEN_NAMES, ApplicationRule
from spanflow.config.engine_values import AUTO
from spanflow.config.schema import Dpi, Settings
from spanflow.config.wording import shown
from spanflow.errors import ConfigError

_SHIM = re.compile(r"spanflow-(?P<name>[a-z]+-(?P<version>[0-9]+(\.[0-9]+)*))\.so")
_IPV4_IN_IPV6 = ipaddress.IPv6Network("::ffff:0:0/96")

NOT_INSTALLED = "no classification engine is installed"
REMEDY = "build spanflow where libndpi-dev is installed, or set dpi.enabled=false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What workers are to do about applications, and what people get to read; both None without an engine.

    missing: why there is none although the settings ask for one; empty when all is as they say.
    """

    options: _core.ClassificationOptions | None = None
    applications: Applications | None = None
    missing: str = ""


UNCLASSIFIED = Classification()


def installed_engines(folder: str | None = None) -> dict[str, str]:
    """Name and path of each engine in `folder`, or beside the native module; the newest comes first."""
    folder = os.path.dirname(_core.__file__) if folder is None else folder
    found = [match for match in map(_SHIM.fullmatch, os.listdir(folder)) if match]
    found.sort(key=lambda match: [int(part) for part in match["version"].split(".")], reverse=True)
    return {match["name"]: os.path.join(folder, match[0]) for match in found}


def open_classification(dpi: Dpi, folder: str | None = None) -> Classification:
    """Choose an engine and read what it knows; about 15 ms.

    Raises ConfigError when a named engine cannot be had, or for what is wrong in the protocols file. With
    `auto` an engine that cannot be had is only missing.
    """
    if not dpi.enabled:
        return UNCLASSIFIED
    engines = installed_engines(folder)
    if dpi.engine == AUTO:
        return _newest(dpi, engines)
    path = dpi.engine if dpi.engine.startswith("/") else engines.get(dpi.engine)
    if path is None:
        have, advice = f"have: {', '.join(engines)}", "use one of them, or auto"
        if not engines:
            have, advice = NOT_INSTALLED, "use auto"
        raise ConfigError(f"dpi.engine: there is no engine {dpi.engine} ({have}); {advice}")
    try:
        return _open(dpi, path)
    except RuntimeError as error:
        reason = shown(str(error), 300)
        raise ConfigError(f"dpi.engine: {dpi.engine} cannot be used: {reason}; or use auto") from error


def without_unavailable(settings: Settings, folder: str | None = None) -> Settings:
    """`settings` with classification off where it is certain that there is no engine.

    For who only asks whether payload will be looked at; it opens no engine.
    """
    dpi = settings.dpi
    if dpi.enabled and dpi.engine == AUTO and not installed_engines(folder):
        return replace(settings, dpi=replace(dpi, enabled=False))
    return settings


def _newest(dpi: Dpi, engines: Mapping[str, str]) -> Classification:
    """The first one that can be loaded."""
    refused = []
    for name, path in engines.items():
        try:
            return _open(dpi, path)
        except RuntimeError as error:
            refused.append(f"{name}: {shown(str(error), 300)}")
    return Classification(missing="; ".join(refused) or NOT_INSTALLED)


def _open(dpi: Dpi, path: str) -> Classification:
    """Raises RuntimeError when the engine is at fault, ConfigError when the protocols file is."""
    options = _options(dpi, path)
    try:
        tables = _tables(options)
    except RuntimeError as error:
        if not dpi.protocols_file:
            raise
        # Without the file it either fails as well, or has worked.
        _tables(_options(replace(dpi, protocols_file=""), path))
        reason = shown(str(error), 300)
        if dpi.protocols_file not in reason:
            reason = f"{dpi.protocols_file}: {reason}"
        raise ConfigError(f"dpi.protocols_file: {reason}") from error
    applications = Applications.of_tables(tables)
    for each in applications.by_number.values():
        # The engine has none of these, and rules may not.
        if each.user_defined and each.name.lower() in TAKEN_NAMES:
            reason = f"the name '{each.name}' has a meaning already; use another"
            raise ConfigError(f"dpi.protocols_file: {dpi.protocols_file}: {reason}")
    return Classification(options=options, applications=applications)


def _tables(options: _core.ClassificationOptions) -> dict[str, Any]:
    """Raises RuntimeError, also for a name that is not UTF-8: a protocols file may hold anything."""
    try:
        return _core.classification_tables(options)
    except UnicodeDecodeError as error:
        raise RuntimeError(f"'{error.object.decode('utf-8', 'replace')}' is not UTF-8") from error


def _options(dpi: Dpi, path: str) -> _core.ClassificationOptions:
    return _core.ClassificationOptions(
        shim=path,
        protocols_file=dpi.protocols_file,
        tcp_packets=dpi.tcp_packets,
        udp_packets=dpi.udp_packets,
        other_packets=dpi.other_packets,
        empty_packets=dpi.empty_packets,
        max_flows=dpi.max_flows,
        memory_octets=dpi.memory,
        http_details=dpi.http_details,
        rules=[_rule(rule) for rule in dpi.rules],
    )


def _rule(rule: ApplicationRule) -> tuple[str, list[tuple[bytes, int]], list[tuple[int, int]], list[str]]:
    networks = [network for cidr in rule.cidr for network in _networks(cidr)]
    return rule.name, networks, list(rule.port), list(rule.server_name)


def _networks(cidr: str) -> Iterator[tuple[bytes, int]]:
    """A network as 16 octets and the length of its prefix: an IPv4 address is ::ffff:a.b.c.d there.

    An IPv6 network that has all IPv4 addresses in it by that, such as ::/0, is told as the parts around them.
    """
    network = ipaddress.ip_network(cidr)
    if isinstance(network, ipaddress.IPv4Network):
        yield bytes(10) + b"\xff\xff" + network.network_address.packed, 96 + network.prefixlen
    elif network != _IPV4_IN_IPV6 and _IPV4_IN_IPV6.subnet_of(network):
        for part in network.address_exclude(_IPV4_IN_IPV6):
            yield part.network_address.packed, part.prefixlen
    else:
        yield network.network_address.packed, network.prefixlen
