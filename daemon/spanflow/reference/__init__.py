# SPDX-License-Identifier: Apache-2.0
"""The reference engine: docs/semantics.md as a program, rule by rule, and the engine of per-packet plugins.

Simple over fast. It shares no code with the native Metering Process, which is tested against it. Numbers such
as `6.2` are rules of docs/semantics.md. The files in the order of a packet: `capture` (`pcap_file`,
`pcapng_file`), `live`, `filter` → `link` → `network` → `transport` → `fragments` → `flows` → `records` →
`plugins`, `detection` (with `ndpi`, `application_rules`, `detail_text`) → `batches`; `metering` calls them
for each packet, `meter` has the threads.
"""
