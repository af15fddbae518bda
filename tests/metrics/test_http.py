# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: what it answers, and that each bound holds. The test owns the clock."""

from __future__ import annotations

import logging
import resource
import socket
import threading
from http import HTTPStatus

import pytest

from metrics.http_clients import GET, Client, Served, hello, serving
from spanflow.errors import ExitCode, SpanflowError
from spanflow.http import (
    ANSWER_TIMEOUT_S,
    HEAD_TIMEOUT_S,
    LARGEST_HEAD,
    LINGER_OCTETS,
    LINGER_TIMEOUT_S,
    MOST_CONNECTIONS,
    HttpServer,
)
from spanflow.http_messages import Request, Response

LARGE = b"x" * (32 << 20)


def large(request: Request) -> Response:
    return Response(HTTPStatus.OK, LARGE)


def ask(octets: bytes, served: Served) -> tuple[int, dict[str, str], bytes]:
    return Client(served, octets).answer()


# Answers.


def test_a_request_is_answered_and_the_connection_closed() -> None:
    with serving() as served:
        status, fields, body = ask(GET, served)
    assert (status, body) == (200, b"hello\n")
    assert (fields["Connection"], fields["Content-Length"]) == ("close", "6")


def test_head_gives_the_same_without_the_body() -> None:
    with serving() as served:
        status, fields, body = ask(b"HEAD / HTTP/1.0\r\n\r\n", served)
    assert (status, fields["Content-Length"], body) == (200, "6", b"")


@pytest.mark.parametrize("path", ["/metrics/", "/METRICS", "/metricsx", "//metrics", "/", "/%6detrics"])
def test_a_path_is_exact_and_a_wrong_one_is_told_the_right_ones(path: str) -> None:
    with serving({"/metrics": hello, "/healthz": hello}) as served:
        status, _, body = ask(f"GET {path} HTTP/1.0\r\n\r\n".encode(), served)
    assert (status, body) == (404, b"there is nothing at this path; use /metrics, /healthz\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "TRACE"])
def test_other_methods_are_not_allowed(method: str) -> None:
    with serving() as served:
        status, fields, _ = ask(f"{method} / HTTP/1.0\r\n\r\n".encode(), served)
    assert (status, fields["Allow"]) == (405, "GET, HEAD")


def test_a_handler_gets_path_and_fields() -> None:
    seen: list[Request] = []

    def handler(request: Request) -> Response:
        seen.append(request)
        return hello(request)

    with serving({"/a": handler}) as served:
        ask(b"GET /a?b HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\n\r\n", served)
    assert seen == [Request("GET", "/a", {"host": "h", "accept": "text/plain"})]


def test_a_handler_that_fails_gives_500_and_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: Request) -> Response:
        raise KeyError("no such thing")

    with serving({"/": hello, "/broken": broken}) as served, caplog.at_level(logging.DEBUG):
        assert ask(b"GET /broken HTTP/1.0\r\n\r\n", served)[0] == 500
        assert ask(GET, served)[0] == 200
    (record,) = caplog.records
    assert (record.getMessage(), record.exc_info) == ("request failed", None)
    assert record.__dict__["path"] == "/broken"
    assert record.__dict__["error"] == "KeyError: 'no such thing'"


# Odd clients.


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\0\x01", b"\0", b"\r\n", b"{}", b"GET / HTTP/2\r\n\r\n", b"GET /\n\n"]
)
def test_garbage_is_refused_as_soon_as_it_is_seen(garbage: bytes) -> None:
    with serving() as served:
        assert ask(garbage, served)[0] == 400


def test_a_request_may_come_octet_by_octet() -> None:
    with serving() as served:
        client = Client(served)
        for octet in GET:
            client.send(bytes([octet]))
            served.server.turn(0.001)
        assert client.answer()[0] == 200


def test_a_client_that_closes_its_side_after_the_request_is_answered() -> None:
    with serving() as served:
        client = Client(served, GET)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer()[0] == 200
        assert served.server.open_connections == 0


def test_a_client_that_closes_its_side_before_is_not() -> None:
    with serving() as served:
        client = Client(served, GET[:-1])
        client.socket.shutdown(socket.SHUT_WR)
        served.turn_until(client.look, "the connection to end")
        assert client.received == b""


def test_of_pipelined_requests_the_first_is_answered() -> None:
    """RFC 9112 section 9.6: what follows `Connection: close` is ignored; the client sees no reset."""
    with serving() as served:
        client = Client(served, GET * 100)
        served.settle()
        client.send(GET * 100)
        assert client.answer()[2] == b"hello\n"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_is_not_taken_and_does_not_cost_the_answer(method: str) -> None:
    with serving() as served:
        client = Client(served)
        client.send(f"{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n".encode() + bytes(9999))
        served.settle()
        client.send(bytes(90000))
        assert client.answer()[0] == (200 if method == "GET" else 405)


# Bounds.


def filled_head(octets: int) -> bytes:
    start, end = b"GET / HTTP/1.0\r\nX: ", b"\r\n\r\n"
    return start + b"x" * (octets - len(start) - len(end)) + end


def test_a_head_has_at_most_8_kib() -> None:
    with serving() as served:
        assert ask(filled_head(LARGEST_HEAD), served)[0] == 200
        assert ask(filled_head(LARGEST_HEAD + 1), served)[0] == 431
        assert ask(filled_head(LARGEST_HEAD + 3)[:-2], served)[0] == 431


def test_an_endless_head_is_answered_with_431_and_cut_off_soon() -> None:
    with serving() as served:
        client = Client(served)
        sent = 0

        def is_cut_off() -> bool:
            nonlocal sent
            try:
                sent += client.socket.send(b"GET / HTTP/1.0\r\nX: " if sent == 0 else b"x" * 4096)
            except BlockingIOError:
                return False
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        served.turn_until(is_cut_off, "the server to close")
        assert served.server.open_connections == 0
    # Its part, and what the kernel's buffers hold.
    assert sent < LINGER_OCTETS + (16 << 20)


def test_a_head_has_to_be_complete_in_time_however_busy_the_client_seems() -> None:
    with serving() as served:
        clients = [Client(served, GET[:-2]), Client(served, b"G")]
        served.settle()
        for _ in range(4):
            served.advance(HEAD_TIMEOUT_S / 4 - 0.01)
            clients[0].send(b"X: y\r\n")
            assert not any(client.look() for client in clients)
        served.advance(0.05)
        for client in clients:
            served.turn_until(client.look, "the connection to end")
            assert client.received == b""
        assert served.server.open_connections == 0


def test_a_client_that_never_reads_is_cut_off() -> None:
    with serving({"/": large}) as served:
        client = Client(served, GET, receive_octets=4096)
        served.settle()
        served.advance(ANSWER_TIMEOUT_S - 0.01)
        assert served.server.open_connections == 1
        served.advance(0.02)
        assert served.server.open_connections == 0
        served.turn_until(client.look, "the connection to end")
        assert len(client.received) < len(LARGE)


def test_a_client_that_reads_slowly_but_in_time_gets_all() -> None:
    with serving({"/": large}) as served:
        client = Client(served, GET)
        for _ in range(9):
            served.advance(1.0)
            client.look()
        assert len(client.answer()[2]) == len(LARGE)


def test_a_client_that_does_not_close_after_its_answer_is_left_alone_after_a_while() -> None:
    with serving() as served:
        client = Client(served, GET)
        client.answer()
        assert served.server.open_connections == 1
        served.advance(LINGER_TIMEOUT_S)
        assert served.server.open_connections == 0


def test_one_more_connection_replaces_the_one_that_is_unfinished_for_longest() -> None:
    with serving() as served:
        clients = []
        for _ in range(MOST_CONNECTIONS):
            clients.append(Client(served, GET[:-1]))
            served.advance(0.01)
        clients[0].send(b"X")  # to send something does not help
        served.settle()
        assert not any(client.look() for client in clients)
        clients.append(Client(served, b"G"))
        served.turn_until(clients[0].look, "the first to be replaced")
        assert served.server.open_connections == MOST_CONNECTIONS
        assert not any(client.look() for client in clients[1:])
        assert ask(GET, served)[0] == 200
        served.turn_until(clients[1].look, "the second to be replaced")


def test_those_who_have_their_answer_go_first_those_who_take_it_last() -> None:
    with serving({"/": hello, "/large": large}) as served:
        taking = Client(served, b"GET /large HTTP/1.0\r\n\r\n", receive_octets=4096)
        served.settle()
        # Its time is almost up, but it does take its answer.
        served.advance(ANSWER_TIMEOUT_S - 1)
        reading = Client(served, b"G")
        served.advance(0.01)
        finished = Client(served, GET)
        finished.answer()
        others = [Client(served, b"G") for _ in range(MOST_CONNECTIONS - 2)]
        served.settle()
        # One too many: it was the finished one that made room.
        assert served.server.open_connections == MOST_CONNECTIONS
        assert not reading.look()
        others.append(Client(served, b"G"))
        served.turn_until(reading.look, "the one to be replaced that has not sent its request")
        assert not any(client.look() for client in (taking, *others))


def test_a_request_that_is_there_is_answered_whoever_comes_at_the_same_time() -> None:
    """All knock before the server looks: one that has a request among many that have none."""
    with serving() as served:
        before = [Client(served, b"G") for _ in range(100)]
        asking = Client(served, GET)
        after = [Client(served, b"G") for _ in range(100)]
        assert asking.answer()[0] == 200
        served.settle()
        assert served.server.open_connections == MOST_CONNECTIONS
        assert all(client.look() for client in before)
        assert sum(client.look() for client in after) == 100 - MOST_CONNECTIONS


def test_who_asks_a_while_after_connecting_is_not_replaced_by_those_who_come_meanwhile() -> None:
    with serving() as served:
        asking = Client(served)
        others = [Client(served, b"G") for _ in range(100)]
        served.settle()
        assert sum(client.look() for client in others) == 100 - MOST_CONNECTIONS
        asking.send(GET)
        assert asking.answer()[0] == 200


def test_those_who_only_connect_take_no_place() -> None:
    with serving() as served:
        clients = [Client(served) for _ in range(100)]
        served.settle()
        assert served.server.open_connections == 0
        assert ask(GET, served)[0] == 200
        assert not any(client.look() for client in clients)


def test_without_file_descriptors_it_waits_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as served:
        client = Client(served, GET)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.socket.fileno(), hard))
            served.settle()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert caplog.messages == ["metrics connection not accepted"]
        assert served.server.open_connections == 0
        served.advance(1.0)
        assert client.answer()[0] == 200


# The thread and the address.


def test_the_server_has_one_thread_and_ends() -> None:
    server = HttpServer(("127.0.0.1", 0), {"/": hello})
    before = threading.active_count()
    server.start()
    assert threading.active_count() == before + 1
    assert [each.name for each in threading.enumerate()].count("metrics") == 1
    idle = socket.create_connection(server.address)
    idle.send(b"G")
    with socket.create_connection(server.address) as asking:
        asking.sendall(GET)
        assert asking.makefile("rb").read().endswith(b"hello\n")
    server.stop()
    assert threading.active_count() == before
    with idle:
        assert idle.recv(1) == b""
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address)


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    server = HttpServer(("127.0.0.1", 0), {})
    server.stop()
    server.stop()
    with socket.socket() as again:
        again.bind(server.address)


def test_ipv6() -> None:
    server = HttpServer(("::1", 0), {"/": hello})
    server.start()
    try:
        with socket.create_connection(server.address) as asking:
            asking.sendall(GET)
            assert asking.makefile("rb").read().endswith(b"hello\n")
    finally:
        server.stop()


def test_an_address_in_use() -> None:
    with serving() as served, pytest.raises(SpanflowError) as raised:
        HttpServer(served.server.address, {})
    assert raised.value.exit_code is ExitCode.UNAVAILABLE
    port = served.server.address[1]
    assert str(raised.value) == (
        f"metrics.listen 127.0.0.1:{port}: Address already in use; free the port, or set another address"
    )


def test_an_address_that_this_machine_does_not_have() -> None:
    with pytest.raises(SpanflowError, match=r"^metrics.listen \[2001:db8::1\]:9730: ") as raised:
        HttpServer(("2001:db8::1", 9730), {})
    assert raised.value.exit_code is ExitCode.UNAVAILABLE
