from mmscand.scan.huge_opinion import HugeOpinion


def test_hot_huge_pages_wait_for_the_first_judgement_but_not_forever() -> None:
    opinion = HugeOpinion()
    assert opinion.keeps_back(100.0)
    assert opinion.may_split(100.0) > 0
    assert opinion.keeps_back(129.0)
    assert not opinion.keeps_back(130.0)
    assert opinion.may_split(189.0) == 0
    assert opinion.may_split(190.0) > 0  # a look again, for which nothing waits
    assert not opinion.keeps_back(190.0)


def test_even_ones_are_promoted_whole_and_are_looked_at_ever_more_rarely() -> None:
    opinion, now, pauses = HugeOpinion(), 0.0, []
    for _ in range(7):
        opinion.judged(now, sparse=0, even=2)
        assert not opinion.keeps_back(now)
        began = now
        while not opinion.may_split(now):
            now += 10.0
        pauses.append(now - began)
    assert pauses == [60.0, 120.0, 240.0, 480.0, 960.0, 960.0, 960.0]


def test_the_latest_looks_count_most_and_in_doubt_pages_are_promoted_whole() -> None:
    opinion = HugeOpinion()
    opinion.judged(0.0, sparse=2, even=0)
    assert opinion.keeps_back(0.0)
    assert opinion.are_sparse
    opinion.judged(1.0, sparse=1, even=3)
    assert not opinion.are_sparse
    opinion.judged(2.0, sparse=1, even=1)
    assert not opinion.keeps_back(2.0)
    opinion.judged(2.0, sparse=4, even=0)
    assert opinion.are_sparse
    opinion.judged(2.0, sparse=0, even=0)  # nothing was said
    assert opinion.are_sparse


def test_what_is_split_and_made_again_is_bounded_by_the_time_that_it_takes() -> None:
    opinion = HugeOpinion()
    opinion.judged(0.0, sparse=1, even=0)
    assert (opinion.may_split(0.0), opinion.may_collapse(0.0)) == (250, 20)
    opinion.has_split(250, 0.0, any_done=True)
    assert opinion.may_split(0.0) == 0
    assert opinion.may_split(1.0) == 50
    assert opinion.may_collapse(1.0) == 4
    opinion.has_collapsed(4, 1.0, any_done=True)
    assert opinion.may_split(1.0) == 0
    assert opinion.may_split(1000.0) == 250


def test_where_the_kernel_refuses_all_it_is_left_in_peace() -> None:
    opinion = HugeOpinion()
    opinion.judged(0.0, sparse=1, even=0)
    opinion.has_split(3, 0.0, any_done=True)
    assert opinion.are_sparse
    opinion.has_collapsed(1, 0.0, any_done=False)
    assert not opinion.keeps_back(0.0)
    assert opinion.may_split(950.0) == 0
    assert opinion.may_split(960.0) > 0
