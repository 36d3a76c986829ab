"""Requests and answers are as the servers have them."""

from mmscand_lab.key_protocols import KEY_PROTOCOLS, VALUE_BYTES, resp_request

VALUE = b"x" * VALUE_BYTES


def test_redis_is_asked_by_a_request_for_each_key() -> None:
    redis = KEY_PROTOCOLS["redis"]
    assert redis.word(10) == resp_request("GET", "key:10")
    assert redis.word(10) == b"*2\r\n$3\r\nGET\r\n$6\r\nkey:10\r\n"
    assert redis.answer_bytes == len(b"$1000\r\n" + VALUE + b"\r\n")
    assert (redis.head, redis.tail, redis.answer_tail_bytes) == (b"", b"", 0)


def test_memcached_is_asked_by_one_line_and_its_answers_are_of_one_length() -> None:
    cached = KEY_PROTOCOLS["memcached"]
    words = [cached.head, cached.word(10), cached.word(123_456), cached.tail]
    assert b"".join(words) == b"get key:000010 key:123456\r\n"
    assert cached.answer_bytes == len(b"VALUE key:000010 0 1000\r\n" + VALUE + b"\r\n")
    assert cached.answer_tail_bytes == len(b"END\r\n")
