"""The plain course: what is taken for it, and that no check has anything against it."""

import random

import msgspec
import pytest
from audit.mutations import BASES, ROWS, base
from audit.wrong import settled
from drivers.runs import purchased

from marketsim.audit.checks import CHECKS
from marketsim.audit.plain import tell_plainly
from marketsim.audit.story import RECORD, Story
from marketsim.saga import events as e


def stories(events):
    """What each transaction of a stream is heard to do, up to its first end."""
    heard = {}
    for event in events:
        if type(event) in RECORD and event.transaction:
            story = heard.setdefault(event.transaction, Story(event.transaction))
            if not story.heard or not isinstance(story.heard[-1], e.ENDS):
                story.heard.append(event)
    return list(heard.values())


def against(story):
    """What the checks have against a story that is told in full."""
    told = Story(story.transaction, heard=list(story.heard))
    told.tell()
    return [found for check in CHECKS.values() if check.function for found in check.function(told)]


def plain(events):
    """Of which transactions of a stream no more is told."""
    return [story.transaction for story in stories(events) if tell_plainly(story)]


def test_a_purchase_that_goes_well_is_plain():
    assert plain(purchased(quantity=2).log.events) == ["tx-1"]
    assert plain(purchased("charge_payment:card_declined%0.0001").log.events) == ["tx-1"]


def test_a_cart_that_is_bought_is_plain_and_so_are_two_purchases_at_once():
    assert plain(base("checkout")) == ["tx-1"]
    assert plain(base("both")) == ["tx-1", "tx-2"]


@pytest.mark.parametrize("name", sorted(set(BASES) - {"bought", "checkout", "both"}))
def test_what_was_struck_reverted_or_tried_again_is_told_in_full(name):
    assert plain(base(name)) == []


def test_a_plain_story_tells_how_it_began_what_was_ordered_and_how_it_ended():
    (story,) = stories(base("bought"))
    told = Story("tx-1", heard=list(story.heard))
    told.tell()
    assert tell_plainly(story)
    assert (story.began, story.placed, story.end) == (told.began, told.placed, told.end)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_nothing_that_a_check_objects_to_is_plain(row):
    for story in stories(settled(row.change(list(base(row.base))))):
        assert not (against(story) and tell_plainly(story))


def _wrong(events, dice):
    """A stream with one or two events gone, twice, elsewhere, or of another operation or attempt."""
    wrong = [msgspec.structs.replace(event) for event in events]
    for _ in range(dice.randint(1, 2)):
        at = dice.randrange(3, len(wrong))
        event = wrong[at]
        match dice.randrange(5):
            case 0:
                del wrong[at]
            case 1:
                wrong.insert(dice.randrange(3, len(wrong)), event)
            case 2:
                wrong.insert(dice.randrange(3, len(wrong)), wrong.pop(at))
            case 3 if hasattr(event, "operation"):
                wrong[at] = msgspec.structs.replace(event, operation="place_order")
            case 4 if isinstance(event, e.LedgerPosted):
                lines = [msgspec.structs.replace(event.postings[0], account="stock:reserved")]
                wrong[at] = msgspec.structs.replace(event, postings=lines + event.postings[1:])
    return wrong


@pytest.mark.parametrize("name", ["bought", "checkout", "both"])
def test_no_check_objects_to_what_is_plain_however_it_was_made_wrong(name):
    dice = random.Random(name)
    for _ in range(300):
        for story in stories(_wrong(base(name), dice)):
            assert not (against(story) and tell_plainly(story))
