"""Models find their tenant at each use, and without one nothing reaches the server."""

from __future__ import annotations

import copy
import pickle
import threading

import peewee
import pytest
from peewee import fn
from playhouse.postgres_ext import PostgresqlExtDatabase
from playhouse.shortcuts import ThreadSafeDatabaseMetadata
from relay import Relay
from shop import Customer, Invoice, Plan

from tenantry import SharedModel, TenantModel
from tenantry.binding import BoundDatabase
from tenantry.context import bound
from tenantry.databases import TenantDatabase
from tenantry.errors import BindingRefused, InvalidModel, NoTenantBound, NothingBound


@pytest.fixture
def listened(server, make_engine):
    """An engine behind a relay that sees every message of a client."""
    with Relay(server.url) as relay:
        tenants = make_engine(url=relay.url)
        tenants.warm_up()
        yield tenants, relay


TOUCHES_A_TENANT = {
    "select": lambda: list(Invoice.select()),
    "get": lambda: Invoice.get_by_id(1),
    "count": lambda: Invoice.select().count(),
    "create": lambda: Invoice.create(note="a"),
    "insert many": lambda: Invoice.insert_many([{"note": "a"}]).execute(),
    "update": lambda: Invoice.update(note="a").execute(),
    "delete": lambda: Invoice.delete().execute(),
    "raw": lambda: list(Invoice.raw("SELECT * FROM invoice")),
    "save": lambda: Invoice(note="a").save(),
    "delete an instance": lambda: Invoice(id=1).delete_instance(),
    "follow a foreign key": lambda: Invoice(customer_id=1).customer,
    "a backref": lambda: list(Customer(id=1).invoices),
    "iterate": lambda: next(Invoice.select().iterator()),
    "union": lambda: list(Invoice.select(Invoice.id) | Customer.select(Customer.id)),
    "create table": lambda: Invoice.create_table(),
    "truncate": lambda: Invoice.truncate_table(),
    "table exists": lambda: Invoice.table_exists(),
    "prefetch": lambda: peewee.prefetch(Customer.select(), Invoice),
    "bulk create": lambda: Invoice.bulk_create([Invoice(note="a")]),
}


@pytest.mark.parametrize("touch", TOUCHES_A_TENANT.values(), ids=TOUCHES_A_TENANT)
def test_without_a_tenant_nothing_reaches_the_server(listened, touch):
    tenants, relay = listened
    with relay.counting() as messages:
        with pytest.raises(NoTenantBound, match=r"tenants\.use\("):
            touch()
        with tenants.shared(), pytest.raises(NoTenantBound, match="shared schema is bound"):
            touch()
    assert messages == []


def test_the_error_names_the_model(shop):
    with pytest.raises(NoTenantBound, match=r"^Invoice needs a tenant") as caught:
        Invoice.create(note="a")
    assert caught.value.what == "Invoice"


def test_the_error_names_the_model_of_a_query_that_peewee_has_wrapped():
    with pytest.raises(NoTenantBound, match=r"^Invoice needs"):
        Invoice.select().count()
    with pytest.raises(NoTenantBound, match=r"^Invoice needs"):
        Invoice.select().where(Invoice.total > 1).exists()


def test_a_shared_model_needs_either_block(listened):
    tenants, relay = listened
    with (
        relay.counting() as messages,
        pytest.raises(NothingBound, match=r"^Plan needs .*tenants\.shared\(\)") as caught,
    ):
        Plan.create(name="pro")
    assert messages == []
    assert type(caught.value) is NothingBound
    with tenants.shared():
        Plan.create(name="pro")
    with tenants.use("acme"):
        assert Plan.get(Plan.name == "pro").name == "pro"


def test_the_engines_database_is_whoever_is_bound(tenants):
    with pytest.raises(NothingBound):
        tenants.database.execute_sql("SELECT 1")
    with tenants.use("acme"):
        assert tenants.database.execute_sql("SELECT current_schema()").fetchone() == ("t_acme",)
    with tenants.shared():
        assert tenants.database.execute_sql("SELECT current_schema()").fetchone() == ("public",)


def test_the_engines_database_is_not_another_engines(make_engine):
    one, other = make_engine(), make_engine()
    with one.use("acme"), pytest.raises(NothingBound):
        other.database.execute_sql("SELECT 1")
    with one.use("acme"), other.use("globex"):
        with pytest.raises(NothingBound):
            one.database.execute_sql("SELECT 1")
        assert bound().engine is other
        assert other.current.id == "globex"
        assert one.current_or_none is None


def test_a_new_thread_starts_without_a_tenant(tenants):
    caught = []

    def work():
        try:
            Customer.select().count()
        except NoTenantBound as error:
            caught.append(error)

    with tenants.use("acme"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(caught) == 1


# What needs no server works anywhere.


def test_sql_is_rendered_anywhere():
    query = (
        Invoice.select(Invoice.id, fn.COUNT(Plan.id))
        .join(Plan)
        .where((Invoice.issued.year == 2026) & Invoice.data["a"]["b"])
    )
    sql, params = query.sql()
    assert 'FROM "invoice" AS "t1" INNER JOIN "public"."plan" AS "t2"' in sql
    assert 2026 in params
    assert "invoice" in str(query)


def test_the_table_of_an_alias_is_found_by_the_path(tenants):
    someone = Customer.alias("p")
    assert someone.select().sql()[0].endswith('FROM "customer" AS "p"')


def test_what_is_made_and_dropped_is_the_tenants(tenants, sql):
    class Usr(TenantModel):
        name = peewee.TextField(index=True)

        class Meta:
            table_name = "usr"

    with tenants.use("acme"):
        Usr.create_table()
    with tenants.use("globex"):
        Usr.create_table()
        Usr._schema.drop_indexes()
    where = "FROM pg_indexes WHERE indexname = 'usr_name'"
    assert sql(f"SELECT schemaname {where}") == [("t_acme",)]


@pytest.mark.parametrize(
    "expression",
    [
        lambda: Invoice.issued.truncate("month"),
        lambda: Invoice.issued.to_timestamp(),
        lambda: Invoice.note.contains("a"),
        lambda: Invoice.note.regexp("a"),
        lambda: Invoice.insert(note="a").on_conflict_ignore(),
        lambda: Invoice.select().for_update(),
        lambda: Invoice.select().order_by(Invoice.note.asc(nulls="last")),
        lambda: Invoice.select().order_by(fn.Random()),
    ],
)
def test_expressions_are_rendered_anywhere(expression):
    assert Invoice.select(expression()).sql() if not isinstance(expression(), peewee.Query) else expression().sql()


def test_a_json_field_of_a_class_made_inside_a_block_keeps_no_tenant(tenants):
    with tenants.use("acme"):

        class Note(TenantModel):
            data = peewee.JSONField()
            blob = peewee.BlobField()

    assert not isinstance(Note.data._helper.database, TenantDatabase)
    assert Note.data._helper.database is Invoice.data._helper.database


def test_models_inherit_from_base_models_and_mixins(tenants, sql):
    class Base(TenantModel):
        class Meta:
            legacy_table_names = False

    class Stamped(peewee.Model):
        stamp = peewee.IntegerField(default=1)

    class BigParcel(Base, Stamped):
        weight = peewee.IntegerField()

    assert BigParcel._meta.table_name == "big_parcel"
    with tenants.use("acme"):
        BigParcel.create_table()
        assert BigParcel.create(weight=2).stamp == 1
    assert sql("SELECT stamp, weight FROM t_acme.big_parcel") == [(1, 2)]


def test_a_mixin_that_stands_first_does_not_take_the_database_away(tenants):
    class Stamped(peewee.Model):
        stamp = peewee.IntegerField(default=1)

    class Parcel(Stamped, TenantModel):
        pass

    class Country(Stamped, SharedModel):
        class Meta:
            table_name = "countries"

    with pytest.raises(NoTenantBound):
        Parcel.create()
    assert 'FROM "public"."countries"' in Country.select().sql()[0]


def test_a_model_cannot_name_a_database_of_its_own(tenants):
    with pytest.raises(BindingRefused, match=r"Meta\.database of Parcel"):

        class Parcel(TenantModel):
            class Meta:
                database = tenants.database_of("acme")


def test_a_shared_model_lives_where_its_meta_says():
    class Country(SharedModel):
        class Meta:
            schema = "geo"

    class City(Country):
        pass

    assert 'FROM "geo"."country"' in Country.select().sql()[0]
    assert 'FROM "geo"."city"' in City.select().sql()[0]
    assert 'FROM "public"."plan"' in Plan.select().sql()[0]


# Models that could not be kept to a tenant.


def test_a_shared_model_does_not_refer_to_a_tenants_model():
    with pytest.raises(InvalidModel, match=r"Country\.best: a shared table cannot refer to Customer"):

        class Country(SharedModel):
            best = peewee.ForeignKeyField(Customer)


def test_nor_when_the_tenants_model_comes_later():
    class Region(SharedModel):
        best = peewee.DeferredForeignKey("Latecomer")

    with pytest.raises(InvalidModel, match=r"Region\.best"):

        class Latecomer(TenantModel):
            pass

    peewee.DeferredForeignKey._unresolved.clear()


def test_a_shared_model_refers_to_itself_and_to_others():
    class Country(SharedModel):
        pass

    class Place(SharedModel):
        within = peewee.ForeignKeyField("self", null=True)
        country = peewee.ForeignKeyField(Country)

    assert Place.within.rel_model is Place


def test_peewee_makes_no_plain_model_for_a_many_to_many():
    with pytest.raises(InvalidModel, match=r"Post\.tags: .*through_model="):

        class Post(TenantModel):
            tags = peewee.ManyToManyField(Customer)


def test_a_tenants_model_has_no_schema_of_its_own():
    with pytest.raises(BindingRefused, match=r"Meta\.schema of Post"):

        class Post(TenantModel):
            class Meta:
                schema = "t_acme"


def test_nor_by_a_plain_mixin():
    class Somewhere(peewee.Model):
        class Meta:
            schema = "t_acme"

    class Post(Somewhere, TenantModel):
        pass

    assert Post.select().sql()[0].endswith('FROM "post" AS "t1"')


def test_a_model_of_the_engines_database_has_no_schema_of_its_own(tenants):
    with pytest.raises(BindingRefused, match=r"Meta\.schema of Post"):

        class Post(tenants.database.Model):
            class Meta:
                schema = "t_acme"


def test_t11_the_schema_of_a_model_cannot_be_changed():
    for model in (Customer, Plan):
        with pytest.raises(BindingRefused, match="setting the schema"):
            model._meta.schema = "t_acme"


def test_the_database_of_a_model_cannot_be_changed(tenants, server):
    foreign = PostgresqlExtDatabase(server.url)
    for database in (foreign, tenants.database_of("acme")):
        for tie in (
            Customer.bind,
            Plan.bind,
            lambda db: Customer.bind_ctx(db).__enter__(),
            lambda db: db.bind([Customer]),
            lambda db: db.bind_ctx([Customer]).__enter__(),
            Customer._meta.set_database,
            lambda db: setattr(Customer._meta, "database", db),
        ):
            with pytest.raises(BindingRefused, match=r"tenants\.use"):
                tie(database)
    with tenants.use("acme"):
        assert Customer.select().count() == 0


def test_nor_where_peewee_would_keep_one_for_each_thread(tenants):
    class Parcel(TenantModel):
        class Meta:
            model_metadata_class = ThreadSafeDatabaseMetadata

    with pytest.raises(BindingRefused):
        Parcel.bind(tenants.database_of("acme"))
    with pytest.raises(NoTenantBound):
        Parcel.select().count()


def test_no_model_is_both_a_tenants_and_shared():
    with pytest.raises(InvalidModel, match="two bases"):

        class Both(TenantModel, SharedModel):
            pass


@pytest.mark.parametrize("table", ["pg_class", "pg_stat_activity"])
def test_t03d_a_tenants_table_cannot_be_taken_for_a_catalog(table):
    with pytest.raises(InvalidModel, match=table):

        class Catalog(TenantModel):
            class Meta:
                table_name = table

    class Renamed(TenantModel):
        pass

    with pytest.raises(InvalidModel, match=table):
        Renamed._meta.set_table_name(table)


# The proxy is never tied to one database.


@pytest.mark.parametrize(
    "tie",
    [
        lambda proxy, database: proxy.initialize(database),
        lambda proxy, database: proxy.bind([Invoice]),
        lambda proxy, database: proxy.bind_ctx([Invoice]),
        lambda proxy, database: setattr(proxy, "obj", database),
    ],
    ids=["initialize", "bind", "bind_ctx", "obj"],
)
def test_what_would_tie_the_proxy_to_one_tenant_is_refused(tenants, tie):
    with tenants.use("acme"), pytest.raises(BindingRefused, match=r"tenants\.use"):
        tie(tenants.database, tenants.database_of("acme"))


def test_a_copy_of_the_proxy_is_the_proxy(tenants):
    with tenants.use("acme"):
        assert copy.deepcopy(tenants.database) is tenants.database
        assert copy.copy(tenants.database) is tenants.database


def test_the_proxy_is_taken_for_a_postgresql_database(tenants):
    assert isinstance(tenants.database, peewee.PostgresqlDatabase)
    assert isinstance(tenants.database, peewee.Proxy)
    assert type(tenants.database) is BoundDatabase


def test_what_python_asks_of_anything_is_not_answered_by_a_tenant(tenants):
    with pytest.raises(TypeError):
        pickle.dumps(tenants.database)
    assert not hasattr(tenants.database, "__fspath__")


def test_playhouses_key_value_store_works_for_the_tenant(tenants):
    from playhouse.kv import KeyValue

    with tenants.use("acme"):
        store = KeyValue(database=tenants.database, table_name="kv")
        store["a"] = {"b": 1}
        assert store["a"] == {"b": 1}
        store["a"] = 2
        assert store["a"] == 2
    with tenants.use("globex"), pytest.raises(peewee.ProgrammingError):
        store["a"]


def test_playhouses_own_migrations_run_for_the_tenant(tenants, tmp_path, sql):
    from playhouse.migrations import Runner

    (tmp_path / "0001_email.py").write_text(
        "from peewee import TextField\n\n\ndef up(migrator, db):\n"
        "    migrator.migrate(migrator.add_column('customer', 'email', TextField(null=True)))\n"
    )
    with tenants.use("acme"):
        assert Runner(tenants.database, str(tmp_path)).up() == ["0001_email"]
    with tenants.use("globex"):
        assert Runner(tenants.database, str(tmp_path)).applied() == {}
    assert sql("SELECT table_schema FROM information_schema.columns WHERE column_name = 'email'") == [("t_acme",)]


# peewee's own words on the proxy.


def test_connecting_keeps_peewees_rules_and_holds_nothing(tenants):
    with tenants.use("acme"):
        database = tenants.database
        assert database.is_closed()
        assert database.connect()
        assert not database.is_closed()
        assert database.is_connection_usable()
        with pytest.raises(peewee.OperationalError, match="already opened"):
            database.connect()
        assert not database.connect(reuse_if_open=True)
        assert tenants.figures().in_use == 0
        with database.atomic(), pytest.raises(peewee.OperationalError, match="transaction is open"):
            database.close()
        assert database.close()
        assert not database.close()
        assert database.is_closed()


def test_what_connect_opened_in_one_block_is_not_open_in_the_next(tenants):
    with tenants.use("acme"):
        tenants.database.connect()
    with tenants.use("acme"):
        tenants.database.connect()
        with tenants.use("globex"):
            assert tenants.database.is_closed()
        assert not tenants.database.is_closed()


def test_a_connection_context_opens_and_closes(tenants):
    with tenants.use("acme"):
        with tenants.database.connection_context():
            assert not tenants.database.is_closed()
        assert tenants.database.is_closed()


def test_the_database_as_a_block_is_a_transaction(tenants):
    with tenants.use("acme"):
        with pytest.raises(ZeroDivisionError), tenants.database:
            Customer.create(name="a")
            raise ZeroDivisionError
        with tenants.database:
            Customer.create(name="b")
        assert tenants.database.is_closed()
        assert [customer.name for customer in Customer.select()] == ["b"]


def test_without_autoconnect_a_closed_database_refuses_statements(tenants):
    database = tenants.database_of("acme")
    database.autoconnect = False
    try:
        with pytest.raises(peewee.InterfaceError, match="not opened"):
            database.execute_sql("SELECT 1")
        with database.connection_context():
            database.execute_sql("SELECT 1")
    finally:
        database.autoconnect = True


def test_a_decorated_function_runs_in_the_block_it_is_called_in(tenants):
    @tenants.database.connection_context()
    def count():
        return Customer.select().count()

    with pytest.raises(NothingBound):
        count()
    with tenants.use("acme"):
        assert count() == 0
