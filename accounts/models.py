"""Accounts, users, invitations, and the counters of their limits."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from core.permissions import ACCOUNT_ROLES, Role


class Account(models.Model):
    """The customer organisation, the tenant. Nothing crosses accounts."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"

    class MaskSide(models.TextChoices):
        FIRST = "first", "from the start"
        LAST = "last", "from the end"

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    mask_phone = models.BooleanField(default=False)
    mask_digits = models.PositiveSmallIntegerField(default=4)
    mask_side = models.CharField(max_length=5, choices=MaskSide, default=MaskSide.LAST)
    second_factor_required = models.BooleanField(default=False, db_default=False)
    key_lifetime_days = models.PositiveIntegerField(null=True, blank=True, db_comment="longest life of a new key")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=["pending", "active", "suspended"]), name="account_status"),
            models.CheckConstraint(condition=Q(mask_side__in=["first", "last"]), name="account_mask_side"),
            models.CheckConstraint(condition=Q(mask_digits__lte=15), name="account_mask_digits"),
            models.CheckConstraint(condition=Q(key_lifetime_days__range=(1, 36500)), name="account_key_lifetime_days"),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """A person, who signs in by e-mail. Written by accounts.services alone."""

    email = models.EmailField(unique=True)
    nickname = models.CharField(max_length=64)
    account = models.ForeignKey(Account, models.PROTECT, null=True, blank=True, related_name="users")
    roles = ArrayField(models.CharField(max_length=20, choices=Role.choices), default=list, blank=True)
    is_active = models.BooleanField(default=True)
    sessions_ended = models.PositiveIntegerField(default=0, db_comment="one more ends every session there is")
    reset_links = models.PositiveIntegerField(default=0, db_comment="one more ends every password-reset link there is")
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(email=Lower(F("email"))), name="user_email_lower_case"),
            models.UniqueConstraint(
                "account",
                Lower("nickname"),
                name="user_nickname_unique_in_account",
                violation_error_message="This nickname is taken in this account.",
            ),
            models.CheckConstraint(
                condition=Q(roles__contained_by=ACCOUNT_ROLES, account__isnull=False)
                | Q(roles__contained_by=[Role.SUPPORT], account=None),
                name="user_support_has_no_account",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_staff(self) -> bool:
        return Role.SUPPORT in self.roles

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return the hash that every session carries: a new password or `sessions_ended` invalidates all of them."""
        salt = "accounts.models.User.get_session_auth_hash"
        return salted_hmac(
            salt, f"{self.sessions_ended}:{self.password}", secret=secret, algorithm="sha256"
        ).hexdigest()


class Invitation(models.Model):
    """An open invitation to an account, deleted when it is accepted, withdrawn or replaced. Every invited e-mail has a
    row, whether or not it can accept, so that nobody learns which e-mails are known."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="invitations")
    email = models.EmailField()
    roles = ArrayField(models.CharField(max_length=20, choices=Role.choices), default=list, blank=True)
    inviter = models.CharField(max_length=254)
    digest = models.BinaryField(unique=True, db_comment="SHA-256 of the link's token")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("account", "email", name="invitation_once_in_account"),
            models.CheckConstraint(condition=Q(email=Lower(F("email"))), name="invitation_email_lower_case"),
            models.CheckConstraint(condition=Q(roles__contained_by=ACCOUNT_ROLES), name="invitation_roles_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.account_id}"


class ListSettings(models.Model):
    """How a user arranges a list: its columns in order, none for the list's own, and rows a page. Written by
    accounts.lists.services alone."""

    user = models.ForeignKey(User, models.CASCADE, related_name="list_settings", db_index=False)
    list_name = models.CharField(max_length=20)
    columns = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    page_size = models.PositiveSmallIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "list_name"], name="list_settings_once")]

    def __str__(self) -> str:
        return f"{self.list_name} of user {self.user_id}"


class SavedFilter(models.Model):
    """A query of a list under a name, of its user or shared in the account. Written by accounts.lists.services
    alone."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="saved_filters", db_index=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="+", db_index=False)
    list_name = models.CharField(max_length=20)
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=2000)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                "account",
                "list_name",
                "user",
                Lower("name"),
                name="saved_filter_name_once",
                violation_error_message="You already have a filter with this name.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Limit(models.Model):
    """Attempts of one kind by one key (an e-mail, an address) within their window. Written by
    accounts.signin.rate_limits alone."""

    pk = models.CompositePrimaryKey("name", "key")
    name = models.CharField(max_length=40)
    key = models.CharField(max_length=254)
    taken = ArrayField(models.DateTimeField(), db_comment="when, within the window, oldest first")
    refused = models.PositiveIntegerField(default=0, db_comment="tries beyond the limit, not yet told to the trail")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.name} {self.key}"


class ConfirmationAttempts(models.Model):
    """A user's failed and pending confirmations, in one row, so that parallel attempts cannot exceed the limit. Written
    by accounts.confirmation alone."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+")
    wrong = ArrayField(models.DateTimeField(), default=list, db_comment="when, within the window, oldest first")
    checking = ArrayField(models.DateTimeField(), default=list, db_comment="tries whose password is being hashed")
    locked_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{len(self.wrong)} wrong confirmations by user {self.user_id}"


class KnownAddress(models.Model):
    """An address that a user has signed in from; a sign-in from a new one sends a mail. Written by accounts.services
    alone."""

    pk = models.CompositePrimaryKey("user", "key")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    key = models.CharField(max_length=64, db_comment="an IPv4 address, or the /64 of an IPv6 one")

    def __str__(self) -> str:
        return f"user {self.user_id} from {self.key}"


class TotpUse(models.Model):
    """The latest time step whose code the user has used: that code and earlier ones are refused everywhere. Written by
    accounts.signin.second_factors alone."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+")
    step = models.BigIntegerField(db_comment="seconds since 1970, divided by 30")

    def __str__(self) -> str:
        return f"user {self.user_id} up to step {self.step}"


class PasskeyChallenge(models.Model):
    """An open challenge for a passkey, for one action of one user on one object; deleted on first use. Written by
    accounts.signin.passkeys alone."""

    challenge = models.BinaryField(primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    action = models.CharField(max_length=40)
    target = models.CharField(max_length=200)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.action} by user {self.user_id}"
