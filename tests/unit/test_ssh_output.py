import io

from hypothesis import given
from hypothesis import strategies as st

from npubench.boards.ssh.command import Bounded

CHUNKS = st.lists(st.binary(max_size=300), max_size=30)


@given(CHUNKS, st.integers(4, 400))
def test_beginning_and_end_are_kept_and_the_rest_is_counted(chunks, limit):
    whole = b"".join(chunks)
    output = Bounded(limit)
    for chunk in chunks:
        output.add(chunk)
    output.close()
    if len(whole) <= limit:
        assert not output.truncated
        assert output.text() == whole.decode("utf-8", "replace")
    else:
        head, tail = whole[: limit // 4], whole[-(limit - limit // 4) :]
        note = f"\n[npubench left {len(whole) - limit} bytes out here]\n".encode()
        assert output.truncated
        assert output.text() == (head + note + tail).decode("utf-8", "replace")


@given(CHUNKS)
def test_the_log_gets_what_is_kept_of_it(chunks):
    stream = io.BytesIO()
    log = Bounded(1000, stream=stream)
    output = Bounded(100, log)
    for chunk in chunks:
        output.add(chunk)
    output.close()
    assert stream.getvalue().decode("utf-8", "replace") == log.text()


def test_a_character_cut_in_two_is_whole():
    output = Bounded(100)
    for byte in "ä€😀".encode():
        output.add(bytes([byte]))
    assert output.text() == "ä€😀"


def test_the_beginning_is_in_the_log_at_once():
    stream = io.BytesIO()
    output = Bounded(1000, Bounded(1000, stream=stream))
    output.add(b"started\n")
    assert stream.getvalue() == b"started\n"
