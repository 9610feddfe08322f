"""The errors: one tree, documented, with the facts as attributes."""

from __future__ import annotations

import inspect

import peewee
import pytest

from tenantry import errors
from tenantry.errors import ServerError, TenantryError

ALL = [error for _, error in inspect.getmembers(errors, inspect.isclass) if error.__module__ == errors.__name__]


@pytest.mark.parametrize("error", ALL)
def test_every_error_is_a_documented_tenantry_error(error):
    assert issubclass(error, TenantryError)
    assert f"{error.__name__} " in errors.__doc__ or f"{error.__name__}\n" in errors.__doc__
    assert error.__doc__


@pytest.mark.parametrize("error", [error for error in ALL if issubclass(error, ServerError)])
def test_what_keeps_statements_from_the_server_is_peewees_operational_error_too(error):
    assert issubclass(error, peewee.OperationalError)


@pytest.mark.parametrize("error", ALL)
def test_no_error_is_taken_for_another_where_peewee_translates_the_drivers(error):
    # peewee looks at the names of an error's class and of its first base.
    with pytest.raises(error):
        with peewee.__exception_wrapper__:
            raise error.__new__(error)


def test_an_error_says_what_shows_the_value_and_names_the_way_out():
    error = errors.UnknownTenant("acme")
    assert str(error) == "tenant 'acme' is not in the catalog: create it first, or check the spelling"
    assert error.tenant == "acme"
