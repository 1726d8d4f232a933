"""Persons become pseudonyms: one person, one pseudonym, and no way back without the key."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from ingest.identity import Identity, WeakKey

KEY = b"a key that only this test has"


def test_a_pseudonym_is_the_key_id_and_a_truncated_hmac() -> None:
    expected = hmac.new(KEY, b"nadia@example.org", hashlib.sha256).hexdigest()[:32]
    assert Identity(KEY, "k1").pseudonym("nadia@example.org", "desk") == f"k1:{expected}"


def test_the_native_id_does_not_shine_through() -> None:
    assert "nadia" not in Identity(KEY, "k1").pseudonym("nadia@example.org", "desk")


@pytest.mark.parametrize("written", ["Nadia@Example.org", "  nadia@example.org\t", "NADIA@EXAMPLE.ORG"])
def test_case_and_blanks_are_no_other_person(written: str) -> None:
    identity = Identity(KEY, "k1")
    assert identity.pseudonym(written, "desk") == identity.pseudonym("nadia@example.org", "desk")


def test_an_accent_written_in_two_ways_is_one_person() -> None:
    identity = Identity(KEY, "k1")
    assert identity.pseudonym("ren\u00e9", "desk") == identity.pseudonym("rene\u0301", "desk")


def test_one_person_is_one_pseudonym_in_all_sources() -> None:
    identity = Identity(KEY, "k1", {"u4711": "nadia@example.org"})
    assert identity.pseudonym("U4711", "desk") == identity.pseudonym("nadia@example.org", "hr")


def test_an_alias_may_hold_for_one_source_only() -> None:
    identity = Identity(KEY, "k1", {"desk/7": "nadia@example.org", "7": "omar@example.org"})
    assert identity.pseudonym("7", "desk") == identity.pseudonym("nadia@example.org", "hr")
    assert identity.pseudonym("7", "other") == identity.pseudonym("omar@example.org", "hr")


def test_nobody_has_no_pseudonym() -> None:
    assert Identity(KEY, "k1").pseudonym("", "desk") == ""
    assert Identity(KEY, "k1").pseudonym("  ", "desk") == ""


def test_another_key_is_another_pseudonym() -> None:
    one = Identity(KEY, "k1").pseudonym("nadia", "desk")
    two = Identity(KEY + b"!", "k1").pseudonym("nadia", "desk")
    assert one != two


def test_a_short_key_is_refused_with_a_way_to_make_a_long_one() -> None:
    with pytest.raises(WeakKey, match=r"15 bytes and needs at least 16(.|\n)*secrets\.token_hex"):
        Identity(b"x" * 15, "k1")
    Identity(b"x" * 16, "k1")


@pytest.mark.parametrize("key_id", ["", "k:1", " k1"])
def test_a_key_id_that_would_make_pseudonyms_ambiguous_is_refused(key_id: str) -> None:
    with pytest.raises(ValueError, match="key id"):
        Identity(KEY, key_id)


def test_one_native_id_for_two_persons_is_refused() -> None:
    with pytest.raises(ValueError, match="two persons"):
        Identity(KEY, "k1", {"nb": "nadia@example.org", "NB": "nils@example.org"})


def test_the_key_is_not_printed() -> None:
    assert "a key" not in repr(Identity(KEY, "k1"))
