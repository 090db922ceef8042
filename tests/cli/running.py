"""What the tests of the command line share: a catalog, how a command ended, and what a folder holds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

CATALOG: dict[str, Any] = {
    "products": [
        {
            "id": "laptop-1",
            "name": "Laptop",
            "description": "Hardly used.",
            "price": 750,
            "condition": "used",
            "category": "computers",
            "tags": ["portable"],
            "inStock": 2,
            "warehouseAddress": "1 Quay Street",
            "colour": {"lid": "grey", "keys": [1, 2.5, None]},
        },
        {"id": "lamp-1", "name": "Lamp", "price": 19.99, "inStock": 0},
    ],
    "users": [
        {"id": "user-1", "name": "Ada", "email": "ada@example.com", "address": "2 Hill", "vip": True},
        {"id": "user-2", "name": "Grace"},
    ],
    "orders": [],
    "season": {"name": "spring"},
}
"""A catalog as a person brings it, with keys that no one foresaw in every place."""


class Ran(msgspec.Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output, with nothing beside it anywhere."""
        assert self.err == ""
        return json.loads(self.out)


Cli: TypeAlias = Callable[..., Ran]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes, but for the lock, which only says who had it last."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
