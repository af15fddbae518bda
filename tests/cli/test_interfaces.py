# SPDX-License-Identifier: Apache-2.0
"""`spanflow interfaces`: the table, the JSON, and what happens where something does not tell."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import Any

import pytest

from live.harness.links import network
from spanflow import interfaces
from spanflow.cli.main import main
from spanflow.errors import ExitCode
from spanflow.interfaces import NetworkInterface

Captured = pytest.CaptureFixture[str]


def interface(name: str, **members: Any) -> NetworkInterface:
    usual = {
        "index": 2,
        "up": True,
        "running": True,
        "link_type": 1,
        "link_name": "ethernet",
        "mtu": 1500,
        "address": "02:00:00:00:00:01",
        "offloads": {"gro": False, "lro": False, "gso": True, "tso": True, "rxvlan": True},
    }
    return NetworkInterface(name=name, **{**usual, **members})


LOOPBACK = interface("lo", index=1, link_type=772, link_name="loopback", mtu=65_536, offloads={"gro": True})
UPLINK = interface("uplink\x1b", index=1017, running=False)
DOWN = interface("eth1", index=3, up=False, running=False, offloads={"gro": True, "lro": True})


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "list_interfaces", lambda: [LOOPBACK, UPLINK, DOWN])
    monkeypatch.setattr(interfaces, "libpcap_devices", lambda: ["any", "nflog"])


@pytest.mark.usefixtures("devices")
def test_the_table(capsys: Captured) -> None:
    assert main(["interfaces"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "NAME        INDEX  STATE       LINK            MTU  GRO  LRO  GSO  TSO  RXVLAN",
        "lo              1  up          loopback      65536  on   -    -    -    -",
        "uplink\\x1b   1017  no carrier  ethernet       1500  off  off  on   on   on",
        "eth1            3  down        ethernet       1500  on   on   -    -    -",
        "any             -  -           libpcap only      -  -    -    -    -    -",
        "nflog           -  -           libpcap only      -  -    -    -    -    -",
    ]


@pytest.mark.parametrize("offload", ["gro", "lro"])
def test_it_says_how_to_keep_packets_apart(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, offload: str
) -> None:
    monkeypatch.setattr(interfaces, "list_interfaces", lambda: [interface("eth0", offloads={offload: True})])
    monkeypatch.setattr(interfaces, "libpcap_devices", list)
    assert main(["interfaces"]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines()[2:] == [
        "",
        "gro and lro merge arriving packets before they are captured: fewer and larger ones are counted.",
        "To switch them off: ethtool -K NAME gro off lro off",
    ]


@pytest.mark.usefixtures("devices")
def test_json(capsys: Captured) -> None:
    assert main(["interfaces", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found] == ["lo", "uplink\x1b", "eth1", "any", "nflog"]
    assert found[1] == {
        "name": "uplink\x1b",
        "index": 1017,
        "state": "no carrier",
        "link_type": 1,
        "link_name": "ethernet",
        "mtu": 1500,
        "address": "02:00:00:00:00:01",
        "offloads": {"gro": False, "lro": False, "gso": True, "tso": True, "rxvlan": True},
        "libpcap_only": False,
    }
    assert found[0]["offloads"] == {"gro": True, "lro": None, "gso": None, "tso": None, "rxvlan": None}
    assert found[3].keys() == found[1].keys()
    assert (found[3]["index"], found[3]["state"], found[3]["libpcap_only"]) == (None, None, True)


@pytest.mark.usefixtures("devices")
def test_a_kernel_that_does_not_tell(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[NetworkInterface]:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    monkeypatch.setattr(interfaces, "list_interfaces", refuse)
    assert main(["interfaces"]) == ExitCode.OS_ERROR
    assert capsys.readouterr() == (
        "",
        f"spanflow: netlink: {os.strerror(errno.EAFNOSUPPORT)}; allow this process AF_NETLINK sockets\n",
    )


@pytest.mark.usefixtures("devices")
def test_the_interfaces_are_shown_when_libpcap_fails(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[str]:
        raise OSError(errno.EIO, "no\x1bway")

    monkeypatch.setattr(interfaces, "libpcap_devices", fail)
    assert main(["interfaces"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 4
    assert err == "spanflow: libpcap: no\\x1bway; its devices are missing here\n"


def test_in_a_namespace() -> None:
    with network("eth0", mtu=1400) as (link,):
        command = (sys.executable, "-m", "spanflow", "interfaces")
        found = {each["name"]: each for each in json.loads(link.far.run(*command, "--json"))}
        lines = link.far.run(*command).splitlines()
        assert {"lo", "eth0", "any"} <= found.keys()
        assert (found["eth0"]["index"], found["eth0"]["mtu"]) == (link.index, 1400)
        assert found["eth0"]["state"] == "up"
        (row,) = (line.split() for line in lines if line.startswith("eth0 "))
        assert row[:5] == ["eth0", str(link.index), "up", "ethernet", "1400"]
