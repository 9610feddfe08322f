"""Queries as tables of other queries, and queries that write."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from relay import Relay
from shop import Customer, Invoice, Plan

from tenantry import Derived, Step, TenantModel, compiled, fn, with_shared
from tenantry.errors import (
    InvalidQuery,
    MultipleResultsFound,
    NoTenantBound,
    WrongTenant,
)
from tenantry.fields import AutoField, CharField, DecimalField, IntegerField, TextField

by_plan = with_shared(Invoice).left_join(Plan, on=Invoice.plan == Plan.id).group_by(Plan.name)


class Spent(Derived):
    plan = by_plan.column(Plan.name)
    total = by_plan.column(fn.sum(Invoice.total))
    number = by_plan.column(fn.count())


class Other(Spent):
    class Meta:
        alias = True


class Category(TenantModel):
    id = AutoField()
    parent = IntegerField(null=True)
    name = TextField()


roots = with_shared(Category).where(Category.parent.is_null())


class Tree(Derived):
    id = roots.column(Category.id)
    path = roots.column(Category.name)

    @staticmethod
    def step() -> Step:
        children = with_shared(Category).join(Tree, on=Category.parent == Tree.id)
        below = Tree.path.concat("/").concat(Category.name)
        return children.fill(Tree).set(Tree.id, Category.id).set(Tree.path, below)


@pytest.fixture
def tenants(tenants):
    """Two plans; acme has three invoices, two of them of the first plan, and globex one of the second."""
    with tenants.shared():
        free, pro = Plan.create(name="free"), Plan.create(name="pro")
    with tenants.use("acme"):
        ada = Customer.create(name="Ada")
        Invoice.create(plan=free, total=12, customer=ada)
        Invoice.create(plan=free, total=5)
        Invoice.create(total=1, note="none")
    with tenants.use("globex"):
        Invoice.create(plan=pro, total=7)
    return tenants


@pytest.fixture
def acme(tenants):
    with tenants.use("acme", across_yield=True):
        yield tenants


def categories() -> None:
    Category.create_table()
    for name, parent in [("a", None), ("b", 1), ("c", 2), ("d", None)]:
        Category.create(name=name, parent=parent)


# Derived tables.


def test_the_rows_of_a_query_are_a_table_of_another(acme):
    query = with_shared(Plan).left_join(Spent, on=Spent.plan == Plan.name).order_by(Plan.id)
    assert query.select(Plan.name, Spent.total, Spent.number).execute() == [("free", 17, 2), ("pro", None, None)]
    assert with_shared(Spent).where(Spent.total > 1).select(Spent.plan).execute() == [("free",)]


def test_a_derived_table_is_defined_once_however_often_it_is_joined(acme):
    query = with_shared(Spent).join(Other, on=Spent.total > Other.total).select(Spent.plan, Other.plan)
    assert query.execute() == [("free", None)]
    sql, _ = query.sql()
    assert sql.startswith('WITH "spent" ("plan", "total", "number") AS (SELECT "t1"."name", SUM(')
    assert sql.count("SUM(") == 1
    assert 'FROM "spent" AS "t1" INNER JOIN "spent" AS "t2"' in sql


def test_its_values_are_of_the_type_of_what_they_were_taken_from(acme):
    numbers = with_shared(Invoice)

    class Numbers(Derived):
        ids = numbers.column(fn.sum(Invoice.id))
        data = numbers.column(fn.max(Invoice.total))

    assert [type(each) for each in with_shared(Numbers).select(Numbers.ids, Numbers.data).one()] == [int, Decimal]
    assert type(with_shared(Numbers).select(fn.sum(Numbers.ids)).scalar()) is int


def test_it_is_part_of_a_condition_and_of_a_union(acme):
    dear = with_shared(Spent).where(Spent.total > 5).select(Spent.plan)
    assert with_shared(Plan).where(Plan.name.in_(dear)).select(Plan.name).execute() == [("free",)]
    assert with_shared(Plan).select(Plan.name).union(dear).order_by(1).execute() == [("free",), ("pro",)]
    assert (dear.count(), dear.exists()) == (1, True)
    with dear.stream() as rows:
        assert list(rows) == [("free",)]


def test_two_of_one_name_are_told_apart(acme):
    first = with_shared(Invoice).where(Invoice.total > 10)
    second = with_shared(Plan)

    def named(query: Any, column: Any) -> Any:
        return type("Found", (Derived,), {"id": query.column(column)})

    a, b = named(first, Invoice.id), named(second, Plan.id)
    assert with_shared(a).cross_join(b).order_by(b.id).select(a.id, b.id).execute() == [(1, 1), (1, 2)]


def test_names_that_postgresql_would_cut_to_the_same_are_told_apart(acme):
    first, second = (
        type(f"{'Long' * 16}{end}", (Derived,), {"plan": by_plan.column(Plan.name), "n": by_plan.column(fn.count())})
        for end in ("One", "Two")
    )
    query: Any = with_shared(first).cross_join(second)
    assert query.where(first.plan == "free", second.plan.is_null()).select(first.plan, second.plan).one() == (
        "free",
        None,
    )


def test_a_table_is_made_of_another(acme):
    dear = with_shared(Spent).where(Spent.total > 5)

    class Dear(Derived, materialized=True):
        plan = dear.column(Spent.plan)

    query = with_shared(Dear).join(Spent, on=Spent.plan == Dear.plan).select(Dear.plan, Spent.number)
    assert query.execute() == [("free", 2)]
    assert query.sql()[0].index('"spent" (') < query.sql()[0].index('"dear" ("plan") AS MATERIALIZED (')


def test_a_step_follows_a_tree_to_its_leaves(acme):
    categories()
    tree = with_shared(Tree).order_by(Tree.path).select(Tree.id, Tree.path)
    assert tree.execute() == [(1, "a"), (2, "a/b"), (3, "a/b/c"), (4, "d")]
    assert tree.sql()[0].startswith("WITH RECURSIVE ")


def test_with_distinct_a_circle_in_the_data_ends(acme):
    categories()
    Category.update(parent=3).where(Category.id == 1).execute()
    start = with_shared(Category).where(Category.id == 2)

    class Above(Derived, distinct=True):
        id = start.column(Category.parent)

        @staticmethod
        def step() -> Step:
            above = with_shared(Category).join(Above, on=Category.id == Above.id)
            return above.fill(Above).set(Above.id, Category.parent)

    few = with_shared(Above).limit(9)  # One that went round for ever would fail, and not hang.
    assert sorted(few.select(Above.id)) == [(1,), (2,), (3,)]


def test_a_step_may_have_more_digits_and_characters_than_the_first_rows(acme):
    class Account(TenantModel):
        name = CharField(max_length=3)
        rate = DecimalField(max_digits=3, decimal_places=1)

    Account.create_table()
    Account.create(name="abc", rate=Decimal("1.5"))
    accounts = with_shared(Account)

    class Growth(Derived):
        name = accounts.column(Account.name)
        rate = accounts.column(Account.rate)

        @staticmethod
        def step() -> Step:
            more = with_shared(Growth).where(Growth.rate < 3)
            return (
                more.fill(Growth).set(Growth.name, Growth.name.concat("d")).set(Growth.rate, Growth.rate * Growth.rate)
            )

    rows = with_shared(Growth).order_by(Growth.rate).select(Growth.name, Growth.rate)
    assert rows.execute() == [("abc", Decimal("1.5")), ("abcd", Decimal("2.25")), ("abcdd", Decimal("5.0625"))]


def test_a_value_in_a_step_is_converted_as_the_column_that_it_is_for(acme):
    documents = with_shared(Invoice).where(Invoice.id == 1)

    class Found(Derived, distinct=True):
        data = documents.column(fn.cast(Invoice.data, "jsonb", dict))
        note = documents.column(Invoice.data)

        @staticmethod
        def step() -> Step:
            again = with_shared(Found).where(Found.note.is_null())
            return again.fill(Found).set(Found.data, Found.data).set(Found.note, {"a": 1})

    assert [note for (note,) in with_shared(Found).select(Found.note)] == [None, {"a": 1}]


def test_nothing_is_in_a_column_of_a_derived_table(acme):
    documents = with_shared(Invoice)

    class Found(Derived):
        data = documents.column(Invoice.data)

    with pytest.raises(InvalidQuery, match=r"Found\.data is a column of a derived table.*column\(Model\.data\['a'\]\)"):
        Found.data["a"]


def test_tables_that_need_each_other_are_refused_before_anything_is_sent(acme):
    class One(Derived):
        id = roots.column(Category.id)

        @staticmethod
        def step() -> Step:
            return with_shared(Two).fill(One).set(One.id, Two.id)

    ones = with_shared(One)

    class Two(Derived):
        id = ones.column(One.id)

    with pytest.raises(InvalidQuery, match="go round in a circle: One needs Two, Two needs One"):
        with_shared(One).select(One.id).execute()


def test_each_tenant_derives_its_own(tenants):
    spent = with_shared(Spent).order_by(Spent.total.desc()).select(Spent.plan, Spent.total)
    prepared = spent.compile()
    for tenant, found in [("acme", [("free", 17), (None, 1)]), ("globex", [("pro", 7)])]:
        with tenants.use(tenant):
            assert spent.execute() == prepared.execute() == found
    with tenants.shared(), pytest.raises(NoTenantBound, match="Spent needs a tenant"):
        spent.execute()


def test_a_shared_query_that_needs_a_derived_table_of_tenants_needs_a_tenant(tenants):
    query = with_shared(Plan).where(Plan.name.in_(with_shared(Spent).select(Spent.plan)))
    with tenants.shared(), pytest.raises(NoTenantBound):
        query.execute()


def test_a_derived_table_of_shared_rows_needs_a_tenant_for_what_is_a_tenants_inside(tenants):
    used = with_shared(Plan).where(fn.exists(with_shared(Invoice).correlate(Plan).where(Invoice.plan == Plan.id)))

    class Used(Derived):
        name = used.column(Plan.name)

    query = with_shared(Used).select(Used.name)
    with tenants.shared(), pytest.raises(NoTenantBound, match="Invoice needs a tenant"):
        query.execute()
    with tenants.use("acme"):
        assert query.execute() == [("free",)]


def test_one_that_was_made_in_a_tenant_is_derived_in_no_other(tenants):
    with tenants.use("acme"):
        own = with_shared(Invoice)

    class Own(Derived):
        id = own.column(Invoice.id)

    with tenants.use("globex"), pytest.raises(WrongTenant):
        with_shared(Own).select(Own.id).execute()


def test_a_parameter_may_be_inside_a_derived_table(acme):
    @compiled
    def above(minimum: Decimal) -> Any:
        query = with_shared(Invoice).where(Invoice.total > minimum)

        class Above(Derived):
            id = query.column(Invoice.id)

        return with_shared(Above).join(Invoice, on=Invoice.id == Above.id).where(Invoice.total < 100).select(Above.id)

    assert above.execute(Decimal(10)) == [(1,)]
    assert sorted(above.execute(Decimal(3))) == [(1,), (2,)]


def below(base: Any, **body: Any) -> Any:
    return type("Wrong", (base,), body)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: below(Derived), "Wrong has no columns"),
        (lambda: below(Derived, step=by_plan.column(Plan.name)), r"Wrong\.step: a column of a derived table needs"),
        (lambda: below(Spent), r"Wrong is below the derived table Spent: with Meta\.alias = True"),
        (
            lambda: below(Derived, a=with_shared(Plan).column(Plan.id), b=with_shared(Plan).column(Plan.name)),
            "Wrong.b is of another query than Wrong.a",
        ),
        (lambda: with_shared(Plan).column("name"), r"column\(\) takes columns and expressions, and was given 'name'"),
        (lambda: with_shared(Plan).select(Spent.total).execute(), "Spent.total is a column of a table that the query"),
        (lambda: with_shared(Spent).execute(), "Spent is a derived table, whose rows are no instances: select"),
        (lambda: with_shared(Derived), "is not a model"),
        (
            lambda: with_shared(below(Derived, a=by_plan.column(Plan.name), step=lambda: by_plan)).count(),
            r"step\(\) of Wrong returned .* and not rows for it",
        ),
        (
            lambda: with_shared(Invoice).select(Invoice.id).right_join(Plan, on=Invoice.plan == Plan.id),
            r"the right_join\(\) of Plan comes after select\(\)",
        ),
        (
            lambda: with_shared(Invoice).select(Invoice.id).full_join(Plan, on=Invoice.plan == Plan.id),
            r"the full_join\(\) of Plan comes after select\(\)",
        ),
    ],
)
def test_what_is_wrong_with_a_derived_table_is_said(acme, build, text):
    with pytest.raises(InvalidQuery, match=text):
        build()


def test_a_step_sets_every_column(acme):
    class Half(Derived):
        id = roots.column(Category.id)
        name = roots.column(Category.name)

        @staticmethod
        def step() -> Step:
            return with_shared(Category).join(Half, on=Category.parent == Half.id).fill(Half).set(Half.id, Category.id)

    with pytest.raises(InvalidQuery, match=r"step\(\) of Half leaves name open"):
        with_shared(Half).count()


# Writes.


def of_free() -> Any:
    return with_shared(Invoice).join(Plan, on=Invoice.plan == Plan.id).where(Plan.name == "free")


def test_rows_are_updated_by_the_tables_that_they_are_joined_to(acme):
    update = of_free().update().set(Invoice.note, Plan.name.concat("!")).set(Invoice.total, Invoice.total * 2)
    sql, values = update.sql()
    assert values == ["!", 2, "free"]
    assert sql == (
        'UPDATE "t_acme"."invoice" AS "t1" SET "note" = ("t2"."name" || %s), "total" = ("t1"."total" * %s) '
        'FROM "public"."plan" AS "t2" WHERE ("t1"."plan_id" = "t2"."id") AND ("t2"."name" = %s)'
    )
    assert update.execute() == 2
    assert [(each.total, each.note) for each in Invoice.select().order_by(Invoice.id)] == [
        (24, "free!"),
        (10, "free!"),
        (1, "none"),
    ]


def test_what_was_written_is_given_back(acme):
    update = of_free().where(Invoice.total > 6).update().set(Invoice.total, 1)
    assert update.returning(Invoice.id, Invoice.total, Plan.name).execute() == [(1, 1, "free")]
    assert update.returning(Invoice.id).execute() == []
    rows = with_shared(Invoice).where(Invoice.id == 3).delete().returning().execute()
    assert [(type(row), row.note) for row in rows] == [(Invoice, "none")]
    assert with_shared(Invoice).where(Invoice.id == 2).delete().returning(Invoice.note.alias("n")).dicts() == [
        {"n": None}
    ]
    assert Invoice.select().count() == 1


def test_rows_are_deleted_by_the_tables_that_they_are_joined_to(acme):
    assert of_free().delete().execute() == 2
    assert [each.note for each in Invoice.select()] == ["none"]


def test_a_table_is_filled_from_a_query(acme):
    names = with_shared(Plan).where(Plan.name != "free")
    insert = names.insert(Customer).set(Customer.name, fn.upper(Plan.name))
    assert insert.returning(Customer.name).execute() == [("PRO",)]
    assert insert.ignore_conflicts().execute() == 0
    assert sorted(each.name for each in Customer.select()) == ["Ada", "PRO"]


def test_a_shared_table_is_filled_from_a_tenants(acme):
    assert with_shared(Customer).insert(Plan).set(Plan.name, Customer.name).execute() == 1
    assert sorted(each.name for each in Plan.select()) == ["Ada", "free", "pro"]


def test_rows_that_are_there_are_left_out_of_an_insert(acme):
    again = with_shared(Plan).insert(Plan).set(Plan.id, Plan.id).set(Plan.name, "again")
    assert again.ignore_conflicts().execute() == 0
    assert sorted(each.name for each in Plan.select()) == ["free", "pro"]


def test_rows_that_are_there_are_updated_by_an_insert(acme):
    copied = with_shared(Plan).insert(Plan).set(Plan.id, Plan.id + 1).set(Plan.name, Plan.name.concat("+"))
    assert sorted(copied.update_conflicts(Plan.id).returning(Plan.id, Plan.name).execute()) == [
        (2, "free+"),
        (3, "pro+"),
    ]
    assert [each.name for each in Plan.select().order_by(Plan.id)] == ["free", "free+", "pro+"]


def test_an_insert_has_the_defaults_of_the_fields(acme):
    class Entry(TenantModel):
        id = AutoField()
        kind = TextField(default="plain")
        size = IntegerField(default=lambda: 3)

    Entry.create_table()
    entries = with_shared(Plan).insert(Entry)
    with pytest.raises(InvalidQuery, match=r"Entry\.size has a default that is made for each row"):
        entries.execute()
    assert entries.set(Entry.size, Plan.id).returning(Entry.kind, Entry.size).execute() == [("plain", 1), ("plain", 2)]


def test_a_write_uses_derived_tables(acme):
    update = with_shared(Plan).join(Spent, on=Spent.plan == Plan.name).update().set(Plan.name, "spent")
    assert update.execute() == 1
    rows = with_shared(Spent).insert(Customer).set(Customer.name, fn.coalesce(Spent.plan, "?"))
    assert sorted(rows.returning(Customer.name).execute()) == [("?",), ("spent",)]


def test_each_tenant_writes_its_own(tenants):
    update = with_shared(Invoice).update().set(Invoice.note, "mine")
    with tenants.use("acme"):
        assert update.execute() == 3
    with tenants.use("globex"):
        assert [each.note for each in Invoice.select()] == [None]
        assert update.execute() == 1
        with_shared(Invoice).delete().returning().one().save(force_insert=True)
    with tenants.use("acme"):
        assert Invoice.select().count() == 3


def test_rows_that_come_back_belong_to_their_tenant(tenants):
    with tenants.use("acme"):
        row = with_shared(Invoice).where(Invoice.id == 1).update().set(Invoice.note, "mine").returning().one()
    with tenants.use("globex"), pytest.raises(WrongTenant):
        row.save()


@pytest.mark.parametrize(
    "write",
    [
        lambda query: query.update().set(Invoice.note, "x"),
        lambda query: query.delete(),
        lambda query: query.insert(Customer).set(Customer.name, "x"),
        lambda query: query.delete().returning(Invoice.id),
    ],
)
def test_a_write_that_was_begun_in_a_tenant_writes_in_no_other(tenants, write):
    nobodys = with_shared(Invoice)
    with tenants.use("acme"):
        of_query, of_write = with_shared(Invoice), write(nobodys)
    with tenants.use("globex"):
        for each in (write(of_query), of_write):
            with pytest.raises(WrongTenant):
                each.execute()
        assert (Invoice.select().count(), Customer.select().count()) == (1, 0)


def test_without_a_tenant_nothing_is_written(server, make_engine, tenants):
    with Relay(server.url) as relay:
        engine = make_engine(url=relay.url)
        with relay.counting() as messages, engine.shared():
            for write in (
                with_shared(Invoice).delete(),
                with_shared(Plan).insert(Customer).set(Customer.name, Plan.name),
                with_shared(Plan).where(fn.exists(with_shared(Invoice))).update().set(Plan.name, "x"),
            ):
                with pytest.raises(NoTenantBound):
                    write.execute()
        assert messages == []


def test_a_row_of_another_tenant_is_no_value_of_a_write(tenants):
    with tenants.use("acme"):
        ada = Customer.get()
    with tenants.use("globex"), pytest.raises(WrongTenant):
        with_shared(Invoice).update().set(Invoice.customer, ada).execute()


def test_if_one_row_was_asked_for_and_several_are_written_none_is(acme):
    delete = with_shared(Invoice).delete().returning(Invoice.id)
    with pytest.raises(MultipleResultsFound):
        delete.one()
    with pytest.raises(MultipleResultsFound):
        delete.one_or_none()
    assert Invoice.select().count() == 3


def test_a_write_is_part_of_the_open_transaction(acme):
    with pytest.raises(ZeroDivisionError), acme.database.atomic():
        assert with_shared(Invoice).delete().execute() == 3
        raise ZeroDivisionError
    assert Invoice.select().count() == 3


def test_rows_that_are_there_keep_what_is_not_set(acme):
    class Job(TenantModel):
        id = IntegerField(primary_key=True)
        note = TextField()
        state = TextField(default="new")

    Job.create_table()
    Job.create(id=1, note="a", state="done")
    insert = with_shared(Job).insert(Job).set(Job.id, Job.id).set(Job.note, "b")
    assert insert.update_conflicts(Job.id).returning(Job.note, Job.state).one() == ("b", "done")
    with_shared(Job).insert(Job).set(Job.id, Job.id + 1).set(Job.note, "c").update_conflicts(Job.id).execute()
    assert with_shared(Job).where(Job.id == 2).select(Job.state).scalar() == "new"


def test_a_write_is_compiled(tenants):
    @compiled
    def note(minimum: Decimal, text: str) -> Any:
        return with_shared(Invoice).where(Invoice.total > minimum).update().set(Invoice.note, text)

    @compiled
    def noted(minimum: Decimal, text: str) -> Any:
        update = with_shared(Invoice).where(Invoice.total > minimum).update().set(Invoice.note, text)
        return update.returning(Invoice.id, Invoice.note)

    with tenants.use("acme"):
        for ask in (note.first, note.one, note.one_or_none, note.scalar):
            with pytest.raises(InvalidQuery, match=r"note writes, and gives no rows: execute\(\) it, or .* returning"):
                ask(Decimal(3), "dear")
        assert [each.note for each in Invoice.select().order_by(Invoice.id)] == [None, None, "none"]
        assert note.execute(Decimal(3), "dear") == 2
        assert sorted(noted.execute(Decimal(3), text="more")) == [(1, "more"), (2, "more")]
        with pytest.raises(MultipleResultsFound):
            noted.one(Decimal(3), "undone")
        assert {each.note for each in Invoice.select()} == {"more", "none"}
    with tenants.use("globex"):
        assert note.execute(Decimal(8), "dear") == 0
        assert noted.one(Decimal(3), "globex's") == (1, "globex's")


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: with_shared(Invoice).select(Invoice.id).delete(), r"delete\(\) comes before select\(\)"),
        (lambda: with_shared(Invoice).limit(1).delete(), r"delete\(\) writes all rows .* and cannot have limit\(\)"),
        (lambda: with_shared(Invoice).order_by(Invoice.id).update(), r"cannot have order_by\(\)"),
        (lambda: with_shared(Invoice).group_by(Invoice.id).update(), r"cannot have group_by\(\)"),
        (lambda: with_shared(Invoice).limit(0).delete(), r"cannot have limit\(\)"),
        (lambda: with_shared(Invoice).having(Invoice.id > 9).delete(), r"cannot have having\(\)"),
        (lambda: with_shared(Invoice).distinct().update(), r"cannot have distinct\(\)"),
        (lambda: with_shared(Invoice).for_update().update(), r"cannot have for_update\(\)"),
        (
            lambda: with_shared(Invoice).left_join(Plan, on=Invoice.plan == Plan.id).delete(),
            r"rows of Invoice are written by join\(\) alone, and Plan has a LEFT OUTER JOIN",
        ),
        (lambda: with_shared(Invoice).update().execute(), r"the update\(\) of Invoice sets no column"),
        (lambda: with_shared(Plan).insert(Category).execute(), r"the insert\(\) of Category sets no column"),
        (
            lambda: with_shared(Invoice).update().set(Plan.name, "x"),
            r"set\(\) takes a column of Invoice here, and was given <.*Plan\.name>",
        ),
        (lambda: with_shared(Invoice).update().set("total", 3), "and was given 'total'"),
        (
            lambda: with_shared(Category).update().set(Category.parent, 1.5).execute(),
            r"Category\.parent> takes whole numbers, and was given 1\.5: round\(\) it first",
        ),
        (
            lambda: with_shared(Invoice).update().set(Invoice.total, 3).set(Invoice.total, 4),
            r"Invoice\.total is set twice",
        ),
        (
            lambda: with_shared(Invoice).update().set(Invoice.note, Plan.name).execute(),
            "Plan.name is a column of a table that the query does not join",
        ),
        (
            lambda: with_shared(Invoice).delete().returning(Plan.name).execute(),
            "Plan.name is a column of a table that the query does not join",
        ),
        (
            lambda: with_shared(Plan).insert(Plan).set(Plan.id, Plan.id).update_conflicts(Plan.id),
            r"update_conflicts\(\) takes the columns of a unique key .* was given <.*Plan\.id>, and id is set",
        ),
        (lambda: with_shared(Plan).insert(Plan).set(Plan.id, 3).update_conflicts(), "was given none, and id is set"),
        (lambda: with_shared(Plan).insert(Plan).set(Plan.id, 3).update_conflicts("id"), "was given 'id', and id is"),
        (lambda: with_shared(Invoice).insert(Spent), "Spent is a derived table: there is nothing to write to"),
        (lambda: with_shared(Invoice).insert("plan"), "'plan' is not a model"),
        (lambda: with_shared(Spent).delete(), "Spent is a derived table: there is nothing to write to"),
    ],
)
def test_what_is_wrong_with_a_write_is_said_before_anything_is_sent(acme, build, text):
    with pytest.raises(InvalidQuery, match=text):
        build()
