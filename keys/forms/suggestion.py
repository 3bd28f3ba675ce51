"""Changes that a page proposes for a key, such as the address of a refused call: the edit form shows them filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core.exceptions import BadRequest

from keys.decision.addresses import BadAddress, Network, format_network, parse_network
from keys.key_settings import KeySettings


class Suggestion(NamedTuple):
    """What to add to a key's settings. Nothing is saved before the form is sent and confirmed."""

    networks: tuple[Network, ...] = ()
    modules: tuple[str, ...] = ()
    recordings: bool = False
    # Whether to propose a later expiry.
    extends: bool = False

    def __bool__(self) -> bool:
        return any(self)

    @classmethod
    def from_query(
        cls, query: Mapping[str, Sequence[str]], before: KeySettings, names: Mapping[str, str]
    ) -> Suggestion:
        """Return what `?allow=`, `?grant=`, `?recordings=` and `?extend=` propose, without what the key allows already.
        `names` are the names of the API's modules, by slug. Raise BadRequest."""
        modules = query.get("grant", ())
        if unknown := [slug for slug in modules if slug not in names]:
            raise BadRequest(f'There is no module "{unknown[0]}". There are: {", ".join(names)}.')
        try:
            networks = list(map(parse_network, query.get("allow", ())))
        except BadAddress as problem:
            raise BadRequest(str(problem)) from problem
        # A first entry would refuse all other addresses.
        is_restricted = bool(before.networks or before.ip_lists)
        return cls(
            tuple(each for each in networks if is_restricted and each not in before.networks),
            tuple(slug for slug in modules if before.modules is not None and slug not in before.modules),
            "recordings" in query and not before.recordings,
            "extend" in query and before.expires_at is not None,
        )

    @property
    def query(self) -> str:
        """The query that `from_query` reads."""
        pairs = [("allow", format_network(network)) for network in self.networks]
        pairs += [("grant", slug) for slug in self.modules]
        pairs += [("recordings", "1")] * self.recordings + [("extend", "1")] * self.extends
        return urlencode(pairs)

    def apply(self, initial: dict[str, Any]) -> dict[str, Any]:
        """Return the edit form's initial values with these changes."""
        addresses = [str(initial["addresses"]), *map(format_network, self.networks)]
        return initial | {
            "addresses": "\n".join(filter(None, addresses)),
            "modules": [*initial["modules"], *self.modules],
            "recordings": initial.get("recordings", False) or self.recordings,
        }

    def describe(self, names: Mapping[str, str]) -> str:
        """Return what is filled in, in words."""
        added = [*map(format_network, self.networks), *(names[slug] for slug in self.modules)]
        added += ["call recordings"] * self.recordings
        parts = [f"Added: {', '.join(added)}."] if added else []
        parts += ["A later expiry is selected."] * self.extends
        return " ".join(parts)


NO_SUGGESTION = Suggestion()
