"""Fixtures that many tests share: measured data, the Llama 3 points, one fit of each law."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

import nstar
import shapes  # noqa: F401  annotations of rooms that are imported later are checked
from designs import repeated
from nstar import cli
from nstar.cache import use_cache
from nstar.runs.optima import measured_optima
from nstar.samplers.nuts import Settings

# pytest's workers have the cores, and inherit this from where they are started
for _name in ("PJRT_NPROC", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
REPO = Path(__file__).parent.parent
BRIEF = Settings(chains=2, warmup=100, draws=150)  # 300 draws, of which 100 are ranked
MAPS = 30_000  # of memory, held at the end of a module
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
    use_cache(os.environ.get("NSTAR_TEST_CACHE") or REPO / ".cache" / "jax")


@pytest.fixture(scope="module", autouse=True)
def _room_for_programs() -> Iterator[None]:
    """Let go of compiled programs in time: each maps memory, and Linux allows 65,530 maps."""
    yield
    maps = Path("/proc/self/maps")
    if not maps.exists() or maps.read_bytes().count(b"\n") > MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def llama3() -> nstar.Observations:
    return nstar.read_runs("llama3")


@pytest.fixture(scope="session")
def optima(llama3: nstar.Observations) -> nstar.Observations:
    return measured_optima(llama3)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., nstar.Fit]:
    """Fit once for all workers: who comes second reads what the first has saved."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder

    def made(name: str, *given: object, **options: object) -> nstar.Fit:
        file = folder / f"{name}.nc"
        with open(folder / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                nstar.fit(*given, **options).save(file)
        return nstar.load(file)

    return made


@pytest.fixture(scope="session")
def allocation_fit(once: Callable, optima: nstar.Observations) -> nstar.Fit:
    return once("allocation", optima, "allocation")


@pytest.fixture(scope="session")
def isoflop_fit(once: Callable, llama3: nstar.Observations) -> nstar.Fit:
    return once("isoflop", llama3, "isoflop")


@pytest.fixture(scope="session")
def surface_fit(once: Callable, llama3: nstar.Observations) -> nstar.Fit:
    settings = Settings(warmup=200)  # all draws: variances are compared
    return once(
        "chinchilla", llama3, "chinchilla", discrepancy="none", settings=settings
    )


@pytest.fixture(scope="session")
def bent_fit(once: Callable, llama3: nstar.Observations) -> nstar.Fit:
    return once("coupled", llama3, "coupled")


@pytest.fixture(scope="session")
def repeated_fit(once: Callable) -> nstar.Fit:
    """Simulated runs of 1 to 60 epochs, with the decays that Muennighoff finds."""
    truth = {
        "level": 2.6,
        "floor_share": 0.65,
        "size_share": 0.5,
        "alpha1": 0.5,
        "exponent_sum": 0.7,
        "R_D": 15.4,
        "R_N": 5.3,
        "sigma": 0.003,
        "nu": 5.0,
    }
    made = nstar.simulate("data_constrained", repeated(), truth, seed=4)
    table = repeated() | {"L": made["L"].to_numpy()[0]}
    return once("repeated", table, "data_constrained", discrepancy="none")


@pytest.fixture(scope="session")
def clip_fit(once: Callable) -> nstar.Fit:
    """Fourteen simulated runs whose error leaves chance and saturates."""
    truth = {
        "error": 0.3,
        "error_floor_share": 0.3,
        "slope": 0.12,
        "sigma_accuracy": 0.01,
    }
    law, C = "bounded_metric(chance=0.001)", np.geomspace(1e17, 1e21, 14)
    made = nstar.simulate(law, {"C": C}, truth, seed=1)
    table = {"C": C, "metric": made["metric"].to_numpy()[0]}
    return once("clip", table, law, settings=Settings(chains=4, warmup=400, draws=500))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(name="nstar")
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: its exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nstar", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        told = capsys.readouterr()
        return left.value.code or 0, told.out, told.err

    return run
