"""Bottle: the tenant of each request is bound while its route runs, and while its response is streamed."""

from __future__ import annotations

import functools
import inspect
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from contextvars import copy_context
from typing import Any

try:
    import bottle
except ImportError as missing:
    raise ImportError("tenantry.integrations.bottle needs bottle: pip install 'tenantry[bottle]'") from missing

from tenantry.app import Tenantry
from tenantry.context import go_on
from tenantry.errors import (
    CatalogUnavailable,
    ConfigError,
    InvalidTenantId,
    ServerError,
    TenantDropped,
    TenantNotReady,
    TenantSuspended,
    UnknownTenant,
)

logger = logging.getLogger("tenantry")

Resolver = Callable[[Any], str | None]  # From bottle's request to the id that it names.

RETRY_AFTER_S = 5  # As the catalog's interval: by then an exhausted pool has moved on, and a new tenant is known.

# These pages are for anybody: they say nothing of other tenants, and not whether a tenant was there once.
_REFUSALS = {
    InvalidTenantId: (400, "What this request names is not the id of a tenant."),
    UnknownTenant: (404, "There is no such tenant."),
    TenantDropped: (404, "There is no such tenant."),
    TenantSuspended: (403, "This tenant is suspended."),
}
_OPTIONS = ("public", "shared")
_WHOLE = (str, bytes, bytearray, tuple, list, Mapping)  # Bodies that ask nothing more of the database.


class TenantryPlugin:
    """Bind the tenant that *resolver* finds in a request while its route runs, and while its response is streamed.

    A route that has a parameter named *keyword* is given the Tenant. ``tenantry={"public": True}`` in a route's
    configuration leaves it alone: nothing is resolved, nothing is bound. ``tenantry={"shared": True}`` runs it in
    `tenants.shared()`.

    A request without a tenant, or with what is no id, is answered by 400; an unknown or dropped tenant by 404; a
    suspended one by 403; one that is still being made, and a server or catalog that does not answer (also when the
    route asks it), by 503 with Retry-After. Any other error passes.

    Plugins that are installed later run inside the tenant, those installed earlier around it. Bottle runs its hooks and
    error pages outside. The resolver says whose data is asked for, not who asks: that is for the application to check.

    Raises, when it is installed:
        bottle.PluginError: the application has one with this keyword.

    >>> app = bottle.Bottle()
    >>> app.install(TenantryPlugin(tenants, resolver=from_subdomain("shop.example.com")))
    >>> @app.get("/invoices")
    ... def invoices(tenant):
    ...     return {"of": tenant.id, "invoices": list(Invoice.select().dicts())}
    """

    api = 2

    def __init__(self, tenants: Tenantry, *, resolver: Resolver, keyword: str = "tenant") -> None:
        self.tenants, self.resolver, self.keyword = tenants, resolver, keyword
        # Bottle applies one plugin of each name to a route: two engines on one application need two names.
        self.name = "tenantry" if keyword == "tenant" else f"tenantry:{keyword}"

    def setup(self, app: Any) -> None:
        """Called by bottle when the plugin is installed."""
        for other in app.plugins:
            if isinstance(other, TenantryPlugin) and other.keyword == self.keyword:
                raise bottle.PluginError(
                    f"this application has a TenantryPlugin with keyword={self.keyword!r} already: give this one "
                    "another keyword, or uninstall that one"
                )

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        """Called by bottle for each route: return what shall run in its place."""
        option = _option_of(route)
        if option == "public":
            return callback
        callback = _rendered_inside(callback, route)
        asks = option is None and _asks_for(self.keyword, route.callback)

        @functools.wraps(callback)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with ExitStack() as block:
                tenant = self._enter(block, shared=option == "shared")
                if asks:
                    kwargs[self.keyword] = tenant
                return _carried(lambda: callback(*args, **kwargs))

        return self._varied(inside)

    # Inside.

    def _enter(self, block: ExitStack, *, shared: bool) -> Any:
        """Bind what the request is for, until *block* ends."""
        try:
            return block.enter_context(self.tenants.shared() if shared else self.tenants.use(self._named()))
        except (InvalidTenantId, UnknownTenant, TenantDropped, TenantSuspended) as error:
            status, says = next(answer for kind, answer in _REFUSALS.items() if isinstance(error, kind))
            raise bottle.HTTPError(status, says) from error
        except (TenantNotReady, CatalogUnavailable, ServerError) as error:
            raise _later(error) from error

    def _named(self) -> str:
        named = self.resolver(bottle.request)
        if named is None or named == "":
            raise bottle.HTTPError(400, "This request names no tenant.")
        return named

    def _varied(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Tell caches which header chose the tenant: else they hand one tenant's page to the next who asks."""
        header = getattr(self.resolver, "vary", None)
        if header is None:
            return callback

        @functools.wraps(callback)
        def varied(*args: Any, **kwargs: Any) -> Any:
            try:
                out = callback(*args, **kwargs)
            except bottle.HTTPResponse as raised:
                _vary(raised, header)
                raise
            _vary(out if isinstance(out, bottle.HTTPResponse) else bottle.response, header)
            return out

        return varied


class from_header:  # noqa: N801  # It reads as what it is: resolver=from_header("X-Tenant").
    """Find the tenant's id in a header, as it is. Responses get `Vary`, so that no cache mixes up the tenants.

    Clients choose their headers: use it behind a proxy that sets it, or check who asks.

    >>> TenantryPlugin(tenants, resolver=from_header("X-Tenant"))
    """

    def __init__(self, name: str) -> None:
        self.vary = name

    def __call__(self, request: Any) -> str | None:
        # Raw: bottle would decode the value, and fail where it is not UTF-8.
        value: str | None = request.headers.raw(self.vary)
        return value


def from_subdomain(domain: str) -> Resolver:
    """Find the tenant's id in the host's name: one label before *domain*. Other hosts name no tenant.

    Names of hosts do not tell capitals from small letters, so here, and nowhere else, the id is folded.

    Raises:
        ConfigError: *domain* is not the name of a domain.

    >>> TenantryPlugin(tenants, resolver=from_subdomain("shop.example.com"))
    """
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", domain, re.ASCII | re.IGNORECASE):
        raise ConfigError(f"{domain!r} is not the name of a domain: give it without scheme, port or leading dot")
    # The dot at the end: "acme.shop.example.com." is the same host, spelled in full.
    host_of = re.compile(rf"([^.:\[\]]+)\.{re.escape(domain)}\.?(:[0-9]*)?", re.ASCII | re.IGNORECASE)

    def resolve(request: Any) -> str | None:
        host = host_of.fullmatch(request.headers.raw("Host") or "")
        if host is None:
            return None
        # Outside ASCII lower() makes letters of other signs, K of the Kelvin sign: left alone, they are refused.
        return host[1].lower() if host[1].isascii() else host[1]

    return resolve


def _vary(response: Any, header: str) -> None:
    if header not in response.headers.getall("Vary"):  # An application may answer with one HTTPResponse many times.
        response.add_header("Vary", header)


def _option_of(route: Any) -> str | None:
    """Return how a route opts out of having a tenant; None when it does not."""
    given = {key.removeprefix("tenantry."): route.config[key] for key in route.config if key.startswith("tenantry.")}
    for option, value in given.items():
        if option not in _OPTIONS and f"tenantry.{option}" in route.app.config:
            continue  # The application's own, as from a file of settings: routes inherit it.
        if option not in _OPTIONS or not isinstance(value, bool):
            raise bottle.PluginError(
                f"{route.rule}: tenantry={{{option!r}: {value!r}}} is not known: give {{'public': True}} or "
                "{'shared': True}, or nothing for a route of tenants"
            )
    chosen = [option for option in _OPTIONS if given.get(option)]
    if len(chosen) > 1:
        raise bottle.PluginError(f"{route.rule}: a route is either public or shared, and this one is told to be both")
    return chosen[0] if chosen else None


def _asks_for(keyword: str, callback: Callable[..., Any]) -> bool:
    try:
        parameter = inspect.signature(callback).parameters.get(keyword)
    except (TypeError, ValueError):  # Written in C: it does not tell.
        return False
    return parameter is not None and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def _rendered_inside(callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
    """Render the template of a route inside the tenant: it may be the first to run a query, or follow a foreign key.

    Bottle's own plugin would render it around everything else; it finds the finished page, and leaves it as it is.
    """
    for plugin in route.all_plugins():
        if isinstance(plugin, bottle.TemplatePlugin):
            rendered: Callable[..., Any] = plugin.apply(callback, route)
            return rendered
    return callback


def _later(error: Exception) -> Exception:
    # Not as bottle's exception=...: its debug page would show it, and a PoolTimeout names the schemas it waits for.
    logger.warning("a request was answered by 503", exc_info=error)
    answer: Exception = bottle.HTTPError(503, "Not available now. Please try again.", retry_after=str(RETRY_AFTER_S))
    return answer


def _carried(work: Callable[[], Any]) -> Any:
    """Return what *work* returns; what it leaves to be streamed keeps what is bound here."""
    try:
        return _streamed(work())
    except bottle.HTTPResponse as raised:
        _streamed(raised)
        raise
    except (CatalogUnavailable, ServerError) as error:
        raise _later(error) from error


def _streamed(out: Any) -> Any:
    if isinstance(out, bottle.HTTPResponse):
        # What can be gone through twice is left alone: kept for the next request, it would answer it as this tenant.
        if isinstance(out.body, Iterator):
            out.body = _streamed(out.body)
        return out
    # A file goes to the server as it is, which may have a quick way to send it.
    if isinstance(out, _WHOLE) or hasattr(out, "read") or not isinstance(out, Iterable):
        return out
    return _Stream(out)


class _Stream:
    """A body that is made step by step, each with what was bound when the route returned it.

    The server asks for most of it when the request is long over, and between two steps serves others on the same
    thread.
    """

    def __init__(self, body: Iterable[Any]) -> None:
        self._context, self._entered, self._closing = copy_context(), False, ExitStack()
        self._closes(body)
        self._steps = iter(body)
        if self._steps is not body:
            self._closes(self._steps)

    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> Any:
        return self._run(_carried, functools.partial(next, self._steps))

    def close(self) -> None:
        """End it early, as the tenant: what it does in its `finally` is the tenant's work as well."""
        self._run(self._closing.close)

    def __del__(self) -> None:
        # A server that forgets to close would leave that to the garbage collector, and so to whoever is bound there.
        self.close()

    def _closes(self, part: Any) -> None:
        if hasattr(part, "close"):
            self._closing.callback(part.close)

    def _run(self, step: Callable[..., Any], *args: Any) -> Any:
        # A context cannot be entered twice: a body that is closed in the middle of a step is closed in a copy.
        entered, context = self._entered, self._context.copy() if self._entered else self._context
        self._entered = True
        try:
            return context.run(go_on, step, *args)
        finally:
            self._entered = entered
