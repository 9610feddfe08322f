"""The models of the tests, and the SQL of their tables: a small shop."""

from __future__ import annotations

import peewee

from tenantry import SharedModel, TenantModel

TENANTS = ("acme", "globex", "initech")

TENANT_DDL = """
CREATE TABLE {schema}.customer (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE {schema}.invoice (
    id serial PRIMARY KEY, plan_id int REFERENCES public.plan, customer_id int REFERENCES {schema}.customer,
    total numeric NOT NULL DEFAULT 0, note text, issued timestamp NOT NULL DEFAULT '2026-01-02 03:04:05', data jsonb
);
"""
SHARED_DDL = "CREATE TABLE public.plan (id serial PRIMARY KEY, name text NOT NULL UNIQUE)"


class Plan(SharedModel):
    name = peewee.TextField(unique=True)


class Customer(TenantModel):
    name = peewee.TextField(unique=True)


class Invoice(TenantModel):
    plan = peewee.ForeignKeyField(Plan, null=True)
    customer = peewee.ForeignKeyField(Customer, null=True, backref="invoices")
    total = peewee.DecimalField(default=0)
    note = peewee.TextField(null=True)
    issued = peewee.DateTimeField(null=True)
    data = peewee.JSONField(null=True)
