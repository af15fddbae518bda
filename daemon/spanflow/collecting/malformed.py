# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a Message: one closed list of reasons, used by errors, counters and summaries."""

from __future__ import annotations

from enum import StrEnum

from spanflow.errors import DecodeError


class Reason(StrEnum):
    """Why a Message was discarded, or a part of it ignored. The value is what people read."""

    # The Message is malformed and discarded as a whole (RFC 7011 section 9.1); a stream ends with it.
    VERSION = "unsupported version"
    MESSAGE_LENGTH = "wrong message length"
    UNFINISHED = "end within a message"
    SET_LENGTH = "wrong set length"
    EMPTY_SET = "set without a record"
    PADDING = "padding is not zero"
    TRUNCATED = "record longer than its set"
    TEMPLATE_ID = "template id below 256"
    FIELD_COUNT = "wrong field count"
    FIELD_LENGTH = "field length does not fit its type"
    SCOPE_COUNT = "wrong scope field count"
    VALUE = "value not allowed by its type"
    REDEFINITION = "template redefined without a withdrawal"
    TEMPLATE_LIMIT = "too many templates"

    # The rest of the Message is used; but of NetFlow v5, with nothing else to tell records, none of it.
    RECORD_COUNT = "wrong record count"
    TEMPLATE_MISSING = "data set before its template"
    RESERVED_SET = "reserved set id"
    UDP_WITHDRAWAL = "template withdrawal over UDP"
    UNKNOWN_WITHDRAWAL = "withdrawal of an unknown template"


class MalformedMessageError(DecodeError):
    """A Message that must be discarded; `offset` counts octets from the first one of the Message."""

    def __init__(self, offset: int, reason: Reason, detail: str) -> None:
        super().__init__(f"offset {offset}: {reason}: {detail}")
        self.offset = offset
        self.reason = reason
        self.detail = detail
