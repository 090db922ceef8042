"""What a shell is offered when a user presses Tab."""

from pathlib import Path

import pytest
from cli.running import Cli

from marketsim.cli import complete


def test_names_that_begin_alike_are_offered() -> None:
    assert complete.scenarios("lost-") == ["lost-stock", "lost-stock-cured"]
    assert complete.policies("temp") == ["temporal", "temporal-parallel"]
    assert complete.faults("pay") == ["payment:"]
    assert complete.faults("payment:card_d") == ["payment:card_declined"]


def test_products_and_transactions_come_from_the_market(market: Path, cli: Cli) -> None:
    assert "laptop-1" in complete.products("lap")
    assert complete.transactions("") == []
    assert cli("purchase", "laptop-1").code == 0
    assert complete.transactions("tx") == ["tx-1"]


def test_webhooks_come_from_the_market(market: Path, cli: Cli) -> None:
    assert complete.webhooks("") == []
    assert cli("webhooks", "add", "https://example.com/hooks").code == 0
    assert complete.webhooks("https") == ["https://example.com/hooks"]
    (market / "webhooks.json").write_text("{")
    assert complete.webhooks("") == []


def test_without_a_market_nothing_is_offered_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETSIM_MARKET", str(tmp_path / "none"))
    assert complete.products("") == []
    assert complete.transactions("") == []
