"""The check of what customers were told: what was reverted is called back."""

from collections.abc import Iterator

from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.story import Story, found
from marketsim.saga.events import NotificationSent

__all__ = ["messages_called_back"]


def messages_called_back(story: Story) -> Iterator[Finding]:
    """Whoever was told of what was reverted is told, after it, that it does not hold."""
    for name, deed in story.deeds.items() if story.undone_by_right else ():
        told = [event for event in deed.effects if type(event) is NotificationSent]
        corrected = [event for event in deed.returns if type(event) is NotificationSent]
        if not told or name in story.letters or (corrected and corrected[-1].seq > told[-1].seq):
            continue
        yield found(
            "messages-called-back",
            ERROR,
            f"the customer was told by {name} of what was reverted, and never that it does not hold",
            told[-1],
            operation=name,
            expected="a correction after it",
            actual="none after it" if corrected else "none",
        )
