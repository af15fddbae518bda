# SPDX-License-Identifier: Apache-2.0
"""Messages of IPFIX that only have a length and a number, for transports that do not look inside."""

from __future__ import annotations

from spanflow.exporting.ipfix import message, set_of

SET_ID = 300


def numbered(sequence_number: int, octets: int = 100) -> bytes:
    """A Message of so many octets (at least 24), all different from those of other numbers."""
    records = sequence_number.to_bytes(4, "big") * (octets // 4)
    return message(
        set_of(SET_ID, records[: octets - 20]),
        export_time=1_800_000_000,
        sequence_number=sequence_number,
        observation_domain_id=7,
    )
