"""A fit on disk: identical when it comes back, refused with a reason when it is not whole."""

import os
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import nstar
from nstar.files import writing
from nstar.fits import store
from nstar.fits.later_groups import without_later
from nstar.samplers.nuts import Settings


@pytest.fixture(scope="module")
def fit() -> nstar.Fit:
    """A short fit, of a table whose columns have the names that users think of."""
    C = np.geomspace(1e18, 1e21, 6)
    columns = {
        "C": C,
        "D": 2 * C**0.5,
        "lr/peak": np.arange(6),
        "row": list("abcdef"),
        "100%": np.arange(6.0),
        "Größe": np.arange(6),
        "run": list("uvwxyz"),
    }
    settings = Settings(warmup=100, draws=100)
    priors = {"alpha1": "Normal(0.5, 0.1)"}
    return nstar.fit(columns, "allocation", priors=priors, settings=settings)


@pytest.fixture(scope="module")
def saved(fit, tmp_path_factory) -> Path:
    return fit.save(tmp_path_factory.mktemp("saved") / "deep" / "fit.nc")


def test_a_fit_comes_back_identical(fit, saved):
    back = nstar.load(saved)
    assert back.law == fit.law
    assert back.noise == fit.noise
    assert back.seed == fit.seed
    assert back.notes == fit.notes
    assert list(back.runs.columns) == list(fit.runs.columns)
    for name, cells in fit.runs.columns.items():
        np.testing.assert_array_equal(back.runs[name], cells)
        assert back.runs[name].dtype.kind == cells.dtype.kind
    for part in ("rows", "source", "sha256", "cost", "derived", "notes", "loss_unit"):
        assert np.all(getattr(back.runs, part) == getattr(fit.runs, part))
    assert back.priors["alpha1"].scale == 0.1
    assert back.tree.identical(fit.tree)
    assert [p.name for p in saved.parent.iterdir()] == ["fit.nc"]


def _other_netcdf(path: Path) -> None:
    xr.Dataset({"loss": ("run", [1.0, 2.0])}).to_netcdf(path, engine="h5netcdf")


def _edit(path: Path, edit) -> None:
    with h5py.File(path, "r+") as file:
        edit(file)


def _one_number(file: h5py.File) -> None:
    file["posterior/alpha1"][0, 0] *= 1.000001


def _one_run(file: h5py.File) -> None:
    file["runs/D"][2] *= 1.01


def _a_group_less(file: h5py.File) -> None:
    del file["prior"]


def _the_runs(file: h5py.File) -> None:
    del file["runs"]


DAMAGE = {
    "cut to nothing": (
        lambda p: p.write_bytes(b""),
        "cut short, damaged or of another kind",
    ),
    "cut in its head": (lambda p: p.write_bytes(p.read_bytes()[:300]), "cut short"),
    "cut in half": (
        lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
        "cut short",
    ),
    "last byte lost": (lambda p: p.write_bytes(p.read_bytes()[:-1]), "cut short"),
    "text": (lambda p: p.write_text("N,D,L\n1,2,3\n"), "of another kind"),
    "another netCDF file": (_other_netcdf, "a netCDF file, but not a fit of nstar"),
    "one number edited": (
        lambda p: _edit(p, _one_number),
        "do not match the digest.*edited or damaged, fit again",
    ),
    "one run edited": (lambda p: _edit(p, _one_run), "do not match the digest"),
    "a seed edited": (
        lambda p: _edit(p, lambda f: f.attrs.modify("seed", 7)),
        "do not match the digest",
    ),
    "a group removed": (lambda p: _edit(p, _a_group_less), "do not match the digest"),
    "the runs removed": (lambda p: _edit(p, _the_runs), "not a fit of nstar"),
    "the digest removed": (
        lambda p: _edit(p, lambda f: f.attrs.__delitem__("contents_sha256")),
        "do not match the digest",
    ),
    "of a later format": (
        lambda p: _edit(p, lambda f: f.attrs.modify("nstar_format", store.FORMAT + 1)),
        "newer nstar .*update to read it",
    ),
    "of an earlier format": (
        lambda p: _edit(p, lambda f: f.attrs.modify("nstar_format", store.FORMAT - 1)),
        "older nstar .*fit again",
    ),
    "of a format in words": (
        lambda p: _edit(p, lambda f: f.attrs.__setitem__("nstar_format", "one")),
        "do not match the digest",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_refused_with_a_reason(case, saved, tmp_path):
    damage, reason = DAMAGE[case]
    path = shutil.copy(saved, tmp_path / "hurt.nc")
    damage(path)
    with pytest.raises(ValueError, match=rf"hurt\.nc: .*{reason}"):
        nstar.load(path)


def test_a_flipped_bit_never_passes_as_another_fit(fit, saved, tmp_path):
    """Bits that hold nothing may flip; else the file is refused, never misread."""
    raw, path, rng = (
        saved.read_bytes(),
        tmp_path / "flipped.nc",
        np.random.default_rng(0),
    )
    said = []
    for place in rng.integers(len(raw), size=40):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 16]) + raw[place + 1 :])
        try:
            back = nstar.load(path)
        except ValueError as error:
            said.append(str(error))
            continue
        assert back.tree.equals(fit.tree)
    reason = re.compile(rf"{path}: (not a readable fit|its contents do not match)")
    assert len(said) > 10
    assert all(reason.match(text) for text in said)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.nc: no such file"):
        nstar.load(tmp_path / "none.nc")
    with pytest.raises(ValueError, match="is a folder"):
        nstar.load(tmp_path)


def test_nothing_is_written_where_a_fit_cannot_be(fit, tmp_path):
    with pytest.raises(ValueError, match="is a folder; expected a file name"):
        fit.save(tmp_path)
    (tmp_path / "file").write_text("here")
    with pytest.raises(ValueError, match="cannot be written"):
        fit.save(tmp_path / "file" / "fit.nc")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_save_cut_short_leaves_the_older_file(fit, saved, tmp_path, monkeypatch):
    path = Path(shutil.copy(saved, tmp_path / "fit.nc"))
    before = path.read_bytes()

    def fail(self: xr.DataTree, target: str, **options: object) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", fail)
    with pytest.raises(ValueError, match=r"cannot be written \(No space left"):
        fit.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]


def test_files_are_read_by_whom_the_user_lets(fit, tmp_path):
    """A saved fit, a cached one, a table and a page alike."""
    before = os.umask(0o027)
    try:
        fit.save(tmp_path / "fit.nc")
        fit.save(tmp_path / "fit.npz")
        writing.write_atomically(tmp_path / "page.html", "text")
    finally:
        os.umask(before)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("fit.nc", "fit.npz", "page.html"), 0o640)


def test_a_prior_of_ones_own_making_does_not_forbid_loading(optima, tmp_path):
    import numpyro.distributions as dist

    own = dist.TransformedDistribution(
        dist.Normal(0.0, 1.0), dist.transforms.SigmoidTransform()
    )
    fit = nstar.fit(optima, "allocation", priors={"alpha1": own})
    back = nstar.load(fit.save(tmp_path / "own.nc"))
    assert without_later(back.tree).identical(without_later(fit.tree))
    later = (fit.tree["log_prior"], back.tree["log_prior"])
    assert ["alpha1" in group for group in later] == [True, False]
    assert "Sigmoid" in str(back.priors["alpha1"])
