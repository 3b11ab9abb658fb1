"""Who may import whom (shared with import-linter's contract in pyproject.toml), and what must not be committed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = sorted(path.parent.name for path in (ROOT / "tasks").glob("*/task.py"))
KNOWS_PREFECT = {"tasks.caching", "tasks.reporting"}
SHARED = {f"tasks.{path.stem}" for path in (ROOT / "tasks").glob("*.py")}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module}
            if node.module in {"tasks", "flows"}:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


PURE = [p for p in (ROOT / "tasks").rglob("*.py") if p.name != "task.py" and module(p) not in KNOWS_PREFECT]
AROUND = {"__init__", "automations", "cli", "deployed", "params", "postgres", "processes", "prune", "runners"} | {
    "server",
    "stack",
}
FLOWS = [p for p in (ROOT / "flows").glob("*.py") if p.stem not in AROUND]


@pytest.mark.parametrize("path", PURE, ids=module)
def test_pure_modules_know_no_prefect(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] == "prefect"} | imports(path) & KNOWS_PREFECT


@pytest.mark.parametrize("path", list((ROOT / "tasks").glob("*/*.py")), ids=module)
def test_a_stage_imports_itself_and_shared_modules_only(path: Path) -> None:
    own = f"tasks.{path.parent.name}"
    ours = {name for name in imports(path) if name.split(".")[0] in {"tasks", "flows"}}
    assert not {name for name in ours if name not in SHARED and not name.startswith(own)}


@pytest.mark.parametrize("path", FLOWS, ids=module)
def test_a_flow_is_a_picture_of_tasks(path: Path) -> None:
    for name in imports(path):
        first, *rest = name.split(".")
        assert first not in {"numpy", "torch", "polars", "pyarrow", "faiss", "lambda_gen_rs"}
        if first == "tasks":
            assert name == "tasks.artifact" or rest[-1] in {"task", "params"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_quickly(stage: str) -> None:
    """Heavy libraries are imported by the tasks that need them, so that a cached flow starts at once."""
    heavy = "{'torch', 'transformers', 'trl', 'umap', 'faiss', 'datasets', 'sentence_transformers', 'plotly'}"
    code = f"import sys, tasks.{stage}.task; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_linter_agrees() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_the_checkers_find_nothing(command: list[str]) -> None:
    program = str(Path(sys.executable).with_name(command[0]))
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pins_are_names_and_versions_only() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        assert name, line
        assert version, line
        assert not set(line) & set(" /:@;"), line


def test_a_stage_has_parameters_and_tests() -> None:
    assert [s for s in STAGES if not (ROOT / "tests" / "unit" / s).is_dir()] == []
