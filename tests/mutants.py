"""The guards of the library, each with the edit that switches it off and the tests that must notice.

`scripts/mutants` makes each edit in a copy of the package, and runs these tests against it. A mutant that survives is a
promise that no test keeps. Where one guard stands behind another, both are switched off, in a pair.

An edit replaces a text that stands once in its file: when the library changes there, the mutant fails loudly, and is to
be written anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MACHINE = "isolation/test_machine.py"
TASKS = "isolation/test_tasks.py"
IDS = "isolation/test_ids.py"
GUARDS = "isolation/test_guards.py"
DRAWN = "drawn/test_queries.py"


@dataclass(frozen=True)
class Edit:
    """In *file*, below `tenantry/`, *old* becomes *new*."""

    file: str
    old: str
    new: str = ""

    def make(self, package: Path) -> None:
        """Change the copy of the library in *package*.

        Raises:
            LookupError: the text is not there, or more than once.
        """
        path = package / self.file
        text = path.read_text("utf-8")
        if text.count(self.old) != 1:
            raise LookupError(f"{self.file} has {text.count(self.old)} times: {self.old!r}")
        path.write_text(text.replace(self.old, self.new), "utf-8")


@dataclass(frozen=True)
class Mutant:
    """A library without a guard, or without two. *tests* are to notice; where these draw programs, in such as have
    these *operations* among others.
    """

    name: str
    tests: str
    operations: str
    edits: tuple[Edit, ...]


def _mutant(name: str, tests: str, *edits: Edit, operations: str = "") -> Mutant:
    return Mutant(name, tests, operations, edits)


def _derived(name: str, *edits: Edit) -> Mutant:
    return Mutant(name, "test_derived.py", "", edits)


def _machine(name: str, operations: str, *edits: Edit) -> Mutant:
    return Mutant(name, MACHINE, operations, edits)


_SHARED_SERVES = Edit(
    "binding/proxy.py",
    "            raise NoTenantBound(described(what), shared=True)",
    "            pass",
)
_LAST_WAS = (
    Edit("context.py", "def bind(value: Bound) -> Any:", "last: Any = None\n\n\ndef bind(value: Bound) -> Any:"),
    Edit("context.py", "    put(_blocks, (value, ", "    global last\n    last = value\n    put(_blocks, (value, "),
    Edit(
        "binding/proxy.py",
        "here: Bound | None = bound()\n",
        "here = bound() or __import__('tenantry.context').context.last\n",
    ),
)


def _not_a_context_variable(name: str, base: str) -> Edit:
    kinds = {"_blocks": '_blocks: ContextVar[_Blocks] = ContextVar("tenantry_blocks", default=None)'}
    kinds["_lease"] = '_lease: ContextVar[Lease | None] = ContextVar("tenantry_lease", default=None)'
    made = f"class _Variable{name}({base}):\n    value: Any = None\n    get = lambda self: self.value\n"
    return Edit(
        "context.py",
        kinds[name],
        f"{made}    set = lambda self, value: self.__setattr__('value', value)\n\n\n{name}: Any = _Variable{name}()",
    )


_NO_DISCARD_BEFORE_STATEMENTS = Edit("databases/prefix.py", 'alone=f"DISCARD TEMP;{local}', 'alone=f"{local}')
_NO_DISCARD_BEFORE_BLOCKS = Edit("databases/prefix.py", '"BEGIN;DISCARD TEMP;COMMIT;{verb}', '"{verb}')
_NO_DISCARD_IN_SCRUB = Edit("pool/connection.py", "DISCARD SEQUENCES; DISCARD TEMP; ", "DISCARD SEQUENCES; ")
_NO_DISCARD = (_NO_DISCARD_BEFORE_STATEMENTS, _NO_DISCARD_BEFORE_BLOCKS, _NO_DISCARD_IN_SCRUB)
_PG_TEMP_UNLISTED = Edit("databases/prefix.py", ' if extensions else []), "pg_temp"]', " if extensions else [])]")
_BUILT_ELSEWHERE = Edit("binding/queries.py", "        admit(self, database.pin)\n        if self", "        if self")
_RENDERED_ELSEWHERE = Edit(
    "binding/queries.py", "        if pin is not None and pin is not self._pin:\n            admit(self, pin)\n"
)
_GIVEN_BACK_OPEN = Edit(
    "databases/wire.py",
    "if lease is None and connection.get_transaction_status() == IDLE:\n            self.pool.give",
    "if lease is None:\n            self.pool.give",
)
_TAKEN_BACK_OPEN = Edit("pool/pool.py", "            or connection.get_transaction_status() != IDLE\n")
_DROP_KEEPS_HISTORY = Edit("provisioning.py", "        forget(database)  # First: it", "        # First: it")
_CREATE_KEEPS_HISTORY = Edit("provisioning.py", "        forget(database)\n        with _to", "        with _to")


_REFERRED = Edit(
    "binding/foreign_keys.py",
    "    if row._pin is not None and row._pin.tenant is not None:\n        admit(other, row._pin)\n",
    "    if row._pin is not None and row._pin.tenant is not None:\n",
)
_SAVED_WITH_REFERENCE = Edit("binding/models.py", "    for other in row.__rel__.values():", "    for other in ():")


def _without(scrub: str) -> Edit:
    return Edit("pool/connection.py", scrub)


MUTANTS = (
    # What is bound.
    _machine(
        "a block stays bound when it ends",
        "touch_without_tenant",
        Edit("context.py", "put(_blocks, _without(blocks, value))", "put(_blocks, blocks)"),
    ),
    _machine(
        "a block that ends unbinds those around it",
        "",
        Edit("context.py", "put(_blocks, _without(blocks, value))", "put(_blocks, None)"),
    ),
    _machine(
        "an error leaves the block bound",
        "touch_without_tenant",
        Edit(
            "app/use.py",
            "        unbind(here, believed)",
            "        if kind is None:\n            unbind(here, believed)",
        ),
    ),
    _machine(
        "an inner block keeps the outer tenant's database",
        "",
        Edit(
            "app/engine.py",
            "return Bound(self, found, database, values)",
            "return Bound(self, found, self._bound().database if self._bound() else database, values)",
        ),
    ),
    _machine(
        "a block that ends out of order unbinds another",
        "leave_out_of_order",
        Edit("context.py", "put(_blocks, _without(blocks, value))", "put(_blocks, blocks and blocks[1])"),
    ),
    _machine("what is bound is the whole process's", "start_thread", _not_a_context_variable("_blocks", "object")),
    _mutant("what is bound is the thread's", TASKS, _not_a_context_variable("_blocks", "threading.local")),
    _machine("the shared schema serves for a tenant", "enter_shared touch_without_tenant", _SHARED_SERVES),
    _machine("where nothing is bound, the last one is", "touch_without_tenant", *_LAST_WAS),
    _mutant(
        "another engine's tenant serves",
        "test_binding.py",
        Edit("binding/proxy.py", " or (self.engine is not None and here.engine is not self.engine):", ":"),
    ),
    _machine(
        "a generator goes on in the block of its consumer",
        "start_generator step_generator",
        Edit(
            "context.py",
            "value.around, value.beside = own_block(), _has_suspended(blocks)",
            "value.around = own_block()",
        ),
    ),
    _mutant(
        "what a generator calls is not inside of its block",
        "test_context.py",
        Edit("context.py", "not block.is_within(running)", "block.frame is not running"),
    ),
    _mutant(
        "what a function has entered by hand is a generator's consumer's",
        "test_context.py",
        Edit("app/use.py", ' and "__enter__" not in code.co_names'),
    ),
    _mutant(
        "a shared row gives what was prefetched for it elsewhere",
        "test_pinning.py",
        Edit(
            "binding/relations.py",
            "                for other in kept:\n                    admit_here(other)",
            "                pass",
        ),
    ),
    _machine(
        "a generator's block is its consumer's",
        "start_generator touch_without_tenant",
        Edit("binding/proxy.py", "if here is not None and here.frame is not None and here.is_suspended:", "if False:"),
    ),
    _machine(
        "wrap() takes nothing along",
        "take_along",
        Edit("app/carry.py", "context.copy().run(go_on, function, *args", "function(*args"),
    ),
    _machine("the executor takes nothing along", "take_along", Edit("app/carry.py", "submit(wrap(fn)", "submit(fn")),
    _machine(
        "a stream steps where it is asked",
        "start_stream use_held",
        Edit("app/carry.py", "self._context.run(go_on, self._rows.__next__)", "self._rows.__next__()"),
    ),
    _mutant(
        "a tenant may have the schema of what is shared",
        "test_catalog.py",
        Edit("app/parts.py", "if tenant.schema in self.common:", "if False:"),
    ),
    # The path of a statement.
    _machine(
        "public is on the path",
        "read_what_it_lacks",
        Edit("databases/prefix.py", '[quoted(schema), "pg_catalog",', '[quoted(schema), "pg_catalog", "public",'),
    ),
    _machine(
        "the path is set for the session",
        "",
        Edit("databases/prefix.py", 'f"SET LOCAL {setting};"', 'f"SET {setting};"'),
    ),
    _machine(
        "only the first statement of a transaction has the path",
        "begin leave_traces",
        Edit("databases/wire.py", "else waiting + self.prefix.inside", "else waiting"),
    ),
    _machine(
        "a rollback to a savepoint has the path",
        "begin fail",
        Edit("databases/wire.py", "(connection, waiting + verb)", "(connection, waiting + self.prefix.inside + verb)"),
    ),
    _machine(
        "verbs are recognised by their text",
        "raw_transaction",
        Edit(
            "databases/wire.py",
            "        marked = marks or (",
            '        head = head if not re.match("(?i)begin|commit|rollback|savepoint|release", sql) else ""\n'
            "        marked = marks or (",
        ),
    ),
    _machine("pg_temp is not on the path", "begin leave_traces", _PG_TEMP_UNLISTED),
    _machine("temporary tables are discarded by nothing", "leave_traces look_at_connections", *_NO_DISCARD),
    _machine(
        "temporary tables are not discarded, and come first", "leave_traces read", _PG_TEMP_UNLISTED, *_NO_DISCARD
    ),
    _mutant("a statement does not discard temporary tables", GUARDS, _NO_DISCARD_BEFORE_STATEMENTS),
    _mutant("a transaction does not discard temporary tables", GUARDS, _NO_DISCARD_BEFORE_BLOCKS),
    _mutant(
        "a percent sign in a schema's name is not doubled",
        IDS,
        Edit(
            "databases/prefix.py",
            '"".join(f"SET LOCAL {setting};" for setting in settings).replace("%", "%%")',
            '"".join(f"SET LOCAL {setting};" for setting in settings)',
        ),
    ),
    _mutant(
        "a quote in a schema's name is not doubled",
        IDS,
        Edit("naming.py", """'"' + name.replace('"', '""') + '"'""", """'"' + name + '"'"""),
    ),
    # What is left on a connection.
    _machine(
        "nothing is scrubbed",
        "leave_traces look_at_connections",
        Edit("databases/wire.py", 'connection.scrub if fresh and connection.marked else ""', '""'),
    ),
    _machine(
        "raw SQL marks no connection",
        "leave_traces",
        Edit("databases/texts.py", "return not _PLAIN.match(sql) or may_leave_traces(sql, params)", "return False"),
    ),
    _machine(
        "a function that is called marks no connection",
        "leave_traces",
        Edit("databases/texts.py", "any(word.lower() not in _HARMLESS for word in _CALLED.findall(sql))", "False"),
    ),
    _machine(
        "a statement that fails marks no connection",
        "fail",
        Edit("databases/wire.py", "            connection.marked |= marks  # Before", "            # Before"),
    ),
    _machine(
        "a mark is forgotten in its transaction",
        "begin leave_traces",
        Edit("databases/wire.py", "marks or (connection.marked and not fresh)", "marks"),
    ),
    _machine("settings are not scrubbed", "leave_traces look_at_connections", _without("RESET ALL; ")),
    _machine(
        "roles are not scrubbed", "leave_traces look_at_connections", _without("SET SESSION AUTHORIZATION DEFAULT; ")
    ),
    _machine("prepared statements are not scrubbed", "leave_traces look_at_connections", _without("DEALLOCATE ALL; ")),
    _machine("held cursors are not scrubbed", "leave_traces look_at_connections", _without("CLOSE ALL; ")),
    _machine("channels are not scrubbed", "leave_traces look_at_connections", _without("UNLISTEN *; ")),
    _machine(
        "advisory locks are not scrubbed",
        "leave_traces look_at_connections",
        _without("SELECT pg_catalog.pg_advisory_unlock_all(); "),
    ),
    _machine(
        "a session is not scrubbed",
        "session",
        Edit("databases/wire.py", "            connection.cursor().execute(connection.scrub)\n"),
    ),
    _machine(
        "what would stay is not refused",
        "ask_for_what_would_stay",
        Edit("databases/texts.py", "    if what:\n", "    if False:\n"),
    ),
    _mutant(
        "notifications stay for the next",
        "test_transactions.py",
        Edit("pool/pool.py", "del connection.notices[:], connection.notifies[:]", "pass"),
        Edit(
            "databases/wire.py",
            "        if not lease.session:\n            del connection.notifies[:]",
            "        if not lease.session:\n            pass",
        ),
        Edit(
            "databases/wire.py",
            "        del connection.notifies[:]\n        connection.expose()",
            "        connection.expose()",
        ),
    ),
    _mutant(
        "what the driver keeps stays for the next",
        "test_transactions.py",
        Edit("pool/pool.py", "connection.exposed and _is_changed(connection)", "False"),
    ),
    _mutant(
        "an encoding stays for the next",
        "test_statements.py",
        Edit("pool/pool.py", "\n            or (connection.marked and not connection.is_understood())"),
    ),
    _mutant(
        "a role with a path of its own is taken",
        "test_pool.py",
        Edit("pool/connection.py", """if path not in ("", '""') and not""", "if False and not"),
    ),
    # Transactions.
    _mutant(
        "transactions are the thread's", TASKS, _not_a_context_variable("_lease", "threading.local"), operations="begin"
    ),
    _machine(
        "a transaction is whoever's carries it",
        "begin take_along",
        Edit(
            "context.py",
            "            if not lease.owner.is_here():\n                raise",
            "            if False:\n                raise",
        ),
    ),
    _mutant(
        "a first message that fails takes the transaction along",
        "test_transactions.py",
        Edit(
            "databases/wire.py",
            "if status == IDLE and lease is not None and begins and _is_of_server(error):",
            "if False:",
        ),
    ),
    _machine(
        "a transaction goes on when its connection has died",
        "begin lose_connection",
        Edit(
            "databases/wire.py",
            "            lease.connection = connection\n            lease.waiting.clear()\n        if died",
            "            lease.connection = None if died else connection\n"
            "            lease.waiting.clear()\n        if died",
        ),
    ),
    _machine(
        "a commit that was lost is not told",
        "begin lose_connection",
        Edit("databases/wire.py", 'if verb == "COMMIT":  # Dead', 'if verb == "":  # Dead'),
    ),
    _machine(
        "another tenant is entered in a transaction",
        "begin",
        Edit("app/engine.py", "if not beside_transaction and not nothing_open():", "if False:"),
    ),
    _mutant(
        "a tenant is dropped in another's transaction",
        "test_catalog.py",
        Edit("app/engine.py", "        self._refuse_beside_transaction(tenant.id)\n"),
    ),
    _machine(
        "a transaction is left open by its block",
        "leave_transaction_open",
        Edit("app/use.py", "if lease is not None and lease.block is here:", "if False:"),
    ),
    _mutant(
        "who holds a connection waits for another",
        "test_transactions.py",
        Edit("databases/wire.py", "patient=patient and not in_transaction", "patient=patient"),
    ),
    _mutant("a connection in a raw transaction is given back", "test_transactions.py", _GIVEN_BACK_OPEN),
    _mutant(
        "a connection in a raw transaction is lent to the next",
        "test_transactions.py",
        _GIVEN_BACK_OPEN,
        _TAKEN_BACK_OPEN,
    ),
    _mutant("a connection in a transaction is lent to the next", GUARDS, _TAKEN_BACK_OPEN),
    _mutant(
        "a cursor reads on a connection that is somebody else's",
        "test_statements.py",
        Edit(
            "databases/streams.py",
            "return loan is self._loan and loan is not None and loan.pool is not None",
            "return True",
        ),
    ),
    _mutant(
        "a forked child uses its parent's connections",
        "test_pool.py",
        Edit("pool/pool.py", "        renew_after_fork(self)\n"),
    ),
    # The builder of queries.
    _mutant(
        "a left join drops rows", DRAWN, Edit("query/select.py", "model, JOIN.LEFT_OUTER, on", "model, JOIN.INNER, on")
    ),
    _mutant(
        "a full join keeps the rows of one side",
        DRAWN,
        Edit("query/select.py", "model, JOIN.FULL_OUTER, on", "model, JOIN.LEFT_OUTER, on"),
    ),
    _mutant(
        "a query has no having",
        DRAWN,
        Edit("query/select.py", 'self._node.having(*_conditions("having", conditions))', "self._node"),
    ),
    _mutant(
        "a sum of big numbers is no int",
        DRAWN,
        Edit("fn.py", "convert=int if is_whole(value) else None", "convert=None"),
    ),
    _mutant(
        "a sum of keys is no int",
        DRAWN,
        Edit("query/rows.py", "        return is_whole(node.rel_field)", "        return False"),
    ),
    _mutant(
        "a parameter makes a sum no int",
        DRAWN,
        Edit(
            "query/rows.py",
            "return node.kind is int if isinstance(node, Parameter) else isinstance",
            "return isinstance",
        ),
    ),
    _mutant(
        "a window's value is the driver's",
        DRAWN,
        Edit("query/rows.py", "isinstance(first, peewee.Function):", "False:"),
    ),
    _mutant(
        "a query as a value is the driver's",
        DRAWN,
        Edit("query/rows.py", "isinstance(first, peewee.Select):", "False:"),
    ),
    _mutant("a case is what PostgreSQL takes it for", DRAWN, Edit("fn.py", "if kind not in _SQL_TYPES:", "if True:")),
    _mutant(
        "a fraction beside a whole column is cut off",
        "test_functions.py",
        Edit("query/rendering.py", "value if type(value) in own else convert(value)", "convert(value)"),
    ),
    _mutant(
        "a whole row is there where its table has none",
        DRAWN,
        Edit("query/rows.py", "row[at:end].count(None) == len(fields)", "False"),
    ),
    _mutant("distinct leaves nothing out", DRAWN, Edit("query/select.py", '(_nodes("distinct", on) or (True,))', "()")),
    _mutant("a count is of all values", DRAWN, Edit("fn.py", "what.distinct() if distinct else what", "what")),
    _mutant(
        "parameters are given in another order",
        DRAWN,
        Edit(
            "query/compiled.py",
            "(number, names.index(value.name), value.convert)",
            "(number, -1 - names.index(value.name), value.convert)",
        ),
    ),
    _mutant(
        "a compiled query stays in its first schema",
        DRAWN,
        Edit(
            "query/compiled.py",
            "        sql, marks = plan.text.of(database), plan.marks",
            "        plan.text = plan.text._replace(sql=plan.text.of(database))\n        sql, marks = plan.text.sql, plan.marks",
        ),
    ),
    _mutant(
        "nulls are ordered as the server likes",
        DRAWN,
        Edit(
            "query/select.py",
            'self._node.order_by(*_nodes("order_by", columns))',
            "self._node.order_by(*[peewee.Ordering(each.node, each.direction) for each in columns])",
        ),
    ),
    _mutant(
        "a parameter is a pattern",
        "test_query.py",
        Edit(
            "query/rendering.py",
            "Converted(each, _escaped) if type(each) is Parameter else each",
            "each",
        ),
    ),
    # Rows, queries and results.
    _machine("a query runs where it was not built", "hold use_held", _BUILT_ELSEWHERE, _RENDERED_ELSEWHERE),
    _machine("a query is taken along when it is run", "hold use_held", _BUILT_ELSEWHERE),
    _machine("a query is part of one that was built elsewhere", "hold use_held", _RENDERED_ELSEWHERE),
    _mutant(
        "a query of nobody's keeps its rows",
        "test_pinning.py",
        Edit(
            "binding/queries.py",
            "        if self._pin != database.pin:\n            own",
            "        if False:\n            own",
        ),
    ),
    _machine(
        "an iterator goes on elsewhere",
        "hold use_held",
        Edit("binding/queries.py", "        admit_here(self._pinned)\n"),
    ),
    _mutant(
        "a result is read elsewhere",
        "test_pinning.py",
        Edit(
            "binding/queries.py",
            "        admit_here(self)\n        with making_rows_of(self._pin):\n            return self._rows[index]",
            "        return self._rows[index]",
        ),
    ),
    _mutant(
        "a result is counted elsewhere",
        "test_pinning.py",
        Edit("binding/queries.py", "            return\n        admit_here(self)\n", "            return\n"),
    ),
    _mutant(
        "a row is saved elsewhere",
        "test_pinning.py",
        Edit("binding/models.py", "        _admit_row(self)\n        saved", "        saved"),
    ),
    _mutant(
        "a row is deleted elsewhere",
        "test_pinning.py",
        Edit(
            "binding/models.py",
            "        admit_here(self)\n        return super().delete_instance",
            "        return super().delete_instance",
        ),
    ),
    _mutant(
        "rows are written elsewhere in bulk",
        "test_pinning.py",
        Edit("binding/models.py", "        _admit_row(row)\n    return rows", "        pass\n    return rows"),
    ),
    _mutant(
        "a foreign key is followed elsewhere",
        "test_pinning.py",
        Edit("binding/foreign_keys.py", "        if row is not None:\n            admit_here(row)\n"),
    ),
    _machine(
        "a backref is followed elsewhere",
        "create_with_author use_held",
        Edit("binding/relations.py", "        admit_here(row)\n        if self.field", "        if self.field"),
        Edit(
            "binding/relations.py",
            "            found._pin = row._pin\n        return found\n\n    # peewee's has neither",
            "            pass\n        return found\n\n    # peewee's has neither",
        ),
    ),
    _mutant("a row is referred to from elsewhere", "test_pinning.py", _REFERRED, _SAVED_WITH_REFERENCE),
    _mutant("a row may refer to another tenant's until it is saved", "test_pinning.py", _REFERRED),
    _mutant("a row is saved with what it refers to elsewhere", "test_pinning.py", _SAVED_WITH_REFERENCE),
    _machine(
        "a row is a value elsewhere",
        "create_with_author use_held",
        Edit(
            "databases/rendering.py",
            "if own is not None and self.pin is not None and not own.admits(self.pin):",
            "if False:",
        ),
    ),
    _machine(
        "rows of two tenants with one key are equal",
        "hold use_held",
        Edit("binding/models.py", " and self._pin == other._pin", ""),
    ),
    _mutant(
        "pins know no lives",
        "test_pinning.py",
        Edit(
            "context.py",
            "if (self.tenant, self.epoch) != (other.tenant, other.epoch):",
            "if self.tenant != other.tenant:",
        ),
    ),
    _mutant(
        "databases are kept by id alone",
        GUARDS,
        Edit("app/parts.py", 'f"{tenant.server}/{tenant.schema}/{tenant.id}/{tenant.epoch}"', "tenant.id"),
    ),
    _machine(
        "all tenants have one database",
        "",
        Edit("app/parts.py", 'f"{tenant.server}/{tenant.schema}/{tenant.id}/{tenant.epoch}"', "tenant.server"),
    ),
    _mutant(
        "a model is bound to a database",
        "test_binding.py",
        Edit("binding/relations.py", 'if name == "database" and getattr(self, name, None) is not None:', "if False:"),
    ),
    # The builder.
    _machine(
        "a built query runs where it was not begun",
        "hold_typed use_held",
        Edit(
            "query/nodes.py",
            "        if pin is not None:\n            admit(self, pin)\n",
            "        pass\n",
        ),
    ),
    _mutant(
        "a built query keeps the database of its first run",
        "test_query.py",
        Edit(
            "query/statement.py",
            "        return self._proxy.current(self._node)\n",
            "        kept = vars(self._node).setdefault('kept', self._proxy.current(self._node))\n        return kept\n",
        ),
    ),
    _mutant(
        "a compiled query keeps the database of its first run",
        "test_query.py",
        Edit(
            "query/compiled.py",
            "database = plan.proxy.current(plan.node)",
            "database = vars(plan).setdefault('kept', plan.proxy.current(plan.node))",
        ),
    ),
    _mutant(
        "a compiled query takes a row of another tenant",
        "test_query.py",
        Edit("query/compiled.py", "                    admit_value(row, pin)\n", "                    pass\n"),
    ),
    _mutant(
        "a compiled query's rows are its first runner's",
        "test_query.py",
        Edit(
            "query/compiled.py",
            "make = plan.make or plan.shape.maker(database.pin)",
            "make = plan.make = plan.make or plan.shape.maker(database.pin)",
        ),
    ),
    _mutant(
        "a compiled query keeps its maker's pin",
        "test_query.py",
        Edit(
            "query/compiled.py",
            "text = render(self.node, rendering=ForAll)",
            "text = render(self.node, rendering=ForAll)\n        self._pin, self.pinned_name = self.node._pin, 'it'",
        ),
        Edit(
            "query/compiled.py",
            "        values = plan.values(given, database.pin)\n",
            "        values = plan.values(given, database.pin)\n        admit_value(plan, database.pin)\n",
        ),
    ),
    _mutant(
        "a built query reads a table that says another schema",
        "test_query.py",
        Edit(
            "query/checks.py",
            'if not getattr(model, "_is_shared", False) and schema not in _OF_THE_SERVER:',
            "if False:",
        ),
    ),
    _mutant(
        "a built query calls a function that says another schema",
        "test_query.py",
        Edit("query/checks.py", "if dot and schema.lower() not in _OF_THE_SERVER:", "if False:"),
    ),
    _mutant(
        "a parameter equals nothing while its query is built",
        "test_query.py",
        Edit("query/rendering.py", "    __eq__ = __ne__ = __lt__", "    __lt__"),
    ),
    _mutant(
        "a stream gives rows after its block",
        "test_query.py",
        Edit(
            "query/statement.py",
            "        self._piece = _always(\n            InvalidQuery(",
            "        str(\n            InvalidQuery(",
        ),
    ),
    _mutant(
        "a stream over many tenants goes past one that fails",
        "test_across.py",
        Edit("app/across.py", "self._batches = itertools.chain([batch], self._batches)", "pass"),
    ),
    _mutant(
        "a stream over many tenants is begun in another thread",
        "test_across.py",
        Edit("app/across.py", "if not self._owner.is_here():", "if False:"),
    ),
    _mutant(
        "a compiled query takes rows of another tenant from an iterator",
        "test_query.py",
        Edit("query/rendering.py", "if not isinstance(values, SEVERAL):", "if False:"),
    ),
    _mutant(
        "a row is compiled into a query for all",
        "test_query.py",
        Edit("query/rendering.py", "if own is not None and own.tenant is not None:", "if False:"),
    ),
    _mutant(
        "a built query names no schema",
        "test_query.py",
        Edit(
            "query/rendering.py",
            "self.places += not schema\n"
            '            self._sql.append(f"{_name(schema[0]) if schema else HERE}.{_name(name)}")',
            "self._sql.append(_name(name))",
        ),
    ),
    _machine(
        "a built query names one tenant's schema",
        "ask",
        Edit(
            "query/rendering.py", "self.sql.replace(HERE, database.qualifier)", "self.sql.replace(HERE, '\"i_acme\"')"
        ),
    ),
    _machine(
        "a built query names the schema of its first run",
        "run_compiled",
        Edit(
            "query/rendering.py",
            "        return self.sql.replace(HERE, database.qualifier)",
            "        return _options.setdefault(self.sql, self.sql.replace(HERE, database.qualifier))",
        ),
    ),
    _mutant(
        "a tenant's table is looked for in the shared schema",
        "test_query.py",
        Edit("query/rendering.py", "if self.of_tenants is not None and database.pin.tenant is None:", "if False:"),
    ),
    _machine(
        "the rows of a stream are read elsewhere",
        "open_rows read_rows",
        Edit("query/statement.py", "        admit_here(self)  # At each row", "        # At each row"),
    ),
    _machine(
        "a function that is called by a built query marks no connection",
        "leave_typed_traces look_at_connections",
        Edit("query/rendering.py", "return may_leave_traces(self.sql, self.values)", "return False"),
    ),
    _machine(
        "SQL that is given to a compiled query marks no connection",
        "leave_typed_traces look_at_connections",
        Edit("query/compiled.py", "return bool(self._slots) and are_sql(values)", "return False"),
    ),
    _mutant(
        "raw SQL that was made in a tenant runs in another",
        "test_raw.py",
        Edit("query/raw.py", "        admit(self, database.pin)\n"),
    ),
    _mutant(
        "raw SQL is nobody's once its rows are put into something",
        "test_raw.py",
        Edit("query/raw.py", "        made._pin = self._pin\n"),
    ),
    _mutant(
        "raw SQL with a tenant's schema runs in the shared one",
        "test_raw.py",
        Edit("query/raw.py", "(TenantModel if self._text.of_tenant else SharedModel)", "SharedModel"),
    ),
    _mutant(
        "a value is put between the quotes of raw SQL",
        "test_raw.py",
        Edit("query/raw.py", "if any(mark.start() in part for part in quoted):", "if False:"),
    ),
    _mutant(
        "the schema of raw SQL is a format of the driver's",
        "test_raw.py",
        Edit("databases/database.py", 'return quoted(schema).replace("%", "%%")', "return quoted(schema)"),
    ),
    # Derived tables, and writes.
    _derived(
        "a table may be made of queries of different tables",
        Edit("query/sources.py", "if each.query is not self.query:", "if False:"),
    ),
    _derived(
        "rows of a step are kept as often as they come",
        Edit("query/sources.py", '"UNION" if distinct else "UNION ALL"', '"UNION ALL"'),
    ),
    _derived(
        "an alias of a derived table is another",
        Edit("query/rendering.py", "elif definition not in self._names:", "else:"),
    ),
    _derived("a circle of tables is rendered", Edit("query/rendering.py", "if len(between) > 1:", "if False:")),
    _derived("two derived tables of one name are one", Edit("query/rendering.py", "not in self._taken()", "not in ()")),
    _derived(
        "a derived table of tenants serves in the shared schema",
        Edit(
            "query/rendering.py",
            "next((part.of_tenants for part in parts if part.of_tenants), None)",
            "parts[-1].of_tenants",
        ),
    ),
    _derived("a write runs where it was not begun", Edit("query/writes.py", "query._node._pin or pin_here()", "None")),
    _derived(
        "a write of tenants' rows goes where its query goes",
        Edit("query/writes.py", "proxy if proxy.tenant_only else proxy_of(self._target) or proxy", "proxy"),
        Edit("query/rendering.py", "if self.of_tenants is not None and database.pin.tenant is None:", "if False:"),
    ),
    _derived(
        "a write forgets its conditions", Edit("query/nodes.py", "if self.select._where is not None:", "if False:")
    ),
    _derived(
        "a write forgets what its tables are joined by",
        Edit("query/nodes.py", "conditions if join._on is None else [*conditions, join._on]", "conditions"),
    ),
    _derived(
        "a write takes an outer join for an inner one",
        Edit("query/nodes.py", "if join.join_type not in (JOIN.INNER, JOIN.CROSS):", "if False:"),
    ),
    _derived(
        "a write takes a limit, and forgets it",
        Edit("query/writes.py", "if clause is not None:", "if False:"),
    ),
    _derived(
        "several rows are written where one was asked for",
        Edit(
            "query/writes.py",
            "        with self._database().atomic():\n            return super().one()",
            "        return super().one()",
        ),
    ),
    _derived(
        "a compiled write writes several rows where one was asked for",
        Edit(
            "query/compiled.py", "if isinstance(self.node, WriteNode) else nullcontext()", "if False else nullcontext()"
        ),
    ),
    _derived(
        "a column of another table is set",
        Edit("query/assignments.py", "if _table_of(column) != table:", "if _table_of(column) is None:"),
    ),
    _derived("a column is set twice", Edit("query/assignments.py", "if column.name in self._values:", "if False:")),
    _derived("an insert has no defaults", Edit("query/writes.py", "made = made.set(field, default)", "pass")),
    _mutant(
        "what is None is compared as a value",
        "test_query.py",
        Edit(
            "query/compiled.py",
            "return value is None or (not value and isinstance(value, SEVERAL))",
            "return not value and isinstance(value, SEVERAL)",
        ),
    ),
    _mutant(
        "a span beside a time is made a time",
        "test_functions.py",
        Edit("query/rendering.py", ", (peewee.TimeField, (timedelta,)))", ",)"),
    ),
    _derived(
        "a step has no more digits than the first rows",
        Edit("query/sources.py", "map(_unlimited, nodes)", "nodes"),
    ),
    _derived(
        "a fraction is rounded into a whole column",
        Edit("query/assignments.py", "in (Decimal, float) and value % 1:", "in ():"),
    ),
    _derived(
        "rows that are there get the defaults of what is not set",
        Edit("query/writes.py", "Conflict(self._conflicts, self._values)", "Conflict(self._conflicts, made._values)"),
    ),
    _mutant(
        "a raw condition reaches beyond itself",
        "test_query.py",
        Edit("query/select.py", "isinstance(value, (peewee.SQL, peewee.NodeList))", "False"),
    ),
    _mutant(
        "a query sees the tables of one in it",
        "test_query.py",
        Edit("query/rendering.py", "        self.asked, self.sources = {}, set()\n        yield", "        yield"),
    ),
    _mutant(
        "a stream goes on after the row that failed",
        "test_query.py",
        Edit("query/statement.py", "            self._piece = _always(error)\n", ""),
    ),
    _mutant(
        "rows of another model are made as the first one's",
        "test_query.py",
        Edit("query/rows.py", "and mine.model is theirs.model", ""),
    ),
    _mutant(
        "a path is compared with a text",
        "test_query.py",
        Edit("query/rendering.py", "return Converted(value, path._compare_value)", "return value"),
    ),
    # The catalog.
    _mutant(
        "an id is lowered",
        IDS,
        Edit(
            "naming.py",
            "    if not isinstance(text, str) or not _ID",
            "    text = text.lower() if isinstance(text, str) else text\n    if not isinstance(text, str) or not _ID",
        ),
    ),
    _mutant(
        "an id is trimmed",
        IDS,
        Edit(
            "naming.py",
            "    if not isinstance(text, str) or not _ID",
            "    text = text.strip() if isinstance(text, str) else text\n    if not isinstance(text, str) or not _ID",
        ),
    ),
    _mutant("an id may go on behind its end", IDS, Edit("naming.py", "_ID.fullmatch(text)", "_ID.match(text)")),
    _mutant("a schema's name may be cut short", IDS, Edit("naming.py", "    63  # Post", "    630  # Post")),
    _mutant(
        "a schema that is there is taken over",
        IDS,
        Edit("provisioning.py", "CREATE SCHEMA {quoted(made", "CREATE SCHEMA IF NOT EXISTS {quoted(made"),
    ),
    _machine("a dropped tenant is still known", "drop_tenant", Edit("provisioning.py", "    catalog.learn(dropped)\n")),
    _mutant(
        "a suspended tenant is still known as active",
        "test_catalog.py",
        Edit("provisioning.py", "    catalog.learn(changed)\n"),
    ),
    _mutant(
        "any state of a tenant will do",
        "test_catalog.py",
        Edit("catalog/catalog.py", "if tenant.state not in (State.ACTIVE, also):", "if False:"),
    ),
    _machine(
        "a dropped tenant leaves no row",
        "work_in_other_process drop_tenant",
        Edit(
            "provisioning.py",
            "    catalog.learn(dropped)\n",
            "    database.wire.ask('DELETE FROM tenantry.tenants WHERE id OPERATOR(pg_catalog.=) %s', tenant.id)\n"
            "    catalog.learn(dropped)\n",
        ),
    ),
    _mutant(
        "changes are found by a counter",
        "test_catalog.py",
        Edit("catalog/table.py", "pg_snapshot_xmin(", "pg_snapshot_xmax("),
    ),
    _machine(
        "an error names other tenants",
        "drop_tenant",
        Edit(
            "catalog/catalog.py",
            "_REFUSAL[tenant.state](tenant.id)",
            "_REFUSAL[tenant.state](str([each.id for each in catalog]))",
        ),
    ),
    # Many tenants at once.
    _mutant(
        "many tenants are read inside of one",
        "test_across.py",
        Edit("app/across.py", "        raise TenantBound(here.tenant.id)", "        pass"),
    ),
    _mutant(
        "a query over many tenants takes what is one's",
        "test_across.py",
        Edit("query/union.py", "render(node, ManyPin(place), rendering=ForMany)", "render(node, rendering=ForMany)"),
    ),
    _mutant(
        "a row of many tenants' belongs to the first",
        "test_across.py",
        Edit("app/across.py", "            tenant = batch[number]\n", "            tenant = batch[0]\n"),
    ),
    _mutant(
        "rows of many tenants are nobody's",
        "test_across.py",
        Edit("app/across.py", "Pin(self.database.pin.place, tenant.id, tenant.epoch)", "self.database.pin"),
    ),
    _mutant(
        "many tenants are read in one statement, whatever it locks",
        "test_across.py",
        Edit("app/across.py", "min(MOST_TENANTS, fitting)", "len(self._chosen)"),
    ),
    _mutant(
        "a tenant that is behind is passed over",
        "test_across.py",
        Edit("app/across.py", "        raise self._blamed(left, failed) from failed", "        return send([])"),
    ),
    _mutant(
        "suspended tenants are read among all",
        "test_across.py",
        Edit(
            "app/across.py",
            "for tenant in self._engine if tenant.state is State.ACTIVE]",
            "for tenant in self._engine]",
        ),
    ),
    _mutant(
        "a query over many tenants locks rows",
        "test_across.py",
        Edit("query/union.py", 'and vars(obj).get("_for_update") is not None:', "and False:"),
    ),
    _mutant(
        "a schema is a format in a query over many tenants",
        "test_across.py",
        Edit("query/union.py", """quoted(schema).replace("%", "%%").join""", "quoted(schema).join"),
    ),
    _mutant(
        "a count over many tenants counts the tenants",
        "test_across.py",
        Edit(
            "query/combining.py",
            '"CAST(pg_catalog.sum({0}) AS pg_catalog.int8)"',
            '"CAST(pg_catalog.count({0}) AS pg_catalog.int8)"',
        ),
    ),
    _mutant(
        "a mean of means is the mean",
        "test_across.py",
        Edit("query/combining.py", 'if name == "AVG":', "if False:"),
        Edit("query/combining.py", '    "MIN": ', '    "AVG": "pg_catalog.avg({0})",\n    "MIN": '),
    ),
    _mutant(
        "what earlier tenants have summed up is dropped",
        "test_across.py",
        Edit("app/across.py", "        carried = run.sent(batch, carry)", "        run.sent(batch, carry)"),
    ),
    _mutant(
        "distinct values of tenants are added up",
        "test_across.py",
        Edit("query/combining.py", 'node.sql.upper() == "DISTINCT"', "False"),
    ),
    _mutant(
        "a NUL in a name stands for the schema",
        "test_query.py",
        Edit("query/rendering.py", "if sql.count(HERE) != context.places:", "if False:"),
    ),
    _mutant(
        "a model inside a query of plain peewee has no schema",
        "test_query.py",
        Edit("query/rendering.py", "if isinstance(obj, type) and issubclass(obj, peewee.Model):", "if False:"),
    ),
    _mutant(
        "an alias inside a query of plain peewee has no schema",
        "test_query.py",
        Edit("query/rendering.py", "if isinstance(obj, peewee.ModelAlias):", "if False:"),
    ),
    _mutant(
        "rows in a list that is a parameter are anybody's",
        "test_query.py",
        Edit(
            "query/compiled.py",
            "for row in value if isinstance(value, SEVERAL) else (value,):",
            "for row in (value,):",
        ),
    ),
    # Migrations.
    _machine("a history outlives its tenant", "remake_tenant", _DROP_KEEPS_HISTORY, _CREATE_KEEPS_HISTORY),
    _mutant("a drop keeps the history", GUARDS, _DROP_KEEPS_HISTORY),
    _mutant("a new tenant takes over a history", "test_catalog.py", _CREATE_KEEPS_HISTORY),
    _mutant(
        "a migration's lock is of 32 bits",
        GUARDS,
        Edit("migrations/history.py", 'pg_catalog.hashtextextended(%s, 0));\\n"', 'pg_catalog.hashtext(%s));\\n"'),
    ),
    _mutant(
        "migrations are recorded in a transaction of their own",
        "test_migrations_apply.py",
        Edit(
            "migrations/apply.py",
            "                self._block.add_file(plan.schema, file)",
            "                self._block.add(file.text)",
        ),
        Edit(
            "migrations/apply.py",
            "        self._block.add_outcome(plan)\n",
            "        self._send()\n        self._database.commit()\n        self._database.begin()\n"
            "        for file in plan.pending:\n            self._block.add_record(plan.schema, file, duration_s=0.0)\n"
            "        self._block.add_outcome(plan)\n",
        ),
    ),
)
