"""peewee's blocks, and what it believes of a database while they are open."""

# peewee's stubs leave out its private names, which its own subclasses live on.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peewee

from tenantry.context import Owner


class BlockState(peewee._ConnectionState):
    """What the application believes of one database in one context: open or not, and peewee's stack of transaction
    blocks.

    Nothing hangs on it that a server knows of; that is the context's Lease. peewee keeps this in a threading.local,
    where the tasks of one thread share a stack: a block of one would be taken for a savepoint in the other's
    transaction.
    """

    def __init__(self, key: tuple[object, str], outer: BlockState | None) -> None:
        super().__init__()
        self.key, self.owner = key, Owner()
        self.connected = False  # By connect(), not by a first statement.
        # What another database of this context believes is kept while it matters, and forgotten when it is only "a
        # statement was run".
        if outer is not None and not (outer.connected or outer.ctx or outer.transactions):
            outer = outer.outer
        self.outer: BlockState | None = outer


class Transaction(peewee._transaction):
    """peewee's transaction. It looks its state up once, where peewee's does nine times."""

    def __enter__(self) -> Transaction:
        self._state = self.db._state
        if not self._state.transactions:
            self._begin()  # type: ignore[attr-defined]  # peewee's, not in its stubs
        self._state.transactions.append(self)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        transactions = self._state.transactions
        outermost = len(transactions) == 1
        transactions.pop()
        if kind and outermost:
            self.rollback(False)
        elif outermost:
            try:
                self.commit(False)
            except BaseException:  # A Ctrl-C too: left open, the transaction would take in what is written next.
                self.rollback(False)
                raise


class Savepoint(peewee._savepoint):
    """peewee's savepoint, with its verbs on a way of their own."""

    def _begin(self) -> None:
        self._say("SAVEPOINT", self.db.wire.savepoint)

    def commit(self, begin: bool = True) -> None:
        self._say("RELEASE SAVEPOINT", self.db.wire.release)
        if begin:
            self._begin()

    def rollback(self, begin: bool = True) -> None:
        self._say("ROLLBACK TO SAVEPOINT", self.db.wire.rollback_to)
        if begin:
            self._begin()

    def _say(self, verb: str, send: Callable[[str], None]) -> None:
        # peewee runs them as statements: the log, the hooks and whoever counts queries see them.
        self.db._observed(f"{verb} {self.quoted_sid};", None, lambda *_: send(self.quoted_sid), False)
