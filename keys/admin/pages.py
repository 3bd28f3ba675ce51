"""Which pages Support has of keys, IP lists and APIs."""

from __future__ import annotations

from typing import Any

from accounts.admin_base import SupportAdmin
from keys.admin.apis import ApiAdmin
from keys.admin.ip_lists import IpListAdmin
from keys.admin.keys import KeyAdmin
from keys.models import Api, IpList, Key

ADMINS: dict[Any, type[SupportAdmin]] = {Key: KeyAdmin, IpList: IpListAdmin, Api: ApiAdmin}
