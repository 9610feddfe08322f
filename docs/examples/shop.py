"""Invoices for many shops: one bottle application, one set of models, one PostgreSQL schema for each shop.

    TENANTRY_URL=postgresql://app:secret@localhost/shop python docs/examples/shop.py
    TENANTRY_URL=embedded: python docs/examples/shop.py     # a PostgreSQL that tenantry starts by itself

Then open http://acme.localhost:8080/ and http://globex.localhost:8080/: browsers find every name below localhost on
this machine. The same for programs:

    curl http://acme.localhost:8080/invoices
    curl http://acme.localhost:8080/invoices --json '{"customer": "Road Runner", "total": "12.50"}'
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer

import peewee
from bottle import Bottle, HTTPError, HTTPResponse, abort, redirect, request, response, template

from tenantry import SharedModel, Tenant, TenantModel, Tenantry
from tenantry.errors import TenantryError
from tenantry.integrations.bottle import TenantryPlugin, from_subdomain

DOMAIN = "localhost"
SHOPS = ("acme", "globex", "initech")
MIGRATIONS = Path(__file__).with_name("migrations")
HIGHEST = Decimal("99999999.99")  # What numeric(10, 2) holds.
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # What JSON can say, and no text of PostgreSQL holds.


# One table of plans for all; customers and invoices in each shop's own schema.


class Plan(SharedModel):
    name = peewee.TextField(unique=True)
    price = peewee.DecimalField(max_digits=10, decimal_places=2)
    places = peewee.IntegerField()


class Customer(TenantModel):
    name = peewee.TextField(unique=True)


class Invoice(TenantModel):
    customer = peewee.ForeignKeyField(Customer, backref="invoices")
    plan = peewee.ForeignKeyField(Plan, null=True)
    total = peewee.DecimalField(max_digits=10, decimal_places=2)
    note = peewee.TextField(default="")
    issued = peewee.DateField(constraints=[peewee.SQL("DEFAULT current_date")])


class SoldOut(Exception):
    """No place is left in a plan."""


# What the routes do. Nothing here names a tenant: it is whoever is bound.


def invoices() -> Any:
    """All invoices, with the names of the shop's customers and of the shared plans: one join over both schemas."""
    return (
        Invoice.select(
            Invoice.id,
            Invoice.total,
            Invoice.note,
            Invoice.issued,
            Customer.name.alias("customer"),
            Plan.name.alias("plan"),
        )
        .join(Customer)
        .switch(Invoice)
        .join(Plan, peewee.JOIN.LEFT_OUTER)
        .order_by(Invoice.id.desc())
        .dicts()
    )


def add_invoice(customer: str, total: Decimal, note: str = "", plan: Plan | None = None) -> int:
    """Write an invoice, and its customer where it is the first one."""
    with Invoice._meta.database.atomic():
        bought_by, _ = Customer.get_or_create(name=customer)
        return Invoice.insert(customer=bought_by, total=total, note=note, plan=plan).execute()


def subscribe(customer: str, plan_id: int) -> int:
    """Sell a place in a plan: the shop's invoice and the shared plan are written together, or neither is."""
    with Invoice._meta.database.atomic():
        plan = Plan.get_by_id(plan_id)
        invoice = add_invoice(customer, plan.price, note="one month", plan=plan)
        taken = Plan.update(places=Plan.places - 1).where(Plan.id == plan_id, Plan.places > 0).execute()
        if not taken:
            raise SoldOut(plan.name)
    return invoice


# What comes from outside.


def text_of(fields: Any, name: str) -> str:
    text = fields.get(name, "")
    if not isinstance(text, str) or not text.strip() or NO_TEXT.search(text):
        abort(400, f"{name}: a text is missing")
    return text.strip()


def amount_of(fields: Any, name: str) -> Decimal:
    try:
        amount = Decimal(str(fields.get(name, ""))).quantize(Decimal("0.01"))
    except InvalidOperation:
        amount = Decimal(0)
    if not (amount.is_finite() and 0 < amount <= HIGHEST):
        abort(400, f"{name}: an amount above 0 is missing, such as 12.50")
    return amount


def number_of(fields: Any, name: str) -> int:
    text = str(fields.get(name, ""))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        abort(400, f"{name}: a number is missing")
    return int(text)


def sent_fields() -> Any:
    """The fields of a JSON body, or of a form."""
    if (request.content_type or "").partition(";")[0] != "application/json":
        try:
            return request.forms.decode("utf8")
        except UnicodeDecodeError:
            abort(400, "the form is not UTF-8")
    if not isinstance(request.json, dict):
        abort(400, "a JSON object is missing")
    return request.json


def answered(made: int) -> Any:
    """What a program gets to read, and where a browser goes on."""
    if wants_page():
        redirect("/", 303)
    response.status = 201
    return {"id": made}


def wants_page() -> bool:
    return "text/html" in request.get_header("Accept", "")


# The routes.


def make_app(tenants: Tenantry, domain: str = DOMAIN) -> Bottle:
    """Make the application over an engine: `acme` is served at acme.DOMAIN."""
    app = Bottle()
    app.install(TenantryPlugin(tenants, resolver=from_subdomain(domain)))
    app.default_error_handler = lambda error: error_page(error, domain)

    @app.get("/")
    def page(tenant: Tenant) -> str:
        rows = list(invoices())
        total = sum((row["total"] for row in rows), Decimal(0))
        return template(PAGE, shop=tenant.id, hue=hue_of(tenant), rows=rows, total=total, plans=plans())

    @app.get("/invoices")
    def list_invoices(tenant: Tenant) -> dict[str, Any]:
        return {"shop": tenant.id, "invoices": [jsonable(row) for row in invoices()]}

    @app.post("/invoices")
    def create_invoice() -> Any:
        fields = sent_fields()
        note = NO_TEXT.sub("", str(fields.get("note") or ""))
        return answered(add_invoice(text_of(fields, "customer"), amount_of(fields, "total"), note))

    @app.get("/invoices.csv")
    def export_invoices(tenant: Tenant) -> Iterator[str]:
        response.content_type = "text/csv; charset=utf-8"
        response.set_header("Content-Disposition", f'attachment; filename="{tenant.id}.csv"')
        yield "id,issued,customer,total\r\n"
        for row in invoices():
            yield f"{row['id']},{row['issued']},{csv_text(row['customer'])},{row['total']}\r\n"

    @app.post("/subscriptions")
    def create_subscription() -> Any:
        fields = sent_fields()
        try:
            return answered(subscribe(text_of(fields, "customer"), number_of(fields, "plan")))
        except Plan.DoesNotExist:
            raise HTTPError(404, "There is no such plan.") from None
        except SoldOut as plan:
            raise HTTPError(409, f"{plan} is sold out.") from None

    @app.get("/plans", tenantry={"shared": True})  # The same for every shop, and on the bare domain.
    def list_plans() -> dict[str, Any]:
        return {"plans": [jsonable(plan) for plan in plans()]}

    @app.get("/style.css", tenantry={"public": True})
    def style() -> HTTPResponse:
        return HTTPResponse(STYLE, content_type="text/css; charset=utf-8", cache_control="max-age=3600")

    return app


def plans() -> list[dict[str, Any]]:
    return list(Plan.select().order_by(Plan.price).dicts())


def jsonable(row: dict[str, Any]) -> dict[str, Any]:
    """Amounts and dates as text: a float would round the cents."""
    return {key: value if isinstance(value, int | None) else str(value) for key, value in row.items()}


def csv_text(text: str) -> str:
    # A spreadsheet takes what begins so for a formula.
    text = f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
    return '"' + text.replace('"', '""') + '"'


def hue_of(tenant: Tenant) -> int:
    """A colour for each shop, so that nobody mistakes one for another."""
    return zlib.crc32(tenant.id.encode()) % 360


def error_page(error: HTTPError, domain: str) -> str:
    if wants_page():
        return template(ERROR_PAGE, error=error, domain=domain)
    response.content_type = "text/plain; charset=utf-8"
    return f"{error.body}\n"


# The pages. {{...}} escapes what it shows.

HEAD = """
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/style.css">
"""

PAGE = (
    HEAD
    + """
<title>{{shop}}: invoices</title>
<body style="--hue: {{hue}}">
<header>
  <div class="wide">
    <span class="badge" aria-hidden="true">{{shop[0]}}</span>
    <div><h1>{{shop}}</h1><p>You see the data of <strong>{{shop}}</strong> alone.</p></div>
    <dl>
      <div><dt>Invoices</dt><dd>{{len(rows)}}</dd></div>
      <div><dt>Total</dt><dd>{{f"{total:,.2f}"}}</dd></div>
    </dl>
  </div>
</header>
<main class="wide">
  <section>
    <h2>Invoices <a href="/invoices.csv">Download as CSV</a></h2>
% if rows:
    <table>
      <thead><tr><th>No.<th>Issued<th>Customer<th>Plan<th class="number">Total</thead>
      <tbody>
% for row in rows:
        <tr>
          <td>{{row["id"]}}
          <td>{{row["issued"]}}
          <td><b>{{row["customer"]}}</b>
% if row["note"]:
            <small>{{row["note"]}}</small>
% end
          <td>
% if row["plan"]:
            <span class="tag">{{row["plan"]}}</span>
% end
          <td class="number">{{f"{row['total']:,.2f}"}}
% end
    </table>
% else:
    <p class="empty">No invoices yet. Write the first one.</p>
% end
  </section>
  <aside>
    <form method="post" action="/invoices">
      <h2>New invoice</h2>
      <label>Customer <input name="customer" required maxlength="200"></label>
      <label>Total <input name="total" required type="number" min="0.01" max="99999999.99" step="0.01"></label>
      <label>Note <input name="note" maxlength="500"></label>
      <button>Write invoice</button>
    </form>
    <form method="post" action="/subscriptions">
      <h2>Sell a plan</h2>
      <p>Plans are shared: every shop sells from the same places.</p>
      <label>Customer <input name="customer" required maxlength="200"></label>
% for plan in plans:
      <label class="choice">
        <input type="radio" name="plan" required value="{{plan["id"]}}" {{"" if plan["places"] else "disabled"}}>
        <b>{{plan["name"]}}</b>
        <span>{{f"{plan['places']:,} left" if plan["places"] else "sold out"}}</span>
        <span class="number">{{f"{plan['price']:,.2f}"}}</span>
      </label>
% end
      <button>Sell</button>
    </form>
  </aside>
</main>
"""
)

ERROR_PAGE = (
    HEAD
    + """
<title>{{error.status_line}}</title>
<body class="error">
<main>
  <p class="code">{{error.status_code}}</p>
  <h1>{{error.body}}</h1>
  <p>Each shop has an address of its own: <b>shop</b>.{{domain}}</p>
</main>
"""
)

STYLE = """
:root { color-scheme: light dark; --ink: #1b1d22; --soft: #5f6570; --line: #e3e5ea; --page: #f5f6f8; --card: #fff;
  --tinted: 60% 94%; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9eaee; --soft: #9aa1ad; --line: #31353d; --page: #14161a;
  --card: #1d2026; --tinted: 30% 24%; } }
* { box-sizing: border-box; }
body { --accent: hsl(var(--hue, 220) 55% 36%); --tint: hsl(var(--hue, 220) var(--tinted)); margin: 0;
  background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
.wide { max-width: 70rem; margin: 0 auto; padding: 0 1.5rem; }
header { background: var(--accent); color: #fff; padding: 1.75rem 0; }
header .wide { display: flex; flex-wrap: wrap; align-items: center; gap: 1rem; }
header h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
header p { margin: .1rem 0 0; opacity: .9; }
.badge { display: grid; place-items: center; width: 3.5rem; height: 3.5rem; border-radius: .9rem; background: #fff;
  color: var(--accent); font-size: 1.75rem; font-weight: 700; text-transform: uppercase; }
dl { display: flex; gap: 2.5rem; margin: 0 0 0 auto; }
dt { font-size: .85rem; opacity: .85; }
dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.2; font-variant-numeric: tabular-nums; }
main.wide { display: grid; grid-template-columns: minmax(0, 1fr) 20rem; gap: 1.5rem; align-items: start;
  padding-top: 1.5rem; padding-bottom: 3rem; }
@media (max-width: 55rem) { main.wide { grid-template-columns: minmax(0, 1fr); } dl { margin-left: 0; width: 100%; } }
section, form { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem; }
h2 { display: flex; justify-content: space-between; align-items: baseline; margin: 0 0 .75rem; font-size: 1.1rem; }
h2 a { font-size: .875rem; font-weight: 400; }
a { color: inherit; }
table { width: 100%; border-collapse: collapse; }
th { font-size: .8rem; font-weight: 500; color: var(--soft); text-align: left; white-space: nowrap; }
th, td { padding: .6rem .75rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { padding-left: 0; color: var(--soft); }
th:last-child, td:last-child { padding-right: 0; }
tbody tr:last-child td { border-bottom: 0; }
td { overflow-wrap: anywhere; }
td b { font-weight: 600; }
td small { display: block; color: var(--soft); }
td:nth-child(2), .tag { white-space: nowrap; }
@media (max-width: 35rem) { .wide { padding: 0 1rem; } section { padding: 1rem; }
  tr > :first-child, tr > :nth-child(2) { display: none; } tr > :nth-child(3) { padding-left: 0; } }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tag { padding: .1rem .55rem; border-radius: 1rem; background: var(--tint); font-size: .85rem; }
.empty { margin: 0; padding: 2.5rem 0; text-align: center; color: var(--soft); }
aside { display: grid; gap: 1.5rem; }
form p { margin: -.4rem 0 .75rem; font-size: .9rem; color: var(--soft); }
label { display: block; margin-bottom: .75rem; font-size: .9rem; color: var(--soft); }
input:not([type=radio]) { display: block; width: 100%; margin-top: .2rem; padding: .5rem .65rem; font: inherit;
  color: var(--ink); background: var(--page); border: 1px solid var(--line); border-radius: .45rem; }
.choice { display: flex; gap: .6rem; align-items: baseline; margin-bottom: .5rem; }
.choice b { color: var(--ink); font-weight: 500; }
.choice .number { margin-left: auto; color: var(--ink); }
.choice:has(:disabled) { opacity: .55; }
input { accent-color: var(--accent); }
button { width: 100%; margin-top: .25rem; padding: .6rem; border: 0; border-radius: .45rem; background: var(--accent);
  color: #fff; font: inherit; font-weight: 600; cursor: pointer; }
button:hover { filter: brightness(1.1); }
:focus-visible { outline: 3px solid hsl(var(--hue, 220) 80% 60%); outline-offset: 2px; }
.error { display: grid; place-items: center; min-height: 100vh; padding: 1.5rem; }
.error h1 { margin: 0 0 1rem; font-size: 1.5rem; }
.error .code { margin: 0; color: var(--soft); font-weight: 600; }
"""


# To run it.


def prepare(tenants: Tenantry) -> None:
    """Bring all tables up to the migrations, and make the three shops where they are not there yet."""
    for outcome in tenants.migrate():
        if outcome.error is not None:
            raise outcome.error
    known = {tenant.id for tenant in tenants}
    for shop in SHOPS:
        if shop not in known:
            tenants.create(shop)


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """Serves requests side by side: a slow one keeps no other waiting."""

    daemon_threads = True


def main() -> None:
    tenants = Tenantry(migrations=MIGRATIONS)  # The database: from TENANTRY_URL.
    try:
        prepare(tenants)
        for shop in SHOPS:
            print(f"http://{shop}.{DOMAIN}:8080/")
        make_app(tenants).run(host="127.0.0.1", port=8080, server_class=ThreadingServer, quiet=True)
    except (TenantryError, OSError) as error:  # OSError: the port is taken.
        raise SystemExit(f"error: {error}") from None
    finally:
        tenants.close()


if __name__ == "__main__":
    main()
