# SPDX-License-Identifier: Apache-2.0
"""The Exporting Process: batches of Flow Records become IPFIX Messages on their way to collectors.

The path of a batch: `process` (one thread per collector) takes it from its `queue`, `session` and `encode` make
Messages of it by the templates of a `profiles` entry, `pacing` waits for the receiver, `transport` sends.
"""
