"""The in-memory snapshot of APIs and keys, everything in it read under one epoch.

Entries are loaded on first use, those of unknown API IDs too. Nothing expires by time and no notification is needed: a
process learns of changes because its guarded insert finds another epoch, and then loads what has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_network
from itertools import islice
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from core.sealing import SealBroken, open_sealed
from gateway.database_history import CONTAINS_SEEN, NOTHING_SEEN, TIMELINE, DatabaseHistory, Position
from gateway.error_log import WARNING, report
from keys.decision.access import Api, Key, Secret
from keys.decision.addresses import build_rules
from keys.decision.containment import expand_contained
from keys.decision.routes import Route, RouteTable

# Above so many changes since its own epoch, a process loads everything anew: reading the list of a large import would
# exceed the statement timeout.
MAX_CHANGES = 10_000
# The epoch, the changes since the caller's own, and the rows asked for, in ONE statement, so that all of it is one
# moment. With two statements, rows first, a change between them would be lost for ever (a test plants that and fails).
LOAD_QUERY = f"""
SELECT e.n, e.token::text, extract(epoch FROM clock_timestamp())::float8, known.continues,
    (SELECT coalesce(json_agg(json_build_array(c.kind, c.id)), '[]') FROM key_change c
        WHERE known.continues AND c.n > %(n)s),
    (SELECT coalesce(json_agg(json_build_object(
            'id', a.id, 'slug', a.slug, 'policy', a.policy,
            'modules', (SELECT coalesce(json_agg(json_build_array(m.id, m.slug, m.contained)
                    ORDER BY m.position, m.id), '[]')
                FROM keys_module m WHERE m.api_id = a.id),
            'routes', (SELECT coalesce(json_agg(json_build_array(
                    m.id, m.slug, r.method, r.template, r.adds_leads, r.recording, r.conditions)), '[]')
                FROM keys_route r JOIN keys_module m ON m.id = r.module_id WHERE m.api_id = a.id))), '[]')
        FROM keys_api a WHERE NOT known.continues
            OR EXISTS (SELECT FROM key_change c WHERE c.n > %(n)s AND c.kind = 'api' AND c.id = a.id::text)
            OR EXISTS (SELECT FROM key_change c JOIN keys_module m ON c.id = m.id::text
                WHERE c.n > %(n)s AND c.kind = 'module' AND m.api_id = a.id)),
    (SELECT coalesce(json_agg(json_build_object(
            'id', k.id, 'public_id', k.public_id, 'name', k.name, 'api_id', k.api_id, 'enabled', k.enabled,
            'deleted', k.deleted_at IS NOT NULL, 'expires_at', extract(epoch FROM k.expires_at),
            'all_modules', k.all_modules, 'mask', k.mask_phone, 'hlr', k.hlr_lookup, 'recordings', k.recordings,
            'account_id', t.id, 'account', t.slug, 'account_status', t.status, 'account_mask', t.mask_phone,
            'mask_digits', t.mask_digits, 'mask_side', t.mask_side,
            'owner_id', u.id, 'owner', u.nickname, 'owner_active', u.is_active,
            'api_enabled', EXISTS (SELECT FROM keys_enablement x WHERE x.account_id = t.id AND x.api_id = k.api_id),
            'modules', (SELECT coalesce(json_agg(g.module_id), '[]') FROM keys_keymodule g WHERE g.key_id = k.id),
            'username', k.username,
            'lists', (SELECT coalesce(json_agg(l.ip_list_id), '[]') FROM keys_keyiplist l WHERE l.key_id = k.id),
            'networks', (SELECT coalesce(json_agg(d.network), '[]') FROM (
                SELECT network FROM keys_address WHERE key_id = k.id
                UNION SELECT e.network FROM keys_iplistentry e JOIN keys_keyiplist l USING (ip_list_id)
                    WHERE l.key_id = k.id AND e.enabled) d),
            'secrets', (SELECT coalesce(json_agg(json_build_array(s.id, encode(s.digest, 'hex'), s.pepper_id,
                    extract(epoch FROM s.retires_at), s.ends_on_use,
                    CASE WHEN a.policy -> 'credentials' ? 'signature' THEN encode(s.sealed, 'hex') END)
                    ORDER BY s.retires_at DESC NULLS FIRST), '[]')
                FROM keys_secret s WHERE s.key_id = k.id))), '[]')
        FROM keys_key k
            JOIN keys_api a ON a.id = k.api_id
            JOIN accounts_account t ON t.id = k.account_id
            JOIN accounts_user u ON u.id = k.owner_id
        WHERE k.public_id = ANY(%(ids)s)),
    {TIMELINE}, {CONTAINS_SEEN}
FROM key_epoch e, LATERAL (SELECT
    EXISTS (SELECT FROM key_change c WHERE c.n = %(n)s AND c.token = %(token)s::uuid)
    AND NOT EXISTS (SELECT FROM key_change c WHERE c.n > %(n)s AND c.kind = 'everything')
    AND (SELECT count(*) FROM (SELECT FROM key_change c WHERE c.n > %(n)s LIMIT {MAX_CHANGES + 1}) listed)
        <= {MAX_CHANGES} AS continues) known
"""


class Snapshot:
    """What this process knows, as of `epoch`. `limit` bounds the entries, of known and unknown API IDs together.

    `signing_keys` open the secrets that clients sign with, once when the entry of a key is loaded. `history` is what
    the database must contain.
    """

    def __init__(
        self,
        limit: int = 200_000,
        *,
        signing_keys: Mapping[int, bytes] | None = None,
        history: DatabaseHistory | None = None,
    ) -> None:
        self.limit = limit
        self._history = history or DatabaseHistory()
        self._signing_keys = signing_keys or {}
        self.epoch = NOTHING_SEEN
        self.apis: dict[str, Api] = {}
        self._apis_by_id: dict[int, Api] = {}
        self._keys: dict[str, Key | None] = {}
        self._public_ids: dict[int, str] = {}
        self._keys_by_dependency: dict[tuple[str, int], set[str]] = {}

    def get_key(self, public_id: str) -> Key | None:
        """Return the key, or None if no key has this API ID. The entry must have been loaded."""
        return self._keys[public_id]

    @property
    def is_behind(self) -> bool:
        """Return whether another process of this gateway has seen a later epoch."""
        return self._history.get_newest() > self.epoch

    @property
    def entry_count(self) -> int:
        return len(self._keys)

    def list_missing(self, public_ids: Iterable[str]) -> list[str]:
        """Return the API IDs whose entries are not loaded."""
        return [public_id for public_id in public_ids if public_id not in self._keys]

    async def load(self, connection: AsyncConnection[Any], public_ids: Collection[str]) -> float:
        """Bring the snapshot to the current epoch, with the entries of these API IDs; return the time of the database
        in Unix seconds. Raise LookupError without an epoch, and DatabaseDiverged if the database lacks what any process
        of this gateway has seen."""
        newest = self._history.get_newest()
        parameters = {"n": self.epoch.n, "token": self.epoch.token, "ids": list(public_ids), **newest.parameters}
        cursor = await connection.execute(LOAD_QUERY, parameters)
        row = await cursor.fetchone()
        if row is None:
            raise LookupError("key_epoch is empty")
        n, token, now, continues, changes, apis, keys, timeline, contains = row
        newest.require_contained(timeline, contains)
        if not continues:
            self._clear()
        for kind, dependency in changes if continues else ():
            self._invalidate(kind, dependency)
        for api in apis:
            self._store_api(api)
        for public_id in public_ids:
            self._remove_key(public_id)
            self._keys[public_id] = None
        for key in keys:
            self._store_key(key)
        for public_id in list(islice(self._keys, max(len(self._keys) - self.limit, 0))):
            self._remove_key(public_id)
        self.epoch = Position(timeline, n, token)
        self._history.add(self.epoch)
        return float(now)

    def _clear(self) -> None:
        for known in (self.apis, self._apis_by_id, self._keys, self._public_ids, self._keys_by_dependency):
            known.clear()

    def _invalidate(self, kind: str, dependency: str) -> None:
        if kind == "public_id":
            self._remove_key(dependency)
        elif kind == "key":
            self._remove_key(self._public_ids.get(int(dependency), ""))
        elif kind in ("account", "owner", "api", "ip_list"):
            for public_id in list(self._keys_by_dependency.get((kind, int(dependency)), ())):
                self._remove_key(public_id)
            if kind == "api" and (api := self._apis_by_id.pop(int(dependency), None)):
                del self.apis[api.slug]

    def _remove_key(self, public_id: str) -> None:
        key = self._keys.pop(public_id, None)
        if key is None:
            return
        del self._public_ids[key.id]
        for dependency in _list_dependencies(key):
            self._keys_by_dependency[dependency].discard(public_id)
            if not self._keys_by_dependency[dependency]:
                del self._keys_by_dependency[dependency]

    def _store_api(self, row: dict[str, Any]) -> None:
        policy = row["policy"]
        slashed = policy.get("encoded_slash", ())
        routes = RouteTable(
            (_build_route(*route) for route in row["routes"]), [slashed] if isinstance(slashed, str) else slashed
        )
        api = Api(
            id=row["id"],
            slug=row["slug"],
            credentials=frozenset(policy["credentials"]),
            unlisted_allowed=policy.get("unlisted_routes") == "allow",
            modules=tuple((module, slug) for module, slug, _ in row["modules"]),
            routes=routes,
            contained=_map_contained_modules(row["modules"]),
            preflight=policy.get("preflight") == "allow",
        )
        # The change of a module names only the module; the keys of its API refer to the old route table.
        self._invalidate("api", str(api.id))
        self.apis[api.slug] = self._apis_by_id[api.id] = api

    def _store_key(self, row: dict[str, Any]) -> None:
        masked = row["mask"] and row["account_mask"]
        visible = {row["mask_side"]: row["mask_digits"]}
        api = self._apis_by_id[row["api_id"]]
        key = Key(
            id=row["id"],
            public_id=row["public_id"],
            name=_strip_control_characters(row["name"]),
            account_id=row["account_id"],
            account=row["account"],
            account_active=row["account_status"] == "active",
            owner_id=row["owner_id"],
            owner=_strip_control_characters(row["owner"]),
            owner_active=row["owner_active"],
            api=api,
            api_enabled=row["api_enabled"],
            enabled=row["enabled"],
            deleted=row["deleted"],
            expires_at=row["expires_at"],
            all_modules=row["all_modules"],
            module_ids=expand_contained(row["modules"], api.contained),
            rules=build_rules(ip_network(network) for network in row["networks"]),
            secrets=tuple(self._build_secret(row, *secret) for secret in row["secrets"]),
            list_ids=frozenset(row["lists"]),
            username=row["username"],
            mask=masked,
            phone_mask=f"first={visible.get('first', 0)};last={visible.get('last', 0)}" if masked else "",
            hlr=row["hlr"],
            recordings=row["recordings"],
        )
        self._keys[key.public_id] = key
        self._public_ids[key.id] = key.public_id
        for dependency in _list_dependencies(key):
            self._keys_by_dependency.setdefault(dependency, set()).add(key.public_id)

    def _build_secret(
        self, key: dict[str, Any], secret: str, digest: str, pepper: int, retires: float | None, ends_on_use: bool,
        sealed: str | None,
    ) -> Secret:  # fmt: skip
        token = None
        if sealed is not None:
            try:
                token = open_sealed(
                    bytes.fromhex(sealed),
                    ring=self._signing_keys,
                    purpose="sign",
                    account=key["account_id"],
                    key=key["public_id"],
                    secret=secret,
                )
            except SealBroken:
                report(WARNING, "secret.unreadable", key=key["public_id"], secret=secret)
        return Secret(UUID(secret), bytes.fromhex(digest), pepper, retires, ends_on_use, token)


def _build_route(
    module_id: int,
    module: str,
    method: str,
    template: str,
    adds_leads: bool,
    recording: bool,
    conditions: dict[str, str],
) -> Route:
    return Route(module_id, module, method, template, adds_leads, recording, tuple(sorted(conditions.items())))


def _map_contained_modules(modules: list[tuple[int, str, list[str]]]) -> dict[int, frozenset[int]]:
    """Return which modules each module contains, by ID; containment was resolved when the API was stored."""
    numbers = {slug: module for module, slug, _ in modules}
    return {
        module: frozenset(numbers[slug] for slug in slugs if slug in numbers) for module, _, slugs in modules if slugs
    }


def _list_dependencies(key: Key) -> tuple[tuple[str, int], ...]:
    """Return the rows, besides its own, whose change invalidates the entry of a key."""
    lists = (("ip_list", dependency) for dependency in key.list_ids)
    return ("account", key.account_id), ("owner", key.owner_id), ("api", key.api.id), *lists


def _strip_control_characters(text: str) -> str:
    """Return the text without control characters, which neither log rows nor headers may hold."""
    return text if text.isprintable() else "".join(character for character in text if character.isprintable())
