"""What the tests of the report share: markets with stories in them, and pages as a parser sees them."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from cli.running import Cli

VOID = {"meta", "br", "hr", "img", "input", "link"}

HOSTILE = [
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=alert(1)>',
    "]]></style></svg>--><b>",
    "'-alert(1)-'",
    "a\u202egnirts\u2066",
    "lapt\u0301op 日本語 👩‍🚀 \uffff",
    "&lt;already&gt; &#60;",
    "javascript:alert(1)",
    "n" * 90,
]
"""Names that try to be more than names."""

STORIES = {
    "declined": ["purchase", "laptop-1", "--fail", "payment:card_declined"],
    "bought": ["purchase", "laptop-1"],
    "late and stuck": [
        *["checkout", "laptop-1", "part-01=2", "--fail", "authorize_payment:late_success"],
        *["--fail", "release_stock.laptop-1:error"],
    ],
    "a full cart": ["checkout", *(f"part-{number:02}=2" for number in range(1, 21))],
    "a full cart, reverted": [
        *["checkout", *(f"part-{number:02}" for number in range(1, 21))],
        *["--fail", "place_order:error"],
    ],
    "suspended": ["purchase", "laptop-1", "--fail", "charge_payment:authentication_required"],
    "cancelled": [
        *["purchase", "laptop-1", "--fail", "charge_payment:timeout_after", "--cancel-after", "300ms"]
    ],
    "late after the deadline": [
        *["checkout", "part-01", "part-02", "--fail", "void_authorization:error", "--deadline", "600ms"],
        *["--fail", "authorize_payment:late_success"],
    ],
    "rejected": ["purchase", "laptop-1", "-n", "500"],
    "abandoned": ["purchase", "laptop-1", "--policy", "none", "--fail", "place_order:error"],
    "expired": [
        "purchase",
        "laptop-1",
        "--fail",
        "place_order:error",
        "--fail",
        "refund_payment:revert_expired",
    ],
    "retried": ["checkout", "laptop-1", "--fail", "ship_order:error@1-4"],
}
"""A command for each thing that can happen to a transaction."""


def products(*names: str) -> list[dict[str, Any]]:
    return [{"id": name, "name": name, "price": 25, "inStock": 40} for name in names]


def market_of(cli: Cli, folder: Path, records: list[dict[str, Any]], customer: str = "user-1") -> None:
    """Make the market in ``folder`` that every command finds."""
    users = [{"id": customer, "name": customer}]
    document = {"products": records, "users": users, "orders": []}
    (folder / "brought.json").write_text(json.dumps(document))
    ran = cli("init", "--catalog", "brought.json", "--quiet")
    assert ran.code == 0, ran.err


def tell_all(cli: Cli, folder: Path) -> None:
    """A market in which every story has happened, in the order of STORIES."""
    market_of(cli, folder, products("laptop-1", *(f"part-{number:02}" for number in range(1, 21))))
    for name, command in STORIES.items():
        ran = cli(*command, "--quiet")
        assert ran.code in (0, 3, 4), (name, ran.err)


class Parsed(HTMLParser):
    """A page as its elements, each with its attributes; what is not closed where it should be is told."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.unbalanced: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.unbalanced += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.unbalanced.append(tag)
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def names(self) -> set[str]:
        return {name for name, _ in self.elements}

    def values(self, attribute: str) -> list[str]:
        return [str(found[attribute]) for _, found in self.elements if attribute in found]
