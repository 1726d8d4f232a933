"""Who posts proves it in the way that the settings name; each way can fail."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from ingest.connector import Forged, Hook
from ingest.posted import Signature

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
BODY = b'{"a": 1}'
SECRET = "a secret of the tests"


def checked(settings: Mapping[str, Any], headers: Mapping[str, str], at: datetime = NOW) -> str:
    """Empty, or why it is refused."""
    try:
        Signature.model_validate(settings).check(Hook(headers, BODY, at), BODY, ["an older one", SECRET])
    except Forged as forged:
        return forged.reason
    return ""


def code(message: bytes = BODY) -> bytes:
    return hmac.digest(SECRET.encode(), message, "sha256")


def test_a_code_may_be_written_in_two_ways_and_stand_after_a_prefix() -> None:
    in_hex = {"header": "X-Signature", "scheme": "hmac_sha256_hex", "prefix": "sha256="}
    in_base64 = {"header": "X-Signature", "scheme": "hmac_sha256_base64"}
    assert checked(in_hex, {"x-signature": "sha256=" + code().hex()}) == ""
    assert checked(in_base64, {"x-signature": b64encode(code()).decode()}) == ""
    assert checked(in_hex, {"x-signature": code().hex()}) == "signature"
    assert checked(in_base64, {"x-signature": code().hex()}) == "signature"
    assert checked(in_hex, {"x-signature": "sha256=" + code(b"{}").hex()}) == "signature"
    assert checked(in_hex, {"x-other": "sha256=" + code().hex()}) == "unsigned"


def test_a_token_is_the_secret_itself() -> None:
    settings = {"header": "Authorization", "scheme": "token", "prefix": "Bearer "}
    assert checked(settings, {"authorization": f"Bearer {SECRET}"}) == ""
    assert checked(settings, {"authorization": SECRET}) == "signature"
    assert checked(settings, {"authorization": "Bearer another"}) == "signature"
    assert checked(settings, {"authorization": "Bearer "}) == "unsigned"
    assert checked(settings, {}) == "unsigned"


@pytest.mark.parametrize("stamp", ["1773057600", "1773057600000", "2026-03-09T12:00:00Z", "2026-03-09T13:00:00+01:00"])
def test_a_time_that_is_signed_may_be_five_minutes_off(stamp: str) -> None:
    settings = {"header": "X-Signature", "scheme": "hmac_sha256_hex", "timestamp_header": "X-Time"}
    headers = {"x-time": stamp, "x-signature": code(f"{stamp}.".encode() + BODY).hex()}
    for off in (timedelta(0), timedelta(minutes=5), timedelta(minutes=-5)):
        assert checked(settings, headers, NOW + off) == ""
    for off in (timedelta(minutes=5, seconds=1), timedelta(minutes=-5, seconds=-1)):
        assert checked(settings, headers, NOW + off) == "expired"
    assert checked({**settings, "separator": ":"}, headers) == "signature"
    assert checked(settings, {**headers, "x-time": "1773057601"}) == "signature"
    assert checked(settings, {"x-signature": code().hex()}) == "signature"


def test_a_time_that_is_none_is_refused_though_it_is_signed() -> None:
    settings = {"header": "X-Signature", "scheme": "hmac_sha256_hex", "timestamp_header": "X-Time"}
    assert checked(settings, {"x-time": "noon", "x-signature": code(b"noon." + BODY).hex()}) == "time"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"header": "X-Token", "scheme": "token", "timestamp_header": "X-Time"}, "a token signs no time"),
        ({"header": "X-Token", "scheme": "md5"}, "'hmac_sha256_hex', 'hmac_sha256_base64' or 'token'"),
        ({"header": "X Token", "scheme": "token"}, "should match pattern"),
        ({"scheme": "token"}, "Field required"),
    ],
)
def test_settings_that_prove_nothing_are_refused(settings: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as error:
        Signature.model_validate(settings)
    assert problem in str(error.value)
