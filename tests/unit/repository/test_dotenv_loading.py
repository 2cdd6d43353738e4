"""Which .env the application's code loads itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.dotenv_loading import find_loaded_files

PATHS = "import os\nfrom pathlib import Path\n\nBASE = Path(__file__).resolve().parent.parent\n"
LOAD = "from dotenv import find_dotenv, load_dotenv\n\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{PATHS}{LOAD}load_dotenv(Path(__file__).parent / '.env')\n", ["app/.env"]),
        (f"{PATHS}{LOAD}load_dotenv(BASE / '.env', override=True)\n", [".env"]),
        (f"{PATHS}{LOAD}load_dotenv(dotenv_path=BASE.joinpath('etc', '.env'))\n", ["etc/.env"]),
        (f"{PATHS}{LOAD}load_dotenv(str(Path(__file__).absolute().parents[1] / 'a.env'))\n", ["a.env"]),
        (
            f"{PATHS}{LOAD}HERE = os.path.dirname(os.path.abspath(__file__))\n"
            "load_dotenv(os.path.join(HERE, '..', '.env'))\n",
            [".env"],
        ),
        (f"{LOAD}load_dotenv()\n", [".env"]),
        (f"{LOAD}load_dotenv(find_dotenv())\n", [".env"]),
        (f"{LOAD}load_dotenv('.env')\nload_dotenv('.env.local')\n", [".env", ".env.local"]),
        ("import environ\n\nenv = environ.Env()\nenv.read_env()\n", ["app/.env"]),
        (f"{PATHS}import environ\n\nenviron.Env.read_env(env_file=BASE / '.env')\n", [".env"]),
        ("from environs import Env\n\nenv = Env()\nenv.read_env()\n", [".env"]),
        (f"import os\n{LOAD}load_dotenv(os.environ.get('ENV_FILE'))\n", []),
        (f"import os\n{LOAD}load_dotenv(f'.env.{{os.name}}')\n", []),
        (f"{LOAD}load_dotenv(find_dotenv('.env.dev'))\nload_dotenv()\n", []),
        (f"{LOAD}A = B\nB = A\nload_dotenv(A)\n", []),
        ("SECRET = 1\n", []),
    ],
)
def test_the_files_of_each_call(text: str, names: list[str], tmp_path: Path) -> None:
    """By what python-dotenv, environs and django-environ do; none where one of them is known only to a run."""
    path = tmp_path / "app" / "config.py"
    path.parent.mkdir()
    path.write_text(text)
    assert find_loaded_files(CheckoutFiles(tmp_path), "") == tuple(tmp_path / name for name in names)


@pytest.mark.parametrize("first", ["BASE / '.env'", "Path('a' * 2000)", "P0 / P0"])
def test_paths_that_multiply_are_not_followed_for_ever(first: str, tmp_path: Path) -> None:
    """Each of ten constants has the one before five times."""
    path = tmp_path / "app" / "config.py"
    path.parent.mkdir()
    more = "".join(f"P{at + 1} = P{at}.joinpath(P{at}, P{at}, P{at}, P{at})\n" for at in range(10))
    path.write_text(f"{PATHS}{LOAD}P0 = {first}\n{more}load_dotenv(P10)\n")
    started = time.process_time()
    assert find_loaded_files(CheckoutFiles(tmp_path), "") == ((tmp_path / ".env",) if "BASE" in first else ())
    assert time.process_time() - started < 1


def test_a_search_ends_at_the_nearest(tmp_path: Path) -> None:
    """As load_dotenv() does, from the module's folder upwards."""
    path = tmp_path / "app" / "config.py"
    path.parent.mkdir()
    path.write_text(f"{LOAD}load_dotenv()\n")
    (tmp_path / "app" / ".env").write_text("")
    assert find_loaded_files(CheckoutFiles(tmp_path), "") == (tmp_path / "app" / ".env",)


def test_a_script_is_no_application(tmp_path: Path) -> None:
    """What a developer's own tool loads is no .env of the application."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "seed.py").write_text(f"{PATHS}{LOAD}load_dotenv(Path(__file__).parent / '.env')\n")
    assert find_loaded_files(CheckoutFiles(tmp_path), "") == ()
