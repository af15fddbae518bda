# SPDX-License-Identifier: Apache-2.0
"""`spanflow healthcheck`: whom it asks, its one line, its exit codes, and that it is quick."""

from __future__ import annotations

import argparse
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from spanflow.cli import healthcheck
from spanflow.cli.main import Parser
from spanflow.config.schema import Settings
from spanflow.errors import ConfigError, ExitCode, SpanflowError, UsageError
from spanflow.http import HttpServer
from spanflow.http_messages import Request, Response

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPANFLOW_METRICS_LISTEN", raising=False)


def answer(status: HTTPStatus, text: str) -> Callable[[Request], Response]:
    return lambda _: Response(status, text.encode(), "application/json")


OK = answer(HTTPStatus.OK, '{"status": "ok", "reasons": []}\n')
READY = answer(HTTPStatus.OK, '{"status": "ready", "reasons": [], "interfaces": []}\n')
UNREADY = answer(HTTPStatus.SERVICE_UNAVAILABLE, '{"status": "unready", "reasons": ["a: b", "c"]}\n')


@contextmanager
def daemon(health: Callable[[Request], Response] = OK, host: str = "127.0.0.1") -> Iterator[int]:
    """Something that answers as the daemon does; gives its port."""
    server = HttpServer((host, 0), {"/healthz": health, "/readyz": UNREADY})
    server.start()
    try:
        yield server.address[1]
    finally:
        server.stop()


def check(*arguments: str) -> int:
    """Run the subcommand alone; errors are raised."""
    parser: argparse.ArgumentParser = Parser(prog="spanflow")
    healthcheck.add_parser(parser.add_subparsers())
    parsed: argparse.Namespace = parser.parse_args(["healthcheck", *arguments])
    return healthcheck.run(parsed)


def failure(*arguments: str) -> str:
    """The text of the error, which has to have exit code 69."""
    with pytest.raises(SpanflowError) as raised:
        check(*arguments)
    assert raised.value.exit_code is ExitCode.UNAVAILABLE
    return str(raised.value)


def test_a_daemon_that_is_well(capsys: Captured) -> None:
    with daemon() as port:
        assert check("--listen", f"127.0.0.1:{port}") == ExitCode.OK
        assert capsys.readouterr() == (f"127.0.0.1:{port}: ok\n", "")


def test_a_daemon_that_is_not_ready() -> None:
    with daemon() as port:
        text = failure("--ready", "--listen", f"127.0.0.1:{port}")
    assert text == f"127.0.0.1:{port}: unready: a: b; c; see the log of the daemon"


def test_a_daemon_that_is_ready(capsys: Captured) -> None:
    server = HttpServer(("127.0.0.1", 0), {"/readyz": READY})
    server.start()
    try:
        assert check("--ready", "--listen", f"127.0.0.1:{server.address[1]}") == ExitCode.OK
    finally:
        server.stop()
    assert capsys.readouterr().out.endswith(": ready\n")


# Whom it asks.


@pytest.mark.parametrize(("host", "asked"), [("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]"), ("[::1]", "[::1]")])
def test_who_listens_everywhere_is_asked_at_loopback(host: str, asked: str, capsys: Captured) -> None:
    with daemon(host=host.strip("[]")) as port:
        assert check("--listen", f"{host}:{port}") == ExitCode.OK
        assert capsys.readouterr().out == f"{asked}:{port}: ok\n"


def test_the_address_comes_from_the_file(tmp_path: Path, capsys: Captured) -> None:
    with daemon() as port:
        path = tmp_path / "probe.yaml"
        path.write_text(f"metrics:\n  listen: 127.0.0.1:{port}\n")
        assert check("-c", str(path)) == ExitCode.OK
        assert capsys.readouterr().out == f"127.0.0.1:{port}: ok\n"


def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    with daemon() as port:
        monkeypatch.setenv("SPANFLOW_METRICS_LISTEN", f"0.0.0.0:{port}")
        assert check() == ExitCode.OK
        assert capsys.readouterr().out == f"127.0.0.1:{port}: ok\n"


def test_without_anything_said_it_asks_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    text = failure()
    assert asked == [Settings().metrics.listen] == [("127.0.0.1", 9730)]
    assert text == (
        "127.0.0.1:9730: no answer: Connection refused; is the daemon running, and listening there?"
    )


def test_a_daemon_that_listens_nowhere_cannot_be_asked(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text("metrics:\n  listen: off\n")
    assert failure("-c", str(path)).startswith("metrics.listen is off")
    assert failure("--listen", "off").startswith("metrics.listen is off")


def test_wrong_addresses_and_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--listen: 'localhost' is no ADDRESS:PORT"):
        check("--listen", "localhost")
    path = tmp_path / "probe.yaml"
    path.write_text("metrics:\n  listen: 1\n")
    with pytest.raises(ConfigError, match=r"probe.yaml:2:11: metrics.listen: "):
        check("-c", str(path))


# Answers that are none.

OTHERS = [
    ("HTML", answer(HTTPStatus.OK, "<html>")),
    ("a list", answer(HTTPStatus.OK, "[]")),
    ("another object", answer(HTTPStatus.OK, '{"status": 1}')),
    ("not found", answer(HTTPStatus.NOT_FOUND, "no\n")),
    ("not UTF-8", lambda _: Response(HTTPStatus.OK, b"\xff")),
]


@pytest.mark.parametrize("other", [row[1] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_another_server_at_the_port(other: Callable[[Request], Response]) -> None:
    with daemon(other) as port:
        text = failure("--listen", f"127.0.0.1:{port}")
    assert text == f"127.0.0.1:{port}: what answers there is no spanflow; check the port"


def test_a_daemon_that_fails_to_answer() -> None:
    with daemon(answer(HTTPStatus.INTERNAL_SERVER_ERROR, "this failed\n")) as port:
        text = failure("--listen", f"127.0.0.1:{port}")
    assert text == f"127.0.0.1:{port}: the daemon failed to answer; see its log"


@pytest.mark.parametrize("reply", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b""])
def test_a_server_of_another_protocol(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connected, _ = listener.accept()
            with connected:
                connected.recv(1000)
                connected.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        text = failure("--listen", f"127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert text.endswith(("is no spanflow; check the port", "listening there?"))


def test_a_daemon_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthcheck, "_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        text = failure("--listen", f"127.0.0.1:{listener.getsockname()[1]}")
    assert ": no answer: timed out; " in text


# Speed: container engines run it every few seconds.


def test_it_loads_nothing_heavy_and_is_quick(tmp_path: Path) -> None:
    """As installed, that is compiled; by its own time, as others may keep the machine busy."""
    script = (
        "import sys; from spanflow.cli.main import Parser; from spanflow.cli import healthcheck;"
        "parser = Parser(); healthcheck.add_parser(parser.add_subparsers());"
        "healthcheck.run(parser.parse_args(['healthcheck', *sys.argv[1:]]));"
        "heavy = {'numpy', 'pcapy', 'prometheus_client', 'spanflow._core', 'ipfix', 'importlib.resources'};"
        "print(sorted(sys.modules.keys() & heavy))"
    )
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    took = []
    with daemon() as port:
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [sys.executable, "-c", script, "--listen", f"127.0.0.1:{port}"],
                capture_output=True,
                text=True,
                check=True,
                env=environment,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            assert done.stdout == f"127.0.0.1:{port}: ok\n[]\n"
    assert min(took) < 0.15
