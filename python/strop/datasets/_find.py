"""Where a data file comes from: a path, `$STROP_DATA`, the cache, or its published address."""

from __future__ import annotations

import os
from pathlib import Path

from .._files import atomic_write

TIMEOUT = 3.0  # seconds: a network that does not answer costs no more


def cache_dir() -> Path:
    """`$STROP_CACHE`, `$XDG_CACHE_HOME/strop` or `~/.cache/strop`."""
    given = os.environ.get("STROP_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strop"


def hash_like(digest: str, content: bytes) -> str:
    """The hash of a content by the algorithm of a digest: SHA-256, or MD5 where nothing better is published."""
    import hashlib  # with ssl behind it a third of the time of `import strop`

    return hashlib.new("sha256" if len(digest) == 64 else "md5", content, usedforsecurity=False).hexdigest()


def offline() -> bool:
    """Whether `STROP_OFFLINE` forbids downloads."""
    return os.environ.get("STROP_OFFLINE", "") not in ("", "0")


def find(
    op: str, path: str | os.PathLike[str], name: str, address: str, digest: str, limit: int
) -> tuple[Path, str]:
    """The file and a word on where it was found; downloaded if need be.

    Args:
        op: the function that messages begin with.
        path: what the user gave; the bare name means none.
        name: of the file.
        address: where it is published.
        digest: its published SHA-256 or MD5, checked before a cached or downloaded file is opened.
        limit: bytes that a download may have.

    Raises:
        FileNotFoundError: the user's path does not exist.
        ValueError: a file has another hash.
        OSError: nothing was found, and the download failed or is forbidden.
    """
    if os.fspath(path) != name:
        found = Path(path)
        if not found.exists():
            raise FileNotFoundError(f"{op}: path must exist; got {os.fspath(path)!r}")
        return (found / name if found.is_dir() else found), "the given path"
    data = os.environ.get("STROP_DATA")
    if data:
        place = Path(data)
        candidates = [place / name, *place.glob(f"*/{name}")] if place.is_dir() else [place]
        for candidate in candidates:
            if candidate.name == name and candidate.exists():
                return candidate, "STROP_DATA"
    for folder in (cache_dir(), Path.home() / ".keras" / "datasets"):
        candidate = folder / name
        if candidate.exists():
            _require(op, candidate, digest)
            return candidate, f"the cache {folder}"
    return download(op, name, address, digest, limit), address


def _require(op: str, path: Path, digest: str) -> None:
    got = hash_like(digest, path.read_bytes())
    if got != digest:
        raise ValueError(
            f"{op}: {path} must have the hash {digest}; got {got}; remove it to download it again"
        )


def download(op: str, name: str, address: str, digest: str, limit: int) -> Path:
    """Fetch a file into the cache; it gets its name only when the hash is right."""
    if offline():
        raise OSError(
            f"{op}: {name} must be on disk, since STROP_OFFLINE forbids downloads; got none in {cache_dir()}"
        )
    import urllib.error
    import urllib.request

    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as response:
            content = response.read(limit + 1)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        raise OSError(f"{op}: {name} must be found or downloaded; got {reason} from {address}") from None
    if len(content) > limit:
        raise ValueError(f"{op}: {name} must be at most {limit} bytes; got more from {address}")
    got = hash_like(digest, content)
    if got != digest:
        raise ValueError(f"{op}: {name} must have the hash {digest}; got {got} from {address}")
    with atomic_write(folder / name) as file:
        file.write(content)
    return folder / name
