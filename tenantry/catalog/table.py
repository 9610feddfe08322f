"""The catalog that tenantry keeps itself, in a table of its own schema."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

import peewee
import psycopg2
from psycopg2.extras import Json

from tenantry.catalog.tenant import State, Tenant
from tenantry.errors import CatalogUnavailable, InvalidName, PoolTimeout, SchemaTaken, ServerError, TenantExists
from tenantry.forks import ForkSafeLock
from tenantry.naming import SchemaName, TenantId

logger = logging.getLogger("tenantry")

_to_peewee = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in peewee's stubs

Ask = Callable[..., list[tuple[Any, ...]]]  # Runs SQL with parameters, and returns its rows.

SCHEMA = SchemaName("tenantry")
ASK_AGAIN_S = 1.0  # An id that is not known yet is asked for at most this often, however many such ids there are.
RETRY_S = 0.1  # When every connection was in use: the poll does not wait for one, so it tries again soon.
TOLERATED = 10  # So many intervals may pass without an answer before the catalog is too old to be believed.

_COLUMNS = "id, schema, server, state, labels, epoch"
_POLL = f"""
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text, {_COLUMNS}
    FROM (SELECT 1) AS always LEFT JOIN tenantry.tenants ON changed >= %s::xid8
"""
_INSERT = f"""
    INSERT INTO tenantry.tenants AS known (id, schema, server, state, labels) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (id) DO UPDATE SET
        schema = excluded.schema, server = excluded.server, state = excluded.state, labels = excluded.labels,
        epoch = known.epoch + 1, created_at = now(), updated_at = now(), changed = pg_current_xact_id()
    WHERE known.state = 'dropped'
    RETURNING {_COLUMNS}
"""
_SET_STATE = f"""
    UPDATE tenantry.tenants SET state = %s, updated_at = now(), changed = pg_current_xact_id()
    WHERE id = %s AND state = ANY (%s) RETURNING {_COLUMNS}
"""


_LIVING = (State.ACTIVE, State.SUSPENDED)
_FROM = {State.ACTIVE: _LIVING, State.SUSPENDED: _LIVING, State.DROPPED: (*_LIVING, State.PROVISIONING)}


class TableCatalog:
    """The tenants in ``tenantry.tenants``, read ahead of requests and not by them.

    A process keeps the whole table in memory and follows its changes with one query each *interval_s* seconds. There is
    no thread for it: the first `use()` after the interval asks, alone, while others go on with what is known.

    *ask* runs SQL on the server of the catalog; with ``patient=False`` it must not wait for a connection.
    """

    def __init__(self, ask: Ask, *, interval_s: float = 5.0) -> None:
        self._ask, self._interval_s = ask, interval_s
        self._tenants: dict[TenantId, Tenant] = {}
        self._horizon = "0"  # Transactions from this one on may have changed what the last poll has not seen.
        self._due = self._asked = float("-inf")
        self._polls, self._loaded = 0, False
        self._failing_since: float | None = None
        self._last_error: Exception | None = None
        self._polling = ForkSafeLock()

    def get(self, tenant: TenantId, /) -> Tenant | None:
        """Return the tenant of this id, whatever its state; None when there is none.

        Raises:
            CatalogUnavailable: the server has not answered for ten intervals.
            ServerError: it has never answered.
        """
        now = time.monotonic()
        if now >= self._due:
            self._poll(now)
        found = self._tenants.get(tenant)
        if found is None and now >= self._asked + ASK_AGAIN_S:
            self._poll(now)
            found = self._tenants.get(tenant)
        if self._failing_since is not None and now - self._failing_since > TOLERATED * self._interval_s:
            raise CatalogUnavailable(since_s=now - self._failing_since)
        return found

    def __iter__(self) -> Iterator[Tenant]:
        """Go through all tenants as the table has them now, in the order of their ids."""
        self._poll(time.monotonic())
        return iter(sorted(self._tenants.values(), key=lambda tenant: tenant.id))

    # Writing: in the transaction of the change, over the caller's connection.

    @staticmethod
    def prepare(run: Ask) -> None:
        """Make the table, if it is not there. Two processes may do it at once: a lock lets one go first."""
        run("SELECT pg_advisory_xact_lock(hashtextextended('tenantry:ensure', 0))")
        run(resources.files("tenantry.catalog").joinpath("tenants.sql").read_text())

    @staticmethod
    def insert(
        run: Ask, tenant: TenantId, schema: SchemaName, *, server: str, state: State, labels: Mapping[str, str]
    ) -> Tenant:
        """Write a new tenant. One that was dropped may be made again: it is the same id in a new epoch.

        Raises:
            TenantExists: the id is taken, perhaps by another process at this very moment.
            SchemaTaken: another tenant has the schema.
        """
        try:
            rows = run(_INSERT, tenant, schema, server, state.value, Json(dict(labels)))
        except psycopg2.errors.UniqueViolation as error:
            raise SchemaTaken(schema=schema) from error
        if not rows:
            raise TenantExists(tenant)
        return _tenant(rows[0])

    @staticmethod
    def set_state(run: Ask, tenant: TenantId, state: State) -> Tenant | None:
        """Write a tenant's state, and return it; None when it is in no state from which it could come to this one."""
        rows = run(_SET_STATE, state.value, tenant, [each.value for each in _FROM[state]])
        return _tenant(rows[0]) if rows else None

    def learn(self, tenant: Tenant) -> None:
        """Know at once what this process has just written and committed; others learn it within the interval."""
        with self._polling:  # A poll that is under way may have read the row as it was before.
            self._tenants[tenant.id] = tenant

    # Inside.

    def _poll(self, now: float) -> None:
        """Ask for what has changed. One thread does; others go on, unless nothing is known yet."""
        polls, error = self._polls, self._last_error
        if not self._polling.acquire(blocking=not self._loaded):
            return
        try:
            if self._last_error is not None and self._last_error is not error and not self._loaded:
                raise self._last_error  # Met while this thread waited: a queue of attempts would help nobody.
            if self._polls == polls:  # Else another thread has asked while this one waited.
                self._asked = now
                self._read(self._ask(_POLL, self._horizon, patient=not self._loaded))
                self._due, self._loaded, self._failing_since = now + self._interval_s, True, None
                self._polls += 1
        except PoolTimeout as error:
            self._failed(error, now, RETRY_S)
        except psycopg2.errors.UndefinedTable:  # No tenant was ever made.
            self._due, self._failing_since = now + self._interval_s, None
        except (ServerError, psycopg2.Error) as error:
            self._failed(error, now, self._interval_s)
        finally:
            self._polling.release()

    def _failed(self, error: Exception, now: float, again_s: float) -> None:
        self._last_error = error
        if not self._loaded:
            with _to_peewee:  # As any statement of the application's would be told.
                raise error
        self._due = now + again_s
        if self._failing_since is None:
            self._failing_since = now
            logger.warning("the catalog of tenants cannot be read; what is known is used for now", exc_info=True)

    def _read(self, rows: list[tuple[Any, ...]]) -> None:
        for horizon, *row in rows:
            if row[0] is not None:
                try:
                    tenant = _tenant(row)
                except (InvalidName, ValueError):  # Written by hand. It must not take the others with it.
                    logger.exception("the catalog has a row that is no tenant: %r", row)
                else:
                    self._tenants[tenant.id] = tenant
            self._horizon = horizon


def _tenant(row: Any) -> Tenant:
    tenant, schema, server, state, labels, epoch = row
    return Tenant(tenant, schema, server, State(state), MappingProxyType(labels), epoch)
