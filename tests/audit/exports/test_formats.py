"""Every form takes every log, streams, and says of itself what the command needs to know."""

import json
from itertools import count, islice

import pytest

from marketsim.audit.exports.formats import FORMATS
from marketsim.saga.events import OperationProgress
from marketsim.scenario.shipped import shipped

HEADER = {"head": {"origin": "shop", "size": 0, "root": "00"}}
DOCUMENTS = [name for name, form in FORMATS.items() if form.is_json]
STREAMED = [name for name, form in FORMATS.items() if form.is_text]


@pytest.mark.parametrize("form", DOCUMENTS)
@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_document_of_any_log_is_json(redacted, form, name):
    text = "".join(FORMATS[form].export(redacted(name), HEADER))
    assert text.endswith("\n")
    assert json.loads(text)


@pytest.mark.parametrize("form", DOCUMENTS)
def test_a_document_of_no_event_is_json_too(form):
    assert json.loads("".join(FORMATS[form].export([], HEADER))) is not None
    assert json.loads("".join(FORMATS[form].export([], {}))) is not None


@pytest.mark.parametrize("form", STREAMED)
def test_a_form_takes_no_more_events_than_it_needs(form):
    taken = []

    def endless():
        for number in count(1):
            taken.append(number)
            time = f"2025-01-01T00:00:{number % 60:02d}.000000Z"
            yield (
                OperationProgress(seq=number, time=time, transaction="tx-1", operation="pack", attempt=1),
                "",
            )

    pieces = FORMATS[form].export(endless(), HEADER)
    list(islice(pieces, 3))
    assert len(taken) <= 3000


@pytest.mark.parametrize("form", FORMATS)
def test_a_form_says_what_it_is(form):
    made = FORMATS[form]
    assert made.sentence.endswith(".")
    assert "/" in made.media_type
    assert made.suffix.startswith(".")
