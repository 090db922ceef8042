"""What every test shares: what a user's programs remember stays out of the home of whoever runs them."""

import pytest


@pytest.fixture(autouse=True)
def _state_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
