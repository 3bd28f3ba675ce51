"""`python -m config COMMAND`: the command `keyward`, for processes that Keyward starts itself."""

from __future__ import annotations

from config.command_line import run

run()
