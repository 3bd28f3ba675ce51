"""A model field for PostgreSQL's `cidr`, which rejects host bits and malformed networks."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

Network = IPv4Network | IPv6Network


class NetworkField(models.Field):
    """Store an IPv4 or IPv6 network; values are `ipaddress` objects."""

    def db_type(self, connection: Any) -> str:
        return "cidr"

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Network | None:
        # Django makes psycopg return cidr as text, unlike psycopg's own default.
        return self.to_python(value)

    def to_python(self, value: Any) -> Network | None:
        if value is None or isinstance(value, IPv4Network | IPv6Network):
            return value
        try:
            return ip_network(value)
        except ValueError as error:
            raise ValidationError(f"{value!r} is not a network in CIDR form, such as 203.0.113.0/24.") from error

    def get_prep_value(self, value: Any) -> Network | None:
        return self.to_python(value)


@NetworkField.register_lookup
class Admits(models.Lookup):
    """`network__admits="203.0.113.7"`: match the networks that contain the address."""

    lookup_name = "admits"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        network, network_params = self.process_lhs(compiler, connection)
        address, address_params = self.process_rhs(compiler, connection)
        return f"{network} >>= {address}::inet", (*network_params, *address_params)
