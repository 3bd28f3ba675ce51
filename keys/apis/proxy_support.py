"""Routes that not every proxy can serve as the gateway decides them, and the advice about them."""

from __future__ import annotations

from collections.abc import Iterable

from keys.apis.modules import ModuleSpec
from keys.apis.policy import Policy

# The tests run these with the files of deploy/ and encoded slashes.
TESTED = "nginx, Caddy, Envoy and HAProxy"


def format_proxy_advice(policy: Policy, modules: Iterable[ModuleSpec]) -> str:
    """Return which routes accept an encoded slash, and which proxies serve them; empty if there are none."""
    names = {f"{{{name}}}" for name in policy.encoded_slash}
    routes = [
        route.text for module in modules for route in module.routes if names.intersection(route.template.split("/"))
    ]
    if not routes:
        return ""
    count = f"{len(routes):,} routes, such as {routes[0]}, accept" if len(routes) > 1 else f"{routes[0]} accepts"
    return (
        f"encoded_slash: {count} %2F in a path parameter. {TESTED} serve such calls with the files in deploy/. Traefik "
        "refuses them or changes their paths: do not serve them behind it."
    )
