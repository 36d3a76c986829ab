"""Medians over seeds, who is better, and the file that a contest grows."""

from pathlib import Path

import pytest

from mmscand_lab.kernel import LabError
from mmscand_lab.standings import (
    FIGURES,
    LEVELS,
    Run,
    load_curve,
    load_runs,
    losses,
    medians,
    missing,
    save_curve,
    save_runs,
)
from mmscand_lab.standings_table import markdown, report


def run(policy: str, seed: int = 1, load: str = "zipf", **figures: float | None) -> Run:
    return Run(load, policy, seed, figures)


def test_runs_come_back_as_saved_and_none_are_there_at_first(tmp_path: Path) -> None:
    assert load_runs(tmp_path) == []
    runs = [run("damon", cpu_s=1.5, seconds_to_95=None), run("mmscand", 2, cpu_s=0.0)]
    save_runs(tmp_path, runs)
    assert load_runs(tmp_path) == runs
    assert [path.name for path in tmp_path.iterdir()] == ["contest.json"]


@pytest.mark.parametrize(
    "text", ["", "[", "3", "null", '{"a": 1}', "[[1]]", '[{"load": "x"}]', "\xff"]
)
def test_a_file_of_another_format_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "contest.json").write_text(text, encoding="latin-1")
    with pytest.raises(LabError, match="of another version"):
        load_runs(tmp_path)


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        ([3.0, 1.0, 2.0], 2.0),
        ([1.0, 2.0], 1.5),
        ([None, 9.0, 7.0], 9.0),
        ([None, None, 1.0], None),
        ([1.0, None], None),
    ],
)
def test_medians_take_never_as_the_longest_time(
    values: list[float | None], middle: float | None
) -> None:
    runs = [run("damon", seed, seconds_to_95=value) for seed, value in enumerate(values)]
    assert medians(runs) == {"zipf": {"damon": {"seconds_to_95": middle}}}


def test_what_is_missing_is_what_was_asked_for_and_is_not_there() -> None:
    left = missing([run("damon", 1)], ["zipf", "gups"], ["damon", "mmscand"], [1, 2])
    assert [(each.load, each.seed, each.policy) for each in left][:4] == [
        ("zipf", 1, "mmscand"),
        ("zipf", 2, "damon"),
        ("zipf", 2, "mmscand"),
        ("gups", 1, "damon"),
    ]
    assert len(left) == 7


def found(**runs: dict[str, float | None]) -> list[tuple[str, str]]:
    standings = medians(run(name.replace("_", "-"), **figures) for name, figures in runs.items())
    return [(loss.ours, loss.key) for loss in losses(standings)]


def test_a_loss_is_a_figure_in_which_another_is_better() -> None:
    best = {"seconds_to_95": 2.0, "hit_share": 0.8, "wrong_pages": 5.0}
    worse = {"seconds_to_95": None, "hit_share": 0.9, "wrong_pages": 6.0}
    assert found(mmscand=worse, damon=best) == [
        ("mmscand", "seconds_to_95"),
        ("mmscand", "wrong_pages"),
    ]
    assert found(mmscand=best, damon=worse) == [("mmscand", "hit_share")]


def test_doing_nothing_wins_nothing_and_our_ways_do_not_beat_each_other() -> None:
    figures = {"cpu_s": 5.0}
    assert found(mmscand=figures, mmscand_other={"cpu_s": 1.0}, nothing={"cpu_s": 0.0}) == []


def test_what_looks_alike_or_has_no_good_end_is_no_loss() -> None:
    mine, its = {"ops_alone": 1.0, "hit_share": 0.8001}, {"ops_alone": 2.0, "hit_share": 0.8003}
    assert found(mmscand=mine, damon=its) == []


def test_the_report_marks_and_lists_losses_and_shows_what_is_known() -> None:
    runs = [
        run("nothing", hit_share=0.0, seconds_to_95=None),
        run("damon", hit_share=0.5, seconds_to_95=None),
        run("mmscand", hit_share=0.25, seconds_to_95=3.0),
        run("mmscand", load="redis", memory_share=0.5),
    ]
    text = report(medians(runs), {"zipf": "skewed", "redis": "a server"})
    assert "zipf: skewed" in text
    assert "| hits at the end |    0.0% | 50.0% |  25.0%* |" in text
    assert "| to 95 %, s      |   never | never |     3.0 |" in text
    assert text.endswith("- zipf: mmscand: hits at the end: 25.0%, damon 50.0%")
    _, _, redis = text.partition("redis: a server")
    assert "hits" not in redis.partition("where")[0]
    assert report(medians(runs[2:3]), {"zipf": "skewed"}).endswith("- nowhere")


def test_runs_beside_other_work_of_the_host_are_named() -> None:
    runs = [run("damon", others_cores=0.04), run("mmscand", others_cores=0.31)]
    text = report(medians(runs), {"zipf": ""})
    assert "disturbed by other work of the host: zipf with mmscand (0.3 cores)" in text
    assert "disturbed" not in report(medians(runs[:1]), {"zipf": ""})


def test_a_markdown_table_is_one_for_both_readers() -> None:
    assert markdown(["", "a"], [["x y", "10"], ["z", "1"]]).splitlines() == [
        "|     |  a |",
        "| --- | -: |",
        "| x y | 10 |",
        "| z   |  1 |",
    ]


def test_a_curve_comes_back_and_is_empty_without_a_file(tmp_path: Path) -> None:
    assert load_curve(tmp_path, LEVELS) == []
    save_curve(tmp_path, LEVELS, [(0.0, 0.25), (0.5, 1.0)])
    assert load_curve(tmp_path, LEVELS) == [(0.0, 0.25), (0.5, 1.0)]


def test_the_report_begins_with_throughput_at_rest_of_all_loads_with_the_best_in_bold() -> None:
    def at_rest(policy: str, load: str, share: float) -> Run:
        return run(
            policy, load=load, throughput_alone=0.4, throughput_moving=0.1, throughput_rest=share
        )

    runs = [
        at_rest("damon", "zipf", 0.5),
        at_rest("mmscand", "zipf", 0.9),
        at_rest("damon", "gups", 0.8),
        at_rest("mmscand", "gups", 0.4),
        at_rest("mmscand", "grid", 0.7),
        run("mmscand", load="stairs", throughput_alone=0.4, throughput_moving=0.6),
        run("mmscand", load="kvm", ops_rest_ratio=1.0),
    ]
    text = report(medians(runs), dict.fromkeys(["zipf", "gups", "grid", "stairs", "kvm"], ""))
    assert text.splitlines()[1:9] == [
        "",
        "|                | all slow |   damon | mmscand |",
        "| -------------- | -------: | ------: | ------: |",
        "| zipf           |      40% |     50% | **90%** |",
        "| gups           |      40% | **80%** |     40% |",
        "| grid           |      40% |         | **70%** |",
        "| stairs         |      40% |         | **60%** |",
        "| geometric mean |      40% |     63% |     60% |",
    ]


def test_every_figure_can_be_shown() -> None:
    for figure in FIGURES.values():
        assert figure.shown(1.0)
        assert figure.shown(None) == "never"
