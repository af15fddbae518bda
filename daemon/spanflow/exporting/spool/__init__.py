# SPDX-License-Identifier: Apache-2.0
"""The spool: parcels of Messages on disk, for a collector that is away, until it is back.

`store` is the spool of one collector, a directory of its own (`folder`). Parcels (`parcel`) are appended to
segments and leave in order; what is delivered is remembered (`position`), and files go when all in them is.
`recovery` finds what an earlier process left, in whatever state. `files` is all that touches the disk. What
goes over the wire again is renumbered (`messages`, `templates`); `replay` sends a spool to a collector.

On disk
-------
The directory is for its owner alone (0700), as are its files (0600), and it is locked (flock) while a process
uses it. A segment is named NUMBER-SALT.spool; numbers rise and are not used again. In it are frames, one
after the other: the preface (the Template Messages by which its parcels are read), the first parcel, the
preface again in case the first is damaged, more parcels. `frames` has the layout of a frame.

 - Both checksums of a frame begin with the salt of its segment, a random number that is only in the file's
   name. Text from the network that looks like a frame is therefore none, where the octets of a damaged
   parcel are searched for the next frame.
 - A frame that is cut short at the end of a segment is what a killed process leaves. It was never
   acknowledged, so it is cut off and is no loss.
 - Anything else that is not a frame with right checksums is damage: skipped up to the next frame that is
   right, and counted, with the records where the header of the frame is still to be read.
 - The file `position` says what is delivered: all segments with lower numbers, and one up to an offset.

What is lost when
-----------------
SIGKILL, a crash of the program: nothing that `append` took; parcels that were delivered but not yet reported
(`advance`) are sent again. A power failure: what was appended in the last second, as files are synced once a
second and at the end of a segment; parcels delivered since the last sync are sent again.
"""
