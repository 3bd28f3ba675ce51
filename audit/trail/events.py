"""The catalogue of events that may be recorded in the audit trail.

Names are permanent, because events are kept for years. Every field is required. `sentence` is a `str.format` template
over {actor}, {target} and the event's own fields. docs/events.md lists the catalogue; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class WrongEvent(TypeError):
    """The event is not in the catalogue, or its fields are not the catalogue's: a mistake in the calling code."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an event is about. `id` is what links are made from: a key's API ID, the slug of an account or an API, a
    user's primary key."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class EventType:
    name: str
    sentence: str
    fields: frozenset[str]

    def check(self, fields: Iterable[str]) -> None:
        """Raise WrongEvent unless `fields` are the event's fields."""
        fields = frozenset(fields)
        problems = [f"missing {name!r}" for name in sorted(self.fields - fields)]
        problems += [f"unknown {name!r}" for name in sorted(fields - self.fields)]
        if problems:
            raise WrongEvent(f"event {self.name}: {', '.join(problems)}; its fields are {sorted(self.fields)}")


def _event(name: str, sentence: str, *fields: str) -> tuple[str, EventType]:
    return name, EventType(name, sentence, frozenset(fields))


_ENTRIES = ("entries", "sha256", "networks")
_EXPORTED = ("filters", "format")
_FILE = ("rows", "sha256")
# What the manifest of an export states; `since` and `until` are UTC, and bound it as [since, until).
_STATEMENT = ("account", "since", "until", "filters_in_words", "masking", "columns", "version")

# `changes` is {field: [old, new]}; `settings` is {field: value}; `filters` is {field: value as typed}.
CATALOGUE: dict[str, EventType] = dict(
    [
        # People. `email` is what was typed, known or not; `method` is password, totp, passkey or recovery_code.
        _event("user.signed_in", "{actor} signed in with {method}", "method"),
        _event("user.sign_in_failed", "A sign-in as {email} failed", "email"),
        _event("user.signed_out", "{actor} signed out"),
        _event("user.created", "{actor} created the user {target}", "roles"),
        # `keys` names the first hundred of the keys that stopped with their owner, or work again; `count` is of all.
        _event("user.deactivated", "{actor} deactivated {target}", "keys", "count"),
        _event("user.reactivated", "{actor} reactivated {target}", "keys", "count"),
        _event("user.roles_changed", "{actor} changed the roles of {target}", "changes"),
        _event("user.sessions_ended", "{actor} ended every session of {target}"),
        _event("user.invited", "{actor} invited {target}", "roles"),
        _event("invitation.withdrawn", "{actor} withdrew the invitation to {target}"),
        _event("invitation.accepted", "{target} accepted the invitation from {inviter}", "inviter", "roles"),
        _event("password.reset_requested", "A password reset was requested for {email}", "email"),
        _event("password.set", "{actor} set a new password for {target}"),
        _event("password.reset", "{target} reset their password by e-mail link"),
        # What someone signs in with. `factor` is totp or passkey; `sessions` is how many of their own they ended.
        _event("password.changed", "{actor} changed their password"),
        _event("factor.added", "{actor} added a second factor: {factor}", "factor"),
        _event("factor.removed", "{actor} removed a second factor: {factor}", "factor"),
        # By Support or an operator, for someone who has lost them: `factors` of totp and passkey.
        _event("factors.removed", "{actor} removed every second factor of {target}", "factors"),
        _event("recovery_codes.replaced", "{actor} generated new recovery codes"),
        _event("session.ended", "{actor} ended {sessions} of their sessions", "sessions"),
        _event("support.granted", "{actor} granted Support to {target}"),
        _event("support.revoked", "{actor} revoked Support from {target}"),
        # A limit that held: what was tried, the e-mail or address that tried it, and how often it was refused.
        _event(
            "limit.held",
            "{refused} attempts at {limit} by {key} were over the limit and refused",
            "limit",
            "key",
            "refused",
        ),
        # Confirmations. The target is the object of the action: a key, a user, a list; what a new one is to belong to.
        # `action` is a key of CONFIRMED_ACTIONS, whose words the sentence has; `until` an ISO time.
        _event("confirmation.failed", "{actor} failed to confirm {action}", "action"),
        _event(
            "confirmation.locked",
            "Confirmations by {actor} are locked until {until}, after failing to confirm {action}",
            *("action", "until"),
        ),
        # Accounts.
        _event("account.created", "{actor} created the account {target}", "status"),
        _event("account.status_changed", "{actor} changed the status of {target}", "changes"),
        _event("settings.changed", "{actor} changed the settings of {target}", "changes"),
        # Filters of a list under a name; `list` is its title.
        _event("filter.saved", "{actor} saved the filter {target} of {list}", "filters", "list", "shared"),
        _event("filter.deleted", "{actor} deleted the filter {target} of {list}", "list"),
        # APIs. `account` is the slug of the account that may now have keys.
        _event("api.added", "{actor} added the API {target}", "modules", "routes"),
        # `changes` holds words of the policy, name, document, modules and routes; `keys` are the account's that lost a
        # module.
        _event("api.changed", "{actor} changed the API {target}", "changes", "keys"),
        _event("api.request_link_changed", "{actor} changed the request link of the API {target}", "changes"),
        _event("api.enabled", "{actor} enabled the API {target} for {account}", "account"),
        # Keys. `api` is the API's slug.
        _event("key.created", "{actor} created the key {target} of the API {api}", "api", "settings"),
        _event("key.revealed", "{actor} revealed the secret of {target}", "api"),
        _event("key.unreadable", "The secret of {target}, requested by {actor}, could not be decrypted", "api"),
        _event("key.edited", "{actor} edited {target}", "api", "changes"),
        _event("key.enabled", "{actor} enabled {target}", "api"),
        _event("key.disabled", "{actor} disabled {target}", "api"),
        _event("key.deleted", "{actor} deleted {target}", "api"),
        # Each key that worked has one beside its owner's user.deactivated or user.reactivated.
        _event("key.owner_deactivated", "{actor} blocked {target} by deactivating its owner {owner}", "api", "owner"),
        _event("key.owner_reactivated", "{actor} unblocked {target} by reactivating its owner {owner}", "api", "owner"),
        _event("key.reassigned", "{actor} reassigned {target} to another owner", "api", "changes"),
        # `overlap` is how long the old secret goes on; `ends_on_use`, whether the new one's first use ends it early.
        _event(
            "key.secret_changed",
            "{actor} changed the secret of {target} (overlap: {overlap})",
            "api",
            "overlap",
            "ends_on_use",
        ),
        # `schedule` is how often, such as "every 90 days".
        _event(
            "key.secret_rotated",
            "{actor} changed the secret of {target} on schedule ({schedule}, overlap: {overlap})",
            *("api", "schedule", "overlap"),
        ),
        _event("key.overlap_ended", "{actor} ended the overlap of {target}", "api"),
        _event(
            "key.overlap_extended", "{actor} extended the overlap of {target} to {overlap} from then", "api", "overlap"
        ),
        _event("key.networks_acknowledged", "{actor} acknowledged networks of {target}: {networks}", "networks"),
        # Notices. `kind` is a type of notice (docs/notices.md), `keys` names the first hundred keys that the `count`
        # notices of one run are about; `changes` has the channels of each kind.
        _event("notices.made", "{actor} made {count} notices: {kind}", "kind", "count", "keys"),
        # Webhook endpoints, named by their hosts.
        _event("webhook.added", "{actor} added the webhook endpoint {target}"),
        _event("webhook.enabled", "{actor} enabled the webhook endpoint {target}"),
        _event("webhook.disabled", "{actor} disabled the webhook endpoint {target}"),
        _event("webhook.rotated", "{actor} rotated the signing secret of the webhook endpoint {target}"),
        _event("webhook.tested", "{actor} sent a test to the webhook endpoint {target}"),
        _event("webhook.resent", "{actor} sent a notice to the webhook endpoint {target} again: {kind}", "kind"),
        _event("webhook.deleted", "{actor} deleted the webhook endpoint {target}"),
        _event("notices.switched", "{actor} changed which notices {target} gets", "changes"),
        # After the last attempt. The target is the user, or the webhook endpoint.
        _event(
            "notices.given_up",
            "{actor} gave up sending {count} notices to {target}: {error}",
            *("count", "kinds", "error"),
        ),
        # Links with which anyone can read a key's documentation: `link` is its number, `until` an ISO time.
        _event(
            "key.docs_link_created",
            "{actor} created a link to the documentation of {target} until {until}",
            *("api", "link", "until"),
        ),
        _event("key.docs_link_revoked", "{actor} revoked a link to the documentation of {target}", "api", "link"),
        # IP lists. `networks` names the first hundred of the entries, `sha256` is that of all their lines.
        _event("ip_list.created", "{actor} created the IP list {target} with {entries} entries", "settings", *_ENTRIES),
        _event("ip_list.edited", "{actor} edited the IP list {target}", "changes"),
        _event("ip_list.entries_added", "{actor} added {entries} entries to the IP list {target}", *_ENTRIES),
        _event(
            "ip_list.entry_changed", "{actor} changed the entry {network} of the IP list {target}", "network", "changes"
        ),
        _event("ip_list.entries_enabled", "{actor} enabled {entries} entries of the IP list {target}", *_ENTRIES),
        _event("ip_list.entries_disabled", "{actor} disabled {entries} entries of the IP list {target}", *_ENTRIES),
        _event("ip_list.entries_deleted", "{actor} deleted {entries} entries of the IP list {target}", *_ENTRIES),
        _event("ip_list.deleted", "{actor} deleted the IP list {target} with {entries} entries", *_ENTRIES),
        # What could be read again of secrets that retired by themselves.
        _event("secrets.destroyed", "{actor} destroyed the sealed forms of {count} retired secrets", "count"),
        # One batch of `reseal`: `what` is secrets or second factors, `under` the newest keys' numbers by ring, and
        # `peppered` how many moved to the newest pepper.
        _event("secrets.resealed", "{actor} resealed {count} {what}", "what", "count", "under", "peppered"),
        # A key of a ring is lost for good: `ring` and `number` name it, `factors` counts the second factors beside.
        _event(
            "secrets.discarded",
            "{actor} discarded {count} secrets that needed the lost key {number} of {ring}",
            *("ring", "number", "count", "factors"),
        ),
        # Reading and taking away. An export's number is that of the event with which it started; `started` of an end is
        # that number. The fields of _STATEMENT say what the file is, in full and for ever.
        _event("log.read", "{actor} read the {log}", "log", "filters"),
        _event("export.started", "{actor} started an export of the {log} as {format}", "log", *_EXPORTED, *_STATEMENT),
        _event(
            "export.finished",
            "{actor} finished export {started} of the {log} with {rows} rows",
            *("log", "format", "started", "rows", "sha256"),
        ),
        _event(
            "export.incomplete",
            "Export {started} of the {log} by {actor} was interrupted after {rows} rows",
            *("log", "format", "started", "rows", "reason"),
        ),
        _event("ip_lists.exported", "{actor} exported {rows} IP lists as {format}", *_FILE, *_EXPORTED, *_STATEMENT),
        _event(
            "ip_list.exported",
            "{actor} exported {rows} entries of the IP list {target} as {format}",
            *(*_FILE, *_EXPORTED, *_STATEMENT),
        ),
        _event("users.exported", "{actor} exported {rows} users", *_FILE, *_EXPORTED, *_STATEMENT),
        _event("keys.exported", "{actor} exported {rows} keys as {format}", *_FILE, *_EXPORTED, *_STATEMENT),
        # Looked for by a token, a line of a log or words: `what` says which, never the text itself; `keys` are the API
        # IDs of those found.
        _event("keys.searched", "{actor} searched for a key by {what}", "what", "keys"),
        # Whether a pasted token is accepted for a call: `result` is allowed, or the code of the refusal.
        _event("access.checked", "{actor} checked a token for the API {api}: {result}", "api", "result"),
        # The administration. `path` is what was asked for there and refused; `what` says what a search was made by,
        # never the text itself, and `keys` are the API IDs that it found.
        _event("admin.searched", "{actor} searched for a key by {what}", "what", "keys"),
        _event("admin.refused", "{actor} was refused {method} {path}", "method", "path"),
        # Commands and jobs.
        _event("demo.loaded", "{actor} loaded the demo data"),
        # The API log. `since` and `until` bound the calls that are sealed; `sha256` is of their rows in the format that
        # `form` names; `rest` is what a dropped month left of the seals that reach beyond it.
        _event(
            "calls.sealed",
            "{actor} sealed {rows} calls of the API log",
            *("since", "until", "rows", "first", "last", "sha256", "form"),
        ),
        _event(
            "calls.late_sealed",
            "{actor} sealed {rows} calls of the API log with status, duration and bytes",
            *("since", "until", "rows", "first", "last", "sha256", "form"),
        ),
        _event("calls.dropped", "{actor} dropped the months {months} of the API log", "months", "until", "rest"),
        # A verification that found something: its problems in words, the last good event. Someone acknowledged them.
        _event("verification.failed", "{actor} found tampering: {problems}", "problems", "events"),
        _event(
            "verification.acknowledged", "{actor} acknowledged a finding of tampering: {reason}", "problems", "reason"
        ),
        _event("partitions.made", "{actor} created the API log partitions {months}", "months"),
        # Hourly statements about each account's calls and events; `sha256` is of their hashes, by account.
        _event(
            "digests.made",
            "{actor} signed every account's digest of calls and events until {until}",
            *("until", "late_until", "last_event", "digests", "sha256"),
        ),
        # `source` is the file's name as it was given; the rest are numbers of lines.
        _event(
            "access_log.ingested",
            "{actor} added access log data to {filled} calls from {source}",
            *("source", "lines", "filled", "already", "unmatched", "too_late", "without_id", "unreadable"),
        ),
    ]
)

# Events of the installation itself that touch every account: its calls, its secrets, who may see it. Each account's
# trail shows them beside its own. Of these, ROUTINE is what the hourly job and the proxies' logs bring; pages and
# exports leave it out until it is asked for.
SHOWN_TO_ACCOUNTS = frozenset(
    {
        "support.granted",
        "support.revoked",
        "secrets.destroyed",
        "secrets.resealed",
        "secrets.discarded",
        "calls.sealed",
        "calls.late_sealed",
        "calls.dropped",
        "verification.failed",
        "verification.acknowledged",
        "partitions.made",
        "digests.made",
        "access_log.ingested",
    }
)
ROUTINE = frozenset(
    {
        "secrets.destroyed",
        "calls.sealed",
        "calls.late_sealed",
        "partitions.made",
        "digests.made",
        "access_log.ingested",
    }
)
