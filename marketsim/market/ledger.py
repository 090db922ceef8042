"""The ledger's accounts, and the only way to move stock or money between two of them."""

from collections.abc import Iterable

from marketsim.saga.events import Posting

__all__ = [
    "AUTHORIZED",
    "AVAILABLE",
    "MERCHANT",
    "RESERVED",
    "SHIPPED",
    "SOLD",
    "SUPPLIER",
    "customer_account",
    "money",
    "reversed_postings",
    "stock",
]

SUPPLIER = "stock:supplier"
AVAILABLE = "stock:available"
RESERVED = "stock:reserved"
SOLD = "stock:sold"
SHIPPED = "stock:shipped"
MERCHANT = "money:merchant"
AUTHORIZED = "money:authorized"


def customer_account(customer: str) -> str:
    """The account of a customer's money; it belongs to the outside world and may go below zero."""
    return f"money:customer:{customer}"


def stock(product: str, quantity: int, source: str, target: str) -> list[Posting]:
    """Move units of a product: two lines that sum to zero."""
    return [
        Posting(source, product=product, quantity=-quantity),
        Posting(target, product=product, quantity=quantity),
    ]


def money(amount_minor: int, currency: str, source: str, target: str) -> list[Posting]:
    """Move minor units of a currency: two lines that sum to zero."""
    return [
        Posting(source, amount_minor=-amount_minor, currency=currency),
        Posting(target, amount_minor=amount_minor, currency=currency),
    ]


def reversed_postings(postings: Iterable[Posting]) -> list[Posting]:
    """The lines that undo these."""
    return [
        Posting(
            line.account,
            amount_minor=-line.amount_minor,
            currency=line.currency,
            product=line.product,
            quantity=-line.quantity,
        )
        for line in postings
    ]
