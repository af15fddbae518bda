# SPDX-License-Identifier: Apache-2.0
"""Certificates and keys as files: what is refused, and how, and what happens when they change."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from exporting.tls_peers import LONG_AGO, TOMORROW, YESTERDAY, Files, write_files
from spanflow.exporting.transport.certificate_validity import validity_of
from spanflow.exporting.transport.certificates import CertificateError, Certificates

NS = 1_000_000_000


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> Files:
    return write_files(tmp_path, authority, authority.issue_cert("probe.example"))


def renewed(files: Files, authority: trustme.CA, **times: datetime) -> None:
    certificate = authority.issue_cert("probe.example", **times)
    write_files(Path(files.key).parent, authority, certificate)


def test_the_end_of_our_certificate(authority: trustme.CA, tmp_path: Path) -> None:
    end = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    certificate = authority.issue_cert("probe.example", not_after=end)
    ours = write_files(tmp_path, authority, certificate).as_ours()
    assert ours.not_after_ns == int(end.timestamp()) * NS
    assert Certificates(ca=ours.ca, certificate=None, key=None).not_after_ns is None


@pytest.mark.parametrize("end", ["20491231235959Z", "20500101000000Z", "20991231235959Z"])
def test_both_forms_of_time(tmp_path: Path, end: str) -> None:
    """UTCTime up to 2049, GeneralizedTime from 2050 on."""
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -outform DER"
    made = subprocess.run(
        [*request.split(), "-keyout", tmp_path / "key"],
        check=True,
        capture_output=True,
    ).stdout
    # The same certificate with another end; nobody checks the signature here.
    begin = made.index(b"\x17\x0d")
    times = made[begin - 2 : begin + 30]
    form = b"\x17\x0d" + end[2:].encode() if end < "2050" else b"\x18\x0f" + end.encode()
    changed = times[2:17] + form
    validity = made.replace(times, b"\x30" + bytes([len(changed)]) + changed)
    grown = len(validity) - len(made)
    # The two outer lengths, of two octets each, grow with it.
    outer, inner = (int.from_bytes(made[at : at + 2]) + grown for at in (2, 6))
    der = b"\x30\x82" + outer.to_bytes(2) + b"\x30\x82" + inner.to_bytes(2) + validity[8:]
    expected = datetime.strptime(end, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    assert validity_of(der).not_after_ns == int(expected.timestamp()) * NS
    for cut in range(0, len(der) - 1, 7):
        with pytest.raises(ValueError, match="certificate"):
            validity_of(der[:cut])


def missing_ca(files: Files) -> None:
    Path(files.ca).unlink()


def empty_ca(files: Files) -> None:
    Path(files.ca).write_text("")


def broken_ca(files: Files) -> None:
    Path(files.ca).write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def missing_certificate(files: Files) -> None:
    Path(files.certificate).unlink()


def missing_key(files: Files) -> None:
    Path(files.key).unlink()


def broken_key(files: Files) -> None:
    Path(files.key).write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def key_of_another(files: Files) -> None:
    trustme.CA().issue_cert("x").private_key_pem.write_to_path(files.key)


def key_for_the_group(files: Files) -> None:
    Path(files.key).chmod(0o640)


def key_for_all(files: Files) -> None:
    Path(files.key).chmod(0o604)


def key_with_a_passphrase(files: Files) -> None:
    encrypted = subprocess.run(
        ["openssl", "pkey", "-in", files.key, "-aes256", "-passout", "pass:secret"],
        check=True,
        capture_output=True,
    ).stdout
    Path(files.key).write_bytes(encrypted)


@pytest.mark.parametrize(
    ("spoil", "path", "error"),
    [
        (missing_ca, "ca", "no such file or directory; correct the path or the permissions"),
        (empty_ca, "ca", "no certificate in it; give certificates in PEM form"),
        (broken_ca, "ca", "broken certificate; give certificates in PEM form"),
        (missing_certificate, "certificate", "no such file or directory; correct the path"),
        (missing_key, "key", "no such file or directory; correct the path"),
        (broken_key, "key", "give a private key in PEM form"),
        (key_of_another, "key", "not the key of {certificate}; give the two that belong together"),
        (key_for_the_group, "key", "its mode 0640 lets others at the key; chmod 0600 it"),
        (key_for_all, "key", "its mode 0604 lets others at the key; chmod 0600 it"),
        (key_with_a_passphrase, "key", "protected by a passphrase; give a key without one"),
    ],
)
def test_what_cannot_be_used(files: Files, spoil: Callable[[Files], None], path: str, error: str) -> None:
    spoil(files)
    with pytest.raises(CertificateError) as failure:
        files.as_ours()
    text = str(failure.value)
    assert text.startswith(f"{getattr(files, path)}: ")
    assert error.format(certificate=files.certificate) in text
    assert "\n" not in text


def test_certificates_out_of_their_time(files: Files, authority: trustme.CA) -> None:
    renewed(files, authority, not_before=LONG_AGO, not_after=YESTERDAY)
    date = YESTERDAY.strftime("%Y-%m-%d %H:%M UTC")
    with pytest.raises(CertificateError, match=rf"certificate\.pem: expired on {date}; renew it"):
        files.as_ours()
    renewed(files, authority, not_before=TOMORROW)
    with pytest.raises(CertificateError, match=r"not valid before .*; look at the clock, or wait"):
        files.as_ours()


def test_a_certificate_that_expires_while_in_use(files: Files) -> None:
    now_s = [datetime.now(UTC).timestamp()]
    ours = Certificates(ca=files.ca, certificate=files.certificate, key=files.key, now_s=lambda: now_s[0])
    ours.context()
    assert ours.not_after_ns is not None
    now_s[0] = ours.not_after_ns / NS + 1
    with pytest.raises(CertificateError, match="expired on"):
        ours.context()


def test_systemd_credentials_may_be_for_a_group(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(files.key).chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(Path(files.key).parent))
    files.as_ours()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(Path(files.key).parent / "other"))
    with pytest.raises(CertificateError, match="0440"):
        files.as_ours()


def test_changed_files_are_taken_over(files: Files, authority: trustme.CA) -> None:
    ours = files.as_ours()
    first, end = ours.context(), ours.not_after_ns
    assert not ours.changed()
    assert ours.context() is first
    renewed(files, authority, not_after=TOMORROW.replace(microsecond=0))
    assert ours.changed()
    assert ours.context() is not first
    assert not ours.changed()
    assert (ours.problem, ours.not_after_ns) == ("", int(TOMORROW.timestamp()) * NS)
    assert end != ours.not_after_ns


def test_a_change_that_is_wrong_keeps_the_old_ones(files: Files, authority: trustme.CA) -> None:
    """As between the two steps of a renewal: first the certificate, then its key."""
    ours = files.as_ours()
    first, end = ours.context(), ours.not_after_ns
    certificate = authority.issue_cert("probe.example")
    certificate.cert_chain_pems[0].write_to_path(files.certificate)
    assert ours.context() is first
    assert ours.problem.startswith(f"{files.key}: not the key of {files.certificate}")
    assert ours.problem.endswith("; what was read before stays in use")
    assert ours.not_after_ns == end
    # It is not read again and again.
    assert not ours.changed()
    assert ours.context() is first
    certificate.private_key_pem.write_to_path(files.key)
    os.utime(files.key, ns=(1, 1))
    assert ours.context() is not first
    assert ours.problem == ""
