import pytest
import spacy

from spacy_rnn.evaluation.language.samples import (
    BEAM_WIDTH,
    SETTINGS,
    find_words,
    measure_diversity,
    share_of_new_words,
    write_samples,
)


@pytest.fixture(scope="module")
def lm(language_models):
    return spacy.load(language_models()).get_pipe("lm")


def test_texts_are_those_of_the_component_under_each_setting(lm):
    prompts = ["A ", "日"]
    found = {each.setting: each for each in write_samples(lm, prompts, n=2, max_symbols=30, seed=5)}
    assert list(found) == list(SETTINGS)
    for setting, samples in found.items():
        if setting.startswith("beam"):
            expected = lm.search(prompts, width=BEAM_WIDTH, max_symbols=30, replace_unknown=True)
        else:
            n = 1 if setting == "greedy" else 2
            expected = lm.generate(prompts, n=n, max_symbols=30, seed=5, replace_unknown=True, **SETTINGS[setting])
        assert samples.texts == expected
        assert samples.diversity == measure_diversity([each.text for each in expected])
        assert samples.new_words is None


def test_there_must_be_a_prompt(lm):
    with pytest.raises(ValueError, match="there is no prompt"):
        write_samples(lm, [])


def test_diversity_of_what_has_no_n_grams():
    assert measure_diversity([]) == ((None,) * 4, None)
    assert measure_diversity(["", ""]).distinct == (None,) * 4
    found = measure_diversity(["a b a b", "c"])
    assert found.distinct == (3 / 5, 2 / 3, 1.0, 1.0)
    assert measure_diversity(["a b c d e"] * 2).self_bleu == pytest.approx(1.0)
    assert measure_diversity(["a b"]).self_bleu is None


def test_words_are_letters_in_a_row():
    assert find_words(["It's a Film, 2nd 日本_x", "film"]) == {"it", "s", "a", "film", "nd", "日本", "x"}


def test_the_share_of_new_words():
    known = {"a", "film"}
    assert share_of_new_words(["A film, a flim. ", "Xyz a"], known) == pytest.approx(2 / 5)
    # The last word may have been cut off.
    assert share_of_new_words(["a fil"], known) == 0
    assert share_of_new_words(["fil"], known) is None
    assert share_of_new_words([], known) is None
    assert share_of_new_words(["a film"], None) is None
