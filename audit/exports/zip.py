"""Stream a ZIP of an export and its manifest in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile


class _Sink:
    """A file that collects what zipfile writes. It cannot seek, so that zipfile writes sequentially."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def drain(self) -> bytes:
        written, self._written = b"".join(self._written), []
        return written


def stream_zip(name: str, blocks: Iterable[bytes], manifest: Callable[[], tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield a ZIP of the file `name` and of its manifest. `manifest` returns its name and content, and is called once
    all blocks are read."""
    sink = _Sink()
    # An XLSX is compressed already. Higher levels of zlib take several times as long and save little.
    compression = ZIP_STORED if name.endswith(".xlsx") else ZIP_DEFLATED
    with ZipFile(sink, "w", compression, compresslevel=1) as archive:  # type: ignore[call-overload]
        with archive.open(name, "w", force_zip64=True) as member:
            for block in blocks:
                member.write(block)
                if part := sink.drain():
                    yield part
        archive.writestr(*manifest())
    yield sink.drain()
