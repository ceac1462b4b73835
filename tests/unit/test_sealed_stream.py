"""A sealed stream opens as it was sealed or not at all: cut, changed, moved, doubled and lengthened ones are refused."""

import io
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backups.sealed_stream import TAG, DamagedStreamError, derive_key, seal, unseal

KEY = derive_key("a master key of these tests", salt=b"s" * 32, info="tests")
OTHER = derive_key("a master key of these tests", salt=b"t" * 32, info="tests")
FRAME = 16


def sealed(*chunks: bytes, bound: bytes = b"") -> bytes:
    return b"".join(seal(iter(chunks), key=KEY, bound=bound, frame=FRAME))


def opened(text: bytes, key: bytes = KEY, bound: bytes = b"") -> bytes:
    return b"".join(unseal(io.BytesIO(text), len(text), key=key, bound=bound, frame=FRAME))


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_what_was_sealed_in_any_pieces_comes_back(chunks: list[bytes]) -> None:
    assert opened(sealed(*chunks)) == b"".join(chunks)


@given(st.binary(max_size=100), st.data())
def test_no_changed_byte_is_taken_for_what_was_sealed(text: bytes, data: st.DataObject) -> None:
    whole = bytearray(sealed(text))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedStreamError):
        opened(bytes(whole))


@given(st.binary(max_size=100), st.data())
def test_no_stream_that_was_cut_or_lengthened_is_taken_for_whole(text: bytes, data: st.DataObject) -> None:
    whole = sealed(text)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for wrong in (whole[:cut], whole + data.draw(st.binary(min_size=1, max_size=60)), whole[cut + 1 :]):
        with pytest.raises(DamagedStreamError):
            opened(wrong)


def test_frames_in_another_order_left_out_or_doubled_are_refused() -> None:
    whole = sealed(b"x" * 55)
    size = FRAME + TAG
    frames = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert len(frames) == 4
    for number in range(1, 5):
        for chosen in permutations(frames, number):
            if list(chosen) != frames:
                with pytest.raises(DamagedStreamError):
                    opened(b"".join(chosen))
    with pytest.raises(DamagedStreamError):
        opened(b"".join([frames[0], frames[0], *frames[1:]]))


def test_an_empty_stream_has_a_frame_of_its_own() -> None:
    assert len(sealed()) == TAG
    assert opened(sealed()) == b""


def test_a_stream_that_fills_its_frames_exactly_has_no_frame_more() -> None:
    assert len(sealed(b"x" * 2 * FRAME)) == 2 * (FRAME + TAG)


def test_another_key_and_another_binding_open_nothing() -> None:
    with pytest.raises(DamagedStreamError):
        opened(sealed(b"text"), key=OTHER)
    with pytest.raises(DamagedStreamError):
        opened(sealed(b"text", bound=b"header"), bound=b"another")
    assert opened(sealed(b"text", bound=b"header"), bound=b"header") == b"text"
