# SPDX-License-Identifier: Apache-2.0
"""The settings of the daemon as a program: `metrics`, `log`, `process`."""

from __future__ import annotations

from dataclasses import dataclass

from spanflow.config.declare import setting
from spanflow.config.network_values import ListenAddress
from spanflow.config.quantities import Integer
from spanflow.config.values import Choice, OrNone, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Where a running daemon answers over HTTP: /metrics, /healthz, /readyz."""

    listen: tuple[str, int] | None = setting(
        OrNone(ListenAddress(), "off", "no HTTP at all"),
        ("127.0.0.1", 9730),
        "The address and port to listen on. There is no login: let it be reached from this machine, or from a"
        " network of administrators, only.",
        example="0.0.0.0:9730",
    )
    top_applications: int = setting(
        Integer(minimum=1, maximum=1000),
        50,
        "How many applications have metrics of their own, at most; all others are counted together as other."
        " Which one has them stays so until the probe ends.",
        example="100",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What a running daemon writes about itself."""

    format: str = setting(
        Choice(("auto", "text", "json", "journal")),
        "auto",
        "text: lines for people. json: one object on each line. journal: entries with fields for the journal"
        " of systemd. auto: the journal when systemd has connected standard error to it, otherwise text.",
        example="json",
    )
    level: str = setting(
        Choice(("debug", "info", "warning", "error")),
        "info",
        "The least important messages that are written.",
        example="warning",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """As whom a daemon runs."""

    user: str = setting(
        Text(
            pattern=r"([A-Za-z_][A-Za-z0-9_.-]{0,31}\$?|[0-3]?[0-9]{1,9})?",
            allowed="a user name, a number, or nothing",
        ),
        "",
        "The user to become once the sockets are open, for a start as root. Empty: the one who starts it.",
        example="spanflow",
    )
