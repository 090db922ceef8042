"""The head that was verified last is found by the path, goes forward only, and is refused if broken."""

import os
from pathlib import Path

import pytest

from marketsim.audit.checkpoint import Checkpoint
from marketsim.audit.trust import forget, keep, state_folder, trust_file, trusted_head
from marketsim.saga.errors import InputError


def head(size: int, origin: str = "shop") -> Checkpoint:
    return Checkpoint(origin, size, bytes([size]) * 32)


def test_what_is_kept_is_found_again_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "market").mkdir()
    file = trust_file(tmp_path / "market")
    assert trusted_head(file) is None
    assert keep(file, head(5))
    monkeypatch.chdir(tmp_path)
    assert trusted_head(trust_file(Path("market"))) == head(5)
    (tmp_path / "link").symlink_to(tmp_path / "market")
    assert trust_file(tmp_path / "link") == file
    assert trust_file(tmp_path / "other") != file
    assert tmp_path / "market" not in file.parents


def test_it_goes_forward_only(tmp_path):
    file = tmp_path / "head"
    assert keep(file, head(5))
    assert not keep(file, head(4))
    assert not keep(file, head(5))
    assert keep(file, head(9))
    assert trusted_head(file) == head(9)
    assert [path.name for path in tmp_path.iterdir()] == ["head"]


def test_the_head_of_another_log_is_not_overwritten(tmp_path):
    file = tmp_path / "head"
    keep(file, head(5))
    with pytest.raises(InputError, match="another log"):
        keep(file, head(9, "elsewhere"))
    assert trusted_head(file) == head(5)


@pytest.mark.parametrize("text", ["", "shop\n-5\nx\n\n", "shop\n5\n\n", "x" * 100_000, "\x00"])
def test_what_cannot_be_read_is_refused_and_left_as_it_is(tmp_path, text):
    file = tmp_path / "head"
    file.write_text(text)
    for use in (lambda: trusted_head(file), lambda: keep(file, head(9))):
        with pytest.raises(InputError, match="cannot be read") as caught:
            use()
        assert caught.value.where == str(file)
    assert file.read_text() == text


def test_a_place_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be read"):
        keep(tmp_path / "file" / "head", head(1))
    with pytest.raises(InputError, match="cannot be kept"):
        keep(Path("/proc/nowhere/head"), head(1))


def test_a_forgotten_head_is_gone(tmp_path):
    assert not forget(tmp_path)
    keep(trust_file(tmp_path), head(1))
    assert forget(tmp_path)
    assert trusted_head(trust_file(tmp_path)) is None


def test_the_state_folder_is_the_one_the_system_has_for_it():
    assert state_folder({"XDG_STATE_HOME": "/var/state"}) == Path("/var/state/marketsim")
    assert state_folder({"XDG_STATE_HOME": "relative"}) == Path.home() / ".local/state/marketsim"


def test_without_a_home_it_says_what_to_do(monkeypatch):
    def lost() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", lost)
    with pytest.raises(InputError, match="no home folder") as caught:
        state_folder({})
    assert "--no-trust" in caught.value.todo


def test_two_that_verify_at_once_leave_no_half_a_head(tmp_path):
    file, children = tmp_path / "head", []
    for size in range(1, 9):
        if (child := os.fork()) == 0:
            keep(file, head(size))
            os._exit(0)
        children.append(child)
    assert {os.waitpid(child, 0)[1] for child in children} == {0}
    assert trusted_head(file) in [head(size) for size in range(1, 9)]
    assert [path.name for path in tmp_path.iterdir()] == ["head"]
