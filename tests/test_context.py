"""What is bound binds where it was meant to: through generators, blocks in any order, threads, tasks and callables.

The names carry the threats of the list that the design began with (T04 to T06), where there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from relay import Relay
from shop import Customer

from tenantry import TenantExecutor, stream, wrap
from tenantry.context import bound, generators_blocks, own_block
from tenantry.errors import (
    GeneratorMoved,
    GeneratorSuspended,
    NoTenantBound,
    NothingBound,
    TransactionLeftOpen,
    UnknownTenant,
    WrongTenant,
)


@pytest.fixture
def tenants(tenants):
    """One customer in each tenant, named after it. Nothing is left bound."""
    for tenant in ("acme", "globex"):
        with tenants.use(tenant):
            Customer.create(name=tenant)
    yield tenants
    assert bound() is None
    gc.collect()
    assert not generators_blocks


def who():
    """The tenant that a statement finds here."""
    return Customer.get_by_id(1).name


def names(tenants, tenant, steps=2):
    """Tell what a statement finds, for a tenant that is bound over the steps."""
    with tenants.use(tenant):
        for _ in range(steps):
            yield who()


def in_thread(function):
    """Call *function* in a new thread, and return what it returns."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result(timeout=30)


# Generators.


def test_t05b_the_consumer_of_a_generator_has_not_what_it_has_bound(tenants):
    steps = names(tenants, "acme")
    assert next(steps) == "acme"
    with pytest.raises(GeneratorSuspended, match=r"tenant 'acme', which the generator names has") as caught:
        who()
    assert (caught.value.what, caught.value.generator, caught.value.bound) == ("Customer", "names", "tenant 'acme'")
    assert list(steps) == ["acme"]
    with pytest.raises(NoTenantBound):
        who()


def test_t05b_nothing_is_sent_for_the_consumer(server, make_engine, tenants):
    with Relay(server.url) as relay:
        listened = make_engine(url=relay.url)
        steps = names(listened, "acme")
        next(steps)
        with relay.counting() as messages:
            for act in (
                who,
                lambda: Customer.create(name="new"),
                lambda: list(Customer.raw("SELECT 1")),
                lambda: listened.database.execute_sql("SELECT 1"),
                lambda: listened.database.atomic().__enter__(),
                lambda: listened.database.obj.execute_sql("SELECT 1"),
                lambda: Customer.table_exists(),
            ):
                with pytest.raises(NothingBound):
                    act()
        assert messages == []
        steps.close()


def test_t05b_it_is_refused_though_it_has_a_tenant_of_its_own(tenants):
    with tenants.use("globex"):
        steps = names(tenants, "acme")
        next(steps)
        with pytest.raises(GeneratorSuspended):
            who()
        with tenants.use("globex"):
            assert who() == "globex"
        steps.close()
        assert who() == "globex"


def test_t05b_nor_when_the_block_in_which_it_began_the_generator_has_ended(tenants):
    with tenants.use("globex"):
        inner = tenants.use("globex")
        inner.__enter__()
        steps = names(tenants, "acme")
        next(steps)
        inner.__exit__(None, None, None)
        with pytest.raises(GeneratorSuspended):
            who()
        steps.close()


def test_t05b_what_is_bound_for_the_consumer_is_its_own(tenants):
    def exported():
        with tenants.use("acme", user="of acme", page=1):
            yield tenants.current.id, dict(tenants.values)

    steps = exported()
    assert next(steps) == ("acme", {"user": "of acme", "page": 1})
    assert tenants.current_or_none is None
    assert tenants.values == {}
    with tenants.use("globex", user="of globex"):
        assert tenants.current.id == "globex"
        assert tenants.values == {"user": "of globex"}
    steps.close()


def test_t05b_what_the_consumer_makes_meanwhile_is_its_own(tenants):
    with tenants.use("globex"):
        mine = Customer.get_by_id(1)
        steps = names(tenants, "acme")
        next(steps)
        row, query = Customer(name="new"), Customer.select()
        assert mine.invoices is not None
        steps.close()
        row.save()
        assert {each.name for each in query} == {"globex", "new"}


def test_t09_what_a_generator_gives_does_not_act_in_its_consumers_tenant(tenants):
    def rows():
        with tenants.use("acme"):
            query = Customer.select()
            assert len(query) == 1
            yield query, Customer.get_by_id(1)

    with tenants.use("globex"):
        steps = rows()
        query, row = next(steps)
        for read in (list, lambda rows: next(iter(rows)), len):
            with pytest.raises(WrongTenant):
                read(query._cursor_wrapper)
        with pytest.raises(WrongTenant):
            _ = row.invoices
        steps.close()


def test_a_generator_gives_its_rows_to_whom_has_no_tenant(tenants):
    def rows():
        with tenants.use("acme"):
            yield from Customer.select()
            yield Customer.select().iterator()

    steps = rows()
    first, later = next(steps), next(steps)
    (second,) = later  # Made while the generator is suspended.
    assert first == second
    steps.close()
    with tenants.use("globex"):
        for row in (first, second):
            with pytest.raises(WrongTenant):
                row.save()


def test_t06_generators_work_in_turns_each_for_its_own_tenant(tenants):
    assert list(zip(names(tenants, "acme"), names(tenants, "globex"), strict=True)) == [("acme", "globex")] * 2


def test_t05b_a_generator_is_a_consumer_too(tenants):
    def outer():
        with tenants.use("globex"):
            steps = names(tenants, "acme")
            yield next(steps)
            with pytest.raises(GeneratorSuspended):
                who()
            steps.close()
            yield who()

    assert list(outer()) == ["acme", "globex"]


def test_a_generator_passes_on_what_another_gives(tenants):
    def outer():
        with tenants.use("globex"):
            yield who()
            yield from names(tenants, "acme", steps=1)
            yield who()

    assert list(outer()) == ["globex", "acme", "globex"]


def test_t05b_a_generator_that_goes_on_inside_its_consumers_block_is_in_its_own(tenants, sql):
    with tenants.use("initech"):
        Customer.create(name="initech")

    def steps():
        with tenants.use("acme"):
            yield
            assert who() == tenants.current.id == "acme"
            Customer.create(name="new")
            with tenants.database.atomic():
                row = Customer.get_by_id(1)
            yield row
            with tenants.use("initech"):
                yield who()
            yield who()

    def entered_by_what_it_calls():
        with tenants.use("initech"):
            return who()

    def caller():
        with tenants.use("acme"):
            yield
            yield entered_by_what_it_calls()
            yield who()

    generator, calling = steps(), caller()
    next(generator), next(calling)
    with tenants.use("globex"):
        mine = Customer.select()
        row = next(generator)
        assert who() == "globex"
        assert next(generator) == "initech"
        with pytest.raises(GeneratorSuspended):  # In a block that it has entered since.
            who()
        assert next(generator) == "acme"
        assert [next(calling), next(calling)] == ["initech", "acme"]
        assert next(iter(mine)).name == who() == "globex"
        with pytest.raises(WrongTenant):
            row.save()
        generator.close(), calling.close()
        assert who() == "globex"
    assert sql("SELECT count(*) FROM t_acme.customer") == [(2,)]
    assert sql("SELECT count(*) FROM t_globex.customer") == [(1,)]


def test_t06_generators_may_end_in_any_order(tenants):
    first, second, third = (names(tenants, tenant) for tenant in ("acme", "globex", "acme"))
    with tenants.use("globex"):
        for steps in (first, second, third):
            next(steps)
        for steps in (first, third, second):
            steps.close()
        assert who() == "globex"
    assert bound() is None


def test_t06_blocks_may_end_in_any_order(tenants):
    outer, inner = tenants.use("acme"), tenants.use("globex")
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert who() == "globex"
    inner.__exit__(None, None, None)
    assert bound() is None


def test_t06_a_block_that_ends_late_leaves_the_transaction_of_another_alone(tenants, sql):
    outer = tenants.use("acme")
    outer.__enter__()
    with tenants.use("acme"):
        with tenants.database.atomic():
            Customer.create(name="new")
            outer.__exit__(None, None, None)
            Customer.create(name="newer")
    assert sql("SELECT count(*) FROM t_acme.customer") == [(3,)]


def test_t06_the_transaction_that_a_generator_has_begun_ends_with_its_block(tenants, sql):
    def left_open():
        with tenants.use("acme"):
            tenants.database.begin()
            Customer.create(name="new")
            yield

    steps = left_open()
    next(steps)
    with tenants.use("globex", beside_transaction=True):
        with pytest.raises(TransactionLeftOpen):
            next(steps)
        assert who() == "globex"
    assert sql("SELECT count(*) FROM t_acme.customer") == [(1,)]


def test_a_block_in_a_generator_that_is_not_closed_ends_when_it_is_collected(tenants):
    steps = names(tenants, "acme")
    next(steps)
    del steps
    gc.collect()
    assert bound() is None
    with pytest.raises(NoTenantBound):
        who()


class Entering:
    """A class of an application that binds in its own block."""

    def __init__(self, tenants, tenant):
        self.block = tenants.use(tenant)

    def __enter__(self):
        return self.block.__enter__()

    def __exit__(self, *error):
        return self.block.__exit__(*error)


@contextlib.contextmanager
def entered_by_function(tenants, tenant):
    with tenants.use(tenant):
        yield


@contextlib.contextmanager
def entered_by_stack(tenants, tenant):
    with contextlib.ExitStack() as stack:
        stack.enter_context(entered_by_function(tenants, tenant))
        yield


WAYS = {"a class": Entering, "a function": entered_by_function, "a stack": entered_by_stack}


@pytest.mark.parametrize("enter", WAYS.values(), ids=WAYS)
def test_contextlib_and_classes_bind_for_whoever_enters_them(tenants, enter):
    with tenants.use("globex"):
        with enter(tenants, "acme"):
            assert who() == "acme"
        assert who() == "globex"


@pytest.mark.parametrize("enter", WAYS.values(), ids=WAYS)
def test_t05b_so_they_do_not_bind_for_the_consumer_of_a_generator(tenants, enter):
    def steps():
        with enter(tenants, "acme"):
            yield who()
            yield who()

    running = steps()
    assert next(running) == "acme"
    with pytest.raises(GeneratorSuspended):
        who()
    assert list(running) == ["acme"]


def test_t05b_a_stack_in_a_generator_binds_for_it_alone(tenants):
    def steps():
        with contextlib.ExitStack() as stack:
            stack.enter_context(tenants.use("acme"))
            yield who()

    running = steps()
    assert next(running) == "acme"
    with pytest.raises(GeneratorSuspended):
        who()
    running.close()


def by_stack(block, stack):
    stack.enter_context(block)


def by_hand(block, stack):
    block.__enter__()
    stack.push(block)


def by_another(block, stack):
    by_stack(entered_later_than(block), stack)


@contextlib.contextmanager
def entered_later_than(block):
    with block:
        yield


FUNCTIONS = [by_stack, by_hand, by_another]


@pytest.mark.parametrize("enter", FUNCTIONS)
def test_t05b_what_a_function_has_entered_for_a_generator_is_not_its_consumers(tenants, enter):
    def steps():
        with contextlib.ExitStack() as stack:
            enter(tenants.use("acme"), stack)
            yield who()
            yield who()

    running = steps()
    assert next(running) == "acme"
    with pytest.raises(GeneratorSuspended):
        who()
    with tenants.use("globex"):
        assert (next(running), who()) == ("acme", "globex")
    running.close()
    assert bound() is None


@pytest.mark.parametrize("enter", FUNCTIONS)
def test_t05b_nor_what_a_function_has_entered_for_an_async_generator(tenants, enter):
    async def steps():
        with contextlib.ExitStack() as stack:
            enter(tenants.use("acme"), stack)
            yield who()

    async def main():
        running = steps()
        assert await running.__anext__() == "acme"
        with pytest.raises(GeneratorSuspended):
            who()
        await running.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("enter", FUNCTIONS)
def test_a_function_may_enter_a_block_for_who_calls_it(tenants, enter):
    with contextlib.ExitStack() as stack:
        enter(tenants.use("acme"), stack)
        assert who() == "acme"
    assert bound() is None


def test_across_yield_binds_for_the_consumer_as_well(tenants):
    def fixture():
        with tenants.use("acme", across_yield=True):
            yield

    def shared():
        with tenants.shared(across_yield=True):
            yield

    steps = fixture()
    next(steps)
    assert who() == "acme"
    steps.close()
    steps = shared()
    next(steps)
    assert tenants.database.execute_sql("SELECT current_schema()").fetchone() == ("public",)
    steps.close()


def test_a_block_does_not_stand_above_a_generator(tenants):
    with pytest.raises(TypeError, match=r"use\(\) cannot stand above the generator .*steps: enter it inside"):

        @tenants.use("acme")
        def steps():
            yield

    with pytest.raises(TypeError, match="generator"):

        @tenants.use("acme")
        async def later():
            yield


def test_t06_a_generator_that_is_closed_in_another_thread_leaves_nothing_here(tenants):
    with tenants.use("globex"):
        steps = names(tenants, "acme")
        next(steps)
        in_thread(steps.close)
        assert who() == "globex"
        query, row = Customer.select(), Customer(name="new")
        row.save()
        assert len(query) == 2


def test_t06_a_generator_that_goes_on_in_another_thread_is_refused(tenants):
    steps = names(tenants, "acme", steps=3)
    assert next(steps) == "acme"

    def elsewhere():
        with tenants.use("globex"):
            with pytest.raises(GeneratorMoved, match=r"tenant 'acme' by its text alone: the generator names") as caught:
                next(steps)
            assert (caught.value.what, caught.value.generator) == ("Customer", "names")
            assert who() == "globex"

    in_thread(elsewhere)
    assert own_block() is None


def test_t06_nor_does_it_go_on_where_it_was_begun_in_another_context(tenants):
    steps = names(tenants, "acme")
    contextvars.copy_context().run(next, steps)
    with tenants.use("globex"), pytest.raises(GeneratorMoved):
        next(steps)


CARRIED = {"wrap": lambda: wrap(who)(), "stream": lambda: next(stream(who() for _ in range(1)))}


@pytest.mark.parametrize("ask", CARRIED.values(), ids=CARRIED)
def test_what_a_generator_carries_along_runs_in_it_too(tenants, ask):
    def steps():
        with tenants.use("acme"):
            yield ask()

    assert next(steps()) == "acme"


@pytest.mark.parametrize("ask", CARRIED.values(), ids=CARRIED)
def test_what_a_function_carries_along_leaves_the_generator_around_it_as_it_was(tenants, ask):
    def carry():
        with tenants.use("globex"):
            carried = wrap(ask)
        return in_thread(carried)

    def steps():
        with tenants.use("acme"):
            yield carry(), who()

    assert next(steps()) == ("globex", "acme")


def test_t06_a_block_that_a_generator_has_left_elsewhere_is_left_here_too(tenants):
    def steps():
        with tenants.use("acme"):
            yield
        yield tenants.current_or_none
        yield who()

    running = steps()
    next(running)
    assert contextvars.copy_context().run(next, running) is None
    with tenants.use("globex"):
        assert next(running) == "globex"
    running = steps()
    next(running)
    contextvars.copy_context().run(next, running)
    with pytest.raises(NoTenantBound):
        next(running)

    def still_there():
        with tenants.use("acme"):
            yield
        yield
        yield tenants.current_or_none

    running = still_there()
    next(running)
    contextvars.copy_context().run(next, running)
    assert next(running) is None


def test_the_generators_of_other_threads_disturb_nobody(tenants):
    begun, done = threading.Event(), threading.Event()

    def steps():
        with tenants.use("acme"):
            begun.set()
            done.wait(30)
            yield who()

    def elsewhere():
        return next(steps())

    with ThreadPoolExecutor(1) as executor:
        job = executor.submit(elsewhere)
        begun.wait(30)
        with tenants.use("globex"):
            assert who() == "globex"
            assert list(names(tenants, "acme")) == ["acme", "acme"]
        done.set()
        assert job.result() == "acme"


def test_a_block_is_entered_once(tenants):
    block = tenants.use("acme")
    with block, pytest.raises(RuntimeError, match="entered already"):
        block.__enter__()


# Async generators.


async def later_names(tenants, tenant, steps=2):
    with tenants.use(tenant):
        for _ in range(steps):
            await asyncio.sleep(0)
            yield who()


def test_t05b_the_consumer_of_an_async_generator_has_not_what_it_has_bound(tenants):
    async def main():
        steps = later_names(tenants, "acme")
        assert await anext(steps) == "acme"
        with pytest.raises(GeneratorSuspended, match="later_names"):
            who()
        with tenants.use("globex"):
            assert who() == "globex"
        assert [name async for name in steps] == ["acme"]
        with pytest.raises(NoTenantBound):
            who()

    asyncio.run(main())


def test_t06_an_async_generator_may_be_closed_in_another_task(tenants):
    async def main():
        with tenants.use("globex"):
            steps = later_names(tenants, "acme")
            await anext(steps)
            await asyncio.create_task(steps.aclose())
            assert who() == "globex"
            assert Customer.select().count() == 1
            assert tenants.current.id == "globex"

    asyncio.run(main())


def test_t06_an_async_generator_that_goes_on_in_another_task_is_refused(tenants):
    async def main():
        steps = later_names(tenants, "acme")
        await asyncio.create_task(anext_of(steps))
        with tenants.use("globex"), pytest.raises(GeneratorMoved):
            await anext(steps)

    async def anext_of(steps):
        return await anext(steps)

    asyncio.run(main())


def test_t05b_a_task_of_the_consumer_never_has_what_a_generator_has_bound(tenants):
    async def main():
        go, over = asyncio.Event(), asyncio.Event()

        async def steps():
            with tenants.use("acme"):
                yield
                go.set()
                await over.wait()  # The generator runs, and the task beside it.
                yield

        async def beside():
            await go.wait()
            try:
                with pytest.raises(GeneratorSuspended):
                    who()
                with pytest.raises(GeneratorSuspended):
                    await asyncio.to_thread(who)
            finally:
                over.set()

        running = steps()
        await anext(running)
        task = asyncio.create_task(beside())
        await anext(running)
        await task
        await running.aclose()

    asyncio.run(main())


def test_what_an_async_generator_starts_is_given_its_tenant_by_wrap(tenants):
    async def found():
        await asyncio.sleep(0)
        return who()

    async def steps():
        with tenants.use("acme"):
            with pytest.raises(GeneratorSuspended):
                await asyncio.to_thread(who)
            yield await asyncio.to_thread(wrap(who))
            yield await asyncio.gather(wrap(found)(), wrap(found)())
            yield await found()

    async def main():
        return [each async for each in steps()]

    assert asyncio.run(main()) == ["acme", ["acme", "acme"], "acme"]


@contextlib.asynccontextmanager
async def entered_later(tenants, tenant):
    with tenants.use(tenant):
        yield


def test_asynccontextmanager_binds_for_whoever_enters_it(tenants):
    async def main():
        async with entered_later(tenants, "acme"), contextlib.AsyncExitStack() as stack:
            assert who() == "acme"
            await stack.enter_async_context(entered_later(tenants, "globex"))
            assert await asyncio.to_thread(who) == who() == "globex"

    asyncio.run(main())


def test_t05b_so_it_does_not_bind_for_the_consumer_of_an_async_generator(tenants):
    async def steps():
        async with entered_later(tenants, "acme"):
            yield who()

    async def main():
        running = steps()
        assert await anext(running) == "acme"
        with pytest.raises(GeneratorSuspended):
            who()
        await running.aclose()

    asyncio.run(main())


# Threads and tasks.


def test_t04_the_work_of_an_executor_fails_closed(tenants):
    with ThreadPoolExecutor(1) as executor, tenants.use("acme"):
        assert isinstance(executor.submit(who).exception(), NoTenantBound)

    async def main():
        with tenants.use("acme"), pytest.raises(NoTenantBound):
            await asyncio.get_running_loop().run_in_executor(None, who)

    asyncio.run(main())


def test_t04_tenantrys_executor_carries_the_tenant_of_who_submits(tenants):
    with TenantExecutor(2) as executor:
        jobs = []
        for tenant in ("acme", "globex") * 5:
            with tenants.use(tenant):
                jobs.append(executor.submit(who))
                jobs.extend(executor.submit(lambda: who()) for _ in range(2))
        assert [job.result() for job in jobs] == [tenant for tenant in ("acme", "globex") * 5 for _ in range(3)]
        with tenants.use("acme"):
            assert list(executor.map(lambda _: who(), range(3))) == ["acme"] * 3
        assert isinstance(executor.submit(who).exception(), NoTenantBound)


def test_t04c_a_task_that_was_made_in_a_block_has_its_tenant_after_it(tenants):
    async def main():
        go = asyncio.Event()

        async def later():
            await go.wait()
            return who()

        with tenants.use("acme"):
            task = asyncio.create_task(later())
        with pytest.raises(NoTenantBound):
            who()
        go.set()
        return await task

    assert asyncio.run(main()) == "acme"


def test_t05_tasks_of_several_tenants_take_turns_in_one_thread(tenants):
    async def work(tenant):
        found = []
        with tenants.use(tenant):
            for _ in range(20):
                found.append(who())
                await asyncio.sleep(0)
                with tenants.database.atomic():
                    found.append(who())
                    await asyncio.sleep(0)
                    found.append(who())
        return set(found)

    async def main():
        return await asyncio.gather(*(work(tenant) for tenant in ("acme", "globex") * 2))

    assert asyncio.run(main()) == [{tenant} for tenant in ("acme", "globex") * 2]


# Callables.


def test_a_wrapped_function_runs_for_the_tenant_that_it_was_wrapped_in(tenants):
    with tenants.use("acme", user="bob"):
        wrapped = wrap(lambda: (who(), dict(tenants.values)))
    wanted = ("acme", {"user": "bob"})
    assert wrapped() == wanted
    with tenants.use("globex"):
        assert wrapped() == wanted
        assert who() == "globex"
    with tenants.shared():
        assert wrapped() == wanted
    assert in_thread(wrapped) == wanted


def test_a_function_that_was_wrapped_without_a_tenant_has_none(tenants):
    wrapped = wrap(who)
    with tenants.use("acme"), pytest.raises(NoTenantBound):
        wrapped()


def test_what_a_wrapped_function_binds_is_its_calls_own(tenants):
    def enter():
        found = who()
        tenants.use("globex").__enter__()
        return found, who()

    with tenants.use("acme"):
        wrapped = wrap(enter)
        assert [wrapped(), wrapped()] == [("acme", "globex")] * 2
        assert who() == "acme"


def test_a_wrapped_function_runs_in_several_threads_at_once(tenants):
    barrier = threading.Barrier(3, timeout=30)

    def work():
        barrier.wait()
        return who()

    with tenants.use("acme"):
        wrapped = wrap(work)
    with ThreadPoolExecutor(3) as executor:
        assert [job.result() for job in [executor.submit(wrapped) for _ in range(3)]] == ["acme"] * 3


def test_a_wrapped_function_keeps_its_name_and_arguments(tenants):
    def twice(number, *, plus=0):
        """Double it."""
        return 2 * number + plus

    assert wrap(twice)(2, plus=1) == 5
    assert (wrap(twice).__name__, wrap(twice).__doc__) == ("twice", "Double it.")


def test_what_a_generator_wraps_runs_for_its_tenant(tenants):
    def steps():
        with tenants.use("acme"):
            yield wrap(who)

    running = steps()
    wrapped = next(running)
    assert wrapped() == "acme"
    assert in_thread(wrapped) == "acme"
    running.close()
    assert wrapped() == "acme"


def test_t05b_what_its_consumer_wraps_does_not(tenants):
    steps = names(tenants, "acme")
    next(steps)
    wrapped = wrap(who)
    with pytest.raises(NoTenantBound):
        wrapped()
    with tenants.use("globex"):
        steps.close()
        steps = names(tenants, "acme")
        next(steps)
        assert wrap(who)() == "globex"
        with TenantExecutor(1) as executor:
            assert executor.submit(who).result() == "globex"
        steps.close()


def test_a_coroutine_is_wrapped_for_the_tenant_too(tenants):
    async def found(extra):
        await asyncio.sleep(0)
        return who() + extra

    with tenants.use("acme"):
        wrapped = wrap(found)

    async def main():
        with tenants.use("globex"):
            return await asyncio.gather(wrapped("!"), wrapped("?"), found("."))

    assert asyncio.run(main()) == ["acme!", "acme?", "globex."]


def test_what_a_wrapped_coroutine_binds_is_its_calls_own(tenants):
    async def enter():
        found = who()
        tenants.use("globex").__enter__()
        await asyncio.sleep(0)
        return found, who()

    async def main():
        with tenants.use("acme"):
            return await asyncio.gather(*[wrapped() for wrapped in [wrap(enter)] * 2])

    assert asyncio.run(main()) == [("acme", "globex")] * 2


def test_a_generator_is_not_wrapped_for_it_works_later(tenants):
    async def later():
        yield

    for generator in (names, functools.partial(names, tenants), later):
        with pytest.raises(TypeError, match=r"wrap\(\) .* stream\(\)"):
            wrap(generator)
    with TenantExecutor(1) as executor, pytest.raises(TypeError, match=r"stream\(\)"):
        executor.submit(names, tenants, "acme")


# Streams.


def test_t06d_each_step_of_a_stream_has_the_tenant_in_which_it_was_made(tenants):
    def rows():
        for _ in range(3):
            yield who()

    with tenants.use("acme"):
        steps = stream(rows())
    assert next(steps) == "acme"
    with tenants.use("globex"):
        assert next(steps) == "acme"
        assert who() == "globex"
    assert in_thread(lambda: next(steps)) == "acme"
    assert list(steps) == []


def test_t06d_without_a_stream_the_steps_after_the_block_are_refused(tenants):
    def rows():
        yield who()
        yield who()

    with tenants.use("acme"):
        steps = rows()
        next(steps)
    with pytest.raises(NoTenantBound):
        next(steps)
    with tenants.use("acme"):
        query = iter(Customer.select())
    with tenants.use("globex"), pytest.raises(WrongTenant):
        next(query)


def test_a_stream_of_a_query_gives_its_rows(tenants):
    outside = Customer.select()
    with tenants.use("acme"):
        steps = [stream(outside), stream(Customer.select()), stream(Customer.select().iterator())]
    with tenants.use("globex"):
        for each in steps:
            assert [row.name for row in each] == ["acme"]


def test_a_stream_of_a_generator_that_binds_goes_on_in_any_thread(tenants):
    with tenants.use("globex"):
        steps = stream(names(tenants, "acme", steps=3))
    assert next(steps) == "acme"
    assert in_thread(lambda: next(steps)) == "acme"
    with tenants.use("globex"):
        assert next(steps) == "acme"
        assert who() == "globex"
    assert list(steps) == []


def test_closing_a_stream_closes_what_is_behind_it_in_its_tenant_once(tenants):
    ended = []

    def rows():
        try:
            yield who()
        finally:
            ended.append(who())

    with tenants.use("acme"):
        steps = stream(rows())
        unread = stream(iter(["a", "b"]))
    next(steps)
    with tenants.use("globex"):
        steps.close()
        steps.close()
    assert ended == ["acme"]
    assert list(steps) == []
    unread.close()
    assert list(unread) == []


def test_a_stream_is_closed_in_another_thread_for_its_own_tenant(tenants):
    ended = []

    def rows():
        with tenants.use("acme"):
            try:
                yield who()
            finally:
                ended.append(who())

    steps = stream(rows())
    next(steps)
    in_thread(steps.close)
    assert ended == ["acme"]


# One after another.


def test_run_calls_a_function_for_each_tenant(tenants):
    assert tenants.run(who, on=["acme", "globex"]) == {"acme": "acme", "globex": "globex"}
    assert tenants.run(Customer.select().count, on=iter(["globex"])) == {"globex": 1}
    assert tenants.run(who, on=[]) == {}


def test_run_inside_a_tenant_comes_back_to_it(tenants):
    with tenants.use("acme"):
        assert tenants.run(who, on=["globex"]) == {"globex": "globex"}
        assert who() == "acme"
        with pytest.raises(WrongTenant):
            tenants.run(Customer.select().count, on=["globex"])


def test_run_ends_with_the_first_error(tenants):
    called = []

    def job():
        called.append(who())
        if len(called) == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tenants.run(job, on=["acme", "globex", "acme"])
    assert called == ["acme", "globex"]
    with pytest.raises(UnknownTenant):
        tenants.run(job, on=["umbrella"])
    with pytest.raises(TypeError, match=r"on=\['acme'\]"):
        tenants.run(job, on="acme")
