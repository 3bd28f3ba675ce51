"""The form of the finder. What it is given may be a secret: no page repeats it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from core.program import PROGRAM
from keys.crypto.token_scan import CompressedFile
from keys.selectors.found_tokens import MAX_TOKENS, TokensInText, collect_tokens
from keys.uploads import TooManyUploads, acquire_reader

MAX_TEXT_LENGTH = 1_000_000
MAX_FILE_BYTES = 8_000_000
MORE_TOKENS = f"Only the first {MAX_TOKENS} different tokens were looked up. {PROGRAM} find_tokens looks up all."


class FindForm(forms.Form):
    """A text or a file. Once it is valid, `tokens` are those in it, and `text` is what else may be looked for."""

    text = forms.CharField(
        label="Token, log line, request ID or search words",
        required=False,
        # Blank lines before a token count.
        strip=False,
        max_length=MAX_TEXT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=(
            "Paste a token, lines of a log or code, or a request ID; or enter an API ID or its last 4 characters, the "
            "start of a word in the key's name, or the start of the owner's e-mail. Pasted text is matched and not "
            "stored."
        ),
    )
    file = forms.FileField(
        label="Or upload a file to search for tokens",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"data-max-bytes": MAX_FILE_BYTES}),
        help_text=(
            f"A log, a dump, source code: at most {MAX_FILE_BYTES // 1_000_000} MB, not compressed. "
            f"{PROGRAM} find_tokens reads files of any size."
        ),
    )
    tokens: TokensInText

    def __init__(self, data: Any = None, files: Any = None, *, account_id: int | None = None) -> None:
        super().__init__(data, files)
        self.account_id = account_id

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file and file.size > MAX_FILE_BYTES:
            raise ValidationError(
                f"The file has {file.size:,} bytes. At most {MAX_FILE_BYTES:,} can be searched here: search it with "
                f"{PROGRAM} find_tokens, or in parts."
            )
        return file

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        text, file = cleaned.get("text", ""), cleaned.get("file")
        if self.errors:
            return cleaned
        if bool(text.strip()) == (file is not None):
            self.add_error("text", f"Paste a text or choose a file{', not both' if file else ''}.")
            return cleaned
        try:
            with acquire_reader(self.account_id) as throttle:
                self.tokens = collect_tokens(_read_with_throttle(file or BytesIO(text.encode()), throttle))
        except (CompressedFile, TooManyUploads) as problem:
            self.add_error("file" if file else "text", str(problem))
        return cleaned | {"text": text.strip()}


def _read_with_throttle(file: Any, throttle: Callable[[], None]) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        throttle()
        return bytes(file.read(size))

    return read
