# SPDX-License-Identifier: Apache-2.0
"""What the RFCs ask of an Exporting Process, one test for each requirement: readable as documentation.

Run it with `pytest tests/conformance`. A test is named after the line of the list below that it shows; its
docstring says the requirement in our words, and where it stands. Octets are judged by `reading`, which knows
the RFCs and shares nothing with the encoder, or by our Collecting Process, which is strict.

    1-8     test_messages       RFC 7011 section 3
    9-16    test_records        RFC 7011 sections 6 and 7; RFC 7012
    17-23   test_templates      RFC 7011 sections 3.4 and 8
    24-28   test_biflow         RFC 5103
    29-38   test_options        RFC 7011 section 4; RFC 5476, 5477, 5610, 6759
    39-45   test_transports     RFC 7011 sections 10 and 11
    46      test_files          RFC 5655
    47-50   test_netflow        RFC 3954, and NetFlow version 5

What applies in part only, and why:

     4, 22  SCTP: one stream takes all, so there is one sequence number. There is no stream for each Template
            (RFC 6526), and no partial reliability, which is optional. Few kernels have SCTP: a stand-in
            plays it.
     6      The units of systemd name each instance (`export.instance`), so two have different domains. Two
            that are started by hand on one machine need names or numbers. 0 is never derived.
     8      We send no padding, as no record needs it. Our collector takes 0 to 3 octets and more.
     9      Strings that we send have 254 octets at the most: the form of one octet is enough. The form of
            three is shown with our collector. A string alone in the longest Message has 65,512 octets.
    11      flowStart/EndDeltaMicroseconds are not offered; the absolute times say more.
    13      Names out of packets are made UTF-8 where packets are read (tests/core, tests/classify); here is
            shown that sending them does not break them.
    14      Data Records have no element twice. Reliability statistics have, and keep the order.
    19, 20  We never send a withdrawal: Templates do not change within a session. Our collector knows them.
    33      Packets are not sampled: one of one is announced. Other rates are shown with a session alone.
    40      The path MTU is that of the kernel's route, from the first Message on; 512 octets where the kernel
            tells none. The default adds a bound of 1,400 octets of Messages, for tunnels of which the route
            knows nothing. `mtu` counts the Message, to which IP and UDP add 28 or 48 octets.
    43      Over UDP a group moves on only when the collector's host says that nobody listens (ICMP).
    44      DTLS 1.2 over UDP; not over SCTP, for which there is no kept library. RFC 6520's Heartbeats are
            not in OpenSSL any more: a DTLS session is renewed in time instead.
    46      What RFC 5655 has for checksums, export sessions and time windows is optional, and not written.
    50      AS numbers are not known to a probe beside the path: they are 0, so 23456 is never needed.
"""
