"""The secrets of an installation: from the environment or, in the demo, generated once and stored under var/."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from config.env import DEMO_BYTES, DEMO_TEXT, KEY_BYTES, Environment, Misconfigured
from config.secret_strength import is_guessable_text

# As in Django's own check of SECRET_KEY.
MIN_TEXT_LENGTH = 50


def make_demo_key() -> str:
    """Return base64 of 32 bytes, 28 of them random; the first four mark a demo key, which production refuses."""
    return base64.b64encode(DEMO_BYTES + secrets.token_bytes(KEY_BYTES - len(DEMO_BYTES))).decode()


def make_demo_text() -> str:
    return DEMO_TEXT + secrets.token_urlsafe(40)


def make_private_folder(folder: Path) -> Path:
    """Return `folder`, created with mode 700 if it does not exist."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"KEYWARD_VAR {str(folder)!r} is not usable: it must be a folder that Keyward may write ({error.strerror})."
        ) from error
    return folder


def load_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return the text in `path` (mode 600), created on first use. If several processes start at once, one creates
    it."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Misconfigured(f"{path} is not readable by this user ({error.strerror}).") from error
    make_private_folder(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Linking is atomic: no process ever reads a partial secret, or one that is replaced later.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
    return path.read_text(encoding="utf-8").strip()


class Secrets:
    """Reads each secret. In production a missing, weak, repeated or demo secret stops the start."""

    def __init__(self, env: Environment, *, folder: Path) -> None:
        self._env = env
        self._folder = folder
        self._seen: dict[bytes | str, str] = {}

    def ring(self, name: str) -> dict[int, bytes]:
        ring = self._env.ring(name, self._value(name, lambda: f"1:{make_demo_key()}"))
        for key in ring.values():
            self._refuse_demo(name, key.startswith(DEMO_BYTES))
            self._refuse_repeated(name, key)
        return ring

    def key(self, name: str) -> bytes:
        value = self._value(name, make_demo_key)
        key = self._env.key(name, value) if value else b""
        self._refuse_demo(name, key.startswith(DEMO_BYTES))
        self._refuse_repeated(name, key)
        return key

    def text(self, name: str) -> str:
        value = self._value(name, make_demo_text)
        self._refuse_demo(name, value.startswith(DEMO_TEXT))
        self._refuse_repeated(name, value)
        weak = self._env.production and is_guessable_text(value)
        if value and (len(value) < MIN_TEXT_LENGTH or weak) and not value.startswith(DEMO_TEXT):
            with self._env.reporting():
                self._env.refuse(name, None, f"at least {MIN_TEXT_LENGTH} random characters (openssl rand -base64 48)")
        return value

    def optional_text(self, name: str) -> str:
        """Return an optional text secret; empty if it is not set."""
        value = self._env.secret(name)
        self._refuse_repeated(name, value)
        if value and (len(value) < MIN_TEXT_LENGTH or (self._env.production and is_guessable_text(value))):
            with self._env.reporting():
                self._env.refuse(name, None, f"at least {MIN_TEXT_LENGTH} random characters (openssl rand -base64 48)")
        return value

    def named_texts(self, name: str) -> dict[str, str]:
        texts = self._env.named_secrets(name, self._value(name, lambda: f"demo:{make_demo_text()}", required=False))
        for value in texts.values():
            self._refuse_demo(name, value.startswith(DEMO_TEXT))
            self._refuse_repeated(name, value)
        return texts

    def _value(self, name: str, make: Callable[[], str], *, required: bool = True) -> str:
        """Return the text of the secret. If it is missing, return an empty text and report it where it is required."""
        value = self._env.secret(name)
        if value:
            return value
        if not self._env.production:
            with self._env.reporting():
                return load_or_create(self._folder / name.lower(), make)
            return make()
        # An unreadable file has been reported already.
        if required and not self._env.text(f"{name}_FILE"):
            self._env.report(f"{name} is not set: production needs it (or {name}_FILE with the path of a file).")
        return ""

    def _refuse_demo(self, name: str, demo: bool) -> None:
        if self._env.production and demo:
            self._env.report(f"{name} holds a secret that the demo made: production needs one of its own.")

    def _refuse_repeated(self, name: str, value: bytes | str) -> None:
        """Report a value that another secret has: each protects against the loss of the others."""
        if not self._env.production or not value:
            return
        other = self._seen.get(value)
        if other == name:
            self._env.report(f"{name} holds the same secret twice: each of its entries must have its own.")
        elif other:
            self._env.report(f"{name} holds a secret that {other} holds too: each must have its own.")
        self._seen[value] = name
