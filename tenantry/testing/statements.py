"""The statements of a model, of every kind that peewee has, to be looked at or run."""

# peewee's stubs leave out its private names.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from peewee import SQL

from tenantry.query import Derived, raw, with_shared
from tenantry.testing import samples
from tenantry.testing.boundary import Model

Build = Callable[[], Any]

TEXT = "sample"


def reads(model: Any) -> Iterator[tuple[str, Build]]:
    """Name and build a query of each kind that reads: built they are for whoever is bound."""
    key = model._meta.sorted_fields[0]
    yield "select", model.select
    yield "select for update", lambda: model.select().for_update()
    yield "alias", lambda: _self_join(model, key)
    yield "subquery", lambda: model.select().where(key.in_(model.select(key)))
    yield "select from a query", lambda: _from_query(model, key)
    yield "union", lambda: model.select(key) | model.select(key)
    yield "CTE", lambda: _cte(model, key)
    yield "raw", lambda: model.raw(f"SELECT * FROM {_name(model)}")
    for field, other in model._meta.refs.items():
        yield f"join of {field.name}", partial(_join, model, other, field)
    for field, other in model._meta.backrefs.items():
        yield f"join of {field.backref}", partial(_join, model, other, field)
    for name in model._meta.manytomany:
        yield f"many-to-many {name}", partial(_related, model, name)


def typed(model: Any, shared: Model | None) -> Iterator[tuple[str, Build]]:
    """Name and give work with each kind of query of the builder's. *shared*, a shared model if there is one, is joined.

    An alias is a class, and one of the models by itself.
    """
    key = model._meta.sorted_fields[0]
    query: Any = with_shared(model)  # SQL that fits any model is no column of a known one.
    few = query.select(SQL("1")).limit(1)  # Whatever the types of its columns are.
    yield "builder", query.explain
    yield "builder, subquery", query.where(key.in_(query.select(key))).explain
    yield "builder, compiled", few.compile().execute
    yield "builder, stream", partial(_stream, few)
    yield "builder, derived table", partial(_derived, query, key)
    yield "builder, SQL by hand", raw(f"SELECT 1 FROM {_placed(model)} LIMIT 1").execute
    if shared is not None:
        yield f"builder, join of {shared.__name__}", query.left_join(shared, on=SQL("true")).explain


def typed_writes(model: Any) -> Iterator[tuple[str, Build]]:
    """Name and give work with each kind of write of the builder's. What is run finds no rows."""
    fields = [field for field in model._meta.sorted_fields if not field.auto_increment]
    query: Any = with_shared(model)
    update, insert = query.update(), query.insert(model)
    for field in fields or model._meta.sorted_fields[:1]:
        update, insert = update.set(field, field), insert.set(field, field)
    yield "builder, update", update.explain
    yield "builder, insert", insert.explain
    yield "builder, delete", query.delete().explain
    yield "builder, delete returning", query.where(SQL("false")).delete().returning(SQL("1")).execute


def writes(model: Any) -> Iterator[tuple[str, Build]]:
    """Name and build a query of each kind that writes."""
    key = model._meta.sorted_fields[0]
    # Without what the table gives by itself: an identity column refuses values.
    fields = [field for field in model._meta.sorted_fields if not field.auto_increment]

    def insert() -> Any:
        return model.insert(samples.values(model, TEXT))

    def update() -> Any:
        return model.update({field.name: field for field in fields or [key]})

    yield "insert", insert
    yield "insert many", lambda: model.insert_many([samples.values(model, TEXT)] * 2)
    yield "insert from", lambda: model.insert_from(model.select(*fields or [key]), fields or [key])
    yield "insert returning", lambda: insert().returning(model)
    yield "insert or nothing", lambda: insert().on_conflict_ignore()
    if model._meta.primary_key:
        target, changed = model._meta.get_primary_keys(), (fields or [key])[0]
        yield "upsert", lambda: insert().on_conflict(conflict_target=target, update={changed: changed})
    yield "update", update
    yield "update where", lambda: update().where(key.in_(model.select(key)))
    yield "update returning", lambda: update().returning(model)
    yield "delete", model.delete
    yield "delete where", lambda: model.delete().where(key.in_(model.select(key)))
    yield "delete returning", lambda: model.delete().returning(model)


def runs(model: Any) -> Iterator[tuple[str, Build]]:
    """Name and give work on a row, to be done in this order: triggers, keys and defaults are at work in it."""
    made: list[Any] = []
    changes = {field.name: field for field in model._meta.sorted_fields if not field.auto_increment}

    def here() -> Any:
        return made[0]._pk_expr() if model._meta.primary_key else SQL("true")

    yield "insert, run", lambda: made.append(samples.create(model, TEXT))
    if changes:
        yield "update, run", lambda: model.update(changes).where(here()).execute()
    for name in model._meta.manytomany:
        yield f"many-to-many {name}, run", partial(_add_and_clear, made, name)
    yield "delete, run", lambda: model.delete().where(here()).execute()


def definitions(model: Any) -> Iterator[tuple[str, Build]]:
    """Name and give work on the table itself, to be done in this order."""
    yield "truncate", lambda: model.truncate_table(cascade=True)
    yield "drop table", lambda: model.drop_table(safe=False, cascade=True)
    yield "create table, sequence, index", lambda: model.create_table(safe=False)
    yield "drop index", lambda: model._schema.drop_indexes(safe=False)


def _self_join(model: Any, key: Any) -> Any:
    other = model.alias()
    return model.select(model, other).join(other, on=(getattr(other, key.name) == key))


def _stream(query: Any) -> None:
    with query.stream(chunk=1) as rows:
        next(rows, None)


def _derived(query: Any, key: Any) -> None:
    class Rows(Derived):
        key_of = query.column(key)

    query.join(Rows, on=SQL("true")).explain()


def _from_query(model: Any, key: Any) -> Any:
    inner = model.select(key).alias("inner_query")
    return inner.select_from(getattr(inner.c, key.column_name))


def _cte(model: Any, key: Any) -> Any:
    cte = model.select(key).cte("cte")
    return model.select().join(cte, on=(getattr(cte.c, key.column_name) == key)).with_cte(cte)


def _join(model: Any, other: Any, field: Any) -> Any:
    if other is model:
        alias = other.alias()
        return model.select(model, alias).join(alias, on=(field == getattr(alias, field.rel_field.name)))
    return model.select(model, other).join(other, on=field)


def _related(model: Any, name: str) -> Any:
    row = model()
    key = model._meta.primary_key
    row.__data__[key.name] = 1 if key.auto_increment else samples.values(model, TEXT)[key.name]
    return getattr(row, name)


def _add_and_clear(made: list[Any], name: str) -> None:
    row = made[0]
    field = row._meta.manytomany[name]
    getattr(row, name).add([samples.create(field.rel_model, TEXT)])
    len(getattr(row, name))
    getattr(row, name).clear()


def _placed(model: Any) -> str:
    """Return the name of a table for `raw()`."""
    name = _name(model).replace("{", "{{").replace("}", "}}")
    return name if model._meta.schema else f"{{tenant}}.{name}"


def _name(model: Any) -> str:
    names = [model._meta.schema, model._meta.table_name]
    return ".".join('"' + name.replace('"', '""') + '"' for name in names if name).replace("%", "%%")
