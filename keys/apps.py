"""Configuration of the keys app."""

from __future__ import annotations

from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit.calls.names import register_lookup
        from audit.trail import sentences
        from keys import checks  # noqa: F401 - registers them
        from keys.notices.kinds import Kind
        from keys.visibility import get_log_names

        register_lookup(get_log_names)
        sentences.WORDS["kind"] = dict(Kind.choices)
