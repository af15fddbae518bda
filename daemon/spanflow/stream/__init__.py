# SPDX-License-Identifier: Apache-2.0
"""The library: sources, settings and a metering run → flows, one by one, in batches, or as a table.

In the order of a flow: `sources` and `stream_settings` say what to meter and how, `run` meters it, `flow` is
a view of one row of what comes out; `flow_stream` is the face of it all, `streamer` the one of the system
that Spanflow grew from.
"""
