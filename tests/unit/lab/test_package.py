"""What `pip install` takes of the lab: all of its packages, and its parts in C."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

LAB = Path(__file__).resolve().parents[3] / "lab"
SETUP = tomllib.loads((LAB / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_folder_with_python_is_a_package_that_is_taken() -> None:
    folders = {file.parent.relative_to(LAB) for file in LAB.glob("mmscand_lab/**/*.py")}
    names = {".".join(folder.parts) for folder in folders}
    assert len(names) > 1
    (pattern,) = SETUP["packages"]["find"]["include"]
    assert [name for name in names if not fnmatchcase(name, pattern)] == []
    assert [folder for folder in folders if not (LAB / folder / "__init__.py").exists()] == []


def test_every_other_file_is_taken_with_its_package() -> None:
    files = [file for file in LAB.glob("mmscand_lab/**/*") if file.is_file()]
    others = [file.name for file in files if file.suffix not in {".py", ".pyc"}]
    assert others
    patterns = SETUP["package-data"]["*"]
    assert [n for n in others if not any(fnmatchcase(n, each) for each in patterns)] == []
