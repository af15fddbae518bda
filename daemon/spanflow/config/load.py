# SPDX-License-Identifier: Apache-2.0
"""Settings from a file and from the command line; every error at once, each where it was written."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spanflow.config.arguments import bind_collector, bind_override
from spanflow.config.bind import Binder, Given
from spanflow.config.document import LARGEST_FILE, compose, decode
from spanflow.config.findings import Findings
from spanflow.config.schema import MOST_COLLECTORS, Settings, sections
from spanflow.config.wording import quoted, shown
from spanflow.errors import ConfigError, ExitCode


def load(path: str | Path | None, overrides: Sequence[str] = (), collectors: Sequence[str] = ()) -> Settings:
    """The settings of a YAML file (None: the defaults), changed by `KEY=VALUE` overrides.

    collectors: URLs in addition to the collectors that file and overrides name.
    Raises ConfigError with every finding; for a file that cannot be read its exit code is 66, 74 or 77.
    """
    findings, given = Findings(), Given()
    if path is not None:
        _bind_file(Path(path), findings, given)
    for position, text in enumerate(overrides):
        bind_override(text, position, findings, given)
    for position, url in enumerate(collectors, len(overrides)):
        bind_collector(url, position, findings, given)
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
    if len(given.collectors) > MOST_COLLECTORS:
        place, _ = given.collectors[MOST_COLLECTORS]
        findings.add(place, "collectors", f"more than {MOST_COLLECTORS} collectors; remove some")
    names: set[str] = set()
    for place, collector in given.collectors:
        if collector.name in names:
            problem = f"a second collector has the name {quoted(collector.name)}; give it another with name="
            findings.add(place, "collectors", problem)
        names.add(collector.name)
    settings = _build(given)
    workers, flows = settings.capture.workers, settings.cache.max_flows
    if settings.cache.memory is None and flows < workers:
        place = given.places.get("cache.max_flows") or given.places["capture.workers"]
        findings.add(place, "cache.max_flows", f"{flows} flows do not do for {workers} workers; raise it")


def _build(given: Given) -> Settings:
    """The settings of all values that are right; defaults for the rest."""
    built: dict[str, Any] = {}
    for part in sections().values():
        prefix = f"{part.key}."
        own = {
            key.removeprefix(prefix): value for key, value in given.values.items() if key.startswith(prefix)
        }
        built[part.key] = part.cls(**{part.settings[key].attribute: value for key, value in own.items()})
    return Settings(**built, collectors=tuple(collector for _, collector in given.collectors))
