# SPDX-License-Identifier: Apache-2.0
"""The Exporting Process: batches of Flow Records become IPFIX Messages on their way to collectors.

The path of a batch: `process` (one thread per collector) takes it from its `queue`, `delivery` has it made
into Messages (`session`, `encode`) by the templates of a profile (`profiles`, `template`), waits for the
receiver (`pacing`) and sends (`transport`).
"""
