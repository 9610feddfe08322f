"""The bottle plugin, on a real server and over real requests; and the example application that is made with it."""

from __future__ import annotations

import contextlib
import functools
import gc
import http.client
import importlib.util
import io
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.util import setup_testing_defaults

import bottle
import pytest
from bottle import Bottle, HTTPResponse
from shop import TENANTS, Customer, Invoice, Plan

from tenantry import FixedCatalog, State, Tenant, Tenantry
from tenantry.errors import CatalogUnavailable, ConfigError, ServerUnreachable
from tenantry.integrations.bottle import TenantryPlugin, from_header, from_subdomain
from tenantry.naming import schema_name, tenant_id

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "shop.py"


class Threads(ThreadingMixIn, WSGIServer):
    """Requests side by side, all of them ended when the server is."""

    daemon_threads = False


class Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, *_):
        pass


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


class Client:
    """Asks one server."""

    def __init__(self, port):
        self.port = port

    def ask(self, path, tenant=None, *, method="GET", body=None, **headers):
        if tenant is not None:
            headers["X-Tenant"] = tenant
        with self.open(path, method=method, body=body, **headers) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())

    @contextlib.contextmanager
    def open(self, path, *, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers)
            with connection.getresponse() as answer:
                yield answer


@pytest.fixture
def serve():
    """Serve applications on free ports; each request has a thread of its own, unless the server is another."""
    with contextlib.ExitStack() as ended:

        def start(app, server=Threads):
            made = make_server("127.0.0.1", 0, app, server, Quiet)
            thread = threading.Thread(target=made.serve_forever, args=(0.01,))
            ended.callback(made.server_close)
            ended.callback(thread.join)
            ended.callback(made.shutdown)
            thread.start()
            return Client(made.server_port)

        yield start


@pytest.fixture
def app(tenants):
    """An application over the shop; its tenants are named by a header."""
    return app_over(tenants)


def app_over(tenants, resolver=None, **options):
    app = Bottle()
    app.install(TenantryPlugin(tenants, resolver=resolver or from_header("X-Tenant"), **options))
    return app


def names():
    return [name for (name,) in Customer.select(Customer.name).order_by(Customer.id).tuples()]


@pytest.fixture
def customers(tenants):
    """A customer in each shop who names the shop."""
    for name in TENANTS:
        with tenants.use(name):
            Customer.create(name=f"of {name}")


def asked(app, path="/", tenant="acme", **environ):
    """Call the application on this thread, as a server does; return what it gives to be sent."""
    environ = {"PATH_INFO": path, "HTTP_X_TENANT": tenant, "wsgi.errors": io.StringIO(), **environ}
    setup_testing_defaults(environ)
    return app(environ, lambda status, headers, exc_info=None: None)


# The tenant of a request.


def test_a_route_runs_for_the_tenant_of_its_request(app, serve, customers):
    app.get("/", callback=lambda: {"names": names()})
    client = serve(app)
    assert {name: json.loads(client.ask("/", name).text)["names"] for name in TENANTS} == {
        name: [f"of {name}"] for name in TENANTS
    }


def test_a_route_that_asks_for_the_tenant_is_given_it(app, serve):
    app.get("/<word>", callback=lambda word, tenant: f"{word} {tenant.id} {tenant.schema}")
    assert serve(app).ask("/hello", "globex").text == "hello globex t_globex"


def test_the_tenant_is_given_under_the_keyword_that_was_chosen(tenants, serve):
    app = app_over(tenants, keyword="shop")
    app.get("/", callback=lambda *, shop: shop.id)
    app.get("/<tenant>", callback=lambda tenant: tenant)
    client = serve(app)
    assert (client.ask("/", "acme").text, client.ask("/free", "acme").text) == ("acme", "free")


def test_a_route_that_takes_any_keyword_is_given_none_it_did_not_name(app, serve):
    app.get("/", callback=lambda **any_keyword: f"{any_keyword}")
    assert serve(app).ask("/", "acme").text == "{}"


def test_a_decorated_route_is_asked_for_the_parameters_that_it_has_underneath(app, serve):
    def twice(route):
        @functools.wraps(route)
        def inside(*args, **kwargs):
            return route(*args, **kwargs) * 2

        return inside

    app.get("/", callback=twice(lambda tenant: tenant.id))
    assert serve(app).ask("/", "acme").text == "acmeacme"


def test_a_route_that_does_not_tell_its_parameters_is_given_none(app, serve):
    app.get("/", callback=dict)
    assert serve(app).ask("/", "acme").text == "{}"


def test_the_tenant_may_stand_in_the_path(tenants, serve, customers):
    app = app_over(tenants, lambda request: request.url_args.get("tenant"))
    app.get("/<tenant>/customers", callback=lambda tenant: {"of": tenant.id, "names": names()})
    assert json.loads(serve(app).ask("/initech/customers").text) == {"of": "initech", "names": ["of initech"]}


def test_requests_of_many_tenants_at_once_do_not_see_each_other(app, serve):
    together = threading.Barrier(len(TENANTS), timeout=10)

    @app.post("/<number:int>")
    def write(number, tenant):
        before = tenant.id
        together.wait()  # One of each tenant is in here now.
        Customer.create(name=f"{before} {number}")
        together.wait()
        return {"names": names()}

    client = serve(app)

    def ask(number, tenant):
        return tenant, json.loads(client.ask(f"/{number}", tenant, method="POST").text)["names"]

    for number in range(10):
        with ThreadPoolExecutor(len(TENANTS)) as threads:
            answers = list(threads.map(functools.partial(ask, number), TENANTS))
        assert answers == [(name, [f"{name} {each}" for each in range(number + 1)]) for name in TENANTS]


def test_nothing_stays_bound_in_the_thread_of_the_server(app, serve, tenants):
    def fails():
        raise ZeroDivisionError

    def streams():
        yield tenants.current.id
        yield tenants.current.id

    app.get("/plain", callback=lambda: tenants.current.id)
    app.get("/fails", callback=fails)
    app.get("/gone", callback=lambda: bottle.abort(410))
    app.get("/streams", callback=streams)
    app.get("/bound", callback=lambda: f"{tenants.current_or_none}", tenantry={"public": True})
    client = serve(app, WSGIServer)  # One thread for all.
    for path, text in [("/plain", "acme"), ("/fails", "500"), ("/gone", "410"), ("/streams", "acmeacme")]:
        assert text in client.ask(path, "acme").text
        assert client.ask("/bound").text == "None"


def test_a_template_is_rendered_inside_the_tenant(app, serve, tenants, customers):
    with tenants.use("acme"):
        Invoice.create(customer=Customer.get(), total=1)
    page = "% for invoice in rows:\n{{invoice.customer.name}}\n% end\n"
    app.get("/", callback=lambda: {"rows": Invoice.select()}, template=page)
    assert serve(app).ask("/", "acme").text.strip() == "of acme"


def test_a_route_that_skips_templates_is_not_rendered(app, serve):
    app.get("/", callback=lambda: {"a": 1}, template="page {{a}}", skip=["template"])
    assert serve(app).ask("/", "acme").text == '{"a": 1}'


def test_a_plugin_that_is_installed_later_runs_inside_the_tenant(app, serve, tenants):
    def signed(callback):
        return lambda *args, **kwargs: f"{callback(*args, **kwargs)} for {tenants.current.id}"

    app.install(signed)
    app.get("/", callback=lambda: "made")
    assert serve(app).ask("/", "acme").text == "made for acme"


def test_a_mounted_application_brings_its_plugin_along(app, serve, customers):
    app.get("/names", callback=lambda: {"names": names()})
    parent = Bottle()
    parent.mount("/shop/", app)
    assert json.loads(serve(parent).ask("/shop/names", "globex").text) == {"names": ["of globex"]}


def test_two_engines_serve_one_request_under_two_keywords(tenants, make_engine, serve):
    others = make_engine()
    app = app_over(tenants)
    app.install(TenantryPlugin(others, resolver=from_header("X-Other"), keyword="other"))
    app.get("/", callback=lambda tenant, other: f"{tenant.id} {other.id}")
    assert serve(app).ask("/", "acme", **{"X-Other": "globex"}).text == "acme globex"


# Where the tenant's id is found.


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("acme.shop.example.com", "acme"),
        ("acme.shop.example.com:8080", "acme"),
        ("acme.shop.example.com.:8080", "acme"),
        ("ACME.Shop.Example.COM", "acme"),
        ("_acme.shop.example.com", "_acme"),
        ("shop.example.com", None),
        (".shop.example.com", None),
        ("acme.eu.shop.example.com", None),
        ("acmeshop.example.com", None),
        ("acme.shop-example.com", None),
        ("acme.shop.example.com.evil.com", None),
        ("acme.shop.example.com:80:80", None),
        ("acme.shop.example.com:x", None),
        ("evil.com:acme.shop.example.com", None),
        ("127.0.0.1:8080", None),
        ("[::1]:8080", None),
        ("[::1].shop.example.com", None),
        ("", None),
        (None, None),
    ],
)
def test_one_label_before_the_domain_is_the_id(host, found):
    environ = {} if host is None else {"HTTP_HOST": host}
    assert from_subdomain("shop.example.com")(bottle.LocalRequest(environ)) == found


def test_a_sign_that_only_becomes_a_letter_when_it_is_folded_stays_what_it_is():
    resolve = from_subdomain("shop.example.com")
    assert resolve(bottle.LocalRequest({"HTTP_HOST": "\u212aelvin.shop.example.com"})) == "\u212aelvin"
    assert resolve(bottle.LocalRequest({"HTTP_HOST": "acme.\u017fhop.example.com"})) is None


@pytest.mark.parametrize(
    "domain", ["", ".shop.example.com", "shop.example.com:80", "http://shop", "shop.example.com\n"]
)
def test_what_is_no_domain_is_refused_at_once(domain):
    with pytest.raises(ConfigError, match="is not the name of a domain"):
        from_subdomain(domain)


def test_the_host_of_a_real_request_chooses_the_tenant(tenants, serve, customers):
    app = app_over(tenants, from_subdomain("shop.example.com"))
    app.get("/", callback=lambda: {"names": names()})
    client = serve(app)
    assert json.loads(client.ask("/", Host="GLOBEX.shop.example.com:81").text) == {"names": ["of globex"]}
    assert client.ask("/", Host="shop.example.com").status == 400
    assert client.ask("/", Host="acme.example.com").status == 400
    assert client.ask("/", Host="-acme.shop.example.com").status == 400


def test_a_header_is_taken_as_it_is(app, serve):
    app.get("/", callback=lambda tenant: tenant.id)
    client = serve(app)
    assert client.ask("/", "acme").text == "acme"
    assert client.ask("/", "Acme").status == 400


@pytest.mark.parametrize("path", ["/plain", "/answer", "/missing", "/gone"])
def test_caches_are_told_which_header_chose_the_tenant(app, serve, path):
    kept = HTTPResponse("kept for all requests")
    app.get("/plain", callback=lambda: "plain")
    app.get("/answer", callback=lambda: kept)
    app.get("/missing", callback=lambda: bottle.abort(404))
    app.get("/gone", callback=lambda: "never", tenantry={"shared": False})
    client = serve(app)
    tenant = "nobody" if path == "/gone" else "acme"
    for _ in range(2):
        assert client.ask(path, tenant).headers.get_all("Vary") == ["X-Tenant"]


def test_a_tenant_that_no_header_chose_varies_with_none(tenants, serve):
    app = app_over(tenants, from_subdomain("localhost"))
    app.get("/", callback=lambda: "plain")
    assert serve(app).ask("/", Host="acme.localhost").headers.get_all("Vary") is None


# What is answered when there is no tenant to run it for.


@pytest.fixture
def states(shop, make_engine):
    """An application over a shop in all states."""
    others = {"gone": State.DROPPED, "paused": State.SUSPENDED, "unborn": State.PROVISIONING}
    more = [Tenant(tenant_id(name), schema_name(f"t_{name}"), state=state) for name, state in others.items()]
    return app_over(make_engine(catalog=FixedCatalog([*shop, *more])))


@pytest.mark.parametrize(
    ("tenant", "status", "says"),
    [
        (None, 400, "names no tenant"),
        ("", 400, "names no tenant"),
        ("Acme", 400, "not the id of a tenant"),
        ("acme,globex", 400, "not the id of a tenant"),
        ("../etc", 400, "not the id of a tenant"),
        ("t\xe9l\xe9", 400, "not the id of a tenant"),
        ("a" * 49, 400, "not the id of a tenant"),
        ("nobody", 404, "no such tenant"),
        ("gone", 404, "no such tenant"),
        ("paused", 403, "is suspended"),
        ("unborn", 503, "try again"),
    ],
)
def test_a_request_that_cannot_be_served_says_why(states, serve, tenant, status, says):
    states.get("/", callback=lambda: "never reached")
    answer = serve(states).ask("/", tenant)
    assert answer.status == status
    assert says in answer.text
    assert "never reached" not in answer.text
    assert (answer.headers["Retry-After"] is not None) == (status == 503)


def test_an_unknown_tenant_looks_like_one_that_was_dropped(states, serve):
    states.get("/", callback=lambda: "never reached")
    client = serve(states)
    assert client.ask("/", "nobody").text == client.ask("/", "gone").text


def test_a_resolver_may_answer_by_itself(tenants, serve):
    app = app_over(tenants, lambda request: bottle.abort(401, "Who are you?"))
    app.get("/", callback=lambda: "never reached")
    answer = serve(app).ask("/")
    assert (answer.status, "Who are you?" in answer.text) == (401, True)


def test_a_resolver_that_finds_no_text_is_answered_as_no_id(tenants, serve):
    app = app_over(tenants, lambda request: 7)
    app.get("/", callback=lambda: "never reached")
    assert serve(app).ask("/").status == 400


class SilentCatalog:
    """An application's own catalog, whose service has not answered for long."""

    def get(self, tenant):
        raise CatalogUnavailable(since_s=60)

    def __iter__(self):
        return iter(())


def test_a_catalog_that_cannot_be_believed_is_asked_again_later(make_engine, serve, caplog):
    app = app_over(make_engine(catalog=SilentCatalog()))
    app.get("/", callback=lambda: "never reached")
    answer = serve(app).ask("/", "acme")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert caplog.records[0].exc_info[0] is CatalogUnavailable


def test_a_server_that_does_not_answer_the_route_is_asked_again_later(make_engine, serve, caplog):
    app = app_over(make_engine(url="postgresql://app@127.0.0.1:1/none"))
    app.get("/", callback=lambda: {"names": names()})
    answer = serve(app).ask("/", "acme")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert caplog.records[0].exc_info[0] is ServerUnreachable


@pytest.fixture
def debugging():
    bottle.debug(True)
    yield
    bottle.debug(False)


@pytest.mark.parametrize("streams", [False, True])
def test_an_exhausted_pool_is_answered_without_a_word_about_who_holds_it(make_engine, serve, debugging, streams):
    engine = make_engine(pool_size=1, pool_wait_s=0.05)
    app = app_over(engine)
    app.get(
        "/",
        callback=(lambda: (name for name in names())) if not streams else (lambda: (n for _ in "a" for n in names())),
    )
    client = serve(app)
    with engine.use("globex"), engine.database.atomic():
        names()
        answer = client.ask("/", "acme")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert not [word for word in ("globex", "pool", "schema", "Traceback", "tenantry") if word in answer.text]


@pytest.mark.parametrize("error", [ValueError, KeyError])
def test_any_other_error_of_a_route_passes(app, error):
    def fails():
        raise error("mine")

    app.catchall = False
    app.get("/", callback=fails)
    with pytest.raises(error, match="mine"):
        asked(app)


def test_a_tenant_that_the_route_itself_asks_for_in_vain_is_an_error_of_the_route(app, serve, tenants):
    def enters(other):
        with tenants.use(other):
            pass

    app.get("/<other>", callback=enters)
    client = serve(app)
    assert [client.ask(f"/{other}", "acme").status for other in ("nobody", "NOBODY")] == [500, 500]


# Answers that are raised.


def test_a_redirect_passes_unchanged(app, serve, customers):
    @app.post("/")
    def moves(tenant):
        bottle.response.set_cookie("seen", tenant.id)
        bottle.redirect(f"/{names()[0].replace(' ', '-')}", 303)

    answer = serve(app).ask("/", "acme", method="POST")
    assert (answer.status, answer.headers["Location"][-8:]) == (303, "/of-acme")
    assert answer.headers["Set-Cookie"] == "seen=acme"


def test_an_answer_that_is_raised_is_the_one_that_arrives(app):
    mine = HTTPResponse({"mine": True}, 418, x_mine="yes")

    def raises():
        raise mine

    route = app.get("/", callback=raises) and app.routes[0]
    bottle.request.bind({"HTTP_X_TENANT": "acme"})
    plugin = app.plugins[-1]
    with pytest.raises(HTTPResponse) as raised:
        plugin.apply(raises, route)()
    assert raised.value is mine
    assert (mine.body, mine.status_code, mine.headers["X-Mine"]) == ({"mine": True}, 418, "yes")


def test_an_abort_reaches_the_error_page_of_the_application(app, serve):
    app.get("/", callback=lambda: bottle.abort(409, "taken"))
    app.error(409)(lambda error: f"page: {error.body}")
    answer = serve(app).ask("/", "acme")
    assert (answer.status, answer.text) == (409, "page: taken")


# Routes that opt out.


def test_a_public_route_has_nothing_bound_and_needs_no_tenant(app, serve, tenants):
    app.get("/", callback=lambda: f"{tenants.current_or_none} {bound()}", tenantry={"public": True})
    client = serve(app)
    assert client.ask("/").text == client.ask("/", "acme").text == client.ask("/", "NOBODY").text == "None None"


def bound():
    from tenantry import context

    return context.bound()


def test_a_shared_route_reads_shared_tables_and_no_tenants(app, serve, tenants):
    with tenants.shared():
        Plan.create(name="pro")
    app.get("/plans", callback=lambda: Plan.get().name, tenantry={"shared": True})
    app.get("/names", callback=lambda: {"names": names()}, tenantry={"shared": True})
    client = serve(app)
    assert client.ask("/plans").text == "pro"
    assert client.ask("/names", "acme").status == 500


def test_what_a_shared_route_streams_is_shared_to_its_end(app, serve, tenants):
    def streams():
        for name in ("basic", "pro"):
            Plan.create(name=name)
            yield f"{Plan.select().count()} "

    app.get("/", callback=streams, tenantry={"shared": True})
    assert serve(app).ask("/").text == "1 2 "


def test_a_public_route_keeps_its_own_argument_of_that_name(app, serve):
    app.get("/signup/<tenant>", callback=lambda tenant: f"welcome {tenant}", tenantry={"public": True})
    assert serve(app).ask("/signup/new").text == "welcome new"


@pytest.mark.parametrize("options", [{"skip": ["tenantry"]}, {"skip": [TenantryPlugin]}])
def test_a_route_may_skip_the_plugin_as_any_other(app, serve, options):
    app.get("/", callback=lambda: "open", **options)
    assert serve(app).ask("/").text == "open"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pubic": True}, "'pubic': True} is not known"),
        ({"public": "no"}, "'public': 'no'} is not known"),
        ({"public": True, "shared": True}, "told to be both"),
    ],
)
def test_an_option_that_is_not_understood_opens_nothing(app, serve, options, says):
    app.get("/", callback=lambda: "open", tenantry=options)
    with pytest.raises(bottle.PluginError, match=says):
        app.routes[0].prepare()
    assert serve(app).ask("/", "acme").status == 500


def test_settings_of_the_application_are_not_options_of_its_routes(app, serve):
    app.config.load_dict({"tenantry": {"url": "postgresql://"}})
    app.get("/", callback=lambda tenant: tenant.id)
    assert serve(app).ask("/", "acme").text == "acme"


def test_a_second_plugin_with_the_same_keyword_is_refused(app, tenants):
    with pytest.raises(bottle.PluginError, match="keyword='tenant' already"):
        app.install(TenantryPlugin(tenants, resolver=from_header("X-Other")))
    assert len(app.plugins) == len(Bottle().plugins) + 1


# Streams.


def steps(count=3):
    """A stream that says, at each step, whose customers it sees."""
    for number in range(count):
        yield f"{number} {names()[0]};"


def test_each_step_of_a_stream_runs_for_the_tenant(app, serve, customers):
    app.get("/", callback=steps)
    assert serve(app).ask("/", "globex").text == "0 of globex;1 of globex;2 of globex;"


def test_streams_that_interleave_on_one_thread_keep_their_tenants(app, customers):
    app.get("/", callback=steps)
    streams = {name: asked(app, tenant=name) for name in TENANTS}
    for number in range(3):
        for name, stream in streams.items():
            assert next(iter(stream)) == f"{number} of {name};".encode()
    assert bound() is None


def test_a_stream_that_binds_a_tenant_of_its_own_may_change_threads(app, tenants, customers):
    def of_globex():
        with tenants.use("globex"):
            try:
                yield from (step.encode() for step in steps())  # Text would be bottle's to encode, in its own thread.
            finally:
                ended.extend(names())

    def elsewhere(work):
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(work).result(timeout=30)

    ended = []
    app.get("/", callback=of_globex)
    stream = asked(app, tenant="acme")
    rows = iter(stream)
    assert [elsewhere(lambda: next(rows)) for _ in range(2)] == [b"0 of globex;", b"1 of globex;"]
    elsewhere(stream.close)
    assert ended == ["of globex"]


def test_streams_that_overlap_on_the_server_keep_their_tenants(app, serve, customers):
    together = threading.Barrier(len(TENANTS), timeout=10)

    @app.get("/")
    def streams():
        for step in steps(5):
            together.wait()
            yield step

    client = serve(app)
    with ThreadPoolExecutor(len(TENANTS)) as threads:
        texts = list(threads.map(lambda name: client.ask("/", name).text, TENANTS))
    assert texts == ["".join(f"{number} of {name};" for number in range(5)) for name in TENANTS]


def steps_into(ended):
    """The same, and when it ends it notes whose customers it sees then."""
    try:
        yield from steps()
    finally:
        ended.append(names())


def test_a_stream_that_is_closed_ends_for_the_tenant(app, tenants, customers):
    ended = []
    app.get("/", callback=lambda: steps_into(ended))
    stream = asked(app)
    next(iter(stream))
    with tenants.use("globex"):
        stream.close()
        stream.close()
    assert ended == [["of acme"]]


def test_a_stream_whose_reader_goes_away_is_closed_for_the_tenant(app, serve, customers):
    ended, over = [], threading.Event()

    @app.get("/")
    def streams():
        try:
            while True:
                yield names()[0] * 10_000
        finally:
            ended.extend(names())
            over.set()

    with serve(app).open("/", **{"X-Tenant": "acme"}) as answer:
        assert answer.read(7) == b"of acme"
    assert over.wait(10)
    assert ended == ["of acme"]


def test_a_stream_that_nobody_closes_ends_for_its_tenant_and_no_other(app, tenants, customers):
    ended = []
    app.get("/", callback=lambda: steps_into(ended))
    stream = asked(app)
    next(iter(stream))
    with tenants.use("globex"):
        del stream
        gc.collect()
    assert ended == [["of acme"]]


def test_a_head_request_closes_what_it_does_not_send(app, customers):
    ended = []
    app.route("/", ["GET", "HEAD"], lambda: steps_into(ended))
    assert asked(app, REQUEST_METHOD="HEAD") == []
    assert ended == [["of acme"]]


def test_a_transaction_may_span_the_steps_of_a_stream(app, serve, tenants, customers):
    @app.get("/")
    def streams():
        with tenants.database.atomic() as transaction:
            for number in range(3):
                Customer.create(name=f"new {number}")
                yield f"{len(names())} "
            transaction.rollback()

    assert serve(app).ask("/", "acme").text == "2 3 4 "
    with tenants.use("acme"):
        assert names() == ["of acme"]


class Pages:
    """A body that is no generator: it asks when it is gone through, and wants to be closed."""

    def __init__(self, ended):
        self.ended = ended

    def __iter__(self):
        return (f"{name};" for name in names())

    def close(self):
        self.ended.append(names())


def test_a_body_of_another_kind_is_gone_through_and_closed_for_the_tenant(app, serve, customers):
    ended = []
    app.get("/", callback=lambda: Pages(ended))
    assert serve(app).ask("/", "acme").text == "of acme;"
    assert ended == [["of acme"]]


def test_a_body_that_is_closed_in_the_middle_of_a_step_sees_its_tenant(app, customers):
    seen, streams = [], []

    class Restless:
        def __iter__(self):
            return self

        def __next__(self):
            if seen:
                streams[0].close()
                seen.append(f"after {names()[0]}")
            else:
                seen.append(f"before {names()[0]}")
            return "step"

        def close(self):
            seen.append(f"closed {names()[0]}")

    app.get("/", callback=Restless)
    stream = asked(app)
    streams.append(stream)
    assert [next(iter(stream)), next(iter(stream))] == [b"step", b"step"]
    assert seen == ["before of acme", "closed of acme", "after of acme"]


@pytest.mark.parametrize("raised", [False, True])
def test_the_stream_in_an_answer_runs_for_the_tenant(app, serve, customers, raised):
    @app.get("/")
    def answers():
        answer = HTTPResponse(steps(), 202, x_kept="yes")
        if raised:
            raise answer
        return answer

    answer = serve(app).ask("/", "acme")
    assert (answer.status, answer.headers["X-Kept"]) == (202, "yes")
    assert answer.text == "0 of acme;1 of acme;2 of acme;"


def test_an_answer_that_is_kept_never_streams_for_the_tenant_before(app, customers):
    kept = HTTPResponse(Pages([]))
    app.catchall = False
    app.get("/", callback=lambda: kept)
    for name in ("acme", "globex"):
        with pytest.raises(Exception, match="no tenant is bound"):
            asked(app, tenant=name)


def test_the_first_step_of_a_stream_may_answer_with_another(app, serve, customers):
    @app.get("/")
    def streams():
        yield HTTPResponse(steps(2), 202)

    answer = serve(app).ask("/", "acme")
    assert (answer.status, answer.text) == (202, "0 of acme;1 of acme;")


def test_a_stream_may_abort_before_it_begins(app, serve, customers):
    @app.get("/")
    def streams():
        if names() == ["of acme"]:
            bottle.abort(410, "all gone")
        yield "never"

    answer = serve(app).ask("/", "acme")
    assert (answer.status, "all gone" in answer.text) == (410, True)


def test_an_error_in_a_stream_passes(app, serve):
    @app.get("/")
    def streams():
        yield "begun"
        raise ZeroDivisionError("mine")

    stream = iter(asked(app))
    assert next(stream) == b"begun"
    with pytest.raises(ZeroDivisionError, match="mine"):
        next(stream)


def test_a_file_is_handed_to_the_server_as_it_is(app):
    sent = io.BytesIO(b"file")
    app.get("/", callback=lambda: sent)
    assert asked(app, **{"wsgi.file_wrapper": lambda file: [file]}) == [sent]


@pytest.mark.parametrize(
    ("body", "text"), [("text", "text"), (b"bytes", "bytes"), (["a", "b"], "ab"), ({"a": 1}, '{"a": 1}'), (None, "")]
)
def test_what_is_complete_arrives_as_bottle_sends_it(app, serve, body, text):
    app.get("/", callback=lambda: body)
    assert serve(app).ask("/", "acme").text == text


def test_streams_of_two_engines_keep_both_their_tenants(tenants, make_engine, customers):
    others = make_engine()
    app = app_over(tenants)
    app.install(TenantryPlugin(others, resolver=from_header("X-Other"), keyword="other"))

    @app.get("/")
    def route(tenant, other):
        for _ in range(2):
            with tenants.use(tenant.id):
                mine = names()
            yield f"{mine} {others.current.id};"

    streams = [asked(app, tenant=a, HTTP_X_OTHER=b) for a, b in [("acme", "globex"), ("globex", "initech")]]
    for _ in range(2):
        assert [next(iter(stream)) for stream in streams] == [b"['of acme'] globex;", b"['of globex'] initech;"]


# Without bottle.


def test_without_bottle_the_import_says_what_to_install():
    code = "import sys; sys.modules['bottle'] = None; import tenantry.integrations.bottle"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "ImportError: tenantry.integrations.bottle needs bottle: pip install 'tenantry[bottle]'" in run.stderr


def test_tenantry_itself_does_not_load_bottle():
    code = "import sys, tenantry; sys.exit('bottle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


# The example.


def load_example():
    """The module of the example: under a name of its own, for the tests' shop has the file's."""
    if "example_shop" not in sys.modules:
        spec = importlib.util.spec_from_file_location("example_shop", EXAMPLE)
        sys.modules["example_shop"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["example_shop"]


@pytest.fixture
def example(server, sql, serve):
    """The example application with its three shops, made from nothing by its own migrations; and who asks it."""

    def drop():
        sql("DROP SCHEMA IF EXISTS tenantry CASCADE; DROP TABLE IF EXISTS public.plan CASCADE")
        for (schema,) in sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'"):
            sql(f'DROP SCHEMA "{schema}" CASCADE')

    drop()
    module = load_example()
    tenants = Tenantry(server.url, migrations=module.MIGRATIONS)
    module.prepare(tenants)
    module.prepare(tenants)  # As on its second start.
    yield Shop(serve(module.make_app(tenants)))
    tenants.close()
    drop()


class Shop:
    """Asks the example, as a program or as a browser."""

    def __init__(self, client):
        self.client = client

    def ask(self, path, shop, **options):
        return self.client.ask(path, Host=f"{shop}.localhost:{self.client.port}", **options)

    def post(self, path, shop, **fields):
        return self.ask(path, shop, method="POST", body=json.dumps(fields), **{"Content-Type": "application/json"})

    def browse(self, path, shop, **fields):
        form = {"method": "POST", "body": urlencode(fields)} if fields else {}
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if fields else {}
        return self.ask(path, shop, Accept="text/html,*/*", **form, **headers)

    def invoices(self, shop):
        return json.loads(self.ask("/invoices", shop).text)["invoices"]


def test_the_example_serves_three_shops_at_once_and_mixes_none(example):
    def work(shop):
        for number in range(10):
            made = example.post("/invoices", shop, customer=f"{shop} {number % 3}", total="1.10", note=f"{shop}!")
            sold = example.post("/subscriptions", shop, customer=f"{shop} 0", plan=1)
            assert (made.status, sold.status) == (201, 201)
            assert {row["customer"].split()[0] for row in example.invoices(shop)} == {shop}
            others = set(TENANTS) - {shop}
            assert not [other for other in others if other in example.browse("/", shop).text]
            assert not [other for other in others if other in example.ask("/invoices.csv", shop).text]
        return [row["note"] for row in example.invoices(shop) if row["plan"] is None]

    with ThreadPoolExecutor(len(TENANTS)) as threads:
        assert list(threads.map(work, TENANTS)) == [[f"{shop}!"] * 10 for shop in TENANTS]
    plans = json.loads(example.client.ask("/plans").text)["plans"]
    assert plans[0] == {"id": 1, "name": "Basic", "price": "9.00", "places": 970}


def test_the_example_joins_the_shops_tables_with_the_shared_one(example):
    example.post("/invoices", "acme", customer="Bugs", total="12.50")
    example.post("/subscriptions", "acme", customer="Bugs", plan=2)
    rows = [(row["id"], row["customer"], row["plan"], row["total"]) for row in example.invoices("acme")]
    assert rows == [(2, "Bugs", "Pro", "49.00"), (1, "Bugs", None, "12.50")]
    assert example.invoices("globex") == []


def test_the_example_writes_the_shops_invoice_and_the_shared_plan_together_or_not_at_all(example):
    sold = [example.post("/subscriptions", shop, customer=shop, plan=3).status for shop in (*TENANTS, "acme")]
    assert sold == [201, 201, 201, 409]  # Three places for all shops together.
    assert [len(example.invoices(shop)) for shop in TENANTS] == [1, 1, 1]
    assert example.post("/subscriptions", "acme", customer="Bugs", plan=99).status == 404


def test_the_example_shows_a_page_that_says_whose_data_it_is(example):
    moved = example.browse("/invoices", "acme", customer="<b>Bugs</b> & Söhne", total="1234.50")
    assert (moved.status, moved.headers["Location"]) == (303, f"http://acme.localhost:{example.client.port}/")
    page = example.browse("/", "acme")
    assert page.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert "You see the data of <strong>acme</strong> alone." in page.text
    assert "&lt;b&gt;Bugs&lt;/b&gt; &amp; Söhne" in page.text
    assert "1,234.50" in page.text
    assert "No invoices yet" in example.browse("/", "globex").text


def test_the_example_streams_its_invoices(example):
    example.post("/invoices", "acme", customer='=1+1,"Bugs"', total="12.50")
    answer = example.ask("/invoices.csv", "acme")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    head, row, rest = answer.text.split("\r\n")
    assert (head, row[:2], rest) == ("id,issued,customer,total", "1,", "")
    assert row.endswith(',"\'=1+1,""Bugs""",12.50')


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/invoices", {}),
        ("/invoices", {"customer": "Bugs"}),
        ("/invoices", {"customer": " ", "total": 1}),
        ("/invoices", {"customer": 1, "total": 1}),
        ("/invoices", {"customer": "\0", "total": 1}),
        ("/invoices", {"customer": "\ud800", "total": 1}),
        ("/invoices", {"customer": "Bugs", "total": "NaN"}),
        ("/invoices", {"customer": "Bugs", "total": "1e99"}),
        ("/invoices", {"customer": "Bugs", "total": -1}),
        ("/invoices", {"customer": "Bugs", "total": [1]}),
        ("/subscriptions", {"customer": "Bugs", "plan": "x"}),
        ("/subscriptions", {"customer": "Bugs", "plan": 10**20}),
    ],
)
def test_the_example_refuses_fields_that_make_no_sense(example, path, fields):
    assert example.post(path, "acme", **fields).status == 400
    assert example.invoices("acme") == []


def test_the_example_leaves_out_of_a_note_what_no_text_of_postgresql_holds(example):
    example.post("/invoices", "acme", customer="Bugs", total=1, note="a\0b\ud800c")
    assert [row["note"] for row in example.invoices("acme")] == ["abc"]


def test_the_example_refuses_a_form_that_is_not_utf8(example):
    form = {"method": "POST", "body": "customer=%FF&total=1", "Content-Type": "application/x-www-form-urlencoded"}
    assert example.ask("/invoices", "acme", **form).status == 400


def test_the_example_refuses_a_body_that_is_no_object(example):
    options = {"method": "POST", "Content-Type": "application/json"}
    assert [example.ask("/invoices", "acme", body=body, **options).status for body in ("[]", "{", "")] == [400] * 3


def test_the_example_has_pages_for_its_errors_that_name_no_shop(example):
    page, text = example.browse("/", "nobody"), example.ask("/", "nobody")
    assert (page.status, text.status, text.text) == (404, 404, "There is no such tenant.\n")
    assert "<h1>There is no such tenant.</h1>" in page.text
    assert not [shop for shop in TENANTS if shop in page.text]
    assert example.client.ask("/style.css").status == 200


def test_the_example_without_a_url_says_what_it_needs(tmp_path):
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("TENANTRY_", "DATABASE_"))}
    run = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=60, env=bare, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: there is no URL of a database: set TENANTRY_URL")
