"""Documents: what is read, what is refused, and on which line."""

import json
import os
import sys
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.market.documents import (
    YAML_SIZE_MAX_BYTES,
    Document,
    bind,
    parse_document,
    path_words,
    read_document,
)
from marketsim.saga.errors import InputError

DEEP = 60

REFUSED_JSON = [
    ('{"a": 1,\n "b" 2}', "x.json:2:6", "not valid JSON: expecting ':' delimiter"),
    ('{"a": 1', "x.json:1:8", "not valid JSON"),
    ("[1,\n 2,,]", "x.json:2:4", "not valid JSON"),
    ('{"a": 1,\n "a": 2}', "x.json:2:2", "the key 'a' stands twice, first on line 1"),
    ('{"b": [{"a": 1}, {"a": 2,\n\n "\\u0061": 3}]}', "x.json:3:2", "the key 'a' stands twice"),
    ('["a", "[{", {"k": "v", "a": {}, "x": [],\n "a": [[]]}]', "x.json:2:2", "the key 'a' stands twice"),
    ('{"a":\n NaN}', "x.json:2:2", "NaN is not a number"),
    ('{"a": -Infinity}', "x.json:1:7", "-Infinity is not a number"),
    ('{"a":\n\n 1e999}', "x.json:3:2", "too large"),
    ('{"a": ' + "9" * 10_000 + "}", "x.json:1:7", "an integer of 10,000 characters"),
    ('{"a": ["ok",\n "\\ud800"]}', "x.json:2:2", "half a surrogate pair, U+D800"),
    ('{"\\uDC00": 1}', "x.json:1:2", "half a surrogate pair, U+DC00"),
    ('{"a": "b\nc"}', "x.json:1:9", "invalid control character"),
    ("[" * DEEP + "]" * DEEP, "x.json", "nested more than 50 levels deep"),
    ('{"a":' * 100_000, "x.json", "nested too deeply"),
    ("", "x.json", "is empty"),
    (" \n\t ", "x.json", "is empty"),
    ("a: 1", "x.json:1:1", "not valid JSON"),
]

REFUSED_YAML = [
    ("a: 1\nb: ]", "x.yaml:2:4", "not valid YAML"),
    ("a: 1\n\tb: 2", "x.yaml:2:1", "not valid YAML"),
    ("a: 1\nb: 2\na: 3", "x.yaml:3", "the key 'a' stands twice"),
    ("a: &all [1]\nb: 2", "x.yaml:1", "the anchor '&all' is not read"),
    ("a: 1\nb: *all", "x.yaml:2", "the alias '*all' is not read"),
    ("a:\n  <<: {b: 1}", "x.yaml:2", "merge keys"),
    ("a: 1\nb: !!python/object/apply:os.system [ls]", "x.yaml:2", "the tag"),
    ("a: !!str 1", "x.yaml:1", "the tag"),
    ("a: ! 1", "x.yaml:1", "the tag"),
    ("a: 1\n---\nb: 2", "x.yaml:2", "a second document begins here"),
    ("# nothing\n", "x.yaml", "is empty"),
    ("a: .inf", "x.yaml:1", ".inf is not a number"),
    ("a: 1\nb: -.INF", "x.yaml:2", "-.INF is not a number"),
    ("a: .nan", "x.yaml:1", ".nan is not a number"),
    ("a: 1e999", "x.yaml:1", "too large"),
    ("a: " + "9" * 10_000, "x.yaml:1", "an integer of 10,000 characters"),
    ("a: 1\nb: \x1b[31m", "x.yaml:2:4", "U+001B may not stand in YAML"),
    ("? [a, b]\n: 1", "x.yaml:1", "a key must be a name"),
    ("a: 1\nb: " + "[" * DEEP + "]" * DEEP, "x.yaml:2", "nested more than 50 levels deep"),
    ("[" * 100_000, "x.yaml", ""),
    ("{a: " * 100_000, "x.yaml", ""),
    ("a: '" + "x" * YAML_SIZE_MAX_BYTES + "'", "x.yaml", "too large for YAML"),
]


@pytest.mark.parametrize(("text", "where", "what"), REFUSED_JSON)
def test_json_that_cannot_be_meant_is_refused_at_its_place(text: str, where: str, what: str) -> None:
    with pytest.raises(InputError) as told:
        parse_document(text, "x.json")
    assert told.value.where == where
    assert what in told.value.what


@pytest.mark.parametrize(("text", "where", "what"), REFUSED_YAML)
def test_yaml_that_cannot_be_meant_is_refused_at_its_place(text: str, where: str, what: str) -> None:
    with pytest.raises(InputError) as told:
        parse_document(text, "x.yaml")
    assert told.value.where == where or (not what and told.value.where.startswith(where))
    assert what in told.value.what


@pytest.mark.parametrize(("text", "where", "what"), REFUSED_YAML)
def test_yaml_is_refused_alike_where_the_parser_in_c_is_missing(
    text: str, where: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(text) > 20_000:
        pytest.skip("the parser in Python takes seconds")
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    with pytest.raises(InputError) as told:
        parse_document(text, "x.yaml")
    assert told.value.where.startswith(where.rpartition(":")[0] if where.count(":") > 1 else where)
    assert what in told.value.what


def test_half_a_surrogate_pair_in_yaml_is_refused_by_either_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"x\.yaml:2"):
        parse_document('a: 1\nb: "\\ud800"', "x.yaml")
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    with pytest.raises(InputError, match=r"x\.yaml:2: U\+D800 is no character"):
        parse_document('a: 1\nb: "\\ud800"', "x.yaml")


def test_bytes_that_are_not_utf8_are_refused_with_their_offset() -> None:
    with pytest.raises(InputError, match="byte 0xFF at offset 6"):
        parse_document(b'{"a": \xff}', "x.json")


def test_text_with_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InputError, match="surrogate"):
        parse_document('{"a": "\ud800"}', "x.json")


@pytest.mark.parametrize("name", ["x.json", "x.yaml", "x"])
def test_a_byte_order_mark_is_no_part_of_the_text(name: str) -> None:
    assert parse_document(b'\xef\xbb\xbf{"a": 1}', name).value == {"a": 1}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_document('{"a": "\\ud83d\\ude00"}', "x.json").value == {"a": "\U0001f600"}


def test_a_large_integer_comes_through_for_a_later_check_of_its_range() -> None:
    assert parse_document('{"a": 1' + "0" * 30 + "}", "x.json").value == {"a": 10**30}
    assert parse_document("a: 1" + "0" * 30, "x.yaml").value == {"a": 10**30}


def test_a_document_that_is_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_text('{"a": "' + "x" * 100 + '"}')
    with pytest.raises(InputError, match="larger than 50 bytes"):
        read_document(file, size_max_bytes=50)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        ("1:30", "1:30"),
        ("0o17", "0o17"),
        ("017", "017"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("+5", "+5"),
        ("Null", "Null"),
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("false", False),
        ("'true'", "true"),
        ('"12"', "12"),
        ("12", 12),
        ("-3", -3),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("|\n  12\n", "12\n"),
        ("12\n  13", "12 13"),
    ],
)
def test_a_scalar_of_yaml_is_only_what_json_would_call_it(text: str, value: object) -> None:
    found = parse_document(f"a: {text}", "x.yaml").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_key_of_yaml_is_text_whatever_it_looks_like() -> None:
    assert parse_document("1: a\ntrue: b\n~: c", "x.yaml").value == {"1": "a", "true": "b", "~": "c"}


@pytest.mark.parametrize(
    ("text", "name", "language"),
    [
        ('{"a": 1}', "x.json", "json"),
        (' [{"a": 1}]', "x", "json"),
        ("{a: 1}", "x.yaml", "yaml"),
        ("a: 1", "x", "yaml"),
    ],
)
def test_a_document_is_json_by_its_name_or_by_how_it_begins(text: str, name: str, language: str) -> None:
    assert parse_document(text, name).language == language


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=JSON_VALUES, indent=st.none() | st.integers(0, 2), ascii_only=st.booleans())
def test_json_is_read_as_it_was_written(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse_document(text, "x.json").value == value


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of everything that is inside a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for step, inner in steps for each in [(*path, step), *paths(inner, (*path, step))]]


@given(value=JSON_VALUES)
def test_every_key_and_item_of_json_is_found_on_its_line(value: object) -> None:
    # With one token a line, the places of what is inside come in the order of the text.
    document = parse_document(json.dumps(value, indent=0), "x.json")
    lines = [int(document.place(path).rpartition(":")[2]) for path in paths(value)]
    assert lines == sorted(set(lines))
    for path, line in zip(paths(value), lines, strict=True):
        if isinstance(path[-1], str):
            assert document.text.split("\n")[line - 1].startswith(json.dumps(path[-1]) + ": ")


@given(value=JSON_VALUES)
def test_yaml_reads_flow_style_as_json_does_and_finds_the_same_lines(value: object) -> None:
    value = [value]
    text = json.dumps(value, indent=1)
    if any(word in text for word in ("\\u", "e+", "e-", '"<<"')):
        return
    document = parse_document(text, "x.yaml")
    assert document.value == value
    of_json = parse_document(text, "x.yaml.json")
    for path in paths(value):
        assert document.place(path).rpartition(":")[2] == of_json.place(path).rpartition(":")[2]


@given(source=st.binary(max_size=40) | st.text(max_size=40), name=st.sampled_from(["x.json", "x.yaml", "x"]))
def test_no_bytes_at_all_make_anything_worse_than_an_input_error(source: str | bytes, name: str) -> None:
    try:
        place = parse_document(source, name).place()
    except InputError as told:
        place = told.where
    assert place.startswith(name)


def test_a_key_that_is_absent_is_placed_at_the_nearest_above_it() -> None:
    document = parse_document('{"a": 1,\n "b": [\n  {"c": 1}]}', "x.json")
    assert document.place(("b", 0, "d")) == "x.json:3"
    assert document.place(("b", 7)) == "x.json:2"
    assert document.place(("z",)) == "x.json:1"
    document = parse_document("a: 1\nb:\n  - c: 1\n", "x.yaml")
    assert document.place(("b", 0, "d")) == "x.yaml:3"
    assert document.place(("b", 7)) == "x.yaml:2"
    assert document.place(("z",)) == "x.yaml:1"


def test_a_part_keeps_the_places_and_the_words_of_the_whole() -> None:
    part = parse_document("a: 1\nb:\n  - c: 1\n    d: 2\n", "x.yaml").part("b", 0)
    assert part.value == {"c": 1, "d": 2}
    assert part.place(("d",)) == "x.yaml:4"
    assert part.words(("d",)) == "b[0].d"


def test_a_path_is_worded_as_a_person_writes_it() -> None:
    assert path_words(["purchases", 1, "quantity"]) == "purchases[1].quantity"
    assert path_words(["a b", "c\x1b"]) == "['a b']['c\\x1b']"
    assert path_words([]) == ""


# Files.


def test_a_file_is_read_under_the_name_its_user_gave_it(tmp_path: Path) -> None:
    file = tmp_path / "market.yaml"
    file.write_text("a: 1\n")
    document = read_document(file)
    assert document.value == {"a": 1}
    assert document.place(("a",)) == f"{file}:1"


def test_a_missing_file_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_document(tmp_path / "no.json")


def test_a_folder_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_document(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
def test_a_pipe_or_a_device_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", Path("/dev/zero")):
        with pytest.raises(InputError, match="is not a regular file"):
            read_document(path)


def test_a_file_that_may_not_be_read_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.json"
    file.write_text("{}")
    file.chmod(0)
    if os.access(file, os.R_OK):  # root may read anything
        monkeypatch.setattr("builtins.open", _denied)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        read_document(file)


def _denied(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("name", ["a\0b", "a" * 5_000])
def test_what_is_no_path_at_all_is_told_as_such(name: str) -> None:
    with pytest.raises(InputError):
        read_document(Path(name))


# Binding to a model.


class Line(msgspec.Struct, forbid_unknown_fields=True):
    product: str
    quantity: int = 1
    mode: Literal["fast", "slow"] = "fast"


class Bounds(msgspec.Struct, forbid_unknown_fields=True):
    low: int = 0
    high: int = 0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Cart(msgspec.Struct, forbid_unknown_fields=True):
    lines: list[Line] = []
    stock: dict[str, int] = {}
    sums: dict[str, Line] = {}
    seed: int | None = None
    pair: tuple[int, str] = (1, "")
    bounds: Bounds | None = None
    modes: dict[str, Literal["fast", "slow"]] = {}


def test_a_document_that_fits_becomes_its_model() -> None:
    document = parse_document("lines:\n- product: a\n  quantity: 2", "x.yaml")
    assert bind(document, Cart) == Cart(lines=[Line("a", 2)])


MISMATCHES = [
    (
        "lines:\n- product: a\n- product: b\n  quantity: many",
        4,
        "lines[1].quantity: expected an integer, got text",
    ),
    ("lines:\n- product: a\n  quantity: 1.5", 3, "lines[0].quantity: expected an integer, got a number"),
    ("seed: 1\nlines:\n- quantity: 1", 3, "lines[0]: 'product' is missing"),
    ("seed: 1\nliens: []", 2, "unknown key 'liens' (did you mean 'lines'?)"),
    (
        "lines:\n- product: a\n  quantiti: 1",
        3,
        "lines[0]: unknown key 'quantiti' (did you mean 'quantity'?)",
    ),
    ("stock:\n  a: 1\n  b: two\n  c: 3", 3, "stock.b: expected an integer, got text"),
    ("sums:\n  a: {}", 1, "sums[...]: 'product' is missing"),
    ("seed: x", 1, "seed: expected an integer or null, got text"),
    (
        "lines:\n- product: a\n  mode: fats",
        3,
        "lines[0].mode: 'fats' is not allowed here (did you mean 'fast'?)",
    ),
    ("pair:\n- 1\n- 2", 3, "pair[1]: expected text, got an integer"),
    ("seed: 1\nbounds:\n  low: 1", 2, "bounds: low is above high"),
    ("modes:\n  a: slow\n  b: fats", 3, "modes.b: 'fats' is not allowed here (did you mean 'fast'?)"),
    ("lines: 1", 1, "lines: expected a list, got an integer"),
    ("[1]", 1, "expected an object, got a list"),
]


@pytest.mark.parametrize(("text", "line", "told"), MISMATCHES)
def test_what_does_not_fit_the_model_is_told_with_line_path_and_nearest_name(
    text: str, line: int, told: str
) -> None:
    with pytest.raises(InputError) as raised:
        bind(parse_document(text, "x.yaml"), Cart)
    assert str(raised.value).startswith(f"x.yaml:{line}: {told}")


@given(key=st.text(max_size=12) | st.sampled_from(["a` - at `$.b[3", "` - at `$.lines[0]`", "\x1b[31m"]))
def test_no_key_makes_a_mismatch_anything_worse_than_an_input_error(key: str) -> None:
    with pytest.raises(InputError, match=r"x\.json:\d+: ") as raised:
        bind(parse_document(json.dumps({"seed": 1, "pair": {key: 1}, key: {key: 1}}), "x.json"), Cart)
    assert raised.value.what.isprintable()


def test_a_part_that_does_not_fit_is_told_by_its_path_in_the_whole() -> None:
    document: Document = parse_document('{"cart": {\n "seed": "x"}}', "x.json")
    with pytest.raises(InputError, match=r"x\.json:2: cart\.seed: expected an integer or null, got text"):
        bind(document.part("cart"), Cart)
