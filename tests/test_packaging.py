"""The project's files agree with one another."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOP = {
    "biomechanics",
    "cli",
    "client",
    "datasets",
    "models",
    "personalization",
    "sensors",
    "server",
    "signals",
    "simulations",
}


def test_every_package_folder_is_listed():
    found = {
        "kinefed." + ".".join(path.parent.relative_to(ROOT).parts)
        for top in TOP
        for path in (ROOT / top).rglob("__init__.py")
    }
    setuptools = PROJECT["tool"]["setuptools"]
    assert set(setuptools["packages"]) == found
    assert set(setuptools["package-dir"]) == found
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == {f"kinefed.{t}" for t in TOP}


def test_every_data_file_is_packaged():
    data = PROJECT["tool"]["setuptools"]["package-data"]
    found = [
        path
        for top in TOP
        for path in (ROOT / top).rglob("*.*")
        if path.suffix in {".toml", ".typed"} and "__pycache__" not in path.parts
    ]
    assert found
    for path in found:
        package = "kinefed." + ".".join(path.parent.relative_to(ROOT).parts)
        assert any(path.match(pattern) for pattern in data[package]), path


def test_no_folder_shadows_the_namespace():
    assert not (ROOT / "kinefed").exists()


def test_the_makefile_links_the_same_packages():
    line = next(
        row for row in (ROOT / "Makefile").read_text().splitlines() if row.startswith("PACKAGES")
    )
    assert set(line.split(":=")[1].split()) == TOP


def test_flower_finds_both_apps():
    from kinefed.client.app import app as client
    from kinefed.server.app import app as server

    components = PROJECT["tool"]["flwr"]["app"]["components"]
    assert components == {
        "serverapp": "kinefed.server.app:app",
        "clientapp": "kinefed.client.app:app",
    }
    assert type(client).__name__ == "ClientApp"
    assert type(server).__name__ == "ServerApp"


def test_flower_knows_every_setting_and_its_default():
    from kinefed.server import FederationConfig

    app = PROJECT["tool"]["flwr"]["app"]
    defaults = FederationConfig().to_run_config()
    # Types too: 0 equals 0.0 in Python, but a decimal is refused where a whole number belongs.
    assert {k: (type(v), v) for k, v in app["config"].items()} == {
        k: (type(v), v) for k, v in defaults.items()
    }, "\n".join(f"{k} = {v!r}" for k, v in defaults.items() if app["config"].get(k) != v)
    assert FederationConfig.from_run_config(app["config"]) == FederationConfig()
