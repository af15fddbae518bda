# SPDX-License-Identifier: Apache-2.0
"""TCP in every state: how connections begin and end, what comes after, and what should not come."""

from __future__ import annotations

from craft import transport
from craft.parties import Conversation

TCP_FLAGS = ("S", "SA", "A", "PA", "A", "FA", "FA", "R", "RA", "", "SEC", "RFA", "FPU", "SF")

OPENINGS = (
    ">S <SA >A",
    ">S <SA >A",
    ">S >S <SA <SA >A",
    ">S <S >SA <SA",  # both at once
    "<SA >A",
    ">SEC <SAE >A",
    ">S",
    ">S <RA",
    "",
)
CLOSINGS = (
    ">FA <A <FA >A",
    ">FA <FA >A",
    ">FA <FA <A >A",  # both at once
    ">FA <FA >A <A",
    ">FA <A <PA >A <PA >A <FA >A",  # a half close
    ">FA >FA <A <FA <FA >A",
    ">FA <FA >FA <FA >A",
    ">FPA <FPA >PA <A",  # the last FIN is acknowledged with data
    ">FA <FA",
    ">FA <A",
    ">FA <A <R",
    ">FA <FA >R",
    ">RFA",
    ">R",
    "<RA",
    "",
)
AFTERWARDS = ("", "", ">A", "<A", "<FA >A", ">R", "<RA >R", ">PA <A", ">S <RA")


def tcp(of: Conversation) -> None:
    """Connections one after the other between the same ends: how each begins, ends, and what comes after."""
    for _ in range(of.random.randrange(3) + 1):
        of.pace.begin()
        client_opens, closed = of.side(), set[bool]()
        for word in _tcp_script(of):
            from_client = (word[0] == ">") == client_opens
            size = of.size() if "P" in word or of.random.randrange(8) == 7 else 0
            segment = transport.tcp(*of.ports_of(from_client), word[1:], bytes(size), checksum=0)
            of.put(from_client, of.packet(from_client, segment))
            if "F" in word:
                closed.add(from_client)
            if "R" in word or (len(closed) == 2 and "F" not in word):
                of.pace.end()
            of.pace.step()
        of.pace.wait()


def _tcp_script(of: Conversation) -> list[str]:
    random = of.random
    words = random.choice(OPENINGS).split()
    for _ in range(random.randrange(of.place.most_packets // 2 + 1)):
        words.append(random.choice("><") + random.choice(("PA", "A")))
    words += random.choice(CLOSINGS).split()
    if random.randrange(6) == 5:
        # A reset in any state; what was under way arrives all the same.
        words.insert(random.randrange(len(words) + 1), random.choice((">R", "<RA")))
    if words and random.randrange(6) == 5:
        words[random.randrange(len(words))] = random.choice("><") + random.choice(TCP_FLAGS)
    return words + random.choice(AFTERWARDS).split()


def closing_tcp(of: Conversation) -> None:
    """Ends that have little to say but FIN and ACK, in any order."""
    for _ in range(of.count()):
        from_client, flags = of.side(), of.random.choice(("FA", "A", "FA", "A", "FPA", "A", "S", "F"))
        segment = transport.tcp(*of.ports_of(from_client), flags, checksum=0)
        of.put(from_client, of.packet(from_client, segment))
        of.pace.step()
