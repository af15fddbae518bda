# SPDX-License-Identifier: Apache-2.0
"""Settings from environment variables: SPANFLOW_INTERFACE and other lists, SPANFLOW_SECTION_KEY.

Kubernetes puts SPANFLOW_SERVICE_HOST, SPANFLOW_PORT and the like into every pod beside a Service `spanflow`,
and SPANFLOW_METRICS_PORT beside one that is called `spanflow-metrics`. Those are not settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from spanflow.config.arguments import bind_collector, bind_interface, bind_plugin, bind_text
from spanflow.config.findings import Findings, Place, variable
from spanflow.config.given import Given
from spanflow.config.schema import sections, setting_keys
from spanflow.config.wording import nearest

PREFIX = "SPANFLOW_"

LISTS: Mapping[str, Callable[[str, Place, Findings, Given], None]] = {
    f"{PREFIX}INTERFACE": bind_interface,
    f"{PREFIX}COLLECTOR": bind_collector,
    f"{PREFIX}PLUGIN": bind_plugin,
}
"""The variables that hold words with white space between them; each word adds one."""

# What Kubernetes and Docker name after a service, below the name of the service.
_OF_A_SERVICE = re.compile(r"SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_.*)?")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://.*")


def variable_names() -> Mapping[str, str]:
    """The full key of each variable that sets one: SPANFLOW_CACHE_ACTIVE_TIMEOUT is cache.active_timeout."""
    return {f"{PREFIX}{key.replace('.', '_').upper()}": key for key in setting_keys()}


def bind_environment(environment: Mapping[str, str], findings: Findings, given: Given) -> None:
    """Bind every variable that is a setting. A variable without a text counts as one that is not set."""
    known = variable_names()
    for position, name in enumerate(sorted(environment)):
        value = environment[name].strip()
        if not value or not name.startswith(PREFIX):
            continue
        if name in LISTS:
            for word in value.split():
                LISTS[name](word, variable(name, position, word), findings, given)
        elif name in known:
            bind_text(known[name], value, variable(name, position), findings, given)
        elif _is_meant(name, value):
            findings.add(variable(name, position), "", _unknown(name, known))


def _is_meant(name: str, value: str) -> bool:
    """Whether a variable that is not known was probably meant as a setting."""
    section, key = _parts(name)
    of_a_service = _OF_A_SERVICE.fullmatch(key) or (key == "PORT" and _SERVICE_URL.fullmatch(value))
    return name.removesuffix("S") in LISTS or bool(section.lower() in sections() and key and not of_a_service)


def _unknown(name: str, known: Mapping[str, str]) -> str:
    """The error for a variable that is not known: the one that was meant, or all of its section."""
    section, key = _parts(name)
    below = {_parts(other)[1]: other for other in known if _parts(other)[0] == section}
    elsewhere = [other for other in known if _parts(other)[1] == key]
    near = below.get(nearest(key, below) or "") or " or ".join(elsewhere)
    if name.removesuffix("S") in LISTS:
        near = name.removesuffix("S")
    advice = f"did you mean {near}?" if near else f"known: {', '.join(below.values())}"
    return f"unknown variable; {advice}"


def _parts(name: str) -> tuple[str, str]:
    """Section and key of a variable, both in capitals."""
    section, _, key = name.removeprefix(PREFIX).partition("_")
    return section, key
