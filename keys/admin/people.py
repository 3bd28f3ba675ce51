"""Support's pages of accounts and users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.admin import display
from django.db.models import Q
from django.db.models.functions import Now
from django.forms import Form
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts import services
from accounts.admin.exports import ExportAdmin
from accounts.admin.recovery import AppointAdministrator, RemoveSecondFactors
from accounts.exports import export_users
from accounts.filters import UserFilter
from accounts.models import Account, User
from accounts.selectors import count_sessions, list_users
from accounts.services import LastAdministrator, SelfDeactivation
from accounts.signin.rate_limits import RESET, count_attempt
from accounts.signin.second_factors import get_second_factors
from core import permissions
from core.actor import Actor
from core.admin import Button, SupportAdmin
from core.admin_tables import format_link, format_row_count
from core.permissions import Permission
from keys.admin.enable_apis import EnableApis
from keys.models import Key
from keys.selectors.replay import Replay, replay_state
from keys.services import deactivate_owner
from keys.views.effects import list_sentences

MAX_KEYS_COUNTED = 10_000


def format_working_keys(**narrowed: Any) -> str:
    """Return how many enabled, unexpired keys match, as text."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
    return format_row_count(Key.objects.filter(unexpired, deleted_at=None, enabled=True, **narrowed), MAX_KEYS_COUNTED)


def describe_replay(replay: Replay) -> Iterator[str]:
    """Yield what a change would have done to the calls of the last 30 days, a line each."""
    if replay:
        yield f"Effect on the last 30 days: {' '.join(list_sentences(replay))}"


class Activate(Button):
    name, label = "activate", "Activate"

    def is_available(self, row: Account, by: Actor) -> bool:
        return row.status != Account.Status.ACTIVE

    def get_effects(self, row: Account) -> Iterator[str]:
        yield f"{row.name} is {row.status}. Once it is active, its keys can be created and changed."
        if (working := format_working_keys(account=row)) != "0":
            yield f"Calls with its working keys ({working}) are accepted again, within each key's settings."
        yield from describe_replay(replay_state(Key.objects.filter(account=row), account_active=True))
        if not row.enablements.exists():
            yield "No API is enabled for this account yet. Keys can be added once you enable one."

    def run(self, row: Account, form: Form, by: Actor) -> str:
        services.set_account_status(account=row, status=Account.Status.ACTIVE, by=by)
        next_step = "" if row.enablements.exists() else " Next: enable APIs for it."
        return f"{row.name} is active.{next_step}"


class Suspend(Button):
    name, label, dangerous = "suspend", "Suspend", True

    def is_available(self, row: Account, by: Actor) -> bool:
        return row.status != Account.Status.SUSPENDED

    def get_effects(self, row: Account) -> Iterator[str]:
        already = (
            "" if row.status == Account.Status.ACTIVE else (" They are already refused because the account is pending.")
        )
        yield f"Calls with its working keys ({format_working_keys(account=row)}) are refused immediately.{already}"
        yield from describe_replay(replay_state(Key.objects.filter(account=row), account_active=False))
        yield "Its users can sign in, view and export data, but cannot change or reveal anything."
        yield "No keys are lost. They work as before once the account is active again."

    def run(self, row: Account, form: Form, by: Actor) -> str:
        services.set_account_status(account=row, status=Account.Status.SUSPENDED, by=by)
        return f"{row.name} is suspended: calls with its keys are refused."


class AccountAdmin(SupportAdmin):
    buttons: ClassVar = (Activate(), EnableApis(), AppointAdministrator(), Suspend())
    icon = "building-office"
    empty_text = "The command create_account adds an account and invites its first Administrator."
    list_display = ("slug", "name", "status", "created_at")
    list_filter = ("status",)
    search_fields = ("slug__istartswith", "name__icontains")
    search_help_text = "Search by the start of the slug, or part of the name."
    ordering = ("slug",)
    fields = (
        *("slug", "name", "status", "created_at", "keys", "people", "apis"),
        *("masking", "second_factor", "longest_life"),
    )
    readonly_fields = ("keys", "people", "apis", "masking", "second_factor", "longest_life")

    @display(description="Keys")
    def keys(self, row: Account) -> str:
        return format_row_count(Key.objects.filter(account=row, deleted_at=None), MAX_KEYS_COUNTED)

    @display(description="Users")
    def people(self, row: Account) -> str:
        return format_row_count(User.objects.filter(account=row))

    @display(description="APIs")
    def apis(self, row: Account) -> SafeString | str:
        found = row.enablements.order_by("api__name", "api").values_list("api", "api__name")
        links = [(reverse("admin:keys_api_change", args=[pk]), name) for pk, name in found]
        return format_html_join(", ", '<a href="{}">{}</a>', links) or "None. Enable the APIs that this account needs."

    @display(description="Phone masking")
    def masking(self, row: Account) -> str:
        return f"{row.mask_digits} digits shown, {row.get_mask_side_display()}" if row.mask_phone else "Off"

    @display(description="Second factor required")
    def second_factor(self, row: Account) -> str:
        return "Yes" if row.second_factor_required else "No"

    @display(description="Maximum key lifetime")
    def longest_life(self, row: Account) -> str:
        return f"{row.key_lifetime_days} days" if row.key_lifetime_days else "No limit"


class Deactivate(Button):
    name, label, dangerous = "deactivate", "Deactivate", True
    refusals = (*Button.refusals, LastAdministrator, SelfDeactivation)

    def is_available(self, row: User, by: Actor) -> bool:
        return row.is_active and str(row.pk) != by.id

    def get_effects(self, row: User) -> Iterator[str]:
        yield f"{row.email} is signed out everywhere and can no longer sign in."
        yield f"Calls with the working keys that they own ({format_working_keys(owner=row)}) are refused immediately."
        yield from describe_replay(replay_state(Key.objects.filter(owner=row), owner_active=False))
        yield "An Administrator of the account can reassign the keys or reactivate the user."

    def run(self, row: User, form: Form, by: Actor) -> str:
        deactivate_owner(user=row, by=by)
        return f"{row.email} is deactivated."

    def format_refusal(self, problem: Exception) -> str:
        return "You cannot deactivate yourself." if isinstance(problem, SelfDeactivation) else str(problem)


class EndSessions(Button):
    name, label, dangerous = "end-sessions", "End sessions", True

    def is_available(self, row: User, by: Actor) -> bool:
        return row.is_active

    def get_effects(self, row: User) -> Iterator[str]:
        yield f"{row.email} is signed out everywhere (sessions: {count_sessions(row)}). They are notified by e-mail."
        yield "They can sign in again."

    def run(self, row: User, form: Form, by: Actor) -> str:
        services.end_sessions(user=row, by=by)
        return f"All sessions of {row.email} have ended."


class TooManyMails(Exception):
    def __init__(self) -> None:
        super().__init__("Five e-mails have been sent to this address in the last hour. Try again later.")


class ResetPassword(Button):
    name, label = "reset-password", "Send password reset"
    refusals = (*Button.refusals, TooManyMails)

    def is_available(self, row: User, by: Actor) -> bool:
        return row.is_active

    def get_effects(self, row: User) -> Iterator[str]:
        yield f"A link is sent to {row.email}. It works for one hour and lets the recipient choose a new password."
        yield "The current password works until then. Second factors stay in place."

    def run(self, row: User, form: Form, by: Actor) -> str:
        # Shares the rate limit of the password reset page.
        if not count_attempt(RESET, row.email):
            raise TooManyMails
        services.request_reset(email=row.email, by=by)
        return f"Password reset link sent to {row.email}."


class UserAdmin(ExportAdmin):
    export_of = "an account's users"
    buttons: ClassVar = (ResetPassword(), EndSessions(), RemoveSecondFactors(), Deactivate())
    icon = "users"
    empty_text = "The command create_account adds an account and invites its first Administrator."
    list_display = ("email", "nickname", "account_slug", "roles_in_words", "is_active")
    list_filter = ("is_active",)
    list_select_related = ("account",)
    search_fields = ("email__istartswith", "nickname__istartswith")
    search_help_text = "Search by the start of the e-mail or nickname."
    ordering = ("email",)
    fields = (
        *("email", "nickname", "account_link", "roles_in_words", "is_active", "created_at", "last_login"),
        *("factors", "sessions", "owned"),
    )
    readonly_fields = ("account_link", "roles_in_words", "factors", "sessions", "owned")

    def build_file(self, account: Account, by: Actor, *, format: str, zip: bool) -> tuple[str, bytes]:
        users = UserFilter({}, list_users(account))
        users.is_valid()
        needs = Permission.ADMINISTRATION
        return export_users(by=by, account=account, users=users, format=format, zip=zip, needs=needs)

    @display(description="Account")
    def account_slug(self, row: User) -> str:
        return row.account.slug if row.account else "None"

    @display(description="Account")
    def account_link(self, row: User) -> str:
        if row.account is None:
            return "None"
        return format_link("accounts_account_change", f"{row.account.name} ({row.account.slug})", row.account.pk)

    @display(description="Roles")
    def roles_in_words(self, row: User) -> str:
        return permissions.format_roles(row.roles)

    @display(description="Second factors")
    def factors(self, row: User) -> str:
        names = {"totp": "Authenticator app", "webauthn": "Passkey"}
        return ", ".join(names[kind] for kind in sorted(get_second_factors(row))) or "None"

    @display(description="Sessions")
    def sessions(self, row: User) -> int:
        return count_sessions(row)

    @display(description="Keys owned")
    def owned(self, row: User) -> str:
        return format_row_count(Key.objects.filter(owner=row, deleted_at=None), MAX_KEYS_COUNTED)


ADMINS: dict[Any, type[SupportAdmin]] = {Account: AccountAdmin, User: UserAdmin}
