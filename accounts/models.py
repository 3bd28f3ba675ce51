"""Accounts and the people in them."""

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
    """A person. Signs in by e-mail; the row is written by accounts.services alone."""

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
    """Someone may still join an account: the row goes when it is accepted, withdrawn or made anew. There is one for
    every e-mail that was invited, whether or not it can be, so that nobody learns from it which e-mails are known."""

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


class Limit(models.Model):
    """Tries of one name by one key (an e-mail, an address) within their window. Written by accounts.signin.rate_limits
    alone."""

    pk = models.CompositePrimaryKey("name", "key")
    name = models.CharField(max_length=40)
    key = models.CharField(max_length=254)
    taken = ArrayField(models.DateTimeField(), db_comment="when, within the window, oldest first")
    refused = models.PositiveIntegerField(default=0, db_comment="tries beyond the limit, not yet told to the trail")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.name} {self.key}"


class ConfirmationAttempts(models.Model):
    """Confirmations of one user that were wrong or are being checked, in one row, so that parallel tries cannot slip
    past the limit. Written by accounts.confirmation alone."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+")
    wrong = ArrayField(models.DateTimeField(), default=list, db_comment="when, within the window, oldest first")
    checking = ArrayField(models.DateTimeField(), default=list, db_comment="tries whose password is being hashed")
    locked_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{len(self.wrong)} wrong confirmations by user {self.user_id}"


class KnownAddress(models.Model):
    """Where a user has signed in from, so that they are told of a new one. Written by accounts.services alone."""

    pk = models.CompositePrimaryKey("user", "key")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    key = models.CharField(max_length=64, db_comment="an IPv4 address, or the /64 of an IPv6 one")

    def __str__(self) -> str:
        return f"user {self.user_id} from {self.key}"


class TotpUse(models.Model):
    """The newest time step whose code a user has given: that code and those before it are worthless, wherever it was
    given. Written by accounts.signin.second_factors alone."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+")
    step = models.BigIntegerField(db_comment="seconds since 1970, divided by 30")

    def __str__(self) -> str:
        return f"user {self.user_id} up to step {self.step}"


class PasskeyChallenge(models.Model):
    """What a passkey is asked to sign, for one action of one user on one object; deleted by its first use. Written by
    accounts.signin.passkeys alone."""

    challenge = models.BinaryField(primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    action = models.CharField(max_length=40)
    target = models.CharField(max_length=200)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.action} by user {self.user_id}"
