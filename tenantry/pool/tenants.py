"""The pools of tenants that log in as themselves: a small one each, and not for long."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from dataclasses import replace
from typing import Any

from tenantry.forks import renew_after_fork
from tenantry.naming import RoleName
from tenantry.pool.figures import PoolFigures, total
from tenantry.pool.login import Login, TenantPassword
from tenantry.pool.pool import Pool


class TenantPool(Pool):
    """The connections of one tenant's login. While nobody keeps it, it opens what is asked for, and holds nothing."""

    retired = True
    _keepers = 0
    _gone: deque[PoolFigures] | None = None

    def keep(self) -> None:
        """Hold on to idle connections from now on, until :meth:`let_go` has been called as often."""
        self._count(1)

    def let_go(self) -> None:
        """Hold on to them no longer. Whoever uses the pool goes on, and each connection is closed as it comes back."""
        self._count(-1)
        if self.retired:
            self.close_idle()

    def _count(self, change: int) -> None:
        # A count, for one who makes room and one who comes back are two threads, and may be told in any order.
        with self._lock:
            self._keepers += change
            self.retired = self._keepers <= 0

    def __del__(self) -> None:
        if self._gone is not None:  # Its connections have gone before it, or go with it.
            self._gone.append(PoolFigures(0, 0, 0, 0, self._opened, self._opened, 0, self._waits, self._timeouts))


class TenantPools:
    """The pools of the tenants of one engine, whose *main* one is for all that is no tenant's.

    A tenant's pool is there once, for as long as anybody refers to it: a database that is kept or bound, a connection,
    an open transaction. So it is found again, and its bound holds, whatever has made room meanwhile.
    """

    def __init__(self, main: Pool, password: TenantPassword, *, size: int, **options: Any) -> None:
        self._main, self._password, self._options = main, password, options
        self._settings = replace(main.settings, size=size)
        self._live: weakref.WeakValueDictionary[tuple[RoleName, int], TenantPool] = weakref.WeakValueDictionary()
        self._gone: deque[PoolFigures] = deque()  # The counts of pools that are no more.
        self._next_sweep, self._closed = 0.0, False
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Begin anew in a forked child. The pools do so themselves."""
        self._lock = threading.RLock()
        self._gone.clear()

    def of(self, role: RoleName, epoch: int) -> TenantPool:
        """Return the pool of the tenant that logs in as *role*. In another *epoch* the role of that name is another.

        Raises:
            ConfigError: there is no password for it.
        """
        pool = self._live.get((role, epoch))
        if pool is None:
            login = Login.of(role, self._password)  # Not with the lock: it may take its time.
            made = TenantPool(settings=self._settings, login=login, family=self._main, **self._options)
            with self._lock:
                pool = self._live.setdefault((role, epoch), made)
            if pool is made:
                made._gone = self._gone
        if self._closed:
            pool.close()
        return pool

    def sweep(self) -> None:
        """Now and then, close what has been idle for too long: no statement comes to a pool that nobody uses."""
        now = time.monotonic()
        if now > self._next_sweep:
            self._next_sweep = now + max(self._settings.idle_s / 10, 0.1)
            for pool in self._pools():
                pool.sweep(now)

    def figures(self) -> PoolFigures:
        """Add up the figures of all these pools, and the counts of those that are no more."""
        pools = self._pools()
        with self._lock:
            while len(self._gone) > 1:
                self._gone.append(total([self._gone.popleft(), self._gone.popleft()]))
            return total([*self._gone, *(pool.figures() for pool in pools)])

    def close(self) -> None:
        """Close all of them; see :meth:`Pool.close`."""
        self._closed = True
        for pool in self._pools():
            pool.close()

    def _pools(self) -> list[TenantPool]:
        with self._lock:
            return list(self._live.values())
