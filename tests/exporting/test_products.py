# SPDX-License-Identifier: Apache-2.0
"""What each product must and must not be sent, read from the octets of the Templates of its profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from exporting.template_records import IANA, OURS, REVERSE, VARIABLE, Specifier, classified, specifiers
from spanflow.config.collector_settings import PROFILES
from spanflow.exporting.options_choice import EVERYTHING, SamplingForm, Table
from spanflow.exporting.profiles import PRODUCTS, Profile

COUNTERS = [(IANA, 1), (IANA, 2)]
REVERSE_COUNTERS = [(REVERSE, 1), (REVERSE, 2)]

# As `rich`, with elements of our own: for whoever asks for it, and for what reads all of IPFIX.
WITH_OUR_OWN = {"rich", "ipfixcol2"}
# Their readers know Biflows; all others lose or mix up the responder's half.
BIFLOWS = {"ipfixcol2", "silk"}


class Sent:
    """What a collector with this profile gets, with and without applications, in all its Templates."""

    def __init__(self, profile: Profile, *, biflow: bool | None = None) -> None:
        self.options = profile.options
        with_application = classified(profile)
        self.templates = [
            specifiers(template.encode())
            for each in (profile, with_application)
            for template in each.templates(biflow=biflow).values()
        ]
        self.when_classified = [
            specifiers(template.encode()) for template in with_application.templates(biflow=biflow).values()
        ]

    def all(self) -> Iterator[Specifier]:
        """Every Field Specifier."""
        for template in self.templates:
            yield from template

    def has(self, number: int, *, length: int | None = None, pen: int = IANA) -> bool:
        """Whether every Template has the element, of this length where one is given."""
        return all(
            any(
                (each.pen, each.number) == (pen, number) and length in (None, each.length)
                for each in template
            )
            for template in self.templates
        )

    def lacks(self, *numbers: int, pen: int = IANA) -> bool:
        """Whether no Template has any of the elements."""
        return not any(each.pen == pen and each.number in numbers for each in self.all())

    def pens(self) -> set[int]:
        """The Private Enterprise Numbers; 0 is IANA."""
        return {each.pen for each in self.all()}

    def begins_with(self, elements: list[tuple[int, int]]) -> bool:
        """Whether every Template has these elements first."""
        return all(
            [each[:2] for each in template[: len(elements)]] == elements for template in self.templates
        )


Rule = Callable[[Sent], bool]


def sampling_is(*forms: SamplingForm) -> Rule:
    """Only these records tell the sampling."""
    return lambda sent: set(sent.options.sampling) == set(forms)


def tells(*tables: Table) -> Rule:
    """These options are sent, whatever else is."""
    return lambda sent: sent.options.tables >= set(tables)


def without(*tables: Table) -> Rule:
    """These options are not sent."""
    return lambda sent: sent.options.tables.isdisjoint(tables)


ALL_PRODUCTS: tuple[tuple[str, Rule], ...] = (
    ("an address of both ends", lambda sent: all(_has_addresses(each) for each in sent.templates)),
    ("ports, protocol", lambda sent: sent.has(7) and sent.has(11) and sent.has(4, length=1)),
    (
        "delta counters of 8 octets, which do not wrap",
        lambda sent: sent.has(1, length=8) and sent.has(2, length=8),
    ),
    (
        "absolute milliseconds, which all read",
        lambda sent: sent.has(152, length=8) and sent.has(153, length=8),
    ),
    ("nothing relative to a time of start that is not told", lambda sent: sent.lacks(21, 22)),
    # akvorado in its first-switched mode misreads both, and nfdump has no place for the first two.
    ("no times in the NTP format", lambda sent: sent.lacks(154, 155, 156, 157)),
    # goflow2 writes 1 and 23 to one field, nProbe takes 23 and 24 for the reverse half, and Filebeat adds the
    # octets of initiator and responder to those of the Flow.
    (
        "each count under one element: no post, total, initiator or responder counts",
        lambda sent: sent.lacks(23, 24, 85, 86, 231, 232),
    ),
    ("interfaces: akvorado drops a Flow without", lambda sent: sent.has(10) and sent.has(14)),
    ("TCP flags in the record itself, for SiLK", lambda sent: sent.has(6)),
    ("each element once: Logstash rejects more", lambda sent: all(map(_distinct, sent.templates))),
    ("sampling told, though it is 1:1: akvorado drops the rest", lambda sent: bool(sent.options.sampling)),
    # Unknown to a probe on a mirror port: zeros would look like knowledge.
    ("no next hop, AS, prefix length", lambda sent: sent.lacks(9, 13, 15, 16, 17, 29, 30, 62)),
    # A Flow Record that names a selector needs its rate under this number.
    ("no selector in records: the rate is that of selector 0", lambda sent: sent.lacks(48, 302)),
    (
        "interfaces named in one form",
        lambda sent: (
            len(sent.options.tables & {Table.INTERFACES, Table.CISCO_INTERFACES, Table.INTERFACE_NAMES}) < 2
        ),
    ),
    (
        "RFC 5610 where elements of our own are",
        lambda sent: OURS not in sent.pens() or tells(Table.ELEMENTS)(sent),
    ),
)

SELECTOR, INTERVAL = SamplingForm.SELECTOR, SamplingForm.INTERVAL

RULES: tuple[tuple[str, str, Rule], ...] = (
    ("generic", "sampling by PSAMP", sampling_is(SELECTOR)),
    ("generic", "every option", tells(*EVERYTHING.tables)),
    ("generic", "the number of the application", lambda sent: _each_has(sent.when_classified, 95, 4)),
    ("generic", "pairing of both halves", lambda sent: sent.has(148) and sent.has(239)),
    ("rich", "risks and the server name", lambda sent: sent.has(4, pen=OURS) and sent.has(9, pen=OURS)),
    ("rich", "the number of the application", lambda sent: sent.has(95, length=4)),
    ("nfdump", "57 for the destination MAC address, not 80", lambda sent: sent.has(57) and sent.lacks(80)),
    ("nfdump", "a sampling form that it reads", sampling_is(SamplingForm.RATE)),
    ("nfdump", "names of interfaces and applications", tells(Table.INTERFACE_NAMES, Table.APPLICATIONS)),
    ("nfdump", "the application of NBAR", lambda sent: _each_has(sent.when_classified, 95, 4)),
    ("nfdump", "flowEndReason", lambda sent: sent.has(136)),
    ("goflow2", "no 305, of which it takes the interval for the rate", sampling_is(INTERVAL)),
    ("goflow2", "the rate in records", lambda sent: sent.has(34)),
    ("goflow2", "ipVersion: its etype", lambda sent: sent.has(60)),
    ("goflow2", "vlanId", lambda sent: sent.has(58)),
    ("goflow2", "minimumTTL", lambda sent: sent.has(52)),
    ("akvorado", "counters first", lambda sent: sent.begins_with(COUNTERS)),
    ("akvorado", "the rate in records, or the Flow may be dropped", lambda sent: sent.has(34)),
    ("akvorado", "a rate for selector 0", sampling_is(SELECTOR)),
    ("akvorado", "names of interfaces outside of the scope", tells(Table.CISCO_INTERFACES)),
    ("akvorado", "80 for the destination MAC address", lambda sent: sent.has(80)),
    ("elastic", "161: it has no other source of a duration", lambda sent: sent.has(161, length=4)),
    ("elastic", "biflowDirection: client and server", lambda sent: sent.has(239)),
    ("elastic", "80 for the destination MAC address", lambda sent: sent.has(80)),
    (
        "elastic",
        "names in records: options are joined with nothing",
        lambda sent: _each_has(sent.when_classified, 96),
    ),
    ("elastic", "no time of start, of which it makes wrong times", without(Table.SYSTEM_INIT_TIME)),
    ("logstash", "57 for the destination MAC address", lambda sent: sent.has(57)),
    ("logstash", "the rate in records, as the legacy ElastiFlow has it", lambda sent: sent.has(34)),
    (
        "logstash",
        "no element that is younger than its list",
        lambda sent: all(e.number <= 433 for e in sent.all()),
    ),
    (
        "logstash",
        "no options with an element twice: both reliabilities have two times",
        without(Table.METERING_RELIABILITY, Table.EXPORTING_RELIABILITY),
    ),
    ("telegraf", "names in records: it reads no options", lambda sent: _each_has(sent.when_classified, 96)),
    ("telegraf", "the rate in records", lambda sent: sent.has(34)),
    ("pmacct", "sampling from 305 and 306", sampling_is(SELECTOR)),
    ("pmacct", "names of applications", tells(Table.APPLICATIONS)),
    ("pmacct", "flags of one octet: of two it takes the upper", lambda sent: sent.has(6, length=1)),
    ("ipfixcol2", "every option", tells(*EVERYTHING.tables)),
    ("ipfixcol2", "reverse elements", lambda sent: sent.begins_with(REVERSE_COUNTERS)),
    ("ipfixcol2", "strings as they are", lambda sent: sent.has(9, pen=OURS, length=VARIABLE)),
    ("ipfixcol2", "the direction of a Biflow", lambda sent: sent.has(239)),
    ("silk", "reverse elements", lambda sent: sent.begins_with(REVERSE_COUNTERS)),
    ("silk", "a sampling interval, which it logs", sampling_is(INTERVAL)),
    ("silk", "no other options", without(*Table)),
    ("elastiflow", "names", tells(Table.APPLICATIONS, Table.CISCO_INTERFACES)),
    ("elastiflow", "the number of the application", lambda sent: _each_has(sent.when_classified, 95, 4)),
    ("elastiflow", "sampling told by options", sampling_is(SELECTOR)),
    ("nprobe", "uniflows: it takes no reverse half by RFC 5103", lambda sent: REVERSE not in sent.pens()),
)


def _has_addresses(template: list[Specifier]) -> bool:
    numbers = {(each.number, each.length) for each in template if each.pen == IANA}
    return {(8, 4), (12, 4)} <= numbers or {(27, 16), (28, 16)} <= numbers


def _distinct(template: list[Specifier]) -> bool:
    return len({each[:2] for each in template}) == len(template)


def _each_has(templates: list[list[Specifier]], number: int, length: int | None = None) -> bool:
    return all(
        any((each.pen, each.number) == (IANA, number) and length in (None, each.length) for each in template)
        for template in templates
    )


def test_every_profile_of_the_settings_is_a_product() -> None:
    assert tuple(PRODUCTS) == PROFILES
    assert all(name == profile.name for name, profile in PRODUCTS.items())


def test_every_product_has_a_rule() -> None:
    assert {product for product, *_ in RULES} == set(PROFILES)


@pytest.mark.parametrize("product", PROFILES)
@pytest.mark.parametrize(("name", "rule"), ALL_PRODUCTS, ids=[name for name, _ in ALL_PRODUCTS])
def test_rule_for_all(product: str, name: str, rule: Rule) -> None:
    assert rule(Sent(PRODUCTS[product])), f"{product}: {name}"


@pytest.mark.parametrize(("product", "name", "rule"), RULES, ids=[f"{rule[0]}: {rule[1]}" for rule in RULES])
def test_rule(product: str, name: str, rule: Rule) -> None:
    assert rule(Sent(PRODUCTS[product])), f"{product}: {name}"


@pytest.mark.parametrize("product", PROFILES)
def test_biflows_only_for_those_that_read_them(product: str) -> None:
    # RFC 5103 section 6.1: PEN 29305. A uniflow has none of it.
    assert (REVERSE in Sent(PRODUCTS[product]).pens()) == (product in BIFLOWS)
    assert REVERSE not in Sent(PRODUCTS[product], biflow=False).pens()
    assert REVERSE in Sent(PRODUCTS[product], biflow=True).pens()


@pytest.mark.parametrize("product", PROFILES)
def test_our_own_elements_only_for_those_that_can_use_them(product: str) -> None:
    sent = Sent(PRODUCTS[product])
    assert (OURS in sent.pens()) == (product in WITH_OUR_OWN)
    assert any(each.length == VARIABLE for each in sent.all()) == (product in WITH_OUR_OWN)


def test_reverse_elements_that_nfdump_reads() -> None:
    # It takes any other one for the forward element.
    sent = Sent(PRODUCTS["nfdump"], biflow=True)
    assert {each.number for each in sent.all() if each.pen == REVERSE} == {1, 2}


def test_akvorado_meets_the_reverse_counters_first() -> None:
    # An empty reverse half is dropped as soon as its counters are met, and what came before them stays.
    assert Sent(PRODUCTS["akvorado"], biflow=True).begins_with(REVERSE_COUNTERS)


def test_no_template_id_has_two_meanings() -> None:
    # One collector may be given another profile while it remembers the templates of the first.
    known: dict[int, bytes] = {}
    for profile in PRODUCTS.values():
        for each in (profile, classified(profile)):
            for biflow in (False, True):
                for template in each.templates(biflow=biflow).values():
                    record = template.encode()
                    assert known.setdefault(template.template_id, record) == record
    assert min(known) >= 256


@pytest.mark.parametrize("product", PROFILES)
def test_notes_are_about_something_and_are_one_line(product: str) -> None:
    notes = PRODUCTS[product].notes
    assert notes
    assert len({note.topic for note in notes}) == len(notes)
    for note in notes:
        assert note.text.endswith(".")
        assert note.text.isprintable()
