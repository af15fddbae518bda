# SPDX-License-Identifier: Apache-2.0
"""A classification engine by the C functions of its shared object (daemon/core/classify/classifier.h)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

SYMBOL = "spanflow_classifier"
ABI = 1
DETAIL_OCTETS = 254
_ALIGNMENT = 16


class Verdict(ctypes.Structure):
    """struct spanflow_verdict."""

    _fields_ = (
        ("risk", ctypes.c_uint64),
        ("master_protocol", ctypes.c_uint16),
        ("protocol", ctypes.c_uint16),
        ("category", ctypes.c_uint16),
        ("risk_score", ctypes.c_uint16),
        ("tls_version", ctypes.c_uint16),
        ("dns_query_type", ctypes.c_uint16),
        ("dns_response_code", ctypes.c_uint8),
        ("confidence", ctypes.c_uint8),
        ("done", ctypes.c_uint8),
    )


class Ends(ctypes.Structure):
    """struct spanflow_ends."""

    _fields_ = (
        ("client_address", ctypes.c_uint8 * 16),
        ("server_address", ctypes.c_uint8 * 16),
        ("client_port", ctypes.c_uint16),
        ("server_port", ctypes.c_uint16),
        ("ip_version", ctypes.c_uint8),
        ("protocol", ctypes.c_uint8),
    )


class EnginePacket(ctypes.Structure):
    """struct spanflow_packet."""

    _fields_ = (
        ("network", ctypes.c_char_p),
        ("octets", ctypes.c_uint32),
        ("time_ms", ctypes.c_uint64),
        ("from_server", ctypes.c_uint8),
        ("seen_beginning", ctypes.c_uint8),
    )


class _Options(ctypes.Structure):
    _fields_ = (("protocols_file", ctypes.c_char_p),)


_ENGINE, _FLOW = ctypes.c_void_p, ctypes.c_void_p
_FUNCTIONS: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("open", _ENGINE, (ctypes.POINTER(_Options), ctypes.c_char_p, ctypes.c_size_t)),
    ("close", None, (_ENGINE,)),
    ("version", ctypes.c_char_p, (_ENGINE,)),
    ("flow_octets", ctypes.c_size_t, (_ENGINE,)),
    ("begin_flow", None, (_ENGINE, _FLOW)),
    ("end_flow", None, (_ENGINE, _FLOW)),
    ("inspect", None, (_ENGINE, _FLOW, ctypes.POINTER(EnginePacket), ctypes.POINTER(Verdict))),
    ("give_up", None, (_ENGINE, _FLOW, ctypes.POINTER(Verdict))),
    ("guess", None, (_ENGINE, ctypes.POINTER(Ends), ctypes.POINTER(Verdict))),
    ("detail", ctypes.c_size_t, (_ENGINE, _FLOW, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)),
    ("allocated", ctypes.c_int64, ()),
)


def _prototype(name: str) -> Any:
    """One thread of the process at a time opens or closes: whoever does, here or in the core, has the GIL."""
    return ctypes.PYFUNCTYPE if name in ("open", "close") else ctypes.CFUNCTYPE


class _Classifier(ctypes.Structure):
    """struct spanflow_classifier, as far as it is used here."""

    _fields_ = (
        ("abi", ctypes.c_uint32),
        ("engine", ctypes.c_char_p),
        *((name, _prototype(name)(result, *arguments)) for name, result, arguments in _FUNCTIONS),
    )


class EngineState:
    """What an engine keeps of one Flow."""

    def __init__(self, engine: Engine) -> None:
        self._memory = ctypes.create_string_buffer(engine.flow_octets + _ALIGNMENT)
        address = ctypes.addressof(self._memory)
        self.place = address + -address % _ALIGNMENT


class Engine:
    """One engine. All calls by one thread at a time. Raises OSError, or RuntimeError with one line, why not.

    path: of the shared object. protocols_file: of the user's own protocols, "" for none.
    """

    def __init__(self, path: str, protocols_file: str) -> None:
        shared = ctypes.CDLL(path, ctypes.RTLD_LOCAL)
        self._shim: Any = _Classifier.in_dll(shared, SYMBOL)
        if self._shim.abi != ABI:
            raise RuntimeError(f"{path}: was built for another version of spanflow")
        error = ctypes.create_string_buffer(512)
        options = _Options(protocols_file.encode() or None)
        self._engine = self._shim.open(ctypes.byref(options), error, len(error))
        if not self._engine:
            raise RuntimeError(error.value.decode("utf-8", "replace"))
        self.flow_octets: int = self._shim.flow_octets(self._engine)
        self.allocated = 0  # octets, since it was opened
        self._text = ctypes.create_string_buffer(DETAIL_OCTETS)

    def close(self) -> None:
        """No Flow may be open."""
        self._shim.close(self._engine)
        self._engine = None

    def begin(self, state: EngineState) -> None:
        self._call(self._shim.begin_flow, state.place)

    def end(self, state: EngineState) -> None:
        self._call(self._shim.end_flow, state.place)

    def inspect(self, state: EngineState, packet: EnginePacket) -> Verdict:
        return self._verdict(self._shim.inspect, state.place, ctypes.byref(packet))

    def give_up(self, state: EngineState) -> Verdict:
        """The last word on a Flow that was not decided."""
        return self._verdict(self._shim.give_up, state.place)

    def guess(self, ends: Ends) -> Verdict:
        return self._verdict(self._shim.guess, ctypes.byref(ends))

    def detail(self, state: EngineState, kind: int) -> bytes:
        """What was found in the packets, octets from strangers; empty: nothing."""
        length = self._shim.detail(self._engine, state.place, kind, self._text, DETAIL_OCTETS)
        return self._text.raw[: min(length, DETAIL_OCTETS)]

    def _verdict(self, function: Callable[..., None], *arguments: Any) -> Verdict:
        verdict = Verdict()
        self._call(function, *arguments, ctypes.byref(verdict))
        return verdict

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """The shim counts for each thread, and one frees what another has allocated."""
        before = self._shim.allocated()
        function(self._engine, *arguments)
        self.allocated += self._shim.allocated() - before
