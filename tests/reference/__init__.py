# SPDX-License-Identifier: Apache-2.0
"""The reference engine as tests run it: capture files in, the one right set of Flow Records out."""

from reference.run import Result, meter, meter_as_users_do, read_capture

__all__ = ["Result", "meter", "meter_as_users_do", "read_capture"]
