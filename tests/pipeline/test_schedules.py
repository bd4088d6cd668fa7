"""Learning rates."""

from itertools import islice

import pytest
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import Adam, fix_random_seed

from spacy_rnn.pipeline.schedules import build_plateau, build_slanted_triangular, build_warmup_linear


def list_rates(*settings, n=201, **others):
    return list(islice(build_warmup_linear(*settings, **others), n))


def test_the_rate_rises_and_falls_to_zero():
    rates = list_rates(0.1, 10, 110)
    assert [rates[step] for step in (1, 5, 10, 60, 110, 200)] == pytest.approx([0.01, 0.05, 0.1, 0.05, 0.0, 0.0])


def test_where_nobody_steps_it_the_rate_is_the_highest():
    optimizer = Adam(build_warmup_linear(0.1, 10, 110))
    assert optimizer.learn_rate == 0.1
    optimizer.step_schedules()
    assert optimizer.learn_rate == pytest.approx(0.01)


def test_a_tenth_of_the_steps_at_most_is_for_warming_up():
    assert list_rates(0.1, 100, 40)[4] == pytest.approx(0.1)
    assert list_rates(0.1, 100, 5)[1] == pytest.approx(0.08)


def test_without_a_number_of_steps_it_does_not_fall():
    rates = list_rates(0.1, 10)
    assert [rates[step] for step in (0, 5, 10, 200)] == pytest.approx([0.1, 0.05, 0.1, 0.1])


def test_it_may_stay_before_it_falls():
    rates = list_rates(0.1, 10, 110, constant_share=0.5)
    assert rates[10:61] == [0.1] * 51
    assert [rates[step] for step in (5, 61, 85, 109, 110, 200)] == pytest.approx([0.05, 0.098, 0.05, 0.002, 0.0, 0.0])
    assert list_rates(0.1, 0, 100, constant_share=1.0)[99:101] == [0.1, 0.0]
    assert list_rates(0.1, 0, constant_share=0.5)[200] == 0.1


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_of_steps_is_from_0_to_1(share):
    with pytest.raises(ValueError, match="constant_share must be from 0 to 1"):
        build_warmup_linear(0.1, 10, 100, share)


def report_all(schedule, scores):
    rates = []
    for score in scores:
        schedule.report(score)
        rates.append(next(schedule))
    return rates


def test_a_rate_is_halved_when_scores_stall():
    scores = [0.1, 0.2, 0.2, 0.15, 0.3, 0.3, float("nan"), 0.3]
    assert report_all(build_plateau(0.8), scores) == [0.8, 0.8, 0.4, 0.2, 0.2, 0.1, 0.05, 0.025]
    assert report_all(build_plateau(0.8, patience=2), scores) == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2]
    assert report_all(build_plateau(0.8, scale=0.25, lowest_rate=0.1), scores[:4]) == [0.8, 0.8, 0.2, 0.1]


def test_a_plateau_is_an_optimizers_schedule():
    schedule = build_plateau(0.8)
    optimizer = Adam(schedule)
    report_all(schedule, [0.5, 0.5])
    optimizer.step_schedules()
    assert optimizer.learn_rate == 0.4


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"patience": 0}, "patience.*0"),
        ({"scale": 1.0}, "scale.*1.0"),
        ({"scale": 0.0}, "scale.*0.0"),
        ({"lowest_rate": 0.2}, "0.2 and 0.1"),
        ({"lowest_rate": -1.0}, "-1.0 and 0.1"),
    ],
)
def test_a_plateau_with_settings_out_of_range_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        build_plateau(0.1, **settings)


@pytest.mark.parametrize("rate", [float("nan"), float("inf")])
def test_a_plateau_without_a_rate_is_refused(rate):
    with pytest.raises(ValueError, match="rates must be numbers"):
        build_plateau(rate)


@pytest.mark.parametrize("settings", [(-0.1, 10, 10), (0.1, -1, 10), (0.1, 1, -10), (float("nan"), 1, 10), (float("inf"), 1, 10)])
def test_arguments_that_are_no_rates_are_refused(settings):
    with pytest.raises(ValueError, match="at least 0, got (-|nan|inf)"):
        build_warmup_linear(*settings)


@pytest.mark.parametrize("name", ["tagger_pos_fast", "textcat"])
def test_a_config_learns_in_a_loop_that_steps_no_schedules(name, pytestconfig):
    fix_random_seed(0)
    nlp = load_model_from_config(load_config(pytestconfig.rootpath / "configs" / f"{name}.cfg"), auto_fill=True)
    examples = [
        Example.from_dict(nlp.make_doc(text), {"pos": pos, "cats": {"one": float(one), "two": float(not one)}})
        for text, pos, one in [("a b", ["NOUN", "VERB"], True), ("b a", ["VERB", "NOUN"], False)] * 4
    ]
    optimizer = nlp.initialize(lambda: examples)
    losses = [sum(nlp.update(examples, sgd=optimizer, drop=0.0).values()) for _ in range(40)]
    assert losses[-1] < 0.8 * losses[0]
    # The optimizer of a pipeline that goes on has the same rate.
    assert nlp.resume_training().learn_rate == optimizer.learn_rate > 0


def test_a_slanted_triangle_is_that_of_the_paper():
    # Howard & Ruder 2018, equation 3, as it stands there.
    highest, total, cut_frac, ratio = 0.01, 200, 0.1, 32
    cut = int(total * cut_frac)
    shares = [t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1)) for t in range(total + 1)]
    expected = [highest * (1 + share * (ratio - 1)) / ratio for share in shares]
    assert list(islice(build_slanted_triangular(highest, total), total + 1)) == pytest.approx(expected)
    assert expected[0] == expected[-1] == highest / 32 and max(expected) == expected[20] == highest


def test_a_slanted_triangle_stays_at_its_lowest_after_its_end_or_at_its_highest_without_one():
    assert list(islice(build_slanted_triangular(0.32, 10), 100))[10:] == pytest.approx([0.01] * 90)
    assert list(islice(build_slanted_triangular(0.32), 100)) == pytest.approx([0.32] * 100)
    # Too few steps to rise at all.
    assert list(islice(build_slanted_triangular(0.32, 4), 5)) == pytest.approx([0.32, 0.2425, 0.165, 0.0875, 0.01])


@pytest.mark.parametrize(
    "setting, value", [("initial_rate", -1), ("total_steps", -1), ("cut_frac", 0.0), ("cut_frac", 1.0), ("ratio", 0.5)]
)
def test_a_slanted_triangle_refuses_what_is_out_of_range(setting, value):
    with pytest.raises(ValueError, match=f"^{setting} must be"):
        build_slanted_triangular(**{"initial_rate": 0.1, setting: value})
