"""Rows, queries and results belong to the tenant that they were made for.

The names carry the threats of the list that the design began with (T07 to T11), where there is one.
"""

from __future__ import annotations

import copy
import pickle
import threading
from contextlib import contextmanager

import peewee
import pytest
from peewee import JOIN, fn
from playhouse import signals
from playhouse.postgres_ext import PostgresqlExtDatabase, ServerSide, ServerSideQuery
from psycopg2.extensions import parse_dsn
from relay import Relay
from shop import SHARED_DDL, TENANT_DDL, Customer, Invoice, Plan

from tenantry import FixedCatalog, Tenant, TenantModel
from tenantry.errors import BindingRefused, NoTenantBound, NothingBound, UnknownTenant, WrongTenant
from tenantry.naming import schema_name, tenant_id

TABLES = ("plan", "customer", "invoice", "author", "book", "genre", "shelf")
OTHERS_DDL = """
CREATE TABLE {schema}.author (id serial PRIMARY KEY, name text NOT NULL, mentor_id int REFERENCES {schema}.author);
CREATE TABLE {schema}.book (id serial PRIMARY KEY, title text NOT NULL, author_id int REFERENCES {schema}.author);
CREATE TABLE {schema}.genre (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE {schema}.shelf (
    book_id int REFERENCES {schema}.book, genre_id int REFERENCES {schema}.genre, place int,
    PRIMARY KEY (book_id, genre_id)
);
"""
EMPTY = """
DROP TABLE IF EXISTS {schema}.copied, {schema}.usr;
DELETE FROM {schema}.shelf; DELETE FROM {schema}.genre; DELETE FROM {schema}.book; DELETE FROM {schema}.author;
DELETE FROM {schema}.invoice; DELETE FROM {schema}.customer;
SELECT setval(seqrelid::regclass, 1, false) FROM pg_sequence
WHERE seqrelid IN (SELECT oid FROM pg_class WHERE relnamespace IN ('{schema}'::regnamespace, 'public'::regnamespace));
"""
ROWS = """
INSERT INTO {schema}.author (name) VALUES ('{tenant}:author'), ('{tenant}:other author');
INSERT INTO {schema}.book (title, author_id) VALUES ('{tenant}:book', 1), ('{tenant}:other book', 2);
INSERT INTO {schema}.genre (name) VALUES ('{tenant}:genre'), ('{tenant}:other genre');
INSERT INTO {schema}.shelf VALUES (1, 1, 1);
INSERT INTO {schema}.customer (name) VALUES ('{tenant}:1'), ('{tenant}:2'), ('{tenant}:3');
INSERT INTO {schema}.invoice (customer_id, note, plan_id) VALUES (1, '{tenant}:1', 1), (1, '{tenant}:2', NULL);
"""

ShelfLater = peewee.DeferredThroughModel()


class Author(TenantModel):
    name = peewee.TextField()
    mentor = peewee.ForeignKeyField("self", null=True, backref="pupils")


class Genre(TenantModel):
    name = peewee.TextField()


class Book(TenantModel):
    title = peewee.TextField()
    author = peewee.ForeignKeyField(Author, null=True, backref="books")
    genres = peewee.ManyToManyField(Genre, backref="books", through_model=ShelfLater)


class Shelf(TenantModel):
    book = peewee.ForeignKeyField(Book, backref="shelves")
    genre = peewee.ForeignKeyField(Genre, backref="shelves")
    place = peewee.IntegerField(null=True)

    class Meta:
        primary_key = peewee.CompositeKey("book", "genre")


ShelfLater.set_model(Shelf)


@pytest.fixture(scope="module")
def shop(admin_connection):
    """The tables of acme and globex, made once: the tests here are many."""
    schemas = {name: schema_name(f"t_{name}") for name in ("acme", "globex")}
    cursor = admin_connection.cursor()
    gone = "DROP SCHEMA IF EXISTS t_acme, t_globex, t_initech CASCADE; DROP TABLE IF EXISTS public.plan"
    cursor.execute(f"{gone}; SET ROLE tenantry_test; {SHARED_DDL}")
    for schema in schemas.values():
        cursor.execute(f"CREATE SCHEMA {schema}; {TENANT_DDL.format(schema=schema)} {OTHERS_DDL.format(schema=schema)}")
    cursor.execute("RESET ROLE")
    yield FixedCatalog(Tenant(tenant_id(name), schema) for name, schema in schemas.items())
    cursor.execute(gone)


@pytest.fixture
def filled(shop, sql):
    """Rows with the same keys in acme and globex; each value begins with its tenant."""
    tenants = ("acme", "globex")
    sql(
        "".join(EMPTY.format(schema=f"t_{tenant}") for tenant in tenants)
        + "DELETE FROM public.plan; INSERT INTO public.plan (name) VALUES ('pro'), ('free');"
        + "".join(ROWS.format(schema=f"t_{tenant}", tenant=tenant) for tenant in tenants)
    )


@pytest.fixture
def tenants(filled, tenants):
    return tenants


@pytest.fixture
def truth(sql):
    """All that globex has, by another connection."""

    def read():
        return {
            table: sql(f"SELECT * FROM {'public' if table == 'plan' else 't_globex'}.{table} ORDER BY 1")
            for table in TABLES
        }

    return read


@contextmanager
def refused(made_in="acme", bound="globex"):
    """What is done in the block is refused, and the error names the two tenants and nothing else of them."""
    with pytest.raises(WrongTenant) as caught:
        yield
    assert (caught.value.made_in, caught.value.bound) == (f"tenant {made_in!r}", f"tenant {bound!r}")
    assert made_in in str(caught.value)
    assert bound in str(caught.value)
    assert f"{made_in}:" not in str(caught.value)  # No value of a row.
    assert "t_" not in str(caught.value)  # No schema.


# Rows.

ACTS_OF_A_ROW = {
    "save": lambda row: row.save(),
    "save anew": lambda row: row.save(force_insert=True),
    "save what is dirty": lambda row: row.save(only=[Customer.name]),
    "delete": lambda row: row.delete_instance(),
    "delete with what refers to it": lambda row: row.delete_instance(recursive=True),
    "see what refers to it": lambda row: list(row.dependencies()),
    "bulk create": lambda row: Customer.bulk_create([Customer(name="new"), row]),
    "bulk update": lambda row: Customer.bulk_update([row], ["name"]),
    "follow a backref": lambda row: row.invoices,
    "a backref that was followed before": lambda row: list(row.followed),
}


@pytest.mark.parametrize("act", ACTS_OF_A_ROW.values(), ids=ACTS_OF_A_ROW)
def test_t09_a_row_of_one_tenant_does_not_act_in_another(tenants, truth, act):
    with tenants.use("acme"):
        row = Customer.get_by_id(1)
        row.followed = row.invoices
        row.name = "changed"
    before = truth()
    with tenants.use("globex"), refused():
        act(row)
    assert truth() == before


@pytest.mark.parametrize("act", ACTS_OF_A_ROW.values(), ids=ACTS_OF_A_ROW)
def test_a_row_acts_in_its_own_tenant(tenants, act):
    with tenants.use("acme"):
        row = Customer.get_by_id(1)
        row.followed = row.invoices
    with tenants.use("acme"):
        row.id = 3 if act is ACTS_OF_A_ROW["delete"] else row.id  # Nothing refers to it.
        row.name = "changed"
        if act in (ACTS_OF_A_ROW["save anew"], ACTS_OF_A_ROW["bulk create"]):
            row.id = None if act is ACTS_OF_A_ROW["bulk create"] else 99
        act(row)


def test_t09_a_row_made_by_hand_belongs_to_where_it_was_made(tenants, truth):
    before = truth()
    with tenants.use("acme"):
        row = Customer(id=1, name="changed")
    with tenants.use("globex"), refused():
        row.save()
    assert truth() == before


def test_t09_a_row_made_outside_any_tenant_belongs_to_the_first_that_it_is_saved_in(tenants, sql):
    row = Customer(name="new")
    with tenants.use("acme"):
        row.save()
    with tenants.use("globex"), refused():
        row.save()
    assert sql("SELECT count(*) FROM t_globex.customer WHERE name = 'new'") == [(0,)]


def test_t09_a_row_made_outside_and_created_in_bulk_belongs_to_where_it_was(tenants):
    rows = [Customer(name="new"), Customer(name="newer")]
    with tenants.use("acme"):
        Customer.bulk_create(rows)
    with tenants.use("globex"), refused():
        rows[1].save()


def test_t09_a_row_made_in_the_shared_schema_belongs_to_the_first_tenant_that_it_is_saved_in(tenants):
    with tenants.shared():
        row = Customer(name="new")
    with tenants.use("acme"):
        row.save()
    with tenants.use("globex"), refused():
        row.save()


def test_a_row_of_a_tenant_does_not_act_in_the_shared_schema(tenants):
    with tenants.use("acme"):
        row = Customer.get_by_id(1)
    with tenants.shared(), pytest.raises(WrongTenant, match="tenant 'acme' and cannot act in the shared schema"):
        row.save()


def test_outside_any_tenant_a_row_is_data(tenants):
    with tenants.use("acme"):
        invoice = Invoice.select(Invoice, Customer).join(Customer).first()
        other = Invoice.get_by_id(2)
    assert invoice.note == "acme:1"
    assert invoice.customer.name == "acme:1"
    assert other.customer_id == 1
    with pytest.raises(NoTenantBound):
        _ = other.customer
    with pytest.raises(NoTenantBound):
        invoice.save()


def test_t08_a_foreign_key_of_one_tenants_row_is_not_followed_in_another(tenants):
    with tenants.use("acme"):
        invoice = Invoice.get_by_id(1)
    with tenants.use("globex"), refused():
        _ = invoice.customer
    with tenants.use("acme"):
        assert invoice.customer.name == "acme:1"


def test_t08_nor_is_one_that_was_followed_before(tenants):
    with tenants.use("acme"):
        invoice = Invoice.get_by_id(1)
        assert invoice.customer.name == "acme:1"
    with tenants.use("globex"), refused():
        _ = invoice.customer


def test_t08_a_backref_that_was_prefetched_is_not_followed_in_another_tenant(tenants):
    with tenants.use("acme"):
        customer = peewee.prefetch(Customer.select(), Invoice)[0]
        assert [invoice.note for invoice in customer.invoices] == ["acme:1", "acme:2"]
    with tenants.use("globex"), refused():
        _ = customer.invoices


def test_t08_nor_is_one_that_was_prefetched_for_a_shared_row(tenants):
    with tenants.use("acme"):
        plan = peewee.prefetch(Plan.select(), Invoice)[0]
        assert [invoice.note for invoice in plan.invoice_set] == ["acme:1"]
    with tenants.use("globex"), refused():
        _ = plan.invoice_set


def test_a_prefetched_backref_can_be_set_and_deleted_as_in_peewee(tenants):
    with tenants.use("acme"):
        customer = Customer.get_by_id(1)
        with pytest.raises(AttributeError):
            del customer.invoices
        customer.invoices = []
        assert customer.invoices == []
        del customer.invoices
        assert len(customer.invoices) == 2


def test_t08_the_backref_of_a_shared_row_is_for_whoever_is_bound(tenants):
    with tenants.use("acme"):
        plan = Plan.get_by_id(1)
        assert [invoice.note for invoice in plan.invoice_set] == ["acme:1"]
    with tenants.use("globex"):
        assert [invoice.note for invoice in plan.invoice_set] == ["globex:1"]


def test_t08_a_backref_that_was_built_outside_stays_its_rows_tenants(tenants):
    with tenants.use("acme"):
        customer = Customer.get_by_id(1)
    invoices = customer.invoices
    with tenants.use("globex"), refused():
        list(invoices)
    with tenants.use("acme"):
        assert len(invoices) == 2


def test_t08_a_self_reference_is_not_followed_in_another_tenant(tenants):
    with tenants.use("acme"):
        pupil = Author.create(name="acme:pupil", mentor=Author.get_by_id(1))
        mentor = Author.get_by_id(1)
        assert [each.name for each in mentor.pupils] == ["acme:pupil"]
    with tenants.use("globex"):
        with refused():
            _ = pupil.mentor
        with refused():
            _ = mentor.pupils


def test_t08_a_deferred_foreign_key_of_a_tenants_model_ends_at_the_tenant(tenants):
    class Draft(TenantModel):
        note = peewee.TextField(null=True)
        customer = peewee.DeferredForeignKey("Client", null=True, backref="drafts")

        class Meta:
            table_name = "invoice"

    class Client(TenantModel):
        name = peewee.TextField()

        class Meta:
            table_name = "customer"

    with tenants.use("acme"):
        draft = Draft.get_by_id(1)
        client = draft.customer
        assert client.name == "acme:1"
        drafts = client.drafts
        assert [each.note for each in drafts] == ["acme:1", "acme:2"]
    with tenants.use("globex"):
        for act in (lambda: draft.customer, lambda: client.drafts, lambda: list(drafts)):
            with refused():
                act()
        with refused():
            Draft.create(customer=client)


def test_t09_a_row_with_a_composite_key_is_not_saved_or_deleted_in_another_tenant(tenants, truth):
    with tenants.use("acme"):
        shelf = Shelf.get()
        shelf.place = 99
    before = truth()
    with tenants.use("globex"):
        with refused():
            shelf.save()
        with refused():
            shelf.delete_instance()
        with refused():
            _ = shelf.book
    assert truth() == before
    with tenants.use("acme"):
        shelf.save()
        assert Shelf.get(Shelf.book == 1).place == 99


def test_what_was_saved_stays_its_tenants_when_it_was_made_by_get_or_create(tenants):
    with tenants.use("acme"):
        row, created = Customer.get_or_create(name="new")
        assert created
        again, created = Customer.get_or_create(name="new")
        assert not created
    assert row == again
    for each in (row, again):
        with tenants.use("globex"), refused():
            each.save()


# Rows as values.

VALUES = {
    "where": lambda row: list(Invoice.select().where(Invoice.customer == row)),
    "get": lambda row: Invoice.get_or_none(Invoice.customer == row),
    "filter": lambda row: list(Invoice.filter(customer=row)),
    "among a list": lambda row: list(Invoice.select().where(Invoice.customer.in_([row]))),
    "among a tuple": lambda row: list(Invoice.select().where(Invoice.customer << (row,))),
    "against its key": lambda row: Customer.get_by_id(row),
    "in a function": lambda row: list(Invoice.select(fn.COALESCE(Invoice.customer, row))),
    "in a case": lambda row: list(Invoice.select(peewee.Case(None, [(Invoice.total > 0, row)], None))),
    "create": lambda row: Invoice.create(customer=row),
    "constructor": lambda row: Invoice(customer=row),
    "assignment": lambda row: setattr(Invoice(), "customer", row),
    "assignment to a row of globex": lambda row: setattr(Invoice.get_by_id(1), "customer", row),
    "insert": lambda row: Invoice.insert(customer=row).execute(),
    "insert a dict": lambda row: Invoice.insert({Invoice.customer: row}).execute(),
    "insert many dicts": lambda row: Invoice.insert_many([{"customer": 2}, {"customer": row}]).execute(),
    "insert many tuples": lambda row: Invoice.insert_many([(row,)], fields=[Invoice.customer]).execute(),
    "update": lambda row: Invoice.update(customer=row).execute(),
    "update a dict": lambda row: Invoice.update({Invoice.customer: row}).execute(),
    "set by id": lambda row: Invoice.set_by_id(1, {"customer": row}),
    "delete": lambda row: Invoice.delete().where(Invoice.customer == row).execute(),
    "on conflict": lambda row: (
        Invoice.insert(id=1)
        .on_conflict(conflict_target=[Invoice.id], update={Invoice.customer: row})
        .execute()
    ),
    "get or create": lambda row: Invoice.get_or_create(customer=row),
    "get or create by defaults": lambda row: Invoice.get_or_create(note="none", defaults={"customer": row}),
    "raw": lambda row: list(Invoice.raw("SELECT * FROM invoice WHERE customer_id = %s", row)),
    "join": lambda row: list(Invoice.select().join(Customer, on=(Invoice.customer == row))),
    "values of another kind": lambda row: Invoice.update(total=row).execute(),
}  # fmt: skip


@pytest.mark.parametrize("use", VALUES.values(), ids=VALUES)
def test_t09_a_row_is_not_a_value_in_another_tenant(tenants, truth, use):
    with tenants.use("acme"):
        row = Customer.get_by_id(1)
    before = truth()
    with tenants.use("globex"), refused():
        use(row)
    assert truth() == before


# The driver takes no row as a value, so that peewee's raw() takes it to no server.
TAKEN = {name: use for name, use in VALUES.items() if name != "raw"}


@pytest.mark.parametrize("use", TAKEN.values(), ids=TAKEN)
def test_a_row_is_a_value_in_its_own_tenant(tenants, use):
    with tenants.use("acme"):
        row = Customer.get_by_id(1)
    with tenants.use("acme"):
        use(row)


@pytest.mark.parametrize("use", TAKEN.values(), ids=TAKEN)
def test_a_row_that_is_nobodys_is_a_value_anywhere(tenants, use):
    row = Customer(id=2, name="globex:2")
    with tenants.use("globex"):
        use(row)


def test_t09_an_expression_with_a_row_of_one_tenant_is_not_used_in_another(tenants):
    with tenants.use("acme"):
        mine = Invoice.customer == Customer.get_by_id(1)
    with tenants.use("globex"), refused():
        Invoice.select().where(mine).count()


def test_t09_a_row_refers_to_rows_of_its_own_tenant_whoever_is_bound(tenants):
    with tenants.use("acme"):
        customer = Customer.get_by_id(1)
    with tenants.use("globex"):
        invoice = Invoice.get_by_id(1)
    with pytest.raises(WrongTenant):
        invoice.customer = customer


def test_t09_a_row_of_nobody_refers_to_rows_of_the_bound_tenant(tenants):
    with tenants.use("acme"):
        customer = Customer.get_by_id(1)
    invoice = Invoice()
    with tenants.use("globex"), refused():
        invoice.customer = customer
    invoice.customer = customer
    with tenants.use("acme"):
        invoice.save()


def test_t09_a_row_that_refers_to_a_row_belongs_where_that_does(tenants):
    with tenants.use("acme"):
        customer = Customer.get_by_id(1)
    invoice = Invoice(customer=customer)
    with tenants.use("globex"), refused():
        invoice.save()


@pytest.mark.parametrize("write", [lambda row: row.save(), lambda row: Invoice.bulk_create([row])])
def test_t09_a_row_that_refers_to_one_saved_elsewhere_meanwhile_is_not_written(tenants, truth, write):
    customer = Customer(name="new")
    invoice = Invoice(customer=customer)  # Both are nobody's, and the key is not known yet.
    with tenants.use("acme"):
        customer.save()
    before = truth()
    with tenants.use("globex"), refused():
        write(invoice)
    assert truth() == before
    with tenants.use("acme"):
        invoice.save()
        assert invoice.customer_id == customer.id


def test_t09_a_row_made_in_the_shared_schema_takes_the_tenant_of_what_it_refers_to(tenants):
    with tenants.use("acme"):
        customer = Customer.get_by_id(1)
    with tenants.shared():
        invoice = Invoice()
    with tenants.use("acme"):
        invoice.customer = customer
    with tenants.use("globex"), refused():
        invoice.save()


# Queries.

READS = {
    "iterate": list,
    "execute": lambda query: list(query.execute()),
    "get": lambda query: query.get(),
    "get or none": lambda query: query.get_or_none(),
    "first": lambda query: query.first(),
    "peek": lambda query: query.peek(),
    "count": lambda query: query.count(),
    "exists": lambda query: query.exists(),
    "scalar": lambda query: query.scalar(),
    "scalars": lambda query: list(query.scalars()),
    "length": len,
    "index": lambda query: query[0],
    "slice": lambda query: query[:2],
    "iterator": lambda query: list(query.iterator()),
    "dicts": lambda query: list(query.dicts()),
    "tuples": lambda query: list(query.tuples()),
    "namedtuples": lambda query: list(query.namedtuples()),
    "objects": lambda query: list(query.objects(dict)),
    "clone": lambda query: list(query.clone()),
    "copy": lambda query: list(copy.copy(query)),
    "deep copy": lambda query: list(copy.deepcopy(query)),
    "narrow": lambda query: list(query.where(Customer.id > 0)),
    "order": lambda query: list(query.order_by(Customer.name)),
    "prefetch": lambda query: query.prefetch(Invoice.select()),
    "with related": lambda query: list(query.with_related(Customer.invoices)),
    "server side": lambda query: list(ServerSide(query)),
    "subquery": lambda query: list(Invoice.select().where(Invoice.customer.in_(query.select(Customer.id)))),
    "scalar subquery": lambda query: list(Invoice.select(query.select(Customer.id).limit(1))),
    "exists subquery": lambda query: list(Invoice.select().where(fn.EXISTS(query))),
    "from": lambda query: list(query.select_from(query.c.name)),
    "cte": lambda query: list(Customer.select().with_cte(cte := query.cte("c")).join(cte, on=Customer.id == cte.c.id)),
    "select from a cte": lambda query: list((cte := query.cte("c")).select_from(cte.c.name)),
    "union": lambda query: list(Customer.select() | query),
    "union, the other way": lambda query: list(query | Customer.select()),
    "union all": lambda query: list(Customer.select() + query),
    "intersect": lambda query: list(Customer.select() & query),
    "except": lambda query: list(Customer.select() - query),
    "union of unions": lambda query: list((Customer.select() | query) | Customer.select()),
    "join": lambda query: list(Invoice.select().join(q := query.alias("q"), on=Invoice.customer_id == q.c.id)),
    "insert from": lambda query: Author.insert_from(query.select(Customer.name), [Author.name]).execute(),
    "update from": lambda query: (
        Author.update(name=(q := query.alias("q")).c.name).from_(q).where(Author.id == q.c.id).execute()
    ),
    "update a value": lambda query: Author.update(name=query.select(Customer.name).limit(1)).execute(),
    "delete by": lambda query: Shelf.delete().where(Shelf.book.in_(query.select(Customer.id))).execute(),
    "create a table": lambda query: query.create_table("copied"),
    "on a named database": lambda query: list(query.execute(query.named)),
}  # fmt: skip


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_t07_a_query_of_one_tenant_is_not_run_in_another(tenants, truth, read):
    with tenants.use("acme"):
        query = Customer.select()
    query.named = tenants.database_of("globex")
    before = truth()
    with tenants.use("globex"), refused():
        read(query)
    assert truth() == before


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_t07_nor_when_its_rows_were_read_before(tenants, read):
    with tenants.use("acme"):
        query = Customer.select()
        assert len(query) == 3
    query.named = tenants.database_of("globex")
    with tenants.use("globex"), refused():
        read(query)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_query_runs_in_its_own_tenant(tenants, read):
    with tenants.use("acme"):
        query = Customer.select()
    query.named = tenants.database_of("acme")
    with tenants.use("acme"):
        read(query)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_t07_a_query_built_outside_runs_for_each_tenant(tenants, read):
    query = Customer.select()

    def names(found):
        if isinstance(found, list | tuple) and not isinstance(found, str):
            return {name for each in found for name in names(each)}
        if isinstance(found, Customer):
            return {found.name} | {invoice.note for invoice in found.__dict__.get("invoices", [])}
        return {str(found)} if ":" in str(found) else set()

    for tenant, other in (("acme", "globex"), ("globex", "acme"), ("acme", "globex")):
        query.named = tenants.database_of(tenant)
        with tenants.use(tenant):
            if read is READS["create a table"]:
                tenants.database.execute_sql("DROP TABLE IF EXISTS copied")
            assert not [name for name in names(read(query)) if name.startswith(other)]


def test_t07_a_write_built_for_one_tenant_is_not_run_in_another(tenants, truth):
    with tenants.use("acme"):
        writes = [
            Customer.insert(name="new"),
            Customer.insert_many([{"name": "new"}]),
            Customer.update(name="changed"),
            Customer.delete(),
            Customer.raw("SELECT * FROM customer"),
            Customer.noop(),
        ]
    before = truth()
    for write in writes[:-1]:
        with tenants.use("globex"), refused():
            write.execute()
    assert truth() == before


def test_t07_a_query_of_a_query_is_its_tenants(tenants):
    with tenants.use("acme"):
        query = Customer.select().where(Customer.id == 1)
        outer = query.select_from(query.c.name)
        assert [row.name for row in outer] == ["acme:1"]
        with pytest.raises(ValueError, match="one or more columns"):
            query.select_from()
    with tenants.use("globex"), refused():
        list(outer)


def test_t07_the_query_of_an_alias_is_its_tenants(tenants):
    with tenants.use("acme"):
        someone = Customer.alias()
        query = someone.select().where(someone.id == 1)
        assert [row.name for row in query] == ["acme:1"]
    with tenants.use("globex"), refused():
        list(query)


def test_a_model_alias_is_nobodys(tenants):
    someone = Customer.alias("someone")
    for tenant in ("acme", "globex"):
        with tenants.use(tenant):
            assert [row.name for row in someone.select().where(someone.id == 1)] == [f"{tenant}:1"]


def test_t07_a_query_of_the_shared_schema_runs_in_a_tenant(tenants):
    with tenants.shared():
        plans, customers = Plan.select(), Customer.select().order_by(Customer.id)
    for tenant in ("acme", "globex"):
        with tenants.use(tenant):
            assert len(plans) == 2
            assert customers[0].name == f"{tenant}:1"


@pytest.mark.parametrize("read", [list, lambda query: list(ServerSide(query))], ids=["rows", "server side"])
@pytest.mark.parametrize("build", ["outside", "shared"])
def test_t09_the_rows_of_a_query_built_outside_belong_to_who_ran_it(tenants, build, read):
    query = Customer.select()
    if build == "shared":
        with tenants.shared():
            query = Customer.select()
    with tenants.use("acme"):
        rows = read(query)
    with tenants.use("globex"), refused():
        rows[0].save()


def test_t09_so_do_those_of_two_queries_in_one(tenants):
    query = Customer.select().where(Customer.id == 1) | Customer.select().where(Customer.id == 2)
    with tenants.use("acme"):
        rows = list(query)
        nested = list(query | Customer.select().where(Customer.id == 3))
    for row in rows + nested:
        with tenants.use("globex"), refused():
            row.save()


def test_a_query_built_outside_is_run_freshly_each_time(tenants, sql):
    query = Customer.select(Customer.name).order_by(Customer.id)
    with tenants.use("acme"):
        assert [row.name for row in query] == ["acme:1", "acme:2", "acme:3"]
        sql("UPDATE t_acme.customer SET name = 'changed' WHERE id = 1")
        assert query[0].name == "changed"
        sql("INSERT INTO t_acme.customer (name) VALUES ('fourth')")
        assert len(query) == 4
        assert len(list(query)) == 4


@pytest.mark.parametrize("take", [list, tuple, sorted, lambda rows: [*rows], len])
def test_a_query_built_outside_is_sent_once_to_be_taken_as_a_list(server, make_engine, filled, take):
    query = Customer.select(Customer.name).tuples()
    with Relay(server.url) as relay:
        tenants = make_engine(url=relay.url)
        with tenants.use("acme"):
            take(query)
            with relay.counting() as messages:
                take(query)
                take(query)
        assert len(messages) == 2


def test_the_length_of_a_query_built_outside_is_not_that_of_an_older_result(tenants, sql):
    query = Customer.select()
    with tenants.use("acme"):
        rows = iter(query)
        sql("INSERT INTO t_acme.customer (name) VALUES ('fourth')")
        assert len(query) == 4
        assert len(list(rows)) == 3


def test_a_query_built_outside_is_prefetched_with_what_was_asked_for(tenants):
    customers = Customer.select().order_by(Customer.id)
    second = Invoice.select().where(Invoice.note.endswith(":2"))
    for tenant in ("acme", "globex", "acme"):
        with tenants.use(tenant):
            for rows in (peewee.prefetch(customers, second), customers.prefetch(second)):
                assert [invoice.note for invoice in rows[0].invoices] == [f"{tenant}:2"]
                assert rows[0].invoices[0].customer is rows[0]


def test_queries_built_outside_are_sent_once_each_to_be_prefetched(server, make_engine, filled):
    customers, invoices = Customer.select(), Invoice.select()
    with Relay(server.url) as relay:
        tenants = make_engine(url=relay.url)
        with tenants.use("acme"):
            customers.count()
            with relay.counting() as messages:
                peewee.prefetch(customers, invoices)
        assert len(messages) == 2


def test_the_first_of_a_query_built_outside_does_not_change_it(tenants):
    query = Customer.select()
    with tenants.use("acme"):
        assert query.first() is not None
        assert len(query) == 3


def test_a_query_runs_where_a_database_of_its_tenant_was_made_anew(make_engine, filled):
    tenants = make_engine(databases=1)
    with tenants.use("acme"):
        query = Customer.select().order_by(Customer.id)
        row, rows = query.get(), iter(query)
        assert next(rows).name == "acme:1"
        first = tenants.database_of("acme")
        with tenants.use("globex"):
            assert Customer.select().count() == 3
        assert tenants.database_of("acme") is not first
        assert next(rows).name == "acme:2"
    with tenants.use("acme"):
        assert next(rows).name == "acme:3"
        assert row.invoices.count() == 2
        row.name = "acme:changed"
        row.save()
        assert query[0].name == "acme:1"  # As it was read.
        assert list(query) == list(query.clone())
        assert row == Customer.get_by_id(1)
        assert hash(row) == hash(Customer.get_by_id(1))
        found = peewee.prefetch(query, Invoice.select())
        assert len(found[0].invoices) == 2
        assert all("invoices" in each.__dict__ for each in found)


# Results.


def test_t07_cached_rows_of_one_tenant_are_not_read_in_another(tenants):
    with tenants.use("acme"):
        result = Customer.select().execute()
        assert len(result) == 3
    for read in (list, len, lambda rows: rows[0], lambda rows: list(rows.iterator()), lambda rows: rows.row_cache):
        with tenants.use("globex"), refused():
            read(result)
    assert len(result) == 3
    with tenants.use("acme"):
        assert len(result.row_cache) == result.count == 3


RESULTS = {
    "tuples": lambda: Customer.select().tuples().execute(),
    "dicts": lambda: Customer.select().dicts().execute(),
    "namedtuples": lambda: Customer.select().namedtuples().execute(),
    "objects": lambda: Customer.select().objects().execute(),
    "join": lambda: Invoice.select(Invoice, Customer).join(Customer).execute(),
    "returning": lambda: Customer.update(name=Customer.name).returning(Customer).execute(),
    "insert": lambda: Customer.insert_many([{"name": "x"}]).execute(),
    "raw": lambda: Customer.raw("SELECT * FROM customer").execute(),
    "select from": lambda: (query := Customer.select()).select_from(query.c.name).execute(),
    "union": lambda: (Customer.select() | Customer.select()).execute(),
    "many to many": lambda: Book.get_by_id(1).genres.execute(),
}


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_t07_no_result_of_one_tenant_is_read_in_another(tenants, make):
    with tenants.use("acme"):
        result = make()
    with tenants.use("globex"):
        with refused():
            list(result)
        with refused():
            next(iter(result))
        with refused():
            next(result.iterator())


OF_MODELS = {name: make for name, make in RESULTS.items() if name not in ("tuples", "dicts", "namedtuples", "insert")}


@pytest.mark.parametrize("take", [list, lambda rows: list(rows.iterator()), lambda rows: rows[:]])
@pytest.mark.parametrize("make", OF_MODELS.values(), ids=OF_MODELS)
def test_t09_rows_taken_from_a_result_after_the_block_are_still_its_tenants(tenants, make, take):
    with tenants.use("acme"):
        result = make()
    rows = take(result)
    assert rows
    for row in rows:
        with tenants.use("globex"), refused():
            row.save()


def test_t09_so_are_both_rows_of_a_join(tenants):
    with tenants.use("acme"):
        result = Invoice.select(Invoice, Customer, Plan).join(Customer).switch(Invoice).join(Plan).execute()
    (invoice,) = result
    customer, plan = invoice.customer, invoice.plan
    with tenants.use("globex"):
        with refused():
            customer.save()
        with refused():
            _ = invoice.customer
        plan.save()  # It is everybody's.


def test_t10_a_half_read_result_stops_in_another_tenant_and_goes_on_in_its_own(tenants):
    with tenants.use("acme"):
        query = Customer.select().order_by(Customer.id)
        rows, again, alone = iter(query), iter(query), query.clone().iterator()
        assert [next(each).name for each in (rows, again, alone)] == ["acme:1"] * 3
    with tenants.use("globex"):
        for each in (rows, again, alone):
            with refused():
                next(each)
    with tenants.use("acme"):
        for each in (rows, again, alone):
            assert [row.name for row in each] == ["acme:2", "acme:3"]
            assert list(each) == []


def test_t10_a_half_read_result_goes_on_outside_any_tenant(tenants):
    with tenants.use("acme"):
        rows, alone = iter(Customer.select()), Customer.select().iterator()
        next(rows), next(alone)
    assert len(list(rows)) == len(list(alone)) == 2
    assert list(rows) == list(alone) == []


def test_t10_a_server_side_cursor_stops_in_another_tenant(tenants):
    with tenants.use("acme"):
        query = ServerSideQuery(Customer.select().order_by(Customer.id), array_size=1)
        rows = iter(query)
        assert next(rows).name == "acme:1"
        with tenants.use("globex"), refused():
            next(rows)
        assert [row.name for row in rows] == ["acme:2", "acme:3"]
    assert tenants.figures().in_use == 0


def test_t10_so_does_one_of_a_query_built_outside(tenants):
    query = Customer.select()
    with tenants.use("acme"):
        rows = ServerSide(query)
        next(rows)
        with tenants.use("globex"), refused():
            next(rows)
    with tenants.use("globex"):
        assert next(ServerSide(query.order_by(Customer.id))).name == "globex:1"


def test_t10_scalars_stop_in_another_tenant(tenants):
    with tenants.use("acme"):
        names = Customer.select(Customer.name).scalars()
        next(names)
    with tenants.use("globex"), refused():
        next(names)


def test_a_result_can_be_copied_and_stays_its_tenants(tenants):
    with tenants.use("acme"):
        result = Customer.select().execute()
        result.fill_cache()
    for made in (copy.copy(result), copy.deepcopy(copy.copy(result))):
        assert [row.name for row in made] == ["acme:1", "acme:2", "acme:3"]
        with tenants.use("globex"), refused():
            list(made)


def test_dicts_and_tuples_are_plain_data(tenants):
    with tenants.use("acme"):
        rows = [*Customer.select().dicts().where(Customer.id == 1), *Customer.select(Customer.name).tuples().limit(1)]
    with tenants.use("globex"):
        assert rows == [{"id": 1, "name": "acme:1"}, ("acme:1",)]


def test_a_join_of_rows_can_be_followed_in_its_tenant_alone(tenants):
    with tenants.use("acme"):
        book = Book.select(Book, Author).join(Author, attr="writer").get()
        assert book.writer.name == "acme:author"
    with tenants.use("globex"), refused():
        book.writer.save()


def test_with_related_rows_are_their_tenants(tenants):
    with tenants.use("acme"):
        author = Author.select().with_related(peewee.Load(Author.books).then(Book.shelves)).order_by(Author.id)[0]
        shelf = author.books[0].shelves[0]
        assert shelf.place == 1
    with tenants.use("globex"):
        with refused():
            _ = author.books
        with refused():
            shelf.save()


# Many-to-many.

LINKS = {
    "follow": lambda book, genre: book.genres,
    "read": lambda book, genre: list(book.genres),
    "add": lambda book, genre: book.genres.add(genre),
    "add several": lambda book, genre: book.genres.add([genre]),
    "remove": lambda book, genre: book.genres.remove(genre),
    "clear": lambda book, genre: book.genres.clear(),
    "assign": lambda book, genre: setattr(book, "genres", [genre]),
    "read, from the other end": lambda book, genre: list(genre.books),
    "add, from the other end": lambda book, genre: genre.books.add(book),
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("whose", ["both", "the row", "the other"])
def test_t09_rows_of_one_tenant_are_not_linked_in_another(tenants, truth, link, whose):
    with tenants.use("acme"):
        book, genre = Book.get_by_id(1), Genre.get_by_id(2)
    before = truth()
    with tenants.use("globex"):
        if whose == "the row":
            genre = Genre.get_by_id(2)
        elif whose == "the other":
            book = Book.get_by_id(1)
        needs_book = link not in (LINKS["read, from the other end"],)
        needs_genre = link not in (LINKS["follow"], LINKS["read"], LINKS["clear"])
        if (whose == "the other" and not needs_genre) or (whose == "the row" and not needs_book):
            return
        with refused():
            link(book, genre)
    assert truth()["shelf"] == before["shelf"] or whose == "the other"


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_rows_are_linked_in_their_own_tenant(tenants, link, truth):
    with tenants.use("acme"):
        book, genre = Book.get_by_id(1), Genre.get_by_id(2)
    before = truth()
    with tenants.use("acme"):
        link(book, genre)
    assert truth() == before


def test_t07_the_rows_at_the_other_end_are_not_read_or_added_to_in_another_tenant(tenants, truth):
    with tenants.use("acme"):
        genres = Book.get_by_id(1).genres
        assert [genre.name for genre in genres] == ["acme:genre"]
    before = truth()
    with tenants.use("globex"):
        for use in (list, len, lambda query: query.add(2), lambda query: query.remove(1), lambda query: query.clear()):
            with refused():
                use(genres)
    assert truth() == before


def test_t08_a_many_to_many_without_backrefs_is_not_followed_in_another_tenant(tenants):
    later = peewee.DeferredThroughModel()

    class Topic(TenantModel):
        name = peewee.TextField()

        class Meta:
            table_name = "genre"

    class Volume(TenantModel):
        title = peewee.TextField()
        topics = peewee.ManyToManyField(Topic, backref="+", through_model=later)

        class Meta:
            table_name = "book"

    class Placed(TenantModel):
        book = peewee.ForeignKeyField(Volume, backref="+")
        genre = peewee.ForeignKeyField(Topic, backref="+")

        class Meta:
            table_name = "shelf"
            primary_key = peewee.CompositeKey("book", "genre")

    later.set_model(Placed)
    with tenants.use("acme"):
        volume = Volume.get_by_id(1)
        assert [topic.name for topic in volume.topics] == ["acme:genre"]
    with tenants.use("globex"), refused():
        _ = volume.topics


def test_t09_a_query_of_one_tenant_is_not_linked_in_another(tenants, truth):
    with tenants.use("acme"):
        query = Genre.select()
    before = truth()
    with tenants.use("globex"):
        book = Book.get_by_id(1)
        with refused():
            book.genres.add(query)
        with refused():
            book.genres.remove(query)
    assert truth() == before


# Shared rows.


def test_a_shared_row_is_used_by_several_tenants(tenants, sql):
    with tenants.use("acme"):
        plan = Plan.get_by_id(2)
    with tenants.use("globex"):
        Invoice.create(plan=plan, note="globex:3")
        assert Invoice.get(Invoice.plan == plan).note == "globex:3"
        plan.name = "basic"
        plan.save()
    with tenants.shared():
        assert plan == Plan.get(Plan.name == "basic")
    assert sql("SELECT note FROM t_globex.invoice WHERE plan_id = 2") == [("globex:3",)]


def test_a_shared_row_is_equal_wherever_it_was_read(tenants):
    found = set()
    for block in (tenants.use("acme"), tenants.use("globex"), tenants.shared()):
        with block:
            found.add(Plan.get_by_id(1))
            found.add(next(iter(Plan.select().where(Plan.id == 1).objects())))
    assert len(found) == 1


# Engines and epochs.


def test_a_row_of_one_engine_does_not_act_in_another(tenants, make_engine, truth):
    other = make_engine()
    with tenants.use("acme"):
        row, query, plan = Customer.get_by_id(1), Customer.select(), Plan.get_by_id(1)
        result = query.execute()
    before = truth()
    with other.use("acme"):
        for act in (
            row.save,
            row.delete_instance,
            query.get,
            lambda: list(query),
            lambda: list(result),
            plan.save,
            lambda: Invoice.create(plan=plan),
            lambda: Invoice.create(customer=row),
        ):
            with pytest.raises(WrongTenant, match="in this engine"):
                act()
        assert row != Customer.get_by_id(1)
        invoice = Invoice.get_by_id(1)
    with pytest.raises(WrongTenant, match="in this engine"):
        invoice.plan = plan
    assert truth() == before


def test_a_row_made_in_the_shared_schema_of_one_engine_refers_to_no_row_of_another(tenants, make_engine):
    with make_engine().shared():
        invoice = Invoice()
    with tenants.use("acme"):
        customer = Customer.get_by_id(1)
    with pytest.raises(WrongTenant, match="the shared schema"):
        invoice.customer = customer


def test_a_row_that_refers_to_nothing_is_saved(tenants):
    with tenants.use("acme"):
        invoice = Invoice.select(Invoice, Plan).join(Plan, JOIN.LEFT_OUTER).where(Invoice.id == 2).get()
        assert invoice.plan is None
        invoice.note = "acme:changed"
        assert invoice.save() == 1


def test_a_row_that_refers_to_a_shared_row_of_an_engine_is_that_engines(tenants, make_engine):
    other = make_engine()
    with tenants.shared():
        plan = Plan.get_by_id(1)
    invoice = Invoice(plan=plan)
    with other.use("acme"), pytest.raises(WrongTenant, match="in this engine"):
        invoice.save()
    with tenants.use("acme"):
        invoice.save()


@pytest.fixture
def catalogued(make_engine, sql, tmp_path):
    """An engine that keeps its own catalog, and makes a table for each tenant."""
    (tmp_path / "tenant").mkdir()
    (tmp_path / "tenant" / "0001_customer.sql").write_text("CREATE TABLE customer (id serial PRIMARY KEY, name text);")
    yield make_engine(catalog=None, migrations=str(tmp_path), schema_prefix="e_")
    sql("DROP SCHEMA IF EXISTS e_acme CASCADE; DROP SCHEMA IF EXISTS tenantry CASCADE")


def test_a_row_of_a_tenant_that_was_dropped_does_not_act_in_the_one_created_anew(catalogued):
    catalogued.create("acme")
    with catalogued.use("acme"):
        row, query = Customer.create(name="before"), Customer.select()
        result = query.execute()
    catalogued.drop("acme")
    catalogued.create("acme")
    with catalogued.use("acme"):
        new = Customer.create(name="after")
        assert (row.id, row) != (new.id, new)
        for act in (row.save, row.delete_instance, query.get, lambda: list(result)):
            with pytest.raises(WrongTenant, match="as it is now"):
                act()
        assert Customer.get_by_id(1).name == "after"


# Equality, copies, the way over.


def test_equality_and_hash_know_the_tenant(tenants):
    found = []
    for tenant in ("acme", "globex", "acme"):
        with tenants.use(tenant):
            found.append(Customer.get_by_id(1))
    acme, globex, again = found
    assert acme == again
    assert hash(acme) == hash(again)
    assert acme != globex
    assert hash(acme) != hash(globex)
    assert len({acme, globex, again}) == 2
    assert acme != Customer(id=1)
    assert acme != "acme"


COPIES = {
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "clone": lambda row: row.clone(),
    **{f"pickle {n}": lambda row, n=n: pickle.loads(pickle.dumps(row, n)) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
}


@pytest.mark.parametrize("made", COPIES.values(), ids=COPIES)
def test_copying_and_pickling_keep_the_tenant(tenants, made, truth):
    with tenants.use("acme"):
        row = Invoice.select(Invoice, Customer).join(Customer).get()
    before = truth()
    customer = made(row).customer
    other = made(row)
    assert other == row
    assert hash(other) == hash(row)
    with tenants.use("globex"):
        for act in (
            other.save,
            other.delete_instance,
            lambda: other.customer,
            lambda: Invoice.create(customer=customer),
        ):
            with refused():
                act()
    assert truth() == before
    with tenants.use("acme"):
        other.note = "changed"
        other.save()
        assert other.customer.name == "acme:1"


def test_a_pickled_row_has_neither_the_password_nor_the_schema(tenants):
    with tenants.use("acme"):
        pickled = pickle.dumps(Customer.get_by_id(1))
    assert b"password" not in pickled
    assert b"t_acme" not in pickled


def test_a_row_from_another_process_is_known_by_its_server_and_database(tenants):
    with tenants.use("acme"):
        pickled = pickle.dumps(Customer.get_by_id(1))
    row = pickle.loads(pickled)
    elsewhere = pickle.loads(pickled.replace(b"tenantry_test", b"tenantry_tesT"))
    with tenants.use("acme"):
        row.save()
        with pytest.raises(WrongTenant, match="in this engine"):
            elsewhere.save()


def test_copy_to_is_the_way_over(tenants, sql):
    with tenants.use("acme"):
        row = Customer.get_by_id(2)
        other = row.copy_to("globex", name="acme:2 in globex")
        assert other.id is None
        with refused("globex", "acme"):
            other.save()
    with tenants.use("globex"):
        other.save()
    assert sql("SELECT name FROM t_globex.customer ORDER BY id")[-1] == ("acme:2 in globex",)
    assert sql("SELECT name FROM t_acme.customer WHERE id = 2") == [("acme:2",)]


def test_copy_to_keeps_a_key_that_no_table_gives(tenants, sql):
    with tenants.use("acme"):
        shelf = Shelf.get()
    with tenants.use("globex"):
        Shelf.delete().execute()
        shelf.copy_to("globex", book=Book.get_by_id(2), genre=1).save(force_insert=True)
    assert sql("SELECT * FROM t_globex.shelf") == [(2, 1, 1)]


def test_copy_to_works_from_the_other_side_as_well(tenants):
    with tenants.use("acme"):
        row = Customer.get_by_id(2)
    with tenants.use("globex"):
        row.copy_to("globex").save()


def test_copy_to_needs_a_foreign_key_said_anew(tenants, sql):
    with tenants.use("globex"):
        theirs = Customer.get_by_id(3)
    with tenants.use("acme"):
        invoice = Invoice.get_by_id(1)
        with pytest.raises(WrongTenant, match=r"Invoice\.customer of this row belongs to tenant 'acme'"):
            invoice.copy_to("globex")
        other = invoice.copy_to("globex", customer=theirs)
        assert invoice.copy_to("globex", customer=None).customer_id is None
        with pytest.raises(WrongTenant):
            invoice.copy_to("globex", customer=Customer.get_by_id(1))
    with tenants.use("globex"):
        other.save()
        assert other.customer.name == "globex:3"
    assert sql("SELECT customer_id, plan_id, note FROM t_globex.invoice WHERE id = 3") == [(3, 1, "acme:1")]


def test_a_copy_for_the_same_tenant_keeps_its_foreign_keys(tenants):
    with tenants.use("acme"):
        invoice = Invoice.get_by_id(1).copy_to("acme")
        invoice.save()
        assert (invoice.id, invoice.customer.name) == (3, "acme:1")
        assert Invoice(customer_id=1).copy_to("acme").customer_id == 1
    nobodys = Invoice(customer_id=1)
    with tenants.use("acme"):
        assert nobodys.copy_to("globex").customer_id == 1


def test_a_copy_shares_nothing_that_can_be_changed(tenants):
    with tenants.use("acme"):
        invoice = Invoice.create(data={"a": []})
        other = invoice.copy_to("globex")
    other.data["a"].append("globex")
    assert invoice.data == {"a": []}


def test_a_copy_of_a_shared_row_is_shared(tenants):
    with tenants.use("acme"):
        plan = Plan.get_by_id(1).copy_to("globex", name="new")
        plan.save()
        assert Plan.get_by_id(plan.id) == plan


def test_copy_to_needs_an_engine_and_a_tenant_that_it_knows(tenants):
    row = Customer(name="a")
    with pytest.raises(NothingBound, match=r"copy_to\(\)"):
        row.copy_to("globex")
    with tenants.use("acme"), pytest.raises(UnknownTenant):
        row.copy_to("umbrella")


# Databases that are named.


def test_a_query_is_executed_on_the_database_of_its_tenant(tenants):
    query = Customer.select().order_by(Customer.id)
    rows = query.execute(tenants.database_of("acme"))
    assert [row.name for row in rows] == ["acme:1", "acme:2", "acme:3"]
    assert query.count(tenants.database_of("globex")) == 3
    assert query.exists(tenants.database_of("globex"))
    assert query.get(tenants.database_of("globex")).name == "globex:1"
    with tenants.use("globex"), refused():
        rows[0].save()
    assert Customer.insert(name="new").execute(tenants.database_of("acme")) == 4
    assert (
        Customer.delete().where(Customer.id == 4).returning(Customer).execute(tenants.database_of("acme"))[0].name
        == "new"
    )


def test_a_query_is_executed_on_the_database_of_another_tenant_than_the_bound_one(tenants, sql):
    insert, customers = Customer.insert(name="new"), Customer.select()
    with tenants.use("acme"):
        assert insert.execute(tenants.database_of("globex")) == 4
        found = customers.execute(tenants.database_of("globex"))
        with refused("globex", "acme"):
            list(found)
    assert len(list(found)) == 4
    assert sql("SELECT name FROM t_globex.customer WHERE id = 4") == [("new",)]


def test_a_query_of_one_tenant_is_not_executed_on_the_database_of_another(tenants):
    with tenants.use("acme"):
        query = Customer.select()
        with refused():
            query.execute(tenants.database_of("globex"))
    with refused():
        query.execute(tenants.database_of("globex"))


@pytest.mark.parametrize("build", [lambda row: Customer.select(), lambda row: Customer.id == row], ids=["query", "row"])
def test_options_of_rendering_do_not_let_another_tenants_in(tenants, build):
    with tenants.use("acme"):
        found = build(Customer.get_by_id(1))
    with tenants.use("globex"):
        query = Customer.select().where(found) if isinstance(found, peewee.Expression) else found
        with refused():
            tenants.database.execute(query, value_literals=True)


def test_a_query_executed_on_one_database_keeps_nothing_for_the_next(tenants):
    query = Customer.select().order_by(Customer.id)
    for tenant in ("acme", "globex", "acme"):
        assert query.execute(tenants.database_of(tenant))[0].name == f"{tenant}:1"


FOREIGN = {
    "execute": lambda query, database: query.execute(database),
    "iterator": lambda query, database: query.iterator(database),
    "get": lambda query, database: query.get(database),
    "first": lambda query, database: query.first(database),
    "scalar": lambda query, database: query.scalar(database),
    "count": lambda query, database: query.count(database),
    "exists": lambda query, database: query.exists(database),
    "bind": lambda query, database: query.bind(database),
    "execute a union": lambda query, database: (query | query).execute(database),
    "count a union": lambda query, database: (query | query).count(database),
    "execute a cte": lambda query, database: (cte := query.cte("c")).select_from(cte.c.name).execute(database),
    "execute a query of it": lambda query, database: query.select_from(query.c.name).execute(database),
    "count a query of it": lambda query, database: query.select_from(query.c.name).count(database),
    "insert": lambda query, database: Customer.insert(name="a").execute(database),
    "update": lambda query, database: Customer.update(name="a").execute(database),
    "delete": lambda query, database: Customer.delete().execute(database),
    "raw": lambda query, database: Customer.raw("SELECT 1").execute(database),
}


@pytest.mark.parametrize("use", FOREIGN.values(), ids=FOREIGN)
def test_a_query_is_not_run_on_a_database_that_knows_no_tenants(tenants, server, use):
    foreign = PostgresqlExtDatabase(server.url)
    with tenants.use("acme"), pytest.raises(BindingRefused, match="PostgresqlExtDatabase"):
        use(Customer.select(), foreign)
    assert foreign.is_closed()


def test_a_query_may_be_bound_to_what_finds_the_tenant(tenants):
    with tenants.use("acme"):
        assert Customer.select().bind(tenants.database).count() == 3
        assert Customer.select().bind(tenants.database_of("acme")).get_or_none() is not None


# Queries that peewee makes by itself.


def plain_queries(tenants):
    table = peewee.Table("customer", ("id", "name")).bind(tenants.database)
    model = peewee.ModelSelect(Customer, (Customer,))
    return {
        "table": table.select(table.name).order_by(table.id).tuples(),
        "select": peewee.Select([Customer], [Customer.name]).order_by(Customer.id).tuples().bind(tenants.database),
        "raw": peewee.RawQuery("SELECT name FROM customer ORDER BY id").tuples().bind(tenants.database),
        "model": model.select(Customer.name).order_by(Customer.id).tuples(),
    }


@pytest.mark.parametrize("kind", ["table", "select", "raw", "model"])
def test_t07_a_query_that_peewee_makes_keeps_no_rows_either(tenants, kind):
    query = plain_queries(tenants)[kind]
    for tenant in ("acme", "globex", "acme"):
        with tenants.use(tenant):
            assert next(iter(query)) == query[0] == (f"{tenant}:1",)
            assert kind == "raw" or query.first() == (f"{tenant}:1",)
            assert len(list(query)) == 3
            assert len(query) == 3
            result = query.execute()
    with tenants.use("globex"), refused():
        list(result)


# Threads.


def test_t11_a_query_built_outside_is_raced_for_by_threads_of_several_tenants(make_engine, filled):
    tenants = make_engine(pool_size=4, pool_wait_s=10)
    query, rounds, wrong = Customer.select().order_by(Customer.id), 60, []
    barrier = threading.Barrier(4, timeout=30)

    def work(tenant):
        try:
            with tenants.use(tenant):
                for turn in range(rounds):
                    barrier.wait()
                    rows = list(query) if turn % 3 else [query.get(), query.first(), *query[:1]]
                    wrong.extend(row.name for row in rows if not row.name.startswith(f"{tenant}:"))
                    if turn % 3 and len(rows) != 3:
                        wrong.append(rows)
        except BaseException as error:
            barrier.abort()
            wrong.append(error)
            raise

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in ("acme", "globex") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Rows are what peewee makes of them: the same queries, with plain models on the same schema.


class Accessor(peewee.FieldAccessor):
    def __set__(self, row, value):
        row.__dict__["seen"] = value
        super().__set__(row, value)


class AccessedField(peewee.TextField):
    accessor_class = Accessor


def models(base, *more):
    """The same models upon *base*: plain peewee's, or tenantry's."""
    bases = (base, *more)

    class Plain(*bases):
        name = peewee.TextField()

        class Meta:
            table_name = "customer"

        @property
        def shout(self):
            return self.__dict__.get("shouted")

        @shout.setter
        def shout(self, value):
            self.__dict__["shouted"] = f"{value}, {self.name}"

    class Sub(Plain):
        class Meta:
            table_name = "customer"

    class WithInit(Plain):
        class Meta:
            table_name = "customer"

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.made = sorted(kwargs)

    class WithNew(Plain):
        class Meta:
            table_name = "customer"

        def __new__(cls, *args, **kwargs):
            made = super().__new__(cls)
            made.__dict__["new"] = sorted(kwargs)
            return made

    class WithSet(Plain):
        class Meta:
            table_name = "customer"

        def __setattr__(self, name, value):
            super().__setattr__(name, value.upper() if isinstance(value, str) else value)

    class WithAccessor(base):
        name = AccessedField()

        class Meta:
            table_name = "customer"

    class Refers(base):
        customer = peewee.ForeignKeyField(Plain, null=True, backref="refers")
        total = peewee.DecimalField()
        note = peewee.TextField(null=True)
        issued = peewee.DateTimeField(null=True)
        data = peewee.JSONField(null=True)
        unasked = peewee.IntegerField(default=3, column_name="plan_id", null=True)

        class Meta:
            table_name = "invoice"

    class Composite(base):
        book = peewee.IntegerField(column_name="book_id")
        genre = peewee.IntegerField(column_name="genre_id")
        place = peewee.IntegerField(null=True)

        class Meta:
            table_name = "shelf"
            primary_key = peewee.CompositeKey("book", "genre")

    return {kind.__name__: kind for kind in (Plain, Sub, WithInit, WithNew, WithSet, WithAccessor, Refers, Composite)}


QUERIES = {
    "all": lambda m: m["Plain"].select(),
    "some columns": lambda m: m["Plain"].select(m["Plain"].name),
    "an alias": lambda m: m["Plain"].select(m["Plain"], m["Plain"].name.alias("other")),
    "an alias that is a field": lambda m: m["Plain"].select(m["Plain"].id, m["Plain"].id.alias("name")),
    "an alias that is a property": lambda m: m["Plain"].select(fn.LOWER("X").alias("shout"), m["Plain"].name),
    "a property before what it reads": lambda m: m["Plain"].select(m["Plain"].name.alias("shout"), m["Plain"].name),
    "duplicates": lambda m: m["Plain"].select(m["Plain"].id, m["Plain"].id, m["Plain"].name, m["Plain"].name),
    "an expression": lambda m: m["Plain"].select(m["Plain"].id, m["Plain"].id + 1),
    "a function": lambda m: m["Plain"].select(fn.COUNT(m["Plain"].id)),
    "a converter": lambda m: m["Plain"].select(m["Plain"].id.cast("text").converter(int).alias("number")),
    "a literal": lambda m: m["Plain"].select(peewee.SQL("1 AS one, 2 AS \"two words\"")),
    "onto a subclass": lambda m: m["Sub"].select(),
    "objects": lambda m: m["Plain"].select().objects(),
    "objects of a subclass": lambda m: m["Plain"].select().objects(m["Sub"]),
    "an alias of the model": lambda m: m["Plain"].alias("x").select(),
    "its own init": lambda m: m["WithInit"].select(),
    "its own new": lambda m: m["WithNew"].select(),
    "its own setattr": lambda m: m["WithSet"].select(),
    "its own accessor": lambda m: m["WithAccessor"].select(),
    "a foreign key": lambda m: m["Refers"].select(),
    "a foreign key alone": lambda m: m["Refers"].select(m["Refers"].customer),
    "an alias that is the id of a foreign key": lambda m: m["Refers"].select(
        m["Refers"].customer, peewee.Value(7).alias("customer_id")
    ),
    "the id before its foreign key": lambda m: m["Refers"].select(
        peewee.Value(7).alias("customer_id"), m["Refers"].customer
    ),
    "an alias that is a backref": lambda m: m["Plain"].select(m["Plain"].id, m["Plain"].name.alias("refers")),
    "values that are converted": lambda m: m["Refers"].select(m["Refers"].data, m["Refers"].issued, m["Refers"].total),
    "a composite key": lambda m: m["Composite"].select(),
    "a join": lambda m: m["Refers"].select(m["Refers"], m["Plain"]).join(m["Plain"]),
    "a join without its columns": lambda m: m["Refers"].select(m["Refers"].note).join(m["Plain"]),
    "a left join": lambda m: m["Plain"].select(m["Plain"], m["Refers"]).join(m["Refers"], JOIN.LEFT_OUTER, attr="r"),
    "a self join": lambda m: m["Plain"].select(m["Plain"], (a := m["Plain"].alias()).name).join(
        a, on=m["Plain"].id == a.id, attr="same"
    ),
    "a union": lambda m: m["Plain"].select() | m["Plain"].select(),
    "select from": lambda m: (q := m["Plain"].select()).select_from(q.c.id, q.c.name),
    "a cte": lambda m: (c := m["Plain"].select().cte("c")).select_from(c.c.id, c.c.name),
    "from a subquery": lambda m: m["Plain"].select().from_(m["Plain"].select().alias("t1")),
    "raw": lambda m: m["Plain"].raw("SELECT id, name, 1 AS extra FROM customer ORDER BY 1"),
    "raw of a foreign key": lambda m: m["Refers"].raw("SELECT id, customer_id, total FROM invoice ORDER BY 1"),
    "update returning": lambda m: m["Plain"].update(name="x").where(m["Plain"].id == 1).returning(m["Plain"]),
    "delete returning": lambda m: m["Composite"].delete().where(m["Composite"].book == 0).returning(m["Composite"]),
    "insert returning": lambda m: m["Plain"].insert(id=90, name="new").on_conflict_ignore().returning(m["Plain"]),
    "dicts": lambda m: m["Refers"].select().dicts(),
    "tuples": lambda m: m["Refers"].select().tuples(),
    "namedtuples": lambda m: m["Refers"].select().namedtuples(),
    "with related": lambda m: m["Plain"].select().with_related(m["Plain"].refers),
}  # fmt: skip


def shown(row, depth=3):
    """All that a row has, as it can be compared between two classes."""
    if isinstance(row, list):
        return [shown(each, depth) for each in row]
    if not isinstance(row, peewee.Model):
        return type(row).__name__, row
    if depth == 0:
        return type(row).__name__
    own = {name: shown(value, depth - 1) for name, value in row.__dict__.items() if name != "_pin"}
    own["__rel__"] = {name: shown(value, depth - 1) for name, value in row.__rel__.items()}
    own["__data__"] = {name: (type(value).__name__, value) for name, value in row.__data__.items()}
    return type(row).__name__, own


@pytest.fixture
def plain(server, filled):
    """A database of plain peewee, whose path is that of acme."""
    given = parse_dsn(server.url)
    database = PostgresqlExtDatabase(given.pop("dbname"), **given, options="-c search_path=t_acme")
    yield type("Plain", (peewee.Model,), {"Meta": type("Meta", (), {"database": database})})
    database.close()


KINDS = models(TenantModel)


@pytest.mark.direct
@pytest.mark.parametrize("build", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("outside", [False, True], ids=["", "built outside"])
def test_rows_are_what_peewee_makes_of_them(tenants, plain, build, outside):
    with plain._meta.database:
        wanted = shown(list(build(models(plain)).execute()))
        plain._meta.database.rollback()
    query = build(KINDS) if outside else None
    with tenants.use("acme"):
        found = list((query if outside else build(KINDS)).execute())
    assert shown(found) == wanted
    assert wanted or build is QUERIES["delete returning"]
    for row in found:
        if isinstance(row, peewee.Model):
            with tenants.use("globex"), refused():
                row.save()


@pytest.mark.direct
def test_rows_of_a_model_with_signals_are_what_peewee_makes_of_them(tenants, plain):
    made = []

    def seen(sender, instance):
        made.append((sender.__name__, dict(instance.__data__)))

    found = []
    for base, block in ((plain, plain._meta.database), (TenantModel, tenants.use("acme"))):
        kind = models(base, signals.Model)["Plain"]
        signals.pre_init.connect(seen, sender=kind)
        with block:
            found.append(shown(list(kind.select().order_by(kind.id))))
        signals.pre_init.disconnect(seen, sender=kind)
    assert found[0] == found[1]
    assert made[:3] == made[3:]


@pytest.mark.parametrize("bases", [(signals.Model, TenantModel), (TenantModel, signals.Model)])
def test_the_signals_of_a_model_are_sent_for_the_tenant(tenants, sql, bases):
    class Signalled(*bases):
        name = peewee.TextField()

        class Meta:
            table_name = "customer"

    sent = []
    signals.post_save.connect(lambda _, row, created: sent.append((row.name, created)), name="s", sender=Signalled)
    signals.pre_init.connect(lambda _, row: sent.append(row.name), name="i", sender=Signalled)
    with tenants.use("acme"):
        row = Signalled.create(name="new")
        assert Signalled.get(Signalled.name == "new") == row
    with tenants.use("globex"), refused():
        row.save()
    assert sent == ["new", ("new", True), "new"]
    assert sql("SELECT name FROM t_acme.customer WHERE name = 'new'") == [("new",)]
