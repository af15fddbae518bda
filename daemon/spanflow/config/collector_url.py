# SPDX-License-Identifier: Apache-2.0
"""The URL of a collector: `ipfix+udp://HOST[:PORT][?option=value&...]`, percent-encoded by RFC 3986.

That of a file has a path in place of host and port: `ipfix+file:///var/lib/flows/%25Y%25m%25d.ipfix`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from spanflow.config.collector_options import misplaced
from spanflow.config.collector_settings import SCHEMES, Collector, Scheme
from spanflow.config.declare import settings_of
from spanflow.config.values import InvalidValueError
from spanflow.config.wording import quoted, shown, unknown

DEFAULT_SCHEME = "ipfix+udp"

_URL = re.compile(
    r"(?P<scheme>[^:/?#]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(\?(?P<query>[^#]*))?(?P<end>#.*)?"
)
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_LONGEST_URL = 2048


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a collector. option: the option it is about, `url` for the URL itself."""

    option: str
    text: str


class CollectorError(ValueError):
    """A collector is described wrongly, in one or more ways."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{problem.option}: {problem.text}" for problem in problems))
        self.problems = problems


@dataclass(slots=True)
class _Reading:
    """What is read so far of one collector, good and bad."""

    scheme: Scheme | None = None
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, text: str, option: str = "url") -> None:
        self.problems.append(Problem(option, text))


def parse_collector(url: str, options: Mapping[str, str] | None = None) -> Collector:
    """The collector of a URL and of options that stand beside it (in a YAML mapping).

    Raises CollectorError with everything that is wrong.
    """
    reading = _Reading()
    query = _read_url(url, reading)
    _read_options(query, options or {}, reading)
    if reading.problems:
        raise CollectorError(reading.problems)
    collector = Collector(**reading.values)
    problems = [Problem(key, text) for key, text in misplaced(collector)]
    if problems:
        raise CollectorError(problems)
    return collector


def _read_url(url: str, reading: _Reading) -> list[tuple[str, str]]:
    """Read scheme, host and port; return the options as they stand, decoded."""
    if len(url) > _LONGEST_URL:
        reading.wrong(f"{len(url)} characters are too long; use at most {_LONGEST_URL}")
        return []
    match = _URL.fullmatch(url)
    if not match:
        reading.wrong(f"{quoted(url)} is no URL; write {DEFAULT_SCHEME}://HOST:PORT")
        return []
    reading.scheme = SCHEMES.get(match["scheme"].lower())
    if reading.scheme is None:
        reading.wrong(unknown("scheme", match["scheme"], SCHEMES))
    else:
        reading.values |= {"protocol": reading.scheme.protocol, "transport": reading.scheme.transport}
    if reading.scheme is not None and reading.scheme.transport == "file":
        reading.values["port"] = 0
        _read_path(match["authority"], match["path"], reading)
    else:
        _read_authority(match["authority"], reading)
        if match["path"] not in ("", "/"):
            reading.wrong(
                f"{quoted(match['path'])} after the host has no meaning; remove it (options begin with ?)"
            )
    if match["end"]:
        reading.wrong(f"{quoted(match['end'])} has no meaning; remove it, or write %23 for #")
    return _split_query(match["query"] or "", reading)


def _read_path(authority: str, path: str, reading: _Reading) -> None:
    if authority:
        reading.wrong(f"{quoted(authority)} stands where a file has no host; begin the path with ///")
        return
    text = _decoded(path, "url", reading)
    if text is None:
        return
    if not text.strip("/") or text.endswith("/"):
        reading.wrong(f"{quoted(text)} names no file; write :///DIRECTORY/FILE")
    elif "\0" in text:
        reading.wrong("a path cannot contain a NUL; remove it")
    else:
        reading.values["path"] = text


def _read_authority(authority: str, reading: _Reading) -> None:
    if "@" in authority:
        reading.wrong("a user name has no meaning here; remove it, up to the @")
        return
    match = re.fullmatch(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(:(?P<port>[^:]*))?", authority)
    if not match:
        reading.wrong(
            f"{quoted(authority)} is no HOST:PORT; an IPv6 address stands in brackets: [2001:db8::1]"
        )
        return
    _read_host(match["host"], reading)
    port = match["port"]
    default = reading.scheme.port if reading.scheme else 0
    if port is None:
        reading.values["port"] = default
        if reading.scheme and not default:
            reading.wrong("the port is missing; write :PORT behind the host")
        return
    if re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535:
        reading.values["port"] = int(port)
    else:
        advice = f", or leave it out for {default}" if default else ""
        reading.wrong(f"{quoted(port)} is no port; use 1 to 65535{advice}")


def _read_host(text: str, reading: _Reading) -> None:
    if text in ("", "[]"):
        reading.wrong("the host is missing; write a name or an address after ://")
    elif text.startswith("["):
        # RFC 6874: the zone of a link-local address follows %25; a bare % is what people write.
        address = text[1:-1].replace("%25", "%")
        try:
            reading.values["host"] = str(ipaddress.IPv6Address(address))
        except ValueError:
            reading.wrong(f"{quoted(text)} is no IPv6 address; names and IPv4 addresses take no brackets")
    else:
        host = _decoded(text, "url", reading)
        if host is not None and _is_host(host):
            reading.values["host"] = host
        elif host is not None:
            reading.wrong(f"{quoted(host)} is no host name or IPv4 address; repair it")


def _is_host(host: str) -> bool:
    if re.fullmatch(r"[0-9.]+", host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
        return True
    return len(host) <= 253 and _HOST_NAME.fullmatch(host) is not None


def _split_query(query: str, reading: _Reading) -> list[tuple[str, str]]:
    found = []
    for part in query.split("&") if query else []:
        name, equals, value = part.partition("=")
        if not equals:
            reading.wrong(f"the option {quoted(part)} has no value; write option=value, joined by &")
            continue
        key = _decoded(name, "url", reading)
        text = _decoded(value, shown(name), reading)
        if key is not None and text is not None:
            found.append((key, text))
    return found


def _decoded(text: str, option: str, reading: _Reading) -> str | None:
    """`text` without its percent-encoding; None after a problem."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        reading.wrong(f"{quoted(text)} has a % without two hexadecimal digits; write %25 for %", option)
        return None
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        reading.wrong(f"{quoted(text)} is not UTF-8 when it is decoded; encode it as UTF-8", option)
        return None


def _read_options(query: list[tuple[str, str]], beside: Mapping[str, str], reading: _Reading) -> None:
    known = settings_of(Collector)
    given: set[str] = set()
    for key, text in [*query, *beside.items()]:
        if key not in known:
            reading.wrong(_unknown_option(key), shown(key))
        elif key in given:
            reading.wrong("given twice; remove one", key)
        else:
            try:
                reading.values[known[key].attribute] = known[key].kind.parse(text)
            except InvalidValueError as error:
                reading.wrong(str(error), key)
        given.add(key)


def _unknown_option(name: str) -> str:
    known = settings_of(Collector)
    for key, declared in known.items():
        if declared.attribute == name:
            # `mtu` is short for max_message_size; who knows the setting by its long name is told so.
            return f"unknown option {quoted(name)}; its name is {key} here"
    return unknown("option", name, known)
