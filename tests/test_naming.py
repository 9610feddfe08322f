"""Names are checked once, at the door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.errors import ConfigError, InvalidSchemaName, InvalidTenantId
from tenantry.naming import extensions_schema, quoted, quoted_text, schema_name, tenant_id, tenant_schema

HOSTILE = [
    "ACME",
    "a b",
    "x,tenant_victim",
    'a"; drop schema public cascade; --',
    "a%s",
    "a\0",
    "a" * 49,
    "a" * 64,
    "café",
    "a\n",
    "",
    "-a",
    "a-",
    "_a",
    "K",  # the Kelvin sign
    None,
    7,
    b"acme",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_t15_what_is_not_an_id_is_refused_with_its_value_and_the_rule(text):
    with pytest.raises(InvalidTenantId) as caught:
        tenant_id(text)
    assert repr(text) in str(caught.value)
    assert "a-z, 0-9" in str(caught.value)
    assert caught.value.value is text


@pytest.mark.parametrize("text", ["a", "0", "acme", "a-b_c", "a" * 48, "123e4567-e89b-42d3-a456-426614174000"])
def test_subdomains_and_uuids_are_ids(text):
    assert tenant_id(text) == text


@given(st.text())
def test_t14_an_id_is_never_changed(text):
    try:
        assert tenant_id(text) == text
    except InvalidTenantId:
        assert not (text.isascii() and text.isalnum() and text.islower() and len(text) <= 48)


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 64, "é" * 32, "pg_x", "PG_X", "information_schema", "\ud800", None])
def test_t14_t16_what_postgresql_would_cut_or_keeps_for_itself_is_no_schema(text):
    with pytest.raises(InvalidSchemaName):
        schema_name(text)


def test_a_schema_of_63_bytes_is_kept_whole():
    assert len(tenant_schema(tenant_id("a" * 48), prefix="t_")) == 50
    assert schema_name("x" * 63) == "x" * 63


def test_a_prefix_that_makes_the_schema_too_long_is_refused():
    with pytest.raises(InvalidSchemaName):
        tenant_schema(tenant_id("a" * 48), prefix="p" * 16)


def test_public_cannot_be_the_schema_of_the_extensions():
    with pytest.raises(ConfigError, match="SET SCHEMA"):
        extensions_schema("public")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15))
def test_t15_any_name_and_any_text_survive_quoting(server_session, text):
    cursor = server_session.cursor()
    cursor.execute(f"SELECT 1 AS {quoted(schema_name('x' + text))}, {quoted_text(text)}")
    assert cursor.description[0].name == "x" + text
    assert cursor.fetchone()[1] == text


@pytest.fixture(scope="module")
def server_session(admin_connection):
    return admin_connection
