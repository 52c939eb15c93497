"""Why a connection over TLS failed, in words, and the cure. It opens none, and knows of PostgreSQL and Redis no more
than what their URLs call the same things."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

__all__ = ["why_not"]


class _Words(NamedTuple):
    """What the parameters of a URL are called."""

    authority: str
    certificate: str
    key: str
    files: tuple[str, ...]


_POSTGRES = _Words("sslrootcert", "sslcert", "sslkey", ("sslrootcert", "sslcert", "sslkey", "sslcrl"))
_REDIS = _Words(
    "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
)

_CLIENT = "Give one that it trusts as {certificate}=/path.pem and its key as {key}=/path.key."
_AUTHORITY = "Name the file of the authority that issued it: {authority}=/path/ca.pem."

# What OpenSSL, asyncpg, redis-py and PostgreSQL say, and what it means; the first that fits.
_MEANINGS = (
    ("certificate has expired", "its certificate has expired", "Have it renewed."),
    ("certificate is not yet valid", "its certificate is not valid yet", "Compare the clocks of both machines."),
    (
        "certificate is not valid for",
        "its certificate is for another name than {host}",
        "Use the name that the certificate has, or have one issued for this name.",
    ),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is from an authority that is not trusted here", _AUTHORITY),
    ("root certificate file", "nothing says which authority is trusted", _AUTHORITY),
    (
        r"NO_CERTIFICATE_OR_CRL_FOUND|NO_START_LINE|PEM lib|BAD_BASE64",
        "a file that the URL names holds no certificate or key",
        "Give files in PEM's form: -----BEGIN ….",
    ),
    ("KEY_VALUES_MISMATCH", "the key is not that of the certificate", "Give the {key} that belongs to {certificate}."),
    (r"CERTIFICATE_REQUIRED|requires a valid client certificate", "it asks for a client's certificate", _CLIENT),
    (r"ALERT_UNKNOWN_CA|ALERT_BAD_CERTIFICATE", "it does not trust the client's certificate", _CLIENT),
    ("rejected SSL upgrade", "it speaks no TLS", "Turn it on there: ssl = on in postgresql.conf."),
    ("no encryption", "it is to be spoken to over TLS alone", "Add sslmode=verify-full and sslrootcert=/path/ca.pem."),
    (
        r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|PACKET_LENGTH",
        "what answers on that port speaks no TLS",
        "Name the port on which it does.",
    ),
)


def why_not(error: BaseException, url: str) -> str | None:
    """Why a connection could not be made, and the cure, where TLS is the reason; else None.

    Args:
        error: what was raised; what it was raised from is looked at too.
        url: where it was to lead, with its secrets, of which none is repeated.
    """
    parts = urlsplit(url)
    redis = not parts.scheme.startswith("postgres")
    words = _REDIS if redis else _POSTGRES
    given = dict(parse_qsl(parts.query))
    said = _said(error)
    if re.search("No such file|Permission denied", said):
        for name in words.files:
            if given.get(name) == "system":
                return (
                    f"{name}=system is not known to asyncpg. Give a file, such as /etc/ssl/certs/ca-certificates.crt."
                )
            if name in given and not os.access(given[name], os.R_OK):
                return f"{name}={given[name]} can't be read. Mend its path, or its permissions."
    unknown = re.search(r"unexpected keyword argument '(\w+)'", said)
    if unknown is not None:
        if unknown[1] in words.files and parts.scheme.startswith("redis") and not parts.scheme.startswith("rediss"):
            return f"{unknown[1]} is for connections over TLS. Begin the URL with {parts.scheme.replace('redis', 'rediss')}://."
        return f"{unknown[1]} is no parameter of such a URL. For TLS there are {', '.join(words.files)}."
    for pattern, meaning, cure in _MEANINGS:
        if re.search(pattern, said):
            return f"{meaning}. {cure}".format(host=parts.hostname, **words._asdict())
    return _silent(said, parts.scheme, words, given)


def _silent(said: str, scheme: str, words: _Words, given: dict[str, str]) -> str | None:
    """What it may be where the other side only hung up, or said nothing."""
    hung_up = re.search("closed|reset|EOF|Broken pipe", said)
    if words.certificate in given and hung_up:
        meaning = "it hung up, as a server does that does not trust the client's certificate. " + _CLIENT
        return meaning.format(**words._asdict())
    if scheme.startswith("rediss") and hung_up:  # OpenSSL may hear of the end before it hears why
        meaning = "it hung up, as a server does that asks for a client's certificate. " + _CLIENT
        return meaning.format(**words._asdict())
    if scheme.startswith("rediss") and re.search("Timeout|timed out", said):
        return "it did not answer over TLS. Name its TLS port; where it has none, begin the URL with redis://."
    if scheme.startswith("redis") and hung_up:
        return "it hung up. Where it speaks TLS on that port, begin the URL with rediss://; else see its log."
    return None


def _said(error: BaseException | None) -> str:
    told: list[str] = []
    while error is not None and len(told) < 8:
        told.append(str(error))
        error = error.__cause__ or error.__context__
    return " ".join(told)
