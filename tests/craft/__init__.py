# SPDX-License-Identifier: Apache-2.0
"""Frames and capture files made by hand: plain octets, right by default, every field can be made wrong.

`transport` builds segments, `network` puts them into IP packets (and fills their checksums), `link` puts
packets into frames, `capture` puts frames into files. `conversation` scripts whole exchanges, `payloads`
holds application data.

From random numbers: `parties` talk at a `pace`, `exchanges` are all that they may say (a file for each kind),
`framing` puts that into frames, `traffic` makes captures of it (`crafted`), `strategies` draws them for
hypothesis.
"""
