"""What the garbage collector ends, in the middle of anything, ends without harm."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys

import pytest
from shop import Customer

from tenantry.context import bound
from tenantry.errors import EndedByCollector

only_before_3_12 = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="from Python 3.12 on the collector runs between the steps of a program"
)

# Blocks are entered and left while the collector, which comes all the time, ends generators that are inside of others.
# Many variables make the context a tree: its nodes are what the collector is met in the middle of.
STORM = """
import contextvars, gc
from tenantry import FixedCatalog, Tenant, Tenantry
from tenantry.naming import schema_name, tenant_id

names = ("acme", "globex")
tenants = Tenantry("postgresql://x", catalog=FixedCatalog(Tenant(tenant_id(n), schema_name(f"t_{n}")) for n in names))
variables = [contextvars.ContextVar(f"variable {number}") for number in range(64)]
for variable in variables:
    variable.set(object())

class Cycle:
    pass

def inside():
    try:
        with tenants.use("acme"):
            yield
    finally:
        [bytes(48 + 8 * size) for size in range(40)]

for threshold in (2, 3, 5):
    gc.set_threshold(threshold, 1, 1)
    for _ in range(1_500):
        cycle = Cycle()
        cycle.itself, cycle.generator = cycle, inside()
        next(cycle.generator)
        del cycle
        for _ in range(3):
            with tenants.use("globex"):
                pass
"""


def test_blocks_that_the_collector_ends_in_the_middle_of_others_crash_nothing():
    ran = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", STORM], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_block_that_the_collector_has_ended_is_over(tenants):
    @contextlib.contextmanager
    def inside():
        with tenants.use("acme"):
            yield

    class Cycle:
        pass

    cycle = Cycle()
    cycle.itself, cycle.block = cycle, inside()
    cycle.block.__enter__()
    assert bound().tenant.id == "acme"
    del cycle
    gc.collect()
    assert bound() is None


def test_a_transaction_that_the_collector_has_ended_is_over_and_its_place_is_free(tenants):
    def inside():
        with tenants.database.atomic():
            Customer.create(name="never")
            yield

    class Cycle:
        pass

    with tenants.use("acme"):
        cycle = Cycle()
        cycle.itself, cycle.generator = cycle, inside()
        next(cycle.generator)
        del cycle
        gc.collect()
        assert tenants.figures().in_use == 0
        assert Customer.select().count() == 0


@only_before_3_12
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_begins_in_what_the_collector_runs(tenants):
    met = []

    def inside():
        try:
            yield
        finally:
            try:
                with tenants.use("acme"):
                    met.append(bound())
            except EndedByCollector as error:
                met.append(error)

    class Cycle:
        pass

    cycle = Cycle()
    cycle.itself, cycle.generator = cycle, inside()
    next(cycle.generator)
    del cycle
    gc.collect()
    assert [type(each) for each in met] == [EndedByCollector]
    assert bound() is None
