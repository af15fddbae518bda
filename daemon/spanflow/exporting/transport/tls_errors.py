# SPDX-License-Identifier: Apache-2.0
"""Why TLS or DTLS failed, in words that say what to do."""

from __future__ import annotations

import ssl

# X509_V_ERR_* of openssl/x509_vfy.h.
_VERIFICATION = {
    9: "the collector's certificate is not valid yet; look at the clocks of both sides",
    10: "the collector's certificate has expired; renew it there",
    18: "the collector's certificate is signed by itself; name it, or use one of an authority, in `ca`",
    19: "the authority of the collector's certificate is not trusted; name it in `ca`",
    20: "the authority of the collector's certificate is unknown; name it in `ca`",
    21: "the authority of the collector's certificate is unknown; name it in `ca`",
    23: "the collector's certificate is revoked; replace it there",
    26: "the collector's certificate is not for servers; make one with serverAuth",
    62: "the collector's certificate is for another name; correct `server_name` or the certificate",
    64: "the collector's certificate is for another address; correct `server_name` or the certificate",
}

# By the names of the alerts (RFC 8446 section 6.2); those that say something of our certificate.
_REFUSALS = {
    "BAD_CERTIFICATE": "it refuses our certificate as bad; look at its log",
    "UNSUPPORTED_CERTIFICATE": "it refuses our certificate as unsuitable; make one with clientAuth",
    "CERTIFICATE_REVOKED": "it refuses our certificate as revoked; replace it",
    "CERTIFICATE_EXPIRED": "it refuses our certificate as expired; renew it, look at the clocks",
    "CERTIFICATE_UNKNOWN": "it refuses our certificate; look at its log",
    "UNKNOWN_CA": "it does not know the authority of our certificate; add it there",
    "ACCESS_DENIED": "it refuses our certificate; allow it there",
    "DECRYPT_ERROR": "it refuses our certificate; look at its key",
    "CERTIFICATE_REQUIRED": "it wants a certificate of ours; give `certificate` and `key`",
    "NO_CERTIFICATE": "it wants a certificate of ours; give `certificate` and `key`",
}

_OTHER_ALERTS = {
    "PROTOCOL_VERSION": "it speaks no TLS 1.2 or newer; update it",
    "HANDSHAKE_FAILURE": "it refuses the handshake; it may want a certificate of ours, or other ciphers",
    "INSUFFICIENT_SECURITY": "it refuses our ciphers; look at its settings",
    "UNRECOGNIZED_NAME": "it does not know the name that we ask for; correct `server_name`",
}

_OWN_FINDINGS = {
    "UNSUPPORTED_PROTOCOL": _OTHER_ALERTS["PROTOCOL_VERSION"],
    "VERSION_TOO_LOW": _OTHER_ALERTS["PROTOCOL_VERSION"],
    "WRONG_VERSION_NUMBER": "what it says is not TLS; correct the port, or turn TLS on there",
    "WRONG_SSL_VERSION": "what it says is not TLS; correct the port, or turn TLS on there",
    "HTTP_REQUEST": "what it says is not TLS; correct the port, or turn TLS on there",
}


def explain_alert(reason: str) -> tuple[str, bool]:
    """What an error of OpenSSL means, and whether it is a refusal of our certificate.

    reason: as OpenSSL names it, such as `TLSV1_ALERT_UNKNOWN_CA`.
    """
    _, is_alert, alert = reason.partition("ALERT_")
    if is_alert and alert in _REFUSALS:
        return _REFUSALS[alert], True
    if is_alert and alert in _OTHER_ALERTS:
        return _OTHER_ALERTS[alert], False
    words = reason.replace("_", " ").lower() or "unknown"
    return _OWN_FINDINGS.get(reason, f"TLS fails ({words}); look at its log, and at what is between"), False


def explain_verification(code: int, message: str) -> str:
    """Why the collector's certificate is not accepted."""
    return _VERIFICATION.get(code, f"the collector's certificate is not accepted ({message}); replace it")


def explain(error: ssl.SSLError) -> tuple[str, bool]:
    """What an error means, and whether one side did not accept the certificate of the other."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return explain_verification(error.verify_code, error.verify_message), True
    return explain_alert(error.reason or "")
