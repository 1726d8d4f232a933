"""Signs webhooks as their senders do, so that a test can change what a fixture says."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from ingest.connector import Connector, Hook
from ingest.event import EPOCH
from ingest.posted import Posted, Scheme
from ingest.signatures import base64_of_hmac, hex_of_hmac

Signed = Callable[[bytes, bytes, Mapping[str, str]], tuple[str, str]]
"""Key, body and headers -> the name and the value of a header."""


def _sha1(key: bytes, body: bytes) -> str:
    return "sha1=" + hmac.digest(key, body, "sha1").hex()


def _behind(header: str, stamp: str, code: Callable[[bytes, bytes], str]) -> Signed:
    return lambda key, body, headers: (header, code(key, headers[stamp].encode() + body))


def _before(header: str, stamp: str) -> Signed:
    return lambda key, body, headers: (header, hex_of_hmac(key, body + headers[stamp].encode()))


def _of_body(header: str, code: Callable[[bytes, bytes], str], prefix: str = "") -> Signed:
    return lambda key, body, _: (header, prefix + code(key, body))


_SIGNED: Mapping[str, Signed] = {
    "bamboohr": _before("x-bamboohr-signature", "x-bamboohr-timestamp"),
    "external_scores": _of_body("x-crossdesk-signature", hex_of_hmac, "sha256="),
    "freshservice": lambda key, _body, _headers: ("x-crossdesk-token", key.decode()),
    "glpi": _before("x-glpi-signature", "x-glpi-timestamp"),
    "jira_service_management": _of_body("x-hub-signature", hex_of_hmac, "sha256="),
    "servicenow": _behind("x-crossdesk-signature", "x-crossdesk-timestamp", base64_of_hmac),
    "typeform": _of_body("typeform-signature", base64_of_hmac, "sha256="),
    "zammad": _of_body("x-hub-signature", _sha1),
    "zendesk": _behind("x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp", base64_of_hmac),
}


def signed(connector: Connector, headers: Mapping[str, str], body: bytes, secret: str) -> dict[str, str]:
    """The headers, by name in lower case, with the signature of this body."""
    key = secret.encode()
    if isinstance(connector, Posted):
        name, value = _of_posted(connector, headers, body, key)
    else:
        name, value = _SIGNED[connector.name](key, body, headers)
    return {**headers, name: value}


def _of_posted(connector: Posted, headers: Mapping[str, str], body: bytes, key: bytes) -> tuple[str, str]:
    how = connector.signature
    assert how.scheme is not Scheme.token
    part = connector.signed_part(Hook(headers, body, EPOCH))
    stamp = (headers[how.timestamp_header.lower()] + how.separator).encode() if how.timestamp_header else b""
    code = hex_of_hmac if how.scheme is Scheme.hmac_sha256_hex else base64_of_hmac
    return how.header.lower(), how.prefix + code(key, stamp + part)
