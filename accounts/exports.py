"""Export of the list of users."""

from __future__ import annotations

from typing import ClassVar

from django.db import transaction
from import_export import fields

from accounts.filters import UserFilter
from accounts.models import Account, User
from audit.exports import ListFile, deliver_list
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from core.spreadsheets import PLAIN_CSV, CsvStyle, TextResource, build_column, encode_table


class UserResource(TextResource):
    """One row for each user."""

    status = fields.Field()
    second_factor = build_column("second_factor")
    keys = build_column("key_count")
    last_sign_in = build_column("last_login")
    created = build_column("created_at")

    class Meta:
        model = User
        fields: ClassVar = ("nickname", "email", "roles", "status", "second_factor", "keys", "last_sign_in", "created")
        export_order = fields

    def dehydrate_roles(self, user: User) -> str:
        return ", ".join(user.roles)

    def dehydrate_status(self, user: User) -> str:
        return "active" if user.is_active else "inactive"


@transaction.atomic
def export_users(
    *,
    by: Actor,
    account: Account,
    users: UserFilter,
    format: str = "csv",
    zip: bool = False,
    csv: CsvStyle = PLAIN_CSV,
    needs: Permission = Permission.LISTS_EXPORT,
) -> tuple[str, bytes]:
    """Return the name and content of a file of the users that pass the filters, in the list's order. `needs` is the
    permission of the page that asks; Support's pages have another one. Raise Denied."""
    authorization.require(by, needs, account=account)
    table = UserResource().export(users.sort_rows(), format=format)
    file = ListFile(
        encode_table(table, format, csv), format, len(table), table.headers, users.active, dict(users.descriptions)
    )
    return deliver_list("users.exported", file, by=by, account=account, zip=zip)
