"""On which cluster these tests run: the development cluster (`make test`), or a real one (`make e2e`)."""

import pytest

ONLY = "development_cluster_only"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--cluster real` needs the programs of `make tools`."""
    parser.addoption("--cluster", choices=["development", "real"], default="development")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", f"{ONLY}(reason): what is shown needs the development cluster")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a real cluster leave out what only the development cluster can do."""
    if config.getoption("--cluster") != "real":
        return
    left_out = [item for item in items if item.get_closest_marker(ONLY)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def real(request: pytest.FixtureRequest) -> bool:
    """Whether to run on a real control plane."""
    return bool(request.config.getoption("--cluster") == "real")
