"""Pipelines take the static vectors they are initialized with, without another setting."""

from pathlib import Path

import numpy
import pytest
import spacy
import srsly
from contextual_pipelines import make_pipeline
from spacy.cli.package import package
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_model_from_config, load_model_from_path
from thinc.api import Config

from spacy_rnn.layers.capabilities import ProjectsVectors, find_all
from spacy_rnn.layers.weights import load_weights

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.cfg"))
# The others embed words with a table alone.
# Those of components of spaCy's are tested as workflows. A lemmatizer's model reads no texts, and the tagger before it has a
# config of its own. A frozen encoder needs weights.
ELSEWHERE = ("tagger_lemmatizer", "textcat_unfreezing", "ud")
WITH_VECTORS = [
    path for path in CONFIGS if "include_static_vectors" in path.read_text(encoding="utf8") and path.stem not in ELSEWHERE
]
every_config = pytest.mark.parametrize(
    "path",
    [path if path.stem in ("ner_fast", "tagger_shared") else pytest.param(path, marks=pytest.mark.slow) for path in WITH_VECTORS],
    ids=lambda path: path.stem,
)
WORDS = ["Anna", "reads", "a", "good", "film"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """The folder of a pipeline with vectors of lower-cased words."""
    nlp = spacy.blank("en")
    for i, word in enumerate(WORDS):
        nlp.vocab.set_vector(word.lower(), numpy.random.default_rng(i).normal(size=7).astype("f"))
    folder = tmp_path_factory.mktemp("vectors")
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    nlp = spacy.blank("en")
    docs = []
    for label in ("positive", "negative"):
        tags = {"tags": ["N", "V", "D", "A", "N"], "pos": ["PROPN", "VERB", "DET", "ADJ", "NOUN"]}
        doc = Doc(nlp.vocab, words=WORDS, ents=["B-person", "O", "O", "O", "O"], sent_starts=[True, *[False] * 4], **tags)
        doc.cats = {name: float(name == label) for name in ("positive", "negative")}
        docs.append(doc)
    path = tmp_path_factory.mktemp("corpus") / "train.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


@pytest.fixture
def initialize(corpus, randomize, tmp_path):
    """(config, vectors) -> the pipeline as `spacy train --paths.vectors` begins with it, with other weights: some are zeros."""

    def run(path, vectors=None):
        overrides = {"paths.train": str(corpus), "paths.dev": str(corpus), "paths.vectors": vectors and str(vectors)}
        overrides["paths.init_tok2vec"] = None
        if "\nlm = null" in path.read_text(encoding="utf8"):
            make_pipeline().to_disk(tmp_path / "lm")
            overrides["paths.lm"] = str(tmp_path / "lm")
        nlp = init_nlp(Config().from_disk(path, overrides=overrides, interpolate=False))
        for _, pipe in nlp.pipeline:
            randomize(pipe.model, dtype="float32")
        return nlp

    return run


def projections(nlp):
    return [node for _, pipe in nlp.pipeline for node in find_all(pipe.model, ProjectsVectors)]


def outputs(nlp, words=WORDS):
    doc = Doc(nlp.vocab, words=words)
    return [numpy.concatenate([numpy.ravel(part) for part in pipe.model.predict([doc])]) for _, pipe in nlp.pipeline]


def assert_same(nlp, other):
    for one, expected in zip(outputs(nlp), outputs(other), strict=True):
        numpy.testing.assert_allclose(one, expected, atol=1e-6)


def test_most_configs_are_tested():
    assert len(WITH_VECTORS) >= 10


@every_config
def test_a_shipped_config_takes_them(path, initialize, vectors, tmp_path):
    nlp = initialize(path, vectors)
    assert projections(nlp) and all(node.get_dim("nM") == 7 for node in projections(nlp))
    nlp.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline")
    assert_same(loaded, nlp)
    # They are used: with other numbers there are other outputs.
    before = outputs(loaded)
    loaded.vocab.vectors.data = -loaded.vocab.vectors.data
    assert not all(numpy.allclose(one, other) for one, other in zip(before, outputs(loaded), strict=True))


@every_config
def test_a_shipped_config_needs_none(path, initialize, tmp_path):
    nlp = initialize(path)
    assert projections(nlp) and all(node.get_param("W").size == 0 for node in projections(nlp))
    nlp.to_disk(tmp_path / "pipeline")
    assert_same(spacy.load(tmp_path / "pipeline"), nlp)


@pytest.mark.parametrize("factory", ["rnn_tagger", "rnn_pos_tagger", "rnn_ner"])
@pytest.mark.parametrize("with_vectors", [False, True])
def test_a_component_that_is_added_takes_what_there_is(factory, with_vectors, vectors, corpus):
    nlp = spacy.load(vectors) if with_vectors else spacy.blank("en")
    nlp.add_pipe(factory)
    references = list(DocBin().from_disk(corpus).get_docs(nlp.vocab))
    nlp.initialize(lambda: [Example(Doc(nlp.vocab, words=WORDS), reference) for reference in references])
    assert [node.get_dim("nM") for node in projections(nlp)] == [7 * with_vectors]


@pytest.mark.parametrize("with_vectors", [False, True])
def test_a_component_that_is_sourced_stays_as_it_was(with_vectors, initialize, vectors):
    source = initialize(WITH_VECTORS[0], vectors if with_vectors else None)
    (name,) = source.pipe_names
    target = spacy.blank("en", vocab=source.vocab)
    target.add_pipe(name, source=source)
    assert_same(target, source)


def test_a_component_trained_without_them_works_where_there_are_some(initialize, vectors, recwarn):
    source = initialize(WITH_VECTORS[0])
    target = spacy.load(vectors)
    target.add_pipe(source.pipe_names[0], source=source)
    assert_same(target, source)


def test_a_component_trained_with_them_says_that_they_are_missing(initialize, vectors, recwarn):
    source = initialize(WITH_VECTORS[0], vectors)
    target = spacy.blank("en")
    target.add_pipe(source.pipe_names[0], source=source)
    with pytest.raises(ValueError, match="static vectors of width 7"):
        target(Doc(target.vocab, words=WORDS))


def test_training_goes_on(initialize, vectors, tmp_path):
    """Of a loaded pipeline, with the vectors it has."""
    initialize(WITH_VECTORS[0], vectors).to_disk(tmp_path / "first")
    nlp = spacy.load(tmp_path / "first")
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    before = projections(nlp)[0].get_param("W").copy()
    reference = Doc(nlp.vocab, words=WORDS, ents=["B-person", "O", "O", "O", "O"])
    nlp.update([Example(Doc(nlp.vocab, words=WORDS), reference)], sgd=optimizer)
    assert not numpy.array_equal(projections(nlp)[0].get_param("W"), before)


def test_a_package_has_them(initialize, vectors, tmp_path):
    nlp = initialize(WITH_VECTORS[0], vectors)
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "packages").mkdir()
    package(tmp_path / "model", tmp_path / "packages", name="vectors", version="0.0.1", create_sdist=False)
    folder = tmp_path / "packages" / "en_vectors-0.0.1" / "en_vectors" / "en_vectors-0.0.1"
    assert_same(load_model_from_path(folder), nlp)


def tampered(model, change):
    """The model's bytes with another projection of static vectors."""
    message = srsly.msgpack_loads(model.to_bytes())
    (i,) = [i for i, info in enumerate(message["nodes"]) if info["name"] == "static_vectors"]
    dims = message["nodes"][i]["dims"]
    dims.update(change)
    message["params"][i]["W"] = numpy.zeros((dims["nO"], dims["nM"]), dtype="f")
    return srsly.msgpack_dumps(message)


@pytest.mark.parametrize("with_vectors", [False, True])
@pytest.mark.parametrize("name", ["ner_fast", "tagger_pos_fast"])
def test_a_damaged_projection_is_refused(name, with_vectors, initialize, vectors):
    path = next(path for path in WITH_VECTORS if path.stem == name)
    nlp = initialize(path, vectors if with_vectors else None)
    model = nlp.pipeline[0][1].model
    width = projections(nlp)[0].attrs["width_with_vectors"]
    for change in ({"nM": 0, "nO": 0}, {"nM": 7, "nO": width}, {"nM": 0, "nO": width}, {"nM": 7, "nO": 3}, {"nM": 7, "nO": 0}):
        fresh = Config(nlp.config)
        fresh["initialize"]["vectors"] = None
        target = load_model_from_config(fresh).pipeline[0][1].model
        if change == {"nM": 7 * with_vectors, "nO": width * with_vectors}:
            load_weights(target, model.to_bytes())
        else:
            with pytest.raises(ValueError, match="layer .*(width|projects)"):
                load_weights(target, tampered(model, change))
