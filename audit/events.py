"""The closed catalogue of what may be written to the audit trail.

A name is permanent: rows that carry it are read for years. Every field is required. `sentence` is a `str.format`
template over {actor}, {target} and the event's own fields; docs/events.md lists the catalogue, and a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class WrongEvent(TypeError):
    """The event is not in the catalogue, or its fields are not the catalogue's. A mistake in the calling code."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an event is about, as text. `id` is what a link is made from: a key's API ID, an account's or API's slug,
    a user's primary key."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class EventType:
    name: str
    sentence: str
    fields: frozenset[str]

    def check(self, given: Iterable[str]) -> None:
        given = frozenset(given)
        problems = [f"missing {name!r}" for name in sorted(self.fields - given)]
        problems += [f"unknown {name!r}" for name in sorted(given - self.fields)]
        if problems:
            raise WrongEvent(f"event {self.name}: {', '.join(problems)}; its fields are {sorted(self.fields)}")


def _event(name: str, sentence: str, *fields: str) -> tuple[str, EventType]:
    return name, EventType(name, sentence, frozenset(fields))


# `changes` is {field: [old, new]}; `settings` is {field: value}; `filters` is {field: value as typed}.
CATALOGUE: dict[str, EventType] = dict(
    [
        # People. `email` is what was typed, known or not; `method` is password, totp, passkey or recovery_code.
        _event("user.signed_in", "{actor} signed in with {method}", "method"),
        _event("user.sign_in_failed", "A sign-in as {email} failed", "email"),
        _event("user.signed_out", "{actor} signed out"),
        _event("user.created", "{actor} created the user {target}", "roles"),
        _event("user.deactivated", "{actor} deactivated {target}"),
        _event("user.reactivated", "{actor} reactivated {target}"),
        _event("user.roles_changed", "{actor} changed the roles of {target}", "changes"),
        _event("user.sessions_ended", "{actor} ended every session of {target}"),
        _event("user.invited", "{actor} invited {target}", "roles"),
        _event("invitation.withdrawn", "{actor} withdrew the invitation of {target}"),
        _event("invitation.accepted", "{target} accepted the invitation of {inviter}", "inviter", "roles"),
        _event("password.reset_requested", "A new password was asked for as {email}", "email"),
        _event("password.reset", "{target} set a new password by the link in a mail"),
        # What someone signs in with. `factor` is totp or passkey; `sessions` is how many of their own they ended.
        _event("password.changed", "{actor} changed their password"),
        _event("factor.added", "{actor} added a second factor: {factor}", "factor"),
        _event("factor.removed", "{actor} removed a second factor: {factor}", "factor"),
        _event("recovery_codes.replaced", "{actor} made new recovery codes"),
        _event("session.ended", "{actor} ended {sessions} of their sessions", "sessions"),
        _event("support.granted", "{actor} made {target} Support"),
        _event("support.revoked", "{actor} took Support from {target}"),
        # A limit that held: what was tried, the e-mail or address that tried it, and how often it was refused.
        _event(
            "limit.held", "{refused} tries of {limit} by {key} were refused over the limit", "limit", "key", "refused"
        ),
        # Confirmations. `action` is one of the names services ask for, such as key.reveal; `until` an ISO time.
        _event("confirmation.failed", "{actor} gave a wrong confirmation for {action}", "action"),
        _event("confirmation.locked", "Confirmations by {actor} are locked until {until}", "action", "until"),
        # Accounts.
        _event("account.created", "{actor} created the account {target}", "status"),
        _event("account.status_changed", "{actor} changed the status of {target}", "changes"),
        _event("settings.changed", "{actor} changed the settings of {target}", "changes"),
        # APIs. `account` is the slug of the account that may now have keys.
        _event("api.added", "{actor} added the API {target}", "modules", "routes"),
        _event("api.enabled", "{actor} enabled the API {target} for {account}", "account"),
        # Keys. `api` is the API's slug.
        _event("key.created", "{actor} created the {api} key {target}", "api", "settings"),
        _event("key.revealed", "{actor} revealed the secret of {target}", "api"),
        _event("key.unreadable", "The secret of {target}, asked for by {actor}, could not be opened", "api"),
        _event("key.edited", "{actor} edited {target}", "api", "changes"),
        _event("key.enabled", "{actor} enabled {target}", "api"),
        _event("key.disabled", "{actor} disabled {target}", "api"),
        _event("key.deleted", "{actor} deleted {target}", "api"),
        _event("key.reassigned", "{actor} gave {target} to another owner", "api", "changes"),
        _event("key.overlap_ended", "{actor} ended the overlap of {target}", "api"),
        # Reading and taking away. `started` is the number of the export.started event that this one ends.
        _event("log.read", "{actor} read the {log}", "log", "filters"),
        _event("export.started", "{actor} started an export of the {log} as {format}", "log", "format", "filters"),
        _event(
            "export.finished",
            "{actor} finished an export of the {log} with {rows} rows",
            "log",
            "format",
            "started",
            "rows",
            "sha256",
        ),
        _event(
            "export.incomplete",
            "An export of the {log} by {actor} broke off after {rows} rows",
            "log",
            "format",
            "started",
            "rows",
            "reason",
        ),
        _event("users.exported", "{actor} exported {rows} users", "filters", "rows"),
        # Commands and jobs.
        _event("demo.loaded", "{actor} loaded the demo data"),
        _event("partitions.made", "{actor} made the API log's partitions {months}", "months"),
        # `source` is the file's name as it was given; the rest are numbers of lines.
        _event(
            "access_log.ingested",
            "{actor} filled in {filled} calls from {source}",
            *("source", "lines", "filled", "already", "unmatched", "without_id", "unreadable"),
        ),
    ]
)
