"""What every test shares: what a user's programs remember stays out of the home of whoever runs them."""

import pytest


@pytest.fixture(autouse=True)
def state(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    """A state folder of its own for each test that has a folder of its own."""
    folder = tmp_path_factory.getbasetemp() / "state"
    if "tmp_path" in request.fixturenames:
        folder /= str(request.getfixturevalue("tmp_path").name)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.delenv("MARKETSIM_SIGNING_KEY", raising=False)
