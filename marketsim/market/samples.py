"""Sample markets made by Faker: a seed gives the same market again."""

import random
import unicodedata
from typing import TYPE_CHECKING, Any

import msgspec

from marketsim.market.catalog import PRODUCTS_MAX, USERS_MAX, Catalog, Record
from marketsim.market.money import currency_digits, to_major
from marketsim.saga.errors import InputError

if TYPE_CHECKING:
    from faker import Faker

__all__ = ["sample_catalog"]

_POOL_SIZE = 500
_WAREHOUSES = 12
_STOCK_MAX = 40
_CONDITIONS = ("new", "refurbished", "used: like new", "used: good", "used: fair")
_MAKERS = (
    "Alder", "Birch", "Cobalt", "Dune", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper",
    "Kestrel", "Lumen", "Marlow", "Nimbus", "Orchard", "Pebble", "Quill", "Rowan", "Saffron", "Tundra",
)  # fmt: skip
_REASONS = (
    "Bought last year and hardly used since.",
    "Works as it should; a few light scratches.",
    "From a tidy home without pets.",
    "Comes in its box, with everything that belongs to it.",
    "Too small for us now, and too good to throw away.",
    "Cleaned, tested, and ready to be sent.",
)


class _Kind(msgspec.Struct, frozen=True):
    """One kind of goods: the first word of its ids, its names, and its prices in whole major units."""

    word: str
    category: str
    name: str
    variants: tuple[str, ...]
    tags: tuple[str, ...]
    price_min: int
    price_max: int


_KINDS = (
    _Kind("laptop", "computers", "Laptop", ("13", "14", "15", "16 Pro"), ("portable", "office"), 280, 1900),
    _Kind("phone", "electronics", "Phone", ("Mini", "One", "Plus", "Max"), ("unlocked", "5g"), 90, 1100),
    _Kind("headphones", "electronics", "Headphones", ("Air", "Studio", "Go"), ("wireless", "music"), 15, 320),
    _Kind("camera", "electronics", "Camera", ("S1", "X20", "Compact"), ("photo", "travel"), 80, 1500),
    _Kind("desk", "furniture", "Desk", ("Oak", "Walnut", "Standing"), ("home", "office"), 60, 700),
    _Kind("chair", "furniture", "Chair", ("Classic", "Swivel", "Lounge"), ("home", "office"), 20, 400),
    _Kind("lamp", "home", "Lamp", ("Floor", "Reading", "Table"), ("light", "home"), 8, 140),
    _Kind("kettle", "kitchen", "Kettle", ("1 l", "1.5 l", "Gooseneck"), ("kitchen", "tea"), 10, 90),
    _Kind("bicycle", "sports", "Bicycle", ("City", "Gravel", "Touring"), ("outdoor", "commute"), 90, 1600),
    _Kind("tent", "sports", "Tent", ("for two", "for four", "Ultralight"), ("outdoor", "camping"), 40, 520),
    _Kind("jacket", "clothing", "Jacket", ("Rain", "Down", "Denim"), ("outdoor", "winter"), 20, 260),
    _Kind("novel", "books", "Novel", ("Hardcover", "Paperback", "Signed"), ("reading", "gift"), 2, 40),
)
_DESCRIPTION = "A {condition} {name} by {maker}. {reason}"


def sample_catalog(products: int, users: int, seed: int, currency: str) -> Catalog:
    """A catalog of so many products and users, each from 1 to 200,000: the same for the same arguments.

    The first product is ``laptop-1`` at 750 with 5 in stock, and the first user ``user-1``. People
    and addresses are Faker's, so another release of Faker may give other ones.

    Raises InputError for a number out of range, or for no currency.
    """
    currency_digits(currency)
    _check_range("products", products, PRODUCTS_MAX)
    _check_range("users", users, USERS_MAX)
    draw = random.Random(f"marketsim sample {seed}")
    faker = _faker(draw.getrandbits(64))
    warehouses = _addresses(faker, _WAREHOUSES)
    return Catalog(
        products=_products(draw, products, currency, warehouses),
        users=_users(draw, users, faker),
    )


def _check_range(what: str, number: int, most: int) -> None:
    if not 1 <= number <= most:
        raise InputError(f"a sample of {number:,} {what} cannot be made", todo=f"ask for 1 to {most:,}")


def _faker(seed: int) -> "Faker":
    from faker import Faker  # a tenth of a second of start-up

    # Unweighted, a name costs a tenth: no one studies how common the surnames of a sample are.
    faker = Faker("en_US", use_weighting=False)
    faker.seed_instance(seed)
    return faker


def _addresses(faker: "Faker", count: int) -> list[str]:
    return [
        f"{faker.street_address()}, {faker.city()}, {faker.state_abbr()} {faker.postcode()}"
        for _ in range(count)
    ]


def _products(draw: random.Random, count: int, currency: str, warehouses: list[str]) -> list[Record]:
    numbers = dict.fromkeys((kind.word for kind in _KINDS), 0)
    made: list[Record] = []
    for index in range(count):
        kind = draw.choice(_KINDS) if index else _KINDS[0]
        numbers[kind.word] += 1
        record = _product(draw, kind, numbers[kind.word], currency, warehouses)
        made.append(record)
    made[0] |= {"price": 750, "inStock": 5}
    return made


def _product(
    draw: random.Random, kind: _Kind, number: int, currency: str, warehouses: list[str]
) -> dict[str, Any]:
    maker, condition = draw.choice(_MAKERS), draw.choice(_CONDITIONS)
    name = f"{maker} {kind.name} {draw.choice(kind.variants)}"
    said = {"condition": condition.removeprefix("used: "), "name": kind.name.lower(), "maker": maker}
    return {
        "id": f"{kind.word}-{number}",
        "name": name,
        "description": _DESCRIPTION.format(reason=draw.choice(_REASONS), **said),
        "price": _price(draw, kind, currency),
        "condition": condition,
        "category": kind.category,
        "tags": [*kind.tags, condition.partition(":")[0]],
        "inStock": draw.randint(0, _STOCK_MAX),
        "warehouseAddress": draw.choice(warehouses),
    }


def _price(draw: random.Random, kind: _Kind, currency: str) -> int | float:
    """A whole price, or one that ends in .99 where the currency has cents."""
    scale = 10 ** currency_digits(currency)
    whole_minor = draw.randint(kind.price_min, kind.price_max) * scale
    return to_major(whole_minor - draw.choice((0, scale // 100)), currency)


def _users(draw: random.Random, count: int, faker: "Faker") -> list[Record]:
    firsts = [faker.first_name() for _ in range(_POOL_SIZE)]
    lasts = [faker.last_name() for _ in range(_POOL_SIZE)]
    addresses = _addresses(faker, _POOL_SIZE)
    return [
        _user(number, draw.choice(firsts), draw.choice(lasts), draw.choice(addresses))
        for number in range(1, count + 1)
    ]


def _user(number: int, first: str, last: str, address: str) -> Record:
    return {
        "id": f"user-{number}",
        "name": f"{first} {last}",
        "email": f"{_ascii(first)}.{_ascii(last)}.{number}@example.com",
        "address": address,
    }


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(c for c in plain.lower() if c.isalnum())
