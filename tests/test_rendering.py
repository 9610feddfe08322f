"""Queries are rendered in fewer calls than peewee takes, to the same SQL."""

from __future__ import annotations

import datetime
from typing import Any

import peewee
import pytest
from peewee import Case, Column, Context, Entity, Field, Table, fn

from tenantry.databases.rendering import Rendering
from tests import shop as models

Customer: Any = models.Customer  # For the checkers: peewee gives a model its id when it is made.
Invoice: Any = models.Invoice
Plan: Any = models.Plan
Odd = Table('a "quoted" 50% table', schema='some "schema"')
QUOTED = Column(Odd, 'a "column"')
ALIASED = Odd.alias('an "alias"')
other = Customer.alias("other")
recent = Invoice.select(Invoice.customer, fn.MAX(Invoice.issued).alias("last")).group_by(Invoice.customer).cte("recent")
first = Customer.select(Customer.id, Customer.name).where(Customer.id == 1).cte("chain", recursive=True)
chain = first.union_all(Customer.select(Customer.id, Customer.name).join(first, on=(first.c.id == Customer.id - 1)))
by_customer = peewee.Window(partition_by=[Invoice.customer], order_by=[Invoice.issued.desc()])
dear = Invoice.select().where(Invoice.total > 5)

QUERIES = {
    "one row by its key": Customer.select().where(Customer.id == 1).limit(1),
    "a join": Invoice.select(Invoice, Customer).join(Customer).where(Customer.name.in_(["Ada", "Bob"])),
    "a table twice": Customer.select(Customer.name, other.name).join(other, on=(other.id > Customer.id)),
    "tables with a schema": Invoice.select(Invoice.id, Plan.name).join(Plan, peewee.JOIN.LEFT_OUTER),
    "an alias for a column": Customer.select(Customer.name.alias('the "name"')).order_by(peewee.SQL("1")),
    "a subquery in IN": Customer.select().where(Customer.id.in_(Invoice.select(Invoice.customer))),
    "an empty IN": Customer.select().where(Customer.id.in_([])),
    "a subquery as a source": peewee.Select([s := dear.alias("s")], [s.c.total]).where(s.c.total < 9),
    "a correlated EXISTS": Customer.select().where(fn.EXISTS(Invoice.select().where(Invoice.customer == Customer.id))),
    "a common table expression": Customer.select()
    .join(recent, on=(recent.c.customer_id == Customer.id))
    .with_cte(recent),
    "a recursive one": chain.select_from(chain.c.id).order_by(chain.c.id),
    "a union": (Customer.select(Customer.name) | Plan.select(Plan.name)).order_by(peewee.SQL("1")).limit(3),
    "groups": Invoice.select(fn.COUNT(Invoice.id)).group_by(Invoice.plan).having(fn.SUM(Invoice.total) > 5),
    "a window": Invoice.select(fn.RANK().over(by_customer)).window(by_customer),
    "a case": Invoice.select(Case(None, [(Invoice.total > 5, "dear")], "cheap").alias("kind")),
    "a cast, a pattern, arithmetic": Invoice.select((Invoice.total * 2).cast("text")).where(
        Invoice.note.contains("50%_")
    ),
    "locks": Invoice.select().for_update(of=Invoice, skip_locked=True),
    "DISTINCT ON": Invoice.select().distinct(Invoice.customer).order_by(Invoice.customer, Invoice.issued.desc()),
    "an insert": Customer.insert(name="Ada"),
    "an insert of many kinds": Invoice.insert(plan=1, total=3, note="50%", issued=datetime.datetime(2026, 1, 2)),
    "an insert of what has a default": Invoice.insert(note=None),
    "an insert of an expression": Invoice.insert(total=fn.RANDOM(), note="x"),
    "an insert of a row": Invoice.insert(total=1, customer=Customer(id=3)),
    "an insert of nothing": Customer.insert(),
    "an insert of several": Customer.insert_many([{"name": "Ada"}, {"name": "Bob"}]).returning(Customer),
    "an insert from a query": Customer.insert_from(Plan.select(Plan.name), [Customer.name]),
    "an upsert": Customer.insert(name="Ada").on_conflict(
        conflict_target=[Customer.name], update={Customer.name: peewee.EXCLUDED.name}, where=Customer.id > 3
    ),
    "an update": Invoice.update(total=Invoice.total + 1).where(Invoice.customer == 1).returning(Invoice.total),
    "an update from a table": Invoice.update(note=Customer.name).from_(Customer).where(Invoice.customer == Customer.id),
    "a delete": Invoice.delete().where(Invoice.total == 0),
    "JSON": Invoice.select().where(Invoice.data["a"]["b"] == "c"),
    "odd names": Odd.select(Odd.c.id, QUOTED).where(Column(Odd, "50%") == 1),
    "odd names, written to": Odd.insert({QUOTED: 1}),
    "an alias for a table": ALIASED.select(Column(ALIASED, "n")),
    "a table": Invoice._schema._create_table(),
    "an index": Customer._schema._create_indexes()[0],
    "a name of no parts": Entity(),
    "a value": peewee.Value([1, "two", None]),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_a_query_is_rendered_as_peewee_renders_it(query: Any) -> None:
    options: Any = peewee.PostgresqlDatabase(None).get_context_options()
    theirs: Any = Context(**options)
    assert Rendering(options).sql(query).query() == theirs.sql(query).query()


def test_a_class_below_peewees_renders_itself() -> None:
    class Shouted(Column):
        def __sql__(self, ctx: Any) -> Any:
            return ctx.literal(self.name.upper())

    class Loud(Field):
        @property
        def column(self) -> Column:
            return Shouted(self.model._meta.table, self.column_name)

    class Song(peewee.Model):
        line = Loud()

    options: Any = peewee.PostgresqlDatabase(None).get_context_options()
    assert Rendering(options).sql(Song.select(Song.line)).query()[0] == 'SELECT LINE FROM "song" AS "t1"'


def test_a_statement_with_options_of_its_own_is_rendered_with_them(shop: None, tenants: Any) -> None:
    with tenants.use("acme"):
        context = tenants.database.get_sql_context(param="?", quote="``")
        assert context.sql(Customer.select(Customer.name)).query()[0] == "SELECT `t1`.`name` FROM `customer` AS `t1`"
