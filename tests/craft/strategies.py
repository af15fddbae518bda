# SPDX-License-Identifier: Apache-2.0
"""Captures as hypothesis draws them: what `traffic` makes of random numbers, which hypothesis chooses.

Gaps between packets come from the settings' own deadlines, so that their edges are met all the time.
Addresses and ports come from small pools, so that Flows meet again.
"""

from __future__ import annotations

from hypothesis import assume
from hypothesis import strategies as st

from craft import traffic
from craft.conversation import EPOCH_NS
from craft.crafted import Crafted
from craft.exchanges import exchange
from craft.framing import LINK_TYPES, frame_of
from craft.link import LOOP, PPP_HDLC
from craft.parties import Place

__all__ = ["Crafted", "captures", "frames"]


@st.composite
def captures(draw: st.DrawFn, *, late: bool = False, damage: bool = True, conversations: int = 4) -> Crafted:
    """A capture of up to `conversations` at once.

    late: disorder may exceed the reorder window. damage: some frames are cut, shortened or changed in an
    octet.
    """
    random = draw(st.randoms(use_true_random=False))
    return traffic.capture(random, late=late, damage=damage, conversations=conversations, packets=8)


@st.composite
def frames(draw: st.DrawFn) -> tuple[int, bytes]:
    """Link type and one whole frame of it: for tests of prefixes and mutations."""
    random = draw(st.randoms(use_true_random=False))
    place = Place(random=random, settings=traffic.settings(random), most_packets=1)
    conversation = exchange(place, EPOCH_NS)
    assume(conversation)
    sent = random.choice(conversation)
    link_type = random.choice((*LINK_TYPES, LOOP, PPP_HDLC))
    return link_type, frame_of(sent.packet, sent.from_client, sent.path, link_type)
