"""Fixtures that many tests share: measured data, the Llama 3 points, one fit of each law."""

import os
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

import nstar

REPO = Path(__file__).parent.parent
FALSE_ALARM = (
    1e-5  # of every statistical test: how often it may fail with nothing broken
)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of measured runs; absent is a skip for a user and a failure in CI."""
    named = os.environ.get("NSTAR_DATA_DIR")
    folder = Path(named) if named else REPO.parent / "shared" / "data"
    if not folder.is_dir():
        reason = f"no measured runs at {folder}; set NSTAR_DATA_DIR"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    os.environ["NSTAR_DATA_DIR"] = str(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Share compiled programs between the workers of one session."""
    nstar.use_cache(os.environ.get("NSTAR_TEST_CACHE") or REPO / ".cache" / "jax")


@pytest.fixture(scope="module", autouse=True)
def _room_for_programs() -> Iterator[None]:
    """Let go of compiled programs: each maps memory, and Linux allows 65,530 maps."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def llama3() -> nstar.Observations:
    return nstar.read_runs("llama3")


@pytest.fixture(scope="session")
def optima(llama3: nstar.Observations) -> nstar.Observations:
    return nstar.measured_optima(llama3)


@pytest.fixture(scope="session")
def allocation_fit(optima: nstar.Observations) -> nstar.Fit:
    return nstar.fit(optima, "allocation")


@pytest.fixture(scope="session")
def isoflop_fit(llama3: nstar.Observations) -> nstar.Fit:
    return nstar.fit(llama3, "isoflop")


@pytest.fixture(scope="session")
def surface_fit(llama3: nstar.Observations) -> nstar.Fit:
    return nstar.fit(llama3, "chinchilla", discrepancy="none")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
