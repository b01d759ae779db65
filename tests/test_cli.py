import csv
import json
import os
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from nstar import cli

REPO = Path(__file__).parent.parent
COMMANDS = (
    "check",
    "report",
    "fit",
    "summary",
    "predict",
    "plan",
    "compare",
    "simulate",
    "data",
    "published",
    "models",
    "words",
    "risk",
    "cost",
    "target",
    "serve",
    "task",
    "passk",
    "spend",
    "lifetime",
    "forecast",
    "outcome",
    "ledger",
    "next",
    "recipes",
)


@pytest.fixture(scope="module")
def fits(isoflop_fit, allocation_fit, surface_fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits")
    made = {"isoflop": isoflop_fit, "allocation": allocation_fit}
    made["chinchilla"] = surface_fit
    return {name: str(fit.save(folder / f"{name}.nc")) for name, fit in made.items()}


def shell(*words):
    env = {"NSTAR_CACHE": os.environ.get("NSTAR_CACHE") or str(REPO / ".cache")}
    return subprocess.run(
        [sys.executable, "-c", "from nstar.cli import main; main()", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )


READ = r"[\d.]+[BT] \[[\d.]+[BT], [\d.]+[BT]\]"  # 402B [210B, 1.1T]

# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_starts_with_the_command(nstar, command):
    code, out, _ = nstar(command, "--help")
    assert code == 0
    assert f"Example: nstar {command}" in " ".join(out.split())


def test_help_is_quick_and_imports_no_jax():
    start = time.perf_counter()
    told = shell("--help")
    assert time.perf_counter() - start < 5  # a loaded machine; 0.2 s alone
    assert told.returncode == 0
    panels = told.stdout.partition("To begin:")[2]
    assert "..." not in panels  # no summary is cut
    titles = re.findall(r"^(To \w+):$", told.stdout, re.MULTILINE)
    assert titles == ["To begin", "To decide", "To check", "To keep"]
    listed = re.findall(r"^  (\w+)  +[A-Z]", panels, re.MULTILINE)
    assert set(COMMANDS) <= set(listed)
    assert len(set(listed)) == len(listed) == len(cli.app.registered_commands)
    slow = "jax", "numpyro", "arviz_stats", "xarray", "matplotlib", "pandas", "rich"
    code = f"import sys, nstar.cli; print([m for m in {slow!r} if m in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_the_version_is_said_and_nothing_else(nstar):
    assert nstar("--version") == (0, f"nstar {version('nstar')}\n", "")


def test_a_shell_completes_commands_and_options():
    """As Typer's script for bash asks it, without JAX."""

    def completions(words):
        completion = {"_NSTAR_COMPLETE": "complete_bash", "COMP_WORDS": words}
        completion["COMP_CWORD"] = str(len(words.split()) - 1)
        code = "import sys; sys.argv = ['nstar']; from nstar.cli import main; main()"
        told = subprocess.run(
            [sys.executable, "-c", f"{code}; assert 'jax' not in sys.modules"],
            capture_output=True,
            text=True,
            env=os.environ | completion,
        )
        return told.stdout.split()

    assert completions("nstar pl") == ["plan"]
    assert "--budget" in completions("nstar plan --bu")


# Streams and exit codes, in processes of their own


def test_streams_and_codes_of_real_processes(fits):
    fine = shell("plan", fits["allocation"], "--budget", "1e22", "--json")
    assert fine.returncode == 0
    assert fine.stderr == ""
    assert json.loads(fine.stdout)["law"] == "allocation"
    wrong = shell("plan", "no-such-table.csv", "--budget", "1e22", "--json")
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert wrong.stderr.startswith("nstar: ")
    assert len(wrong.stderr.splitlines()) == 1


def test_no_color_is_honoured(nstar, fits, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in nstar("plan", fits["allocation"], "-C", "1e22")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(
        r"\x1b\[[\d;]*3\dm", nstar("plan", fits["allocation"], "-C", "1e22")[1]
    )


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -c 'from nstar.cli import main; main()' published --json | head -1"
    told = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False
    )
    assert told.stdout == "{\n"
    assert told.stderr == ""


# What is refused, before anything is sampled


@pytest.fixture
def unsampled(monkeypatch):
    from nstar.samplers import nuts

    def sample(*args, **kwargs):
        pytest.fail("sampling started")

    monkeypatch.setattr(nuts, "sample", sample)


WRONG = {
    "prob 90": (
        ["plan", "llama3", "-C", "1e24", "--prob", "90"],
        "--prob 90: expected a probability between 0 and 1, such as 0.9; 90 % is 0.9",
    ),
    "prob 0": (["fit", "llama3", "--prob", "0"], "--prob 0: expected a probability"),
    "prob 1": (
        ["report", "llama3", "-C", "1e24", "--prob", "1"],
        "--prob 1: expected a probability",
    ),
    "prob nan": (
        ["summary", "llama3", "--prob", "nan"],
        "--prob nan: expected a probability",
    ),
    "budget 0": (
        ["plan", "llama3", "-C", "0"],
        "--budget 0: expected a positive number such as 3.8e25",
    ),
    "budget nan": (
        ["compare", "llama3", "-C", "nan"],
        "--budget nan: expected a positive number",
    ),
    "budget inf": (
        ["report", "llama3", "-C", "inf"],
        "--budget inf: expected a positive number",
    ),
    "law": (["fit", "llama3", "--law", "foo"], "no law 'foo'; there are allocation"),
    "law of report": (
        ["report", "llama3", "-C", "1e24", "--law", "foo"],
        "--law foo: no route of that name; there are isoflop",
    ),
    "noise": (
        ["plan", "llama3", "-C", "1e24", "--noise", "gauss"],
        "no noise 'gauss'; there are student_t",
    ),
    "noise of another law": (
        [
            "plan",
            "llama3",
            "-C",
            "1e24",
            "--law",
            "chinchilla",
            "--noise",
            "correlated",
        ],
        "correlated noise is for laws of N* and D* together",
    ),
    "prior": (
        ["plan", "llama3", "-C", "1e24", "--prior", "foo=Normal(0,1)"],
        "--prior foo: no unknown of",
    ),
    "prior of report": (
        ["report", "llama3", "-C", "1e24", "--prior", "foo=Normal(0,1)"],
        "--prior foo: no unknown of",
    ),
    "prior's family": (
        ["fit", "llama3", "--prior", "alpha1=Norml(0,1)"],
        "did you mean",
    ),
    "prior twice": (
        [
            "fit",
            "llama3",
            "--prior",
            "alpha1=Normal(0,1)",
            "--prior",
            "alpha1=Normal(0,2)",
        ],
        "comes twice",
    ),
    "published": (
        ["compare", "llama3", "-C", "1e24", "--published", "nope"],
        "no published fit named 'nope'",
    ),
    "published of report": (
        ["report", "llama3", "-C", "1e24", "--published", "nope"],
        "no published fit named 'nope'",
    ),
    "out suffix": (
        ["fit", "llama3", "--out", "fit.json"],
        "--out fit.json: expected a name that ends in .nc",
    ),
    "out folder": (
        ["fit", "llama3", "--out", "/dev/null/fit.nc"],
        "--out /dev/null/fit.nc: cannot be written",
    ),
    "out folder of report": (
        ["report", "llama3", "-C", "1e24", "--out", "/dev/null/a.html"],
        "cannot be written",
    ),
    "at": (["predict", "llama3", "--at", "7e9"], "--at '7e9': expected N,D"),
    "at 0": (["predict", "llama3", "--at", "0,1e9"], "--at '0,1e9': expected N,D"),
    "columns": (
        ["fit", "llama3", "--columns", "N"],
        "--columns 'N': expected name=value, as in N=params",
    ),
    "counted": (
        ["fit", "llama3", "--params-counted", "all"],
        "expected one of total, non-embedding, active, unknown",
    ),
    "k": (
        ["fit", "llama3", "--flop-per-param-token", "0"],
        "--flop-per-param-token 0: expected a positive number",
    ),
    "no table": (["fit", "nosuch.csv"], "nosuch.csv: no such file"),
    "no data set": (["fit", "lama3"], "llama3"),
    "no law for it": (["fit", "llama3_optima", "--law", "isoflop"], "budget"),
    "set": (
        ["simulate", "llama3", "--set", "alpha1=a"],
        "--set alpha1=a: expected a number",
    ),
    "data": (["data", "nosuch"], "no data set named 'nosuch'"),
    "models": (["models", "--against", "llama3"], "--against needs a model"),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG)
def test_bad_usage_is_one_line_before_sampling(
    nstar, unsampled, words, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, err = nstar(*words)
    assert code == 2
    assert out == ""
    *told, last = err.splitlines()
    assert last.startswith("nstar: ")
    assert said in last
    assert all(line.startswith("law ") for line in told)  # at most the law chosen
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["plan", "llama3"], ["plan", "llama3", "-C", "many"], ["bogus"]]
)
def test_what_the_parser_refuses(nstar, words):
    code, out, err = nstar(*words)
    assert (code, out) == (2, "")
    assert "Error" in err


def test_a_saved_fit_takes_no_options_of_a_table(nstar, fits):
    for extra in (["--law", "isoflop"], ["--seed", "1"], ["--where", "C<=1e20"]):
        code, _, err = nstar("summary", fits["allocation"], *extra)
        assert code == 2 or extra[0] == "--seed"
        assert "is a saved fit" in err or extra[0] == "--seed"
    assert "nstar summary" in nstar("fit", fits["allocation"])[2]
    told = nstar("report", fits["isoflop"], "-C", "1e24", "--law", "isoflop")[2]
    assert "is a saved fit, whose laws are as they are" in told


def test_a_ladder_too_small_for_any_route_is_told_so_on_a_page(nstar, tmp_path):
    rows = [
        "N,D,L",
        "1e7,2e8,5.1",
        "1e7,1e9,4.6",
        "3e7,6e8,4.3",
        "3e7,3e9,3.9",
        "1e8,2e9,3.6",
    ]
    table, out = tmp_path / "tiny.csv", tmp_path / "tiny.html"
    table.write_text("\n".join(rows))
    code, told, _ = nstar("report", table, "-C", "1e24", "--out", out)
    assert code == 1
    assert "5 runs cannot say what to train with 1e24 FLOP" in told
    page = out.read_text(encoding="utf-8")
    assert "5 runs are too few for the 6 unknowns" in page
    assert "three isoFLOP budgets" in page
    document = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert (document["status"], document["routes"]) == ("FAIL", [])
    assert document["checks"][0]["status"] == "FAIL"
    code, told, _ = nstar("report", table, "-C", "1e24", "--out", out, "--json")
    assert json.loads(told) == document | {"provenance": json.loads(told)["provenance"]}


def test_a_law_without_loss_says_so(nstar, fits):
    code, _, err = nstar("predict", fits["allocation"], "--at", "7e9,1.4e11")
    assert code == 2
    assert "has no loss" in err


# What is printed


CONVENTIONS = (
    "seed 0",
    "FLOP convention: C = 6 N D",
    "parameters counted:",
    "loss unit:",
)


@pytest.mark.parametrize(
    "words",
    [
        ["summary"],
        ["predict", "--at", "7e9,1.4e11"],
        ["plan", "-C", "1e24"],
        ["compare", "-C", "3.8e25"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("law", ["isoflop", "chinchilla"])
def test_answers_state_probability_seed_and_conventions(nstar, fits, words, law):
    code, out, err = nstar(words[0], fits[law], *words[1:], "--prob", "0.8")
    assert code == 0
    assert err == ""
    assert "80% equal-tailed credible interval" in out
    assert all(said in out for said in CONVENTIONS)
    assert "e+" not in out
    assert "checks PASS" in out


def test_a_check_that_is_not_pass_names_the_command_that_explains_it(nstar, fits):
    out = nstar("plan", fits["allocation"], "-C", "3.8e25")[1]
    assert "checks PASS; nstar words extrapolation says what that asks" in out
    code, meaning, _ = nstar("words", "isoFLOP profiles: extrapolation")
    assert code == 0
    assert "FAIL from twice the runs' own range" in meaning
    assert "](" not in meaning


def test_plan_is_read_at_a_glance(nstar, fits):
    out = nstar("plan", fits["allocation"], "-C", "3.8e25")[1]
    assert re.search(rf"3\.8e25 +{READ} +{READ}", out)
    assert "none in this law" in out


def test_numbers_are_given_in_any_usual_form(nstar, fits):
    tables = [
        json.loads(nstar("plan", fits["allocation"], "-C", text, "--json")[1])[
            "budgets"
        ]
        for text in ("1e24", "1E24", "1.0e+24", "1000000000000000000000000")
    ]
    assert all(table == tables[0] for table in tables)


def test_a_failed_check_is_exit_code_1_with_an_answer(nstar, fits):
    code, out, _ = nstar("plan", fits["allocation"], "-C", "1e40")
    assert code == 1
    assert "FAIL extrapolation" in out
    code, out, _ = nstar("plan", fits["allocation"], "-C", "1e40", "--json")
    assert code == 1
    assert "FAIL" in {c["status"] for c in json.loads(out)["checks"]}


# Fitting from the command line


def test_the_law_is_chosen_and_named(nstar, tmp_path):
    file = tmp_path / "optima.nc"
    code, out, err = nstar("fit", "llama3_optima", "--out", file, "--json")
    assert code == 0
    assert (
        err == "law allocation: the runs are one compute-optimal point a budget\n"
    )  # progress is for people, on stderr
    told = json.loads(out)
    assert (told["law"], told["saved"]) == ("allocation", str(file))
    again = json.loads(nstar("summary", file, "--json")[1])
    assert again["unknowns"] == told["unknowns"]
    assert again["law_reason"] == f"as saved in {file}"


def test_the_choice_follows_the_table(llama3, optima):
    from dataclasses import replace

    import nstar as package
    from nstar.cli.choice import choose

    assert choose(llama3, None).law == "isoflop"
    assert choose(llama3, None, surface=True).law == "coupled"
    assert choose(package.read_runs("llama3_optima"), None).law == "allocation"
    completion = choose(llama3, "allocation")
    assert completion.runs.source.startswith("optima of")
    columns = {n: v for n, v in llama3.columns.items() if n in {"N", "D", "L"}}
    assert choose(replace(llama3, columns=columns), None).law == "coupled"
    with pytest.raises(ValueError, match="no law fits such a table"):
        choose(replace(llama3, columns={"N": llama3["N"]}), None)


def test_simulate_writes_a_table_that_reads_back(nstar, tmp_path):
    file = tmp_path / "simulated.csv"
    words = ["simulate", "llama3", "--seed", "3", "--draws", "2"]
    code, out, _ = nstar(*words, "--out", file)
    assert code == 0
    assert "seed 3" in out
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert {row["table"] for row in rows} == {"0", "1"}
    assert len(rows) == 266
    assert nstar(*words)[1] == file.read_text(encoding="utf-8")


def test_registries_list_and_show(nstar):
    assert "llama3_optima" in nstar("data")[1]
    assert "C = flops" in nstar("data", "llama3")[1]
    assert "402B" in nstar("published", "llama3", "-C", "3.8e25")[1]
    out = nstar("models", "llama3-405b", "--against", "llama3")[1]
    assert "N_star: 388.7B" in out
    assert "{" not in out
    assert "llama3.1" not in nstar("published", "--core")[2]
