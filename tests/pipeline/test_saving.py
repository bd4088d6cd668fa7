"""All components: saved, loaded, configured, repeated, in any batch, in several processes, with any text."""

import multiprocessing

import numpy
import pytest
import spacy
import srsly
from spacy import util
from spacy.cli.init_config import fill_config
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, Config

COMPONENTS = ["rnn_tagger", "rnn_pos_tagger", "rnn_ner", "rnn_textcat", "rnn_textcat_multilabel"]

TEXTS = [["They", "book", "a", "small", "room"], ["warm"], ["A", "good", "film", "sleeps"] * 3, ["London", "!"]]
EMPTY = {"no tokens": [], "a space": [" "], "lines": ["\n\n", " "], "a token": ["warm"]}

every = pytest.mark.parametrize("factory", COMPONENTS)


@pytest.fixture(scope="module", params=COMPONENTS)
def trained(request, make_nlp):
    nlp, examples = make_nlp(request.param, n_updates=5)
    return request.param, nlp, examples


def reload_from_disk(nlp, folder):
    nlp.to_disk(folder)
    return spacy.load(folder)


def reload_from_bytes(nlp, folder):
    return util.load_model_from_config(nlp.config, auto_fill=False).from_bytes(nlp.to_bytes())


def reload_component_from_disk(nlp, folder):
    other = util.load_model_from_config(nlp.config, auto_fill=False)
    for name, component in nlp.pipeline:
        component.to_disk(folder / name)
        other.get_pipe(name).from_disk(folder / name)
    return other


def reload_component_from_bytes(nlp, folder):
    other = util.load_model_from_config(nlp.config, auto_fill=False)
    for name, component in nlp.pipeline:
        other.get_pipe(name).from_bytes(component.to_bytes())
    return other


@pytest.mark.parametrize(
    "reload",
    [reload_from_disk, reload_from_bytes, reload_component_from_disk, reload_component_from_bytes],
    ids=lambda f: f.__name__,
)
def test_a_loaded_pipeline_gives_the_same(reload, trained, tmp_path, annotate, output):
    factory, nlp, examples = trained
    loaded = reload(nlp, tmp_path)
    assert loaded.get_pipe(factory).labels == nlp.get_pipe(factory).labels
    for a, b in zip(annotate(nlp, TEXTS), annotate(loaded, TEXTS), strict=True):
        assert output(a) == output(b)


def test_a_loaded_pipeline_learns_on_as_the_saved_one(trained, tmp_path, parameters, make_nlp, make_examples):
    factory, _, _ = trained
    nlp, examples = make_nlp(factory, n_updates=2)
    loaded = reload_from_disk(nlp, tmp_path)
    for pipeline in (nlp, loaded):
        component = pipeline.get_pipe(factory)
        component.update(make_examples(pipeline, factory), sgd=Adam(0.01))
    for a, b in zip(parameters(nlp.get_pipe(factory).model), parameters(loaded.get_pipe(factory).model), strict=True):
        numpy.testing.assert_array_equal(a, b)


def plain(value):
    if isinstance(value, dict):
        return all(plain(key) and plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str, bytes, numpy.ndarray))


def test_a_saved_pipeline_holds_plain_data_only(trained, tmp_path):
    factory, nlp, _ = trained
    nlp.to_disk(tmp_path)
    data = srsly.msgpack_loads((tmp_path / factory / "model").read_bytes())
    assert isinstance(data, dict)
    assert plain(data)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            # What the pickle protocols 2 and above begin and end with.
            assert not (content[:1] == b"\x80" and content[1:2] in b"\x02\x03\x04\x05" and content.endswith(b".")), path
            assert b"cnumpy" not in content, path
            assert path.suffix not in (".pkl", ".pickle", ".pt"), path


def test_a_config_survives_being_written(trained):
    _, nlp, _ = trained
    text = nlp.config.to_str()
    again = util.load_model_from_config(Config().from_str(text, interpolate=False), auto_fill=False, validate=True)
    assert again.config.to_str() == text
    assert again.pipe_names == nlp.pipe_names


@every
def test_filling_a_filled_config_changes_nothing(factory, tmp_path):
    (tmp_path / "base.cfg").write_text(
        f'[nlp]\nlang = "en"\npipeline = ["{factory}"]\n\n[components]\n\n[components.{factory}]\nfactory = "{factory}"\n'
    )
    for source, target in [("base", "filled"), ("filled", "again")]:
        fill_config(tmp_path / f"{target}.cfg", tmp_path / f"{source}.cfg", silent=True)
    filled = (tmp_path / "filled.cfg").read_text()
    assert filled == (tmp_path / "again.cfg").read_text()
    assert f"[components.{factory}.model{'.scores' if factory == 'rnn_ner' else ''}.tok2vec.encode]" in filled


@every
def test_the_same_seed_gives_the_same_parameters(factory, make_nlp, parameters, component_config, tok2vec_config):
    tok2vec = tok2vec_config(depth=2, dropout=0.2, recurrent_dropout=0.2, train_initial_state=True)
    config = component_config(factory, tok2vec)
    first, second = (parameters(make_nlp(factory, n_updates=5, config=config)[0].get_pipe(factory).model) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.tobytes() == b.tobytes()


def test_two_processes_give_what_one_gives(trained, output):
    _, nlp, _ = trained
    texts = [" ".join(words) for words in TEXTS * 3] + ["", " "]
    one = [output(doc) for doc in nlp.pipe(texts, batch_size=4)]
    two = [output(doc) for doc in nlp.pipe(texts, batch_size=4, n_process=2)]
    for (tags, cats), (other_tags, other_cats) in zip(one, two, strict=True):
        assert tags == other_tags
        assert cats == pytest.approx(other_cats, abs=1e-5)


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="needs forkserver")
@pytest.mark.parametrize("factory", ["rnn_tagger", "rnn_textcat"])
def test_processes_that_are_not_forked_give_what_one_gives(factory, make_nlp, output, monkeypatch):
    # The default on Linux from Python 3.14 on: the components are pickled.
    monkeypatch.setattr("spacy.language.mp", multiprocessing.get_context("forkserver"))
    nlp, _ = make_nlp(factory, n_updates=1)
    texts = [" ".join(words) for words in TEXTS]
    two = [output(doc) for doc in nlp.pipe(texts, batch_size=2, n_process=2)]
    for (tags, cats), (other_tags, other_cats) in zip(map(output, nlp.pipe(texts)), two, strict=True):
        assert tags == other_tags
        assert cats == pytest.approx(other_cats, abs=1e-5)


@pytest.mark.parametrize("factory", ["rnn_tagger", "rnn_pos_tagger"])
@pytest.mark.parametrize("cell", ["elman_tanh", "gru", "lstm"])
def test_token_scores_do_not_depend_on_the_batch(factory, cell, make_nlp, component_config, tok2vec_config):
    config = component_config(factory, tok2vec_config(cell=cell, depth=2, residual=True))
    nlp, _ = make_nlp(factory, n_updates=3, config=config)
    model = nlp.get_pipe(factory).model
    docs = [Doc(nlp.vocab, words=words) for words in [*TEXTS, *EMPTY.values()]]
    batch, backwards = model.predict(docs), model.predict(docs[::-1])[::-1]
    for doc, one, two in zip(docs, batch, backwards, strict=True):
        assert one.shape[0] == len(doc)
        alone = model.predict([doc])[0] if len(doc) else one
        numpy.testing.assert_allclose(one, alone, atol=1e-5)
        numpy.testing.assert_allclose(two, alone, atol=1e-5)


def test_an_empty_batch_gives_nothing(trained):
    factory, nlp, _ = trained
    assert list(nlp.pipe([])) == []
    assert len(nlp.get_pipe(factory).predict([])) == 0
    assert nlp.get_pipe(factory).update([]) == {factory: 0.0}


@pytest.mark.parametrize("text", ["", " ", "\n\n \t", "warm"], ids=repr)
def test_texts_of_hardly_anything_are_annotated(text, trained):
    factory, nlp, _ = trained
    doc = nlp(text)
    assert doc.text == text
    labels = set(nlp.get_pipe(factory).labels)
    if "textcat" in factory:
        assert set(doc.cats) == labels
        assert all(0 <= score <= 1 for score in doc.cats.values())
    elif factory == "rnn_ner":
        assert {token.ent_type_ for token in doc} <= labels | {""}
        assert all(token.ent_iob_ in "BIO" for token in doc)
    else:
        assert {token.tag_ if factory == "rnn_tagger" else token.pos_ for token in doc} <= labels


@every
@pytest.mark.parametrize("words", EMPTY.values(), ids=EMPTY.keys())
def test_texts_of_hardly_anything_are_learned_from(words, factory, make_nlp, make_examples, gradients, parameters):
    nlp, examples = make_nlp(factory, n_updates=2)
    component = nlp.get_pipe(factory)
    reference = Doc(nlp.vocab, words=words)
    # Without annotation, so that it must change nothing about the others.
    odd = Example(Doc(nlp.vocab, words=words), reference)
    alone = gradients(component, examples)
    for a, b in zip(alone, gradients(component, [odd, *examples, odd]), strict=True):
        numpy.testing.assert_allclose(a, b, atol=1e-5)
    nlp.update([odd], sgd=Adam(0.01))
    assert all(numpy.isfinite(array).all() for array in parameters(component.model))


@every
def test_annotated_empty_texts_are_learned_from_among_others(factory, make_nlp, make_examples, parameters):
    nlp, examples = make_nlp(factory, n_updates=2)
    component = nlp.get_pipe(factory)
    empty = Example(Doc(nlp.vocab), Doc(nlp.vocab))
    if "textcat" in factory:
        empty.reference.cats = {"good": 0.0, "bad": 1.0}
    before = component.predict([Doc(nlp.vocab)])
    optimizer = Adam(0.02)
    for _ in range(10):
        nlp.update([empty, *examples, empty], sgd=optimizer)
    assert all(numpy.isfinite(array).all() for array in parameters(component.model))
    after = component.predict([Doc(nlp.vocab)])
    if "textcat" in factory:
        bad = component.labels.index("bad")
        assert after[0, bad] > before[0, bad]


@every
def test_one_long_document_is_annotated_and_learned_from(
    factory, make_nlp, annotate, component_config, tok2vec_config, parameters
):
    n = 20_000
    config = component_config(factory, tok2vec_config(cell="gru"))
    nlp, examples = make_nlp(factory, n_updates=1, config=config)
    words = [t.text for eg in examples for t in eg.y] * n
    doc = Doc(nlp.vocab, words=words[:n])
    component = nlp.get_pipe(factory)
    if "textcat" in factory:
        reference = Doc(nlp.vocab, words=words[:n])
        reference.cats = {"good": 1.0, "bad": 0.0}
        assert 0 < nlp(doc).cats["good"] < 1
        example = Example(Doc(nlp.vocab, words=words[:n]), reference)
    else:
        reference = nlp(doc)
        assert all(token.tag or token.pos or token.ent_iob for token in reference)
        example = Example(Doc(nlp.vocab, words=words[:n]), reference)
    before = parameters(component.model)
    losses = component.update([example], sgd=Adam(0.01))
    assert numpy.isfinite(losses[factory])
    after = parameters(component.model)
    assert all(numpy.isfinite(array).all() for array in after)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
