"""Register Support's pages of keys, IP lists and APIs."""

from __future__ import annotations

from typing import Any

from core.admin import SupportAdmin
from keys.admin.keys import KeyAdmin
from keys.apis.admin.pages import ApiAdmin
from keys.ip_lists.admin import IpListAdmin
from keys.models import Api, IpList, Key

ADMINS: dict[Any, type[SupportAdmin]] = {Key: KeyAdmin, IpList: IpListAdmin, Api: ApiAdmin}
