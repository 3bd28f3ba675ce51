"""The storage of static files."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's, which keeps the URLs of a page's fifteen files: they cannot change while the process runs, and
    building them again takes a twentieth of a page's time."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._urls: dict[str, str] = {}

    def url(self, name: str, force: bool = False) -> str:
        """Return the URL of a collected file. Raise ValueError if there is none of this name."""
        if force:
            return super().url(name, force)
        if name not in self._urls:
            self._urls[name] = super().url(name)
        return self._urls[name]

    def save_manifest(self) -> None:
        """Write the manifest of what was collected, and forget the URLs of what was there before."""
        super().save_manifest()
        self._urls.clear()
