"""Samples: the same arguments make the same market, and it is one that can be brought."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import marketsim
from marketsim.market.catalog import catalog_digest, customer, export_catalog, parse_catalog, product
from marketsim.market.documents import parse_document
from marketsim.market.samples import sample_catalog
from marketsim.saga.errors import InputError

PRODUCT_KEYS = [
    "id", "name", "description", "price", "condition", "category", "tags", "inStock", "warehouseAddress",
]  # fmt: skip


def test_the_first_product_is_the_laptop_of_every_example() -> None:
    for seed in (1, 2, 3):
        catalog = sample_catalog(3, 2, seed, "USD")
        first = catalog.products[0]
        assert (first["id"], first["price"], first["inStock"]) == ("laptop-1", 750, 5)
        assert catalog.users[0]["id"] == "user-1"
        assert product(first, "USD").price_minor == 75_000
        assert customer(catalog.users[0]).name == catalog.users[0]["name"]


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD", "CLF"])
def test_a_sample_is_a_catalog_that_can_be_brought(currency: str) -> None:
    sample = sample_catalog(400, 50, 7, currency)
    document = parse_document(json.dumps(export_catalog(sample)), "sample.json")
    assert parse_catalog(document, currency) == sample
    assert all(list(record) == PRODUCT_KEYS for record in sample.products)
    assert all(list(record) == ["id", "name", "email", "address"] for record in sample.users)
    assert (len(sample.products), len(sample.users), sample.orders) == (400, 50, [])


def test_another_seed_makes_another_market() -> None:
    digests = {catalog_digest(sample_catalog(20, 5, seed, "USD")) for seed in (0, 1, -1, 2**70)}
    assert len(digests) == 4


def test_a_seed_makes_the_same_market_in_every_process() -> None:
    code = (
        "from marketsim.market.catalog import catalog_digest as d\n"
        "from marketsim.market.samples import sample_catalog as s\n"
        "print(d(s(200, 50, 7, 'USD')))"
    )
    root = str(Path(marketsim.__file__).parents[1])
    digests = set()
    for hash_seed in ("0", "12345"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": root}
        command = [sys.executable, "-c", code]
        digests.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout.strip())
    assert digests == {catalog_digest(sample_catalog(200, 50, 7, "USD")).encode()}


@pytest.mark.parametrize(
    ("products", "users", "what"),
    [
        (0, 1, "a sample of 0 products cannot be made"),
        (200_001, 1, "a sample of 200,001 products cannot be made"),
        (1, 0, "a sample of 0 users cannot be made"),
        (1, -5, "a sample of -5 users cannot be made"),
    ],
)
def test_a_sample_out_of_range_is_refused(products: int, users: int, what: str) -> None:
    with pytest.raises(InputError) as told:
        sample_catalog(products, users, 7, "USD")
    assert told.value.what == what


def test_a_sample_in_no_currency_is_refused() -> None:
    with pytest.raises(InputError, match="no currency code"):
        sample_catalog(1, 1, 7, "XYZ")
