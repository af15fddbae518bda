# SPDX-License-Identifier: Apache-2.0
"""Settings from a file, variables and the command line; every error at once, each where it was written."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanflow.config.arguments import bind_collector, bind_interface, bind_override, bind_text
from spanflow.config.bind import Binder
from spanflow.config.document import LARGEST_FILE, compose, decode
from spanflow.config.environment import bind_environment
from spanflow.config.findings import Findings, Place, argument
from spanflow.config.given import Given
from spanflow.config.schema import (
    MOST_COLLECTORS,
    MOST_INTERFACES,
    MOST_PLUGINS,
    Collector,
    Settings,
    sections,
)
from spanflow.config.wording import quoted, shown
from spanflow.errors import ConfigError, ExitCode


@dataclass(frozen=True, slots=True)
class Keyword:
    """A setting as a keyword argument of the library: its name there, the full key, the text."""

    name: str
    key: str
    text: str


def load(
    path: str | Path | None,
    overrides: Sequence[str] = (),
    collectors: Sequence[str] = (),
    interfaces: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    keywords: Sequence[Keyword] = (),
) -> Settings:
    """The settings of a YAML file (None: the defaults), changed by variables, then by `KEY=VALUE` overrides.

    collectors, interfaces: URLs and names in addition to those that file, variables and overrides name.
    environment: variables such as os.environ; None has none. keywords: arguments of the library, which come
    last.
    Raises ConfigError with every finding; for a file that cannot be read its exit code is 66, 74 or 77.
    """
    findings, given = Findings(), Given()
    if path is not None:
        _bind_file(Path(path), findings, given)
    bind_environment(environment or {}, findings, given)
    for position, text in enumerate(overrides):
        bind_override(text, position, findings, given)
    for position, url in enumerate(collectors, len(overrides)):
        bind_collector(url, argument("--collector", url, position), findings, given)
    for position, name in enumerate(interfaces, len(overrides) + len(collectors)):
        bind_interface(name, argument("-i", name, position), findings, given)
    for position, keyword in enumerate(keywords):
        place = Place(f"{keyword.name}={shown(keyword.text, 80)}", key=keyword.key, rank=(3, position))
        bind_text(keyword.key, keyword.text, place, findings, given)
    _check_together(findings, given)
    findings.raise_if_any()
    return _build(given)


def _bind_file(path: Path, findings: Findings, given: Given) -> None:
    name = shown(str(path), 300)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    if len(content) > LARGEST_FILE:
        raise ConfigError(f"{name}: longer than {LARGEST_FILE} octets; is it a configuration file?")
    document = decode(name, content, findings)
    if document is not None:
        Binder(document, findings, given).root(compose(document, findings))


def _unreadable(name: str, error: OSError | ValueError) -> ConfigError:
    number = error.errno if isinstance(error, OSError) else errno.ENOENT
    text, code = {
        errno.ENOENT: ("no such file; check the path", ExitCode.NO_INPUT),
        errno.ENOTDIR: (
            "no such file, a part of the path is no directory; check the path",
            ExitCode.NO_INPUT,
        ),
        errno.EISDIR: ("is a directory; name the file in it", ExitCode.NO_INPUT),
        errno.EACCES: ("not permitted to read it; check owner and mode", ExitCode.NO_PERMISSION),
    }.get(number or 0, (f"cannot be read: {error}; check the path", ExitCode.IO_ERROR))
    problem = ConfigError(f"{name}: {text}")
    problem.exit_code = code
    return problem


def _check_together(findings: Findings, given: Given) -> None:
    """What is right by itself but not beside the rest."""
    for key, named, most in (
        ("interfaces", [(place, each.name) for place, each in given.interfaces], MOST_INTERFACES),
        ("collectors", [(place, each.name) for place, each in given.collectors], MOST_COLLECTORS),
    ):
        _check_number(findings, key, [place for place, _ in named], most)
        advice = "remove one" if key == "interfaces" else "give it another with name="
        for where, name in _repeated(named):
            findings.add(where, key, f"a second {key[:-1]} has the name {quoted(name)}; {advice}")
    _check_collectors(findings, given)
    _check_number(findings, "plugins", [place for place, _ in given.plugins], MOST_PLUGINS)
    settings = _build(given)
    workers = _workers(settings)
    shared = {"dpi.max_flows": settings.dpi.max_flows}
    if settings.cache.memory is None:
        shared["cache.max_flows"] = settings.cache.max_flows
    for key, flows in shared.items():
        # The default is enough for any number of workers, so that there is a place to name.
        if key in given.places and flows < workers:
            findings.add(given.places[key], key, f"{flows} flows do not do for {workers} workers; raise it")


def _check_collectors(findings: Findings, given: Given) -> None:
    """No file has two writers; members of a group take each other's records, so they must want the same."""
    groups: dict[str, Collector] = {}
    paths: set[str] = set()
    for place, collector in given.collectors:
        if collector.path and collector.path in paths:
            text = f"a second collector writes {quoted(collector.path)}; use another"
            findings.add(place, "collectors", text)
        paths.add(collector.path)
        if collector.group is None:
            continue
        first = groups.setdefault(collector.group, collector)
        for option in ("group_mode", "filter"):
            if getattr(first, option) != getattr(collector, option):
                findings.add(
                    place, f"collectors.{option}", f"differs within the group {collector.group}; use one"
                )


def _check_number(findings: Findings, key: str, places: Sequence[Place], most: int) -> None:
    if len(places) > most:
        findings.add(places[most], key, f"more than {most} {key}; remove some")


def _repeated(named: Iterable[tuple[Place, str]]) -> Iterator[tuple[Place, str]]:
    """Every name that was there before."""
    names: set[str] = set()
    for place, name in named:
        if name in names:
            yield place, name
        names.add(name)


def _workers(settings: Settings) -> int:
    """How many workers share the cache: those of all enabled interfaces, or those that read files."""
    live = [each.effective(settings.capture).workers for each in settings.interfaces if each.enabled]
    return max(sum(live), settings.capture.workers)


def _build(given: Given) -> Settings:
    """The settings of all values that are right; defaults for the rest."""
    built: dict[str, Any] = {}
    for part in sections().values():
        prefix = f"{part.key}."
        own = {
            key.removeprefix(prefix): value for key, value in given.values.items() if key.startswith(prefix)
        }
        built[part.key] = part.cls(**{part.settings[key].attribute: value for key, value in own.items()})
    return Settings(
        **built,
        interfaces=tuple(interface for _, interface in given.interfaces),
        collectors=tuple(collector for _, collector in given.collectors),
        plugins=tuple(plugin for _, plugin in given.plugins),
    )
