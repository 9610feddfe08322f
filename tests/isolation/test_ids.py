"""Whatever is given for an id or a schema's name: it is refused before anything is sent, or it is that tenant's and no
other's.
"""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from isolation.actor import Actor
from isolation.search import searched
from isolation.world import BYSTANDER, COMMONS, PREFIX, TENANTS, Note
from tenantry import FixedCatalog, Tenant, Tenantry
from tenantry.errors import InvalidSchemaName, InvalidTenantId, SchemaIsShared, SchemaTaken, TenantExists
from tenantry.naming import quoted, schema_name, tenant_id

# To shrink an example takes a while.
pytestmark = [pytest.mark.timeout(600)]

# What turns one tenant's id into something that might be taken for it.
_DISGUISES = (
    str.upper,
    str.title,
    lambda text: f"{text}\n",
    lambda text: f"{text} ",
    lambda text: f" {text}",
    lambda text: f"{text}\0",
    lambda text: f'{text}", "{PREFIX}globex',
    lambda text: f'{text}"; DROP TABLE note; --',
    lambda text: f"{text}%s",
    lambda text: f"{text}%(a)s",
    lambda text: f"{text};",
    lambda text: f"{text}'",
    lambda text: f"{text}\\",
    lambda text: text.replace("a", "а"),  # noqa: RUF001 - Cyrillic
    lambda text: text.replace("i", "İ"),
    lambda text: "\u200b".join(text),
    lambda text: text[0] + "\u0301" + text[1:],
    lambda text: unicodedata.normalize("NFD", f"é{text}"),
    lambda text: f"{text}{'x' * 60}",
    lambda text: f"{PREFIX}{text}.note",
    lambda text: f"-{text}",
    lambda text: f"{text}_",
    lambda text: text.encode(),
    lambda text: [text],
    lambda text: None,
)
_ALLOWED = set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def is_id(text: object) -> bool:
    """The rule of an id, in other words than the library's."""
    if not isinstance(text, str) or not 1 <= len(text) <= 48 or not set(text) <= _ALLOWED:
        return False
    return not {text[0], text[-1]} & {"-", "_"}


@searched
@given(
    text=st.one_of(
        st.builds(lambda disguise, tenant: disguise(tenant), st.sampled_from(_DISGUISES), st.sampled_from(TENANTS)),
        st.text(max_size=60),
        st.text(alphabet="aA-_1%\"' \n", max_size=50),
    )
)
def test_what_is_no_id_is_refused_before_anything_is_sent(make_world, text):
    assume(not is_id(text))
    world = make_world()
    actor = Actor(world)
    for work in (
        lambda: world.engine.use(text).__enter__(),
        lambda: world.other.use(text).__enter__(),
        lambda: world.engine.create(text),
        lambda: world.engine.drop(text),
        lambda: world.engine.database_of(text),
    ):
        with world.silence(), pytest.raises(InvalidTenantId):
            work()
    world.check()
    actor.check_context()


@searched
@given(text=st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,46}[a-z0-9])?", fullmatch=True))
@example(text="commons")
@example(text="bystander")
@example(text="9" * 48)
@example(text="a--b")
@example(text="public")
@example(text="pg_catalog")
def test_an_id_is_one_tenant_whose_schema_is_its_own(make_world, text):
    assert is_id(text)
    world = make_world()
    taken = {COMMONS, BYSTANDER} | {world.schema(place) for place in world.living.values()}
    if f"{PREFIX}{text}" in taken:
        with pytest.raises((SchemaIsShared, SchemaTaken, TenantExists)):
            world.engine.create(text)
    else:
        world.create(text)
        with world.engine.use(text):
            assert Note.create(value=f"{text}.0:1:1").id == 1
        assert world.ask(f'SELECT value FROM "{PREFIX}{text}".note') == [(f"{text}.0:1:1",)]
        world.engine.drop(text)
        del world.living[text]
    world.check()


_NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
    st.text(alphabet="a%\"'\\;$. ,", min_size=1, max_size=20),
    st.sampled_from(
        ['a", "b', "$user", '"$user"', "%s", "%%", "%(a)s", "none", "default", "pg_temp", "A", "a" * 63, "'"]
    ),
)


@searched
@given(names=st.lists(_NAMES, min_size=2, max_size=3, unique=True))
@example(names=["x" * 62 + "1", "x" * 62 + "2"])
@example(names=["x" * 63 + "1", "x" * 63 + "2"])
@example(names=["a", "A"])
@example(names=["a", 'a", "b', "b"])
@example(names=["é", "e\u0301"])
@example(names=["a%", "a%%"])
def test_schemas_of_any_name_are_kept_apart(make_world, server, names):
    """An application's own catalog may name schemas that are there already, as it likes."""
    world = make_world()
    names = [f"i {name}" for name in names]  # So that what is made here is known from what is not.
    try:
        schemas = [schema_name(name) for name in names]
    except InvalidSchemaName:
        assert any(len(name.encode()) > 63 for name in names)
        return
    for schema in schemas:
        world.ask(
            f"SET ROLE tenantry_test; CREATE SCHEMA {quoted(schema)}; "
            f"CREATE TABLE {quoted(schema)}.note (id serial PRIMARY KEY, value text, author_id int, plan_id int);"
            "RESET ROLE"
        )
    catalog = FixedCatalog(Tenant(tenant_id(f"t{number}"), schema) for number, schema in enumerate(schemas))
    engine = Tenantry(server.url, catalog=catalog)
    try:
        for tenant in catalog:
            with engine.use(tenant.id), engine.database.atomic():
                Note.create(value=f"{tenant.id}:1")
                assert engine.database.execute_sql("SELECT value, '%%' FROM note").fetchall() == [
                    (f"{tenant.id}:1", "%")
                ]
        for tenant in catalog:
            with engine.use(tenant.id):
                assert [note.value for note in Note.select()] == [f"{tenant.id}:1"]
            assert world.ask(f"SELECT value FROM {quoted(tenant.schema)}.note") == [(f"{tenant.id}:1",)]
        world.check_idle()
    finally:
        engine.close()
        for schema in schemas:
            world.ask(f"DROP SCHEMA {quoted(schema)} CASCADE")
