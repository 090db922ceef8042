"""Results that are kept: a run that was cut off goes on where it ended, and no other question is answered."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketsim import __version__
from marketsim.saga.errors import InputError
from marketsim.simulate import kept as kept_module
from marketsim.simulate.fleet import gathered, run_all
from marketsim.simulate.kept import Kept

ASKED = {"seed": 1, "sweep": ["policy=default,none"], "repeat": 20}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.jsonl"


def filled(path: Path, *results: bytes, tasks: int = 9) -> bytes:
    with Kept(path, ASKED, tasks) as kept:
        for index, result in enumerate(results):
            kept.keep(index, result)
    return path.read_bytes()


def taken(path: Path, asked: dict[str, Any] = ASKED, tasks: int = 9) -> Kept:
    with Kept(path, asked, tasks) as kept:
        return kept


def sealed(task: int, result: bytes) -> bytes:
    """The line of a result."""
    digest = sha256(b"%d:%s" % (task, result)).hexdigest()
    return b'{"task":%d,"sha256":"%s","result":%s}' % (task, digest.encode(), result)


def refused(path: Path, asked: dict[str, Any] = ASKED, tasks: int = 9) -> str:
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(InputError) as wrong:
        taken(path, asked, tasks)
    assert before == (path.read_bytes() if path.is_file() else b"")
    return str(wrong.value)


def test_what_was_kept_is_there_again_byte_for_byte(path):
    filled(path, b'{"sold":1, "b" : [1.50]}', b"2")
    kept = taken(path)
    assert kept.results == {0: b'{"sold":1, "b" : [1.50]}', 1: b"2"}
    assert kept.notices == []


def test_a_file_can_be_read_by_a_person(path):
    assert filled(path, b'{"sold":1}').decode().splitlines() == [
        f'{{"kept":"{__version__}","asked":{{"seed":1,"sweep":["policy=default,none"],"repeat":20}}}}',
        sealed(0, b'{"sold":1}').decode(),
    ]


def test_a_result_that_is_there_is_not_added_again(path):
    before = filled(path, b"1", b"2")
    with Kept(path, ASKED, 9) as kept:
        kept.keep(1, b"2")
    assert path.read_bytes() == before


def square(task: int) -> bytes:
    return msgspec.json.encode({"square": task * task})


def test_a_run_that_is_cut_off_anywhere_goes_on_to_the_same_results(tmp_path):
    tasks = [7, 8]
    whole = tmp_path / "whole.jsonl"
    with Kept(whole, ASKED, 2) as kept:
        expected = gathered(run_all(square, tasks, on="here"), kept.keep).results
    written = whole.read_bytes()
    path = tmp_path / "cut.jsonl"
    for length in range(len(written) + 1):
        path.write_bytes(written[:length])
        with Kept(path, ASKED, 2) as kept:
            done = dict(kept.results)
            assert gathered(run_all(square, tasks, on="here", done=done), kept.keep).results == expected
        assert path.read_bytes() == written
        whole_lines = written[:length].count(b"\n")
        assert len(done) == max(0, whole_lines - 1)
        torn = length - (written[:length].rfind(b"\n") + 1)
        assert len(kept.notices) == (1 if torn else 0)


def test_a_torn_last_line_is_cut_and_said(path):
    before = filled(path, b"1", b"2")
    path.write_bytes(before + b'{"task":2,"res')
    kept = taken(path)
    assert kept.notices == [f"{path}: a last line of 14 bytes was cut off; its task is run again"]
    assert path.read_bytes() == before


# What is refused, and left as it is.


def test_another_question_is_refused_with_what_differs(path):
    filled(path, b"1")
    told = refused(path, {"seed": 2, "repeat": 20, "policy": "none"})
    assert told == (
        f"{path}:1: its results answer another question: seed was 1 and is 2; "
        'sweep was ["policy=default,none"] and is null; policy was null and is "none" '
        "(give the same options again, or another file)"
    )


def test_many_differences_are_counted(path):
    filled(path)
    told = refused(path, ASKED | {f"option-{number}": number for number in range(9)})
    assert "option-4 was null and is 4; 4 more differ" in told


def test_tuples_and_other_values_are_compared_as_json_has_them(path):
    with Kept(path, {"axes": ("a", "b"), "rate": 0.5}, 1):
        pass
    assert taken(path, {"axes": ["a", "b"], "rate": 0.5}).results == {}


def test_results_of_another_version_are_refused(path, monkeypatch):
    filled(path, b"1")
    monkeypatch.setattr(kept_module, "__version__", "99.0")
    assert f"its results are those of marketsim '{__version__}', and this is 99.0" in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"hello",
        b"{}\n",
        b'{"kept":1}\n',
        b"\n",
        b"\x00" * 100,
        b'{"kept":"x","asked":{},"more":1}\n',
    ],
)
def test_a_file_of_something_else_is_not_touched(path, content):
    path.write_bytes(content)
    assert refused(path) == f"{path}:1: is no file of kept results (choose another file)"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"", "this is no result"),
        (b"hello", "this is no result"),
        (b'{"task":1}', "this is no result"),
        (b'{"task":1,"result":1}', "this is no result"),
        (sealed(1, b"{]"), "this is no result"),
        (sealed(1, b"1").replace(b":1,", b':"1",', 1), "this is no result"),
        (sealed(1, b'1,"more":1'), "this is no result"),
        (sealed(1, b"[" * 100_000), "this is no result"),
        (sealed(9, b"1"), "task 9 of 9, which is not due"),
        (sealed(-1, b"1"), "task -1 of 9, which is not due"),
        (sealed(0, b"1"), "task 0 of 9, which is not due"),
        (sealed(1, b"1000").replace(b"1000", b"2000"), "this was altered since it was written"),
        (sealed(1, b"1").replace(b'"task":1', b'"task":2'), "this was altered since it was written"),
    ],
)
def test_a_damaged_line_in_the_middle_is_told_with_its_number(path, line, told):
    before = filled(path, b"1")
    path.write_bytes(before + line + b"\n" + sealed(5, b"1") + b"\n")
    assert refused(path).startswith(f"{path}:3: {told}")


def test_a_line_without_an_end_is_no_torn_one(path, monkeypatch):
    before = filled(path, b"1")
    monkeypatch.setattr(kept_module, "LINE_BYTES_MAX", 1000)
    path.write_bytes(before + b"x" * 5000)
    assert "a line does not end" in refused(path)


def test_a_folder_or_a_place_that_does_not_exist_is_refused(tmp_path):
    assert "is a directory" in refused(tmp_path)
    assert "no such file or directory" in refused(tmp_path / "nowhere" / "kept.jsonl")


def test_a_result_of_two_lines_is_a_mistake_of_the_caller(path):
    with Kept(path, ASKED, 9) as kept, pytest.raises(ValueError, match="one line"):
        kept.keep(0, b"[1,\n2]")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_two_runs_never_write_to_one_file(path):
    code = (
        "import sys, pathlib; from marketsim.simulate.kept import Kept\n"
        "with Kept(pathlib.Path(sys.argv[1]), {}, 1): print('open', flush=True); sys.stdin.read()"
    )
    source = str(Path(kept_module.__file__).parents[2])
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": source},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    assert "another process is writing to it" in refused(path, {}, 1)
    child.communicate("", timeout=30)
    assert taken(path, {}, 1).results == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.integers(0, 50), json_values, max_size=8))
def test_any_results_come_back(tmp_path_factory, results):
    path = tmp_path_factory.mktemp("kept") / "kept.jsonl"
    encoded = {index: msgspec.json.encode(value) for index, value in results.items()}
    with Kept(path, ASKED, 51) as kept:
        for index, result in encoded.items():
            kept.keep(index, result)
    assert taken(path, tasks=51).results == encoded
