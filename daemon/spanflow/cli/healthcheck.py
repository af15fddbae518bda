# SPDX-License-Identifier: Apache-2.0
"""`spanflow healthcheck`: ask a running daemon how it is, for container engines and scripts."""

from __future__ import annotations

import argparse
import os
from typing import Any, NoReturn

from spanflow.errors import ExitCode, SpanflowError, UsageError

# Container engines ask every few seconds, and give up on an answer after not many more.
_TIMEOUT_S = 5.0
_LARGEST_ANSWER = 1 << 20

# Who listens at every address is asked at loopback.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "healthcheck",
        help="ask a running daemon how it is",
        description="Ask the daemon of this machine how it is: exit code 0 if it is well, 69 if not.",
    )
    parser.add_argument(
        "--listen",
        metavar="ADDRESS:PORT",
        help="where it listens; without this, what the configuration says for metrics.listen",
    )
    parser.add_argument(
        "--ready", action="store_true", help="ask whether it is ready, not only whether it works"
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the daemon's configuration file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line if it is well. Raises SpanflowError (exit code 69) if not; main shows it."""
    host, port = _address(arguments)
    host = _LOOPBACK.get(host, host)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    code, answer = _ask(host, port, "/readyz" if arguments.ready else "/healthz", place)
    if code != 200:
        reasons = "; ".join(map(str, answer["reasons"]))
        _fail(f"{place}: {answer['status']}: {reasons}; see the log of the daemon")
    print(f"{place}: {answer['status']}")
    return int(ExitCode.OK)


def _address(arguments: argparse.Namespace) -> tuple[str, int]:
    from spanflow.config.load import load
    from spanflow.config.schema import setting_keys
    from spanflow.config.values import InvalidValueError

    if arguments.listen is None:
        listen = load(arguments.config, environment=os.environ).metrics.listen
    else:
        try:
            listen = setting_keys()["metrics.listen"].kind.parse(arguments.listen)
        except InvalidValueError as error:
            raise UsageError(f"--listen: {error}") from None
    if listen is None:
        _fail("metrics.listen is off, so there is nobody to ask; set an address")
    return listen


def _ask(host: str, port: int, path: str, place: str) -> tuple[int, dict[str, Any]]:
    """The status code and the answer, which has `status` and `reasons`."""
    import http.client
    import json

    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status == 500:
            _fail(f"{place}: the daemon failed to answer; see its log")
        answer = json.loads(response.read(_LARGEST_ANSWER))
        if not isinstance(answer, dict) or not answer.keys() >= {"status", "reasons"}:
            raise ValueError("an answer of another kind")
        return response.status, answer
    except OSError as error:
        _fail(f"{place}: no answer: {error.strerror or error}; is the daemon running, and listening there?")
    except (http.client.HTTPException, ValueError):
        _fail(f"{place}: what answers there is no spanflow; check the port")
    finally:
        connection.close()


def _fail(text: str) -> NoReturn:
    problem = SpanflowError(text)
    problem.exit_code = ExitCode.UNAVAILABLE
    raise problem
