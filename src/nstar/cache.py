"""JAX's persistent compilation cache, so that a second process starts warm."""

import os
from pathlib import Path


def use_cache(path: str | Path | None = None) -> Path | None:
    """Keep compiled programs in a folder, unless the user has named one to JAX already.

    Args:
        path: the folder; the user's cache folder (or NSTAR_CACHE) unless given.

    Returns:
        The folder in use, or None where the user's own setting was left alone.
    """
    import jax

    if jax.config.jax_compilation_cache_dir or os.environ.get(
        "JAX_COMPILATION_CACHE_DIR"
    ):
        return None
    folder = Path(path) if path else default_folder()
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    return folder


def default_folder() -> Path:
    """Name the user's folder for compiled programs."""
    if own := os.environ.get("NSTAR_CACHE"):
        return Path(own) / "jax"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nstar" / "jax"
