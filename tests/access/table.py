"""Who may open what: one row for each route. A new page adds its row here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Persona(StrEnum):
    ADMINISTRATOR = "Administrator"
    ACCOUNT_READER = "Account Reader"
    AUDITOR = "Auditor"
    SUPPORT = "Support"
    OWNER = "owner without a role"
    NOTHING = "signed in without anything"
    SIGNED_OUT = "signed out"


P = Persona
ADMINISTRATORS = frozenset({P.ADMINISTRATOR})
AUDITORS = frozenset({P.ADMINISTRATOR, P.AUDITOR})
READERS = frozenset({P.ADMINISTRATOR, P.ACCOUNT_READER, P.AUDITOR})
MEMBERS = frozenset({*READERS, P.OWNER, P.NOTHING})
SUPPORT = frozenset({P.SUPPORT})
EVERYONE = frozenset(P)

Kind = Literal[
    "key",
    "key of recordings",
    "docs link",
    "docs link of recordings",
    "docs link to revoke",
    "API",
    "IP list",
    "IP entry",
    "call",
    "event",
    "event in the chain",
    "event of the installation",
    "export",
    "export in the chain",
    "list",
    "saved filter",
    "webhook",
    "webhook delivery",
    "user",
    "invitation",
    "invitation link",
    "reset",
    "factor",
    "session",
    # Of the administration.
    "account",
    "API by number",
    "key by number",
    "nothing",
]


@dataclass(frozen=True)
class Row:
    """One route: the methods it answers and the personas it is open to; the others get 403, or sign in first.

    `sent_on` are personas who are redirected to another page of theirs. `of` is the kind of object in its path: that of
    another account, and for `hidden_from` their own account's too, is not found.
    """

    route: str
    methods: tuple[str, ...]
    open_to: frozenset[Persona]
    sent_on: frozenset[Persona] = frozenset()
    of: Kind | None = None
    hidden_from: frozenset[Persona] = frozenset()
    # Who of them may POST, where that is fewer.
    posted_by: frozenset[Persona] | None = None
    # Whoever knows the path may open it, of whichever account the object is.
    for_whoever_knows: bool = False
    # The object's number counts within its account: the other account's number is one of their own, or none.
    numbered_within: bool = False
    # Who opens it of whichever account the object is: staff, who have none.
    for_all_accounts: frozenset[Persona] = frozenset()


READ = ("GET", "HEAD")
FORM = ("GET", "HEAD", "POST")
ROLELESS = frozenset({P.OWNER, P.NOTHING})
NOT_THEIRS = frozenset({P.NOTHING})
SUPPORT = frozenset({P.SUPPORT})
DOCUMENTED = READERS | {P.OWNER, P.SUPPORT}

SIGNED_IN = EVERYONE - {P.SIGNED_OUT}
# In the world of the tests these two have an authenticator app; the factor and the session are the first one's.
WITH_FACTOR = frozenset({P.ADMINISTRATOR, P.SUPPORT})
NOT_THE_HOLDERS = SIGNED_IN - {P.ADMINISTRATOR}

TABLE = (
    Row("health-live", READ, EVERYONE),
    Row("health-ready", READ, EVERYONE),
    Row("account_login", FORM, frozenset({P.SIGNED_OUT}), sent_on=EVERYONE - {P.SIGNED_OUT}),
    Row("account_logout", FORM, EVERYONE - {P.SIGNED_OUT}, sent_on=frozenset({P.SIGNED_OUT})),
    Row("mfa_authenticate", FORM, frozenset(), sent_on=EVERYONE),
    Row("profile", READ, SIGNED_IN),
    Row("profile-password", FORM, SIGNED_IN),
    Row("profile-enrol", READ, frozenset(), sent_on=SIGNED_IN),
    Row("profile-totp", FORM, SIGNED_IN - WITH_FACTOR, sent_on=WITH_FACTOR),
    Row("profile-passkey-new", FORM, SIGNED_IN),
    Row("profile-factor-remove", FORM, ADMINISTRATORS, of="factor", hidden_from=NOT_THE_HOLDERS),
    Row("profile-recovery-codes", FORM, WITH_FACTOR, sent_on=SIGNED_IN - WITH_FACTOR),
    Row("profile-challenge", ("POST",), SIGNED_IN),
    Row("profile-sessions-end", ("POST",), SIGNED_IN),
    Row("profile-session-end", ("POST",), ADMINISTRATORS, of="session", hidden_from=NOT_THE_HOLDERS),
    Row("admin:index", FORM, SUPPORT),
    Row("admin:login", FORM, frozenset(), sent_on=SUPPORT),
    Row("admin:accounts_account_changelist", READ, SUPPORT),
    Row("admin:accounts_account_change", READ, SUPPORT, of="account", for_whoever_knows=True),
    Row("admin:accounts_account_activate", FORM, frozenset(), SUPPORT, of="account", for_whoever_knows=True),
    Row("admin:accounts_account_enable-apis", FORM, SUPPORT, of="account", for_whoever_knows=True),
    Row("admin:accounts_account_appoint-administrator", FORM, SUPPORT, of="account", for_whoever_knows=True),
    Row("admin:accounts_account_suspend", FORM, SUPPORT, of="account", for_whoever_knows=True),
    Row("admin:accounts_user_changelist", READ, SUPPORT),
    Row("admin:accounts_user_export", FORM, SUPPORT),
    Row("admin:accounts_user_change", READ, SUPPORT, of="user", for_whoever_knows=True),
    Row("admin:accounts_user_reset-password", FORM, SUPPORT, of="user", for_whoever_knows=True),
    Row("admin:accounts_user_end-sessions", FORM, SUPPORT, of="user", for_whoever_knows=True),
    # Who has none is led back.
    Row("admin:accounts_user_remove-second-factors", FORM, frozenset(), SUPPORT, of="user", for_whoever_knows=True),
    Row("admin:accounts_user_deactivate", FORM, SUPPORT, of="user", for_whoever_knows=True),
    Row("admin:keys_key_changelist", READ, SUPPORT),
    Row("admin:keys_key_export", FORM, SUPPORT),
    Row("admin:keys_key_change", READ, SUPPORT, of="key by number", for_whoever_knows=True),
    Row("admin:keys_key_disable", FORM, SUPPORT, of="key by number", for_whoever_knows=True),
    Row("admin:keys_iplist_changelist", READ, SUPPORT),
    Row("admin:keys_iplist_change", READ, SUPPORT, of="IP list", for_whoever_knows=True),
    Row("admin:keys_iplist_import", FORM, SUPPORT, of="IP list", for_whoever_knows=True),
    Row("admin:keys_iplist_export", FORM, SUPPORT, of="IP list", for_whoever_knows=True),
    Row("admin:keys_api_changelist", READ, SUPPORT),
    Row("admin:keys_api_new", FORM, SUPPORT),
    Row("admin:keys_api_change", READ, SUPPORT, of="API by number", for_whoever_knows=True),
    Row("admin:keys_api_upload", FORM, SUPPORT, of="API by number", for_whoever_knows=True),
    Row("admin:keys_api_document", READ, SUPPORT, of="API by number", for_whoever_knows=True),
    Row("admin:keys_api_policy", READ, SUPPORT, of="API by number", for_whoever_knows=True),
    Row("admin:keys_api_request-link", FORM, SUPPORT, of="API by number", for_whoever_knows=True),
    Row("admin:keys_api_enable", FORM, SUPPORT, of="API by number", for_whoever_knows=True),
    Row("admin:find", FORM, SUPPORT),
    Row("admin:audit_call_changelist", READ, SUPPORT),
    Row("admin:audit_call_change", READ, SUPPORT, of="call", for_whoever_knows=True),
    Row("admin:audit_event_changelist", READ, SUPPORT),
    Row("admin:audit_event_change", READ, SUPPORT, of="event in the chain", for_whoever_knows=True),
    Row("admin:audit_event_manifest", READ, SUPPORT, of="export in the chain", for_whoever_knows=True),
    # What Django's own admin would answer, and whatever else is asked for there.
    Row("admin:nothing", FORM, frozenset(), of="nothing", hidden_from=SUPPORT),
    Row("overview", READ, READERS, sent_on=ROLELESS),
    Row("unused", READ, READERS),
    Row("unused-modules", READ, READERS),
    Row("unused-addresses", READ, READERS),
    Row("unused-entries", READ, READERS),
    Row("unused-overlaps", READ, READERS),
    Row("access-check", FORM, AUDITORS),
    Row("key-list", READ, MEMBERS),
    Row("key-new", FORM, ADMINISTRATORS),
    Row("key-export", FORM, AUDITORS),
    Row("key-disable-some", FORM, ADMINISTRATORS),
    Row("key-enable-some", FORM, ADMINISTRATORS),
    Row("key-addresses-some", FORM, ADMINISTRATORS),
    Row("key-expiry-some", FORM, ADMINISTRATORS),
    Row("key-reassign-some", FORM, ADMINISTRATORS),
    Row("key-change-some", FORM, ADMINISTRATORS),
    Row("key-detail", READ, READERS | {P.OWNER}, of="key", hidden_from=NOT_THEIRS),
    Row("key-edit", FORM, ADMINISTRATORS, of="key"),
    Row("key-reveal", FORM, ADMINISTRATORS, of="key"),
    Row("key-change", FORM, ADMINISTRATORS, of="key"),
    Row("key-overlap-end", FORM, ADMINISTRATORS, of="key"),
    Row("key-overlap-extend", FORM, ADMINISTRATORS, of="key"),
    Row("key-enable", FORM, ADMINISTRATORS, of="key"),
    Row("key-disable", FORM, ADMINISTRATORS, of="key"),
    Row("key-reassign", FORM, ADMINISTRATORS, of="key"),
    Row("key-shrink", FORM, ADMINISTRATORS, of="key"),
    Row("key-delete", FORM, ADMINISTRATORS, of="key"),
    Row("key-networks", FORM, READERS | {P.OWNER}, of="key", hidden_from=NOT_THEIRS, posted_by=ADMINISTRATORS),
    Row("key-docs-links", FORM, ADMINISTRATORS, of="key"),
    Row("key-docs-link-revoke", ("POST",), ADMINISTRATORS, of="docs link to revoke"),
    Row("shared-docs", READ, EVERYONE, of="docs link", for_whoever_knows=True),
    Row("shared-recordings", READ, EVERYONE, of="docs link of recordings", for_whoever_knows=True),
    Row("key-docs", READ, DOCUMENTED, of="key", hidden_from=NOT_THEIRS, for_all_accounts=SUPPORT),
    Row(
        "key-call-download", READ, DOCUMENTED, of="key of recordings", hidden_from=NOT_THEIRS, for_all_accounts=SUPPORT
    ),
    # APIs belong to the installation; both accounts have this one.
    Row("api-reference", READ, MEMBERS | SUPPORT, of="API", for_whoever_knows=True),
    Row("key-find", FORM, AUDITORS),
    Row("search", FORM, MEMBERS),
    Row("ip-list-list", READ, READERS),
    Row("ip-list-export", FORM, AUDITORS),
    Row("ip-list-new", FORM, ADMINISTRATORS),
    Row("ip-list-delete-some", FORM, ADMINISTRATORS),
    Row("ip-list-detail", READ, READERS, of="IP list"),
    Row("ip-list-edit", FORM, ADMINISTRATORS, of="IP list"),
    Row("ip-list-delete", FORM, ADMINISTRATORS, of="IP list"),
    Row("ip-list-add-keys", READ, ADMINISTRATORS, of="IP list"),
    Row("ip-list-import", FORM, ADMINISTRATORS, of="IP list"),
    Row("ip-entry-export", FORM, AUDITORS, of="IP list"),
    Row("ip-entry-new", FORM, ADMINISTRATORS, of="IP list"),
    Row("ip-entry-edit", FORM, ADMINISTRATORS, of="IP entry"),
    Row("ip-entries-enable", FORM, ADMINISTRATORS, of="IP list"),
    Row("ip-entries-disable", FORM, ADMINISTRATORS, of="IP list"),
    Row("ip-entries-delete", FORM, ADMINISTRATORS, of="IP list"),
    Row("account_reset_password", FORM, EVERYONE),
    Row("account_reset_password_done", READ, EVERYONE),
    Row("account_reset_password_from_key", FORM, EVERYONE, of="reset", for_whoever_knows=True),
    Row("account_reset_password_from_key_done", READ, EVERYONE),
    Row("invitation", FORM, EVERYONE, of="invitation link", for_whoever_knows=True),
    Row("user-list", READ, AUDITORS),
    Row("user-export", FORM, AUDITORS),
    Row("user-invite", FORM, ADMINISTRATORS),
    Row("invitation-withdraw", FORM, ADMINISTRATORS, of="invitation"),
    Row("user-detail", READ, AUDITORS, of="user"),
    Row("user-roles", FORM, ADMINISTRATORS, of="user"),
    Row("user-deactivate", FORM, ADMINISTRATORS, of="user"),
    Row("user-reactivate", FORM, ADMINISTRATORS, of="user"),
    Row("user-end-sessions", FORM, ADMINISTRATORS, of="user"),
    Row("user-hand-over", FORM, ADMINISTRATORS, of="user"),
    Row("list-columns", FORM, MEMBERS, of="list", for_whoever_knows=True),
    Row("filter-new", FORM, MEMBERS, of="list", for_whoever_knows=True),
    Row("filter-delete", FORM, ADMINISTRATORS, of="saved filter", hidden_from=MEMBERS - ADMINISTRATORS),
    Row("settings", FORM, AUDITORS, posted_by=ADMINISTRATORS),
    Row("settings-preview", ("POST",), ADMINISTRATORS),
    Row("notices", FORM, AUDITORS, posted_by=ADMINISTRATORS),
    Row("webhook-new", FORM, ADMINISTRATORS),
    Row("webhook-detail", READ, AUDITORS, of="webhook"),
    Row("webhook-rotate", FORM, ADMINISTRATORS, of="webhook"),
    Row("webhook-enable", FORM, ADMINISTRATORS, of="webhook"),
    Row("webhook-disable", FORM, ADMINISTRATORS, of="webhook"),
    Row("webhook-delete", FORM, ADMINISTRATORS, of="webhook"),
    Row("webhook-test", ("POST",), ADMINISTRATORS, of="webhook"),
    Row("webhook-send-again", ("POST",), ADMINISTRATORS, of="webhook delivery"),
    Row("log-list", READ, READERS),
    Row("log-detail", READ, READERS, of="call"),
    Row("log-chart", READ, READERS),
    Row("log-tail", READ, READERS),
    Row("log-export", FORM, AUDITORS),
    Row("trail-export", FORM, AUDITORS),
    Row("export-manifest", READ, AUDITORS, of="export", numbered_within=True),
    Row("digest-list", READ, AUDITORS),
    Row("digest-zip", READ, AUDITORS),
    Row("trail-list", READ, AUDITORS),
    Row("trail-detail", READ, AUDITORS, of="event", numbered_within=True),
    Row("trail-installation", READ, AUDITORS, of="event of the installation", for_whoever_knows=True),
)
