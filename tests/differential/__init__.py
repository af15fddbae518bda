# SPDX-License-Identifier: Apache-2.0
"""Both engines over the same generated traffic: they must give the same records, end reasons and counters.

`scenarios` makes traffic from a seed, `engines` runs an engine, `agree` says what differs, `check` runs one
scenario through both, `shrink` makes a failing one small, `coverage` counts what was met, `run` is the
program.
"""
