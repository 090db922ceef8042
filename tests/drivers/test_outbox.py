"""The outbox: every event arrives, in order and signed, whatever the receiver does."""

import json
import os
import random
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from drivers.receiver import Receiver, commits, free_port, receiving, recorded, subscribed, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from marketsim.audit.log import START, LogReader, LogWriter
from marketsim.drivers.hooks import delivery
from marketsim.drivers.hooks.delivery import Limits, backoff_s, deliver, deliver_now, due_count
from marketsim.drivers.hooks.endpoints import (
    ENDPOINTS_MAX,
    EVENTS,
    RETRY_MAX_S,
    SETTINGS,
    Endpoint,
    change_settings,
    checked_events,
    checked_secret,
    checked_url,
    lock_of,
    new_secret,
    read_settings,
)
from marketsim.drivers.hooks.messages import Answer, Message, message_of, post, signature
from marketsim.drivers.hooks.outbox import DELIVERING, Facts, anybody_waits, due, settled_size
from marketsim.saga.errors import InputError, LogDamaged, MarketError
from marketsim.saga.events import (
    CompensationFailed,
    CompensationSucceeded,
    OrderCancelled,
    OrderPlaced,
    TransactionBegan,
    TransactionCommitted,
    TransactionStuck,
)

QUICK = Limits(total_s=10, exchange_s=2)
CLOUD_EVENT = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "propertyNames": {"pattern": "^[a-z0-9]+$"},
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
        "type": {"type": "string", "minLength": 1},
        "subject": {"type": "string", "minLength": 1},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "data": {"type": "object"},
    },
    "additionalProperties": False,
}
"""The rules of CloudEvents 1.0 for an event in JSON, as far as they bind this one."""


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a log of three transactions; what failed is tried again almost at once."""
    monkeypatch.setattr(delivery, "_RETRY_LEAST_S", 0.02)
    monkeypatch.setattr(delivery, "_POLL_S", 0.02)
    commits(tmp_path, 3)
    return tmp_path


@pytest.fixture
def receiver() -> Any:
    with receiving() as found:
        yield found


def endpoint_of(market: Path) -> Endpoint:
    [found] = read_settings(market)
    return found


# What is sent.


def test_what_is_sent_is_a_cloud_event_that_the_receiver_can_verify(market, receiver):
    secret = subscribed(market, receiver.url).secret
    assert deliver(market, QUICK)
    assert receiver.taken == [4, 7, 10]
    for got in receiver.got:
        assert Webhook(secret).verify(got.body.decode(), got.headers) == got.event
        jsonschema.validate(got.event, CLOUD_EVENT, format_checker=jsonschema.FormatChecker())
        assert got.headers["content-type"].startswith("application/cloudevents+json")
        assert got.id == got.event["id"]
        assert got.path == "/hooks?of=market"
    [first, *_] = [got.event for got in receiver.got]
    assert first["type"] == "marketsim.transaction.committed"
    assert first["subject"] == "tx-1"
    assert first["source"] == "/marketsim/market"
    assert first["time"] == "2026-01-01T00:00:01.000000Z"
    assert first["data"]["request"] == {"of": "tx-1"}
    assert len({got.id for got in receiver.got}) == 3


def test_a_changed_body_and_another_secret_do_not_verify(market, receiver):
    secret = subscribed(market, receiver.url).secret
    deliver(market, QUICK)
    got = receiver.got[0]
    for key, body in ((secret, got.body + b" "), (new_secret(), got.body)):
        with pytest.raises(Exception, match=r"[Nn]o matching signature"):
            Webhook(key).verify(body.decode(), got.headers)


@given(key=st.binary(min_size=24, max_size=64), body=st.text(max_size=50))
def test_any_secret_and_any_body_are_signed_as_the_convention_has_it(key, body):
    secret = checked_secret(f"whsec_{b64encode(key).decode()}")
    message, moment_s = Message("7-abc", json.dumps(body).encode()), int(time.time())
    headers = {
        "webhook-id": message.id,
        "webhook-timestamp": str(moment_s),
        "webhook-signature": signature(secret, message, moment_s),
    }
    assert Webhook(secret).verify(message.body.decode(), headers) == body


def test_the_facts_are_those_of_the_transaction_up_to_the_event():
    began = TransactionBegan(transaction="tx-1", saga="s", policy="p", request={"n": 1}, seed=0)
    facts = Facts(began)
    for number in (1, 2):
        order = f"order-{number}"
        placed = OrderPlaced(order=order, customer="c", lines=[], total_minor=number, currency="USD")
        facts.take_in(placed)
    facts.take_in(OrderCancelled(order="order-1"))
    facts.take_in(CompensationSucceeded(transaction="tx-1", operation="o", compensation="undo", attempt=1))
    end = TransactionStuck(transaction="tx-1", dead_letters=["charge"], seq=9)
    data = json.loads(message_of(end, facts, "m k/t").body)["data"]
    assert data["orders"] == [{"order": "order-2", "total_minor": 2, "currency": "USD"}]
    assert data["reverted"] == ["undo"]
    assert data["dead_letters"] == ["charge"]
    assert json.loads(message_of(end, None, "m k/t").body)["source"] == "/marketsim/m%20k%2Ft"


def test_a_transaction_that_began_before_what_was_told_last_still_has_its_facts(market, receiver):
    """A person tries a revert again, long after the rest was told."""
    subscribed(market, receiver.url)
    deliver(market, QUICK)
    reader = LogReader(market / "audit")
    assert len(list(reader)) == 10
    with LogWriter(market / "audit", "market", reader.position) as log:
        what = {"operation": "a", "compensation": "undo_a", "attempt": 2, "code": "gateway_down"}
        failed = CompensationFailed(transaction="tx-2", reason="no", outcome="failed", retry="safe", **what)
        failed.time = "2026-01-01T00:00:02.000000Z"
        log.append(failed)
    deliver(market, QUICK)
    data = receiver.got[-1].event["data"]
    assert data["request"] == {"of": "tx-2"}
    assert (data["operation"], data["compensation"], data["code"]) == ("a", "undo_a", "gateway_down")


def test_two_markets_never_use_the_same_id_not_even_copies_that_went_on_apart(market):
    def ids(events: list[Any]) -> set[str]:
        return {message_of(event, None, "market").id for event in events}

    other = market / "copy"
    (other / "audit").mkdir(parents=True)
    for name in ("000001.jsonl", "checkpoint"):
        (other / "audit" / name).write_bytes((market / "audit" / name).read_bytes())
    before = ids(recorded(market))
    assert ids(recorded(other)) == before
    commits(market, 1)
    reader = LogReader(other / "audit")
    assert list(reader)
    with LogWriter(other / "audit", "market", reader.position) as log:
        for event in transaction("tx-other"):
            log.append(event)
    assert (ids(recorded(market)) - before) & (ids(recorded(other)) - before) == set()


# What is due.


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 3), max_size=6))
def test_wherever_the_cursor_stood_each_event_is_due_once_and_in_order(tmp_path_factory, cuts):
    market = tmp_path_factory.mktemp("market")
    endpoint = Endpoint(url="http://h/", secret=new_secret(), events=["transaction.committed"], added="")
    ends, told = [], []
    for cut in cuts:
        ends += commits(market, cut)
        for step in due(market, endpoint, settled_size(market)):
            told += [step.event.seq] if step.event is not None else []
            endpoint = msgspec.structs.replace(endpoint, seq=step.seq, position=step.position)
            if random.Random(cut).random() < 0.3:
                break
    told += [step.event.seq for step in due(market, endpoint, settled_size(market)) if step.event is not None]
    assert told == ends


def test_what_the_head_of_the_log_does_not_cover_is_not_told_yet(market, receiver):
    subscribed(market, receiver.url)
    head = (market / "audit" / "checkpoint").read_bytes()
    commits(market, 2)
    after = (market / "audit" / "checkpoint").read_bytes()
    (market / "audit" / "checkpoint").write_bytes(head)  # As it is after a kill before the head was written.
    deliver(market, QUICK)
    assert receiver.taken == [4, 7, 10]
    (market / "audit" / "checkpoint").write_bytes(after)
    deliver(market, QUICK)
    assert receiver.taken == [4, 7, 10, 13, 16]


def test_an_endpoint_is_told_of_nothing_but_what_it_wants(market, receiver):
    subscribed(market, receiver.url, events=["transaction.stuck"])
    assert not anybody_waits(market)
    deliver(market, QUICK)
    assert receiver.got == []
    assert endpoint_of(market).seq == 10
    assert endpoint_of(market).position.size == 10


def test_a_log_that_does_not_verify_is_told_to_nobody(market, receiver):
    subscribed(market, receiver.url)
    file = market / "audit" / "000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b"tx-1", b"tx-9", 1))
    with pytest.raises(LogDamaged):
        deliver(market, QUICK)
    assert receiver.taken in ([], [4])


def test_whoever_was_told_more_than_there_is_is_an_error_and_not_silence(market, receiver):
    """A log restored from an older copy would otherwise be told to nobody until it is as long again."""
    subscribed(market, receiver.url, seq=99)
    for ask in (anybody_waits, lambda market: deliver(market, QUICK)):
        with pytest.raises(MarketError, match=r"told up to event 99, and the log ends at 10"):
            ask(market)


# Receivers.


@pytest.mark.parametrize("first", [500, 503, 404, 429, 302, "junk", "flood"])
def test_what_was_not_taken_is_sent_again_and_the_order_is_kept(market, receiver, first):
    subscribed(market, receiver.url)
    receiver.next = [200, first, first]
    deliver(market, QUICK)
    assert receiver.taken == [4, 7, 7, 7, 10]
    again = [got for got in receiver.got if got.event["data"]["seq"] == 7]
    assert len({(got.id, got.body) for got in again}) == 1
    assert endpoint_of(market).failures == 0


@pytest.mark.parametrize("behaviour", ["hang", "trickle"])
def test_a_receiver_that_never_comes_to_an_end_is_left_in_time(receiver, behaviour):
    receiver.then = behaviour
    began_s = time.monotonic()
    answer = post(receiver.url, new_secret(), Message("1-a", b"{}"), 0.4)
    assert answer == Answer(0, "no answer came in time")
    assert 0.3 < time.monotonic() - began_s < 2


def test_a_receiver_that_hangs_once_gets_the_event_again(market, receiver):
    subscribed(market, receiver.url)
    receiver.next = ["hang", "trickle"]
    deliver(market, Limits(total_s=10, exchange_s=0.2))
    assert receiver.taken == [4, 4, 4, 7, 10]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_never_and_counts_as_a_failure(market, receiver, status):
    with receiving() as elsewhere:
        receiver.location, receiver.then = elsewhere.url, status
        subscribed(market, receiver.url)
        deliver(market, Limits(total_s=10, attempts_max=2))
        assert elsewhere.got == []
    assert receiver.taken == [4, 4]
    assert f"{status}: a redirect" in endpoint_of(market).failure


def test_a_receiver_that_is_down_gets_everything_once_it_is_up_again(market):
    port = free_port()
    subscribed(market, f"http://127.0.0.1:{port}/hooks")
    assert deliver(market, Limits(total_s=10, attempts_max=2))
    kept = endpoint_of(market)
    assert (kept.seq, kept.failures, kept.failure) == (0, 2, "connection refused")
    commits(market, 1)
    with receiving(port) as receiver:
        deliver_now(market, QUICK)
        assert receiver.taken == [4, 7, 10, 13]
    assert (endpoint_of(market).failures, endpoint_of(market).failure) == (0, "")


def test_whoever_answers_410_is_told_no_more(market, receiver):
    subscribed(market, receiver.url)
    receiver.next = [200, 410]
    deliver(market, QUICK)
    deliver_now(market, QUICK)
    assert receiver.taken == [4, 7]
    assert endpoint_of(market).disabled
    assert not anybody_waits(market)


def test_an_endpoint_that_hangs_holds_up_no_other(market, receiver):
    with receiving() as slow:
        slow.then = "hang"
        subscribed(market, slow.url)
        subscribed(market, receiver.url)
        deliver(market, Limits(total_s=1.0, exchange_s=30))
        assert receiver.taken == [4, 7, 10]
        assert slow.taken == [4]


def test_plain_http_where_tls_was_expected_is_a_failure_like_another(receiver):
    answer = post(receiver.url.replace("http:", "https:"), new_secret(), Message("1-a", b"{}"), 2)
    assert not answer.delivered
    assert answer.why
    assert receiver.got == []


def test_over_tls_only_a_receiver_with_a_certificate_is_believed(tmp_path, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    for name in ("127.0.0.1", "127.0.0.2"):
        words = f"req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN=x"
        alternative = ["-addext", f"subjectAltName=IP:{name}"]
        subprocess.run(
            ["openssl", *words.split(), *alternative], cwd=tmp_path, check=True, capture_output=True
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "127.0.0.1.pem", tmp_path / "127.0.0.1.key")
    with receiving(tls=context) as receiver:
        url = receiver.url.replace("http:", "https:")
        assert "certificate" in post(url, new_secret(), Message("1-a", b"{}"), 2).why
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "127.0.0.2.pem"))
        assert "certificate" in post(url, new_secret(), Message("1-a", b"{}"), 2).why
        assert receiver.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "127.0.0.1.pem"))
        assert post(url, new_secret(), Message("1-a", b"{}"), 2).delivered
        receiver.then = "trickle"
        assert post(url, new_secret(), Message("1-a", b"{}"), 0.5).why == "no answer came in time"


def test_a_host_without_an_address_is_a_failure_like_another():
    answer = post("http://nowhere.invalid/", new_secret(), Message("1-a", b"{}"), 2)
    assert not answer.delivered
    assert answer.why


@pytest.mark.parametrize("failures", [1, 2, 5, 20, 10**9])
def test_the_wait_doubles_up_to_a_limit_and_is_never_twice_the_same(failures):
    waits = {backoff_s(failures) for _ in range(20)}
    longest_s = min(RETRY_MAX_S, 0.5 * 2.0 ** min(failures - 1, 20))
    assert all(longest_s / 2 <= wait <= longest_s for wait in waits)
    assert len(waits) > 1


# Processes.

CHILD = """
import sys
from pathlib import Path
from marketsim.drivers.hooks.delivery import Limits, deliver
deliver(Path(sys.argv[1]), Limits(total_s=20))
"""


def deliverer(market: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", CHILD, str(market)])


def test_a_process_killed_between_delivery_and_cursor_sends_the_same_again(market, receiver):
    """At least once: the receiver has it, nobody noted that, and the id tells the receiver."""
    subscribed(market, receiver.url)
    with deliverer(market) as child:
        receiver.next = [200, lambda: os.kill(child.pid, signal.SIGKILL)]
        assert child.wait(timeout=20) == -signal.SIGKILL
    assert receiver.taken == [4, 7]
    assert endpoint_of(market).seq == 4
    deliver(market, QUICK)
    assert receiver.taken == [4, 7, 7, 10]
    assert receiver.got[1].id == receiver.got[2].id
    assert receiver.got[1].body == receiver.got[2].body


def test_killed_at_every_event_once_each_arrives_and_in_order(market, receiver):
    subscribed(market, receiver.url)
    killed = set()

    def kill() -> None:
        if receiver.taken[-1] not in killed:
            killed.add(receiver.taken[-1])
            os.kill(child.pid, signal.SIGKILL)

    receiver.then = kill
    for _ in range(4):
        with deliverer(market) as child:
            child.wait(timeout=20)
    assert receiver.taken == [4, 4, 7, 7, 10, 10]
    assert len({(got.id, got.body) for got in receiver.got}) == 3


def test_of_many_deliverers_at_once_one_delivers_and_each_event_goes_out_once(market, receiver):
    subscribed(market, receiver.url)
    ends = [4, 7, 10, *commits(market, 20)]
    children = [deliverer(market) for _ in range(3)]
    assert [child.wait(timeout=30) for child in children] == [0, 0, 0]
    deliver(market, QUICK)
    assert receiver.taken == ends


def test_a_second_deliverer_leaves_at_once(market, receiver):
    subscribed(market, receiver.url)
    with lock_of(market, DELIVERING, 0) as mine:
        assert mine
        assert not deliver(market, QUICK)
        assert not anybody_waits(market)
    assert receiver.got == []
    assert anybody_waits(market)


def test_what_comes_while_the_deliverer_is_leaving_is_not_left_behind(market, receiver, monkeypatch):
    """Whoever recorded it saw the lock held, and started nobody."""
    subscribed(market, receiver.url)
    ends, go = [4, 7, 10], delivery._Run.go

    def going(run: delivery._Run) -> None:
        go(run)
        if len(ends) == 3:
            ends.extend(commits(market, 1))
            assert not anybody_waits(market)

    monkeypatch.setattr(delivery._Run, "go", going)
    assert deliver(market, QUICK)
    assert receiver.taken == ends


def test_what_comes_while_the_deliverer_lingers_is_delivered(market, receiver):
    subscribed(market, receiver.url)
    thread = threading.Thread(target=deliver, args=(market, Limits(total_s=10, linger_s=0.5)))
    thread.start()
    time.sleep(0.2)
    [end] = commits(market, 1)
    thread.join(5)
    assert not thread.is_alive()
    assert receiver.taken == [4, 7, 10, end]


def test_deliver_now_has_one_that_waits_out_a_failure_go_on(market, receiver, monkeypatch):
    monkeypatch.setattr(delivery, "_RETRY_LEAST_S", 30.0)
    subscribed(market, receiver.url)
    receiver.next = [500]
    thread = threading.Thread(target=deliver, args=(market, Limits(total_s=8)))
    thread.start()
    while not endpoint_of(market).failures:
        time.sleep(0.02)
    assert not anybody_waits(market)
    deliver_now(market, Limits(total_s=5))
    thread.join(5)
    assert receiver.taken == [4, 4, 7, 10]


def test_an_endpoint_removed_meanwhile_is_told_no_more_and_not_put_back(market, receiver):
    subscribed(market, receiver.url)
    receiver.next = [lambda: change_settings(market, lambda endpoints: []) and None]
    deliver(market, QUICK)
    assert receiver.taken == [4]
    assert read_settings(market) == []


# What is kept.


def test_the_settings_are_for_their_owner_alone_and_come_back_as_they_were(market):
    assert read_settings(market) == []
    kept = subscribed(market, "https://example.com/", seq=10)
    assert read_settings(market) == [kept]
    assert stat.S_IMODE((market / SETTINGS).stat().st_mode) == 0o600
    assert [name for name in os.listdir(market) if name.startswith(".")] == []
    assert kept.secret not in repr(kept)


GOOD = {
    "url": "http://127.0.0.1/",
    "secret": f"whsec_{b64encode(b'k' * 32).decode()}",
    "events": ["transaction.stuck"],
    "added": "2026-01-01T00:00:00Z",
}
DAMAGED = [
    ("empty", b"", "truncated"),
    ("cut short", json.dumps({"endpoints": [GOOD]}).encode()[:-9], "truncated"),
    ("junk", b'{\n"endpoints": [\x00]}', "line 2: "),
    ("no UTF-8", b'{"endpoints": "\xff"}', ""),
    ("a list", b"[]", "Expected `object`"),
    ("unknown key", {**GOOD, "sekret": 1}, "sekret"),
    ("no secret", {k: v for k, v in GOOD.items() if k != "secret"}, "secret"),
    ("bad secret", {**GOOD, "secret": "whsec_c2hvcnQ="}, "endpoints[0]: this is no secret"),
    ("bad url", {**GOOD, "url": "ftp://h/"}, "endpoints[0]: 'ftp://h/' is not of the web"),
    ("bad event", {**GOOD, "events": ["order.placed"]}, "nobody is told of 'order.placed'"),
    ("negative", {**GOOD, "seq": -1}, "$.endpoints[0].seq"),
    ("huge", {**GOOD, "seq": 10**30}, ""),
    ("ahead", {**GOOD, "seq": 1, "position": {"size": 2}}, "the position lies behind the event 1"),
    ("deep", b"[" * 100_000, ""),
    ("long", b" " * (1 << 20) + b"{}", "longer than"),
    ("twice", json.dumps({"endpoints": [GOOD, GOOD]}).encode(), "twice"),
]


@pytest.mark.parametrize(("data", "told"), [each[1:] for each in DAMAGED], ids=[each[0] for each in DAMAGED])
def test_damaged_settings_are_refused_with_the_file_and_what_to_do(market, data, told):
    text = data if isinstance(data, bytes) else json.dumps({"endpoints": [data]}).encode()
    (market / SETTINGS).write_bytes(text)
    with pytest.raises(MarketError) as caught:
        read_settings(market)
    assert told in caught.value.what
    assert caught.value.where == str(market / SETTINGS)
    assert "\n" not in str(caught.value)
    assert str(GOOD["secret"]) not in str(caught.value)
    assert "c2hvcnQ" not in str(caught.value)
    before = (market / SETTINGS).read_bytes()
    with pytest.raises(MarketError):
        change_settings(market, lambda endpoints: [])
    assert (market / SETTINGS).read_bytes() == before


def test_hostile_positions_in_the_settings_are_held_at_the_door(market):
    for position in ({"size": 3, "offset": 10**12}, {"size": 1, "segment": 9}, {"size": 2, "prev": "x"}):
        change_settings(market, lambda endpoints: [])
        text = json.dumps({"endpoints": [{**GOOD, "seq": 5, "position": position}]})
        (market / SETTINGS).write_text(text)
        with pytest.raises(LogDamaged):
            due_count(market, endpoint_of(market))


URLS = [
    ("ftp://example.com/", "is not of the web"),
    ("example.com/hooks", "is not of the web"),
    ("file:///etc/passwd", "is not of the web"),
    ("https://", "names no host"),
    ("https:///path", "names no host"),
    ("https://a b/", "characters that a URL cannot have"),
    ("https://h/\r\nX: y", "characters that a URL cannot have"),
    ("https://h/\x00", "characters that a URL cannot have"),
    ("https://h\u00e4user.example/", "characters that a URL cannot have"),
    ("https://h:0/", "names no host"),
    ("https://h:99999/", "this is no URL"),
    ("https://h:x/", "this is no URL"),
    ("https://[::1/", "this is no URL"),
    ("https://h%41/", "names no host"),
    ("https://h/#part", "never sent"),
    ("https://h/" + "x" * 2048, "the URL has 2,058 characters"),
    ("", "is not of the web"),
]


@pytest.mark.parametrize(("url", "told"), URLS, ids=[url[:30] for url, _ in URLS])
def test_a_url_to_which_nothing_can_be_sent_is_refused(url, told):
    with pytest.raises(InputError) as caught:
        checked_url(url)
    assert told in caught.value.what
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(InputError) as caught:
        checked_url("https://ada:hunter2@example.com/")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/a?b=c", "https://[::1]/", "https://EXAMPLE.com"])
def test_a_url_of_the_web_is_taken_as_it_is(url):
    assert checked_url(url) == url


@pytest.mark.parametrize("secret", ["", "whsec_", "c2VjcmV0", "whsec_!!!", f"whsec_{'A' * 88}", "whsec_AAAA"])
def test_what_is_no_secret_is_refused_and_not_repeated(secret):
    with pytest.raises(InputError) as caught:
        checked_secret(secret)
    assert not secret or secret not in str(caught.value).replace("write whsec_ and", "")


def test_events_are_named_as_in_the_stream():
    assert checked_events([]) == list(EVENTS)
    assert checked_events(["transaction.stuck", "transaction.stuck"]) == ["transaction.stuck"]
    with pytest.raises(InputError, match=r"did you mean 'transaction.committed'"):
        checked_events(["transaction.comitted"])
    assert ENDPOINTS_MAX >= 10
    assert TransactionCommitted(transaction="t").type in EVENTS


def test_somebody_waits_unless_it_is_disabled_put_off_or_told_everything(market, receiver: Receiver):
    assert not anybody_waits(market)
    kept = subscribed(market, receiver.url)
    assert anybody_waits(market)
    soon_us = time.time_ns() // 1000 + 30_000_000
    for change, waits in (
        ({"disabled": True}, False),
        ({"retry_us": soon_us}, False),
        (
            {"retry_us": soon_us * 2},
            True,
        ),  # No wait is that long: the clock was set back.
        ({"seq": 10}, False),
    ):
        changed = msgspec.structs.replace(kept, **change)
        change_settings(market, lambda endpoints, changed=changed: [changed])
        assert anybody_waits(market) is waits
    assert START.size == 0
