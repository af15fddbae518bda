# SPDX-License-Identifier: Apache-2.0
"""The executable form of docs "Flow semantics": capture files in, the one right set of Flow Records out.

Simple over fast, and independent of the native core: it shares no code with it, reads captures by itself and
keeps every size and gap in lists. The files in the order of a packet: `pcap_file` and `pcapng_file` → `link`
→ `network` → `transport` → `fragments` → `flows` → `records`; `metering.meter` calls them.
"""

from oracle.frame import CaptureError
from oracle.metering import Result, meter

__all__ = ["CaptureError", "Result", "meter"]
