"""Pipelines and configs with torch's encoder, moved here and back."""

import sys

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Config, Model, fix_random_seed

from spacy_rnn.interop import convert_config, convert_pipeline

TORCH = "spacy.TorchBiLSTMEncoder.v1"
OURS = "spacy_rnn.BiLSTMEncoder.v1"
WIDTH = 8
AS_TORCH = {"layer_norm": False, "residual": False}
SENTENCES = [
    ("They book a small room", "PRP VBP DT JJ NN", [(3, 5, "PLACE")]),
    ("A good book sleeps there", "DT JJ NN VBZ RB", []),
    ("Anna paints old boats quickly", "NNP VBZ JJ NNS RB", [(0, 1, "PERSON")]),
    ("We walk to London today", "PRP VBP IN NNP NN", [(3, 4, "PLACE")]),
]
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": WIDTH, "upstream": "*"}
PARSER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 8,
    "maxout_pieces": 2,
}


def tok2vec(encode=TORCH, depth=2, embed="spacy.MultiHashEmbed.v2", tok2vec="spacy.Tok2Vec.v2"):
    return {
        "@architectures": tok2vec,
        "embed": {"@architectures": embed, "width": WIDTH, "attrs": ["NORM"], "rows": [100], "include_static_vectors": False},
        "encode": {"@architectures": encode, "width": WIDTH, "depth": depth, "dropout": 0.2},
    }


def tagger(encoder):
    return {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": encoder}}


# The components of a pipeline, in order.
PIPELINES = {
    "tagger": {"tagger": tagger(tok2vec())},
    "deep": {"tagger": tagger(tok2vec(depth=3))},
    "shallow": {"tagger": tagger(tok2vec(depth=1))},
    "ours around it": {"rnn_tagger": tagger(tok2vec(embed="spacy_rnn.HashEmbed.v1", tok2vec="spacy_rnn.Tok2Vec.v1"))},
    "shared": {"tok2vec": {"model": tok2vec()}, "tagger": tagger(LISTENER), "ner": {"model": {**PARSER, "tok2vec": LISTENER}}},
    "several": {
        "tagger": tagger(tok2vec()),
        "ner": {"model": {**PARSER, "tok2vec": tok2vec()}},
        "morphologizer": tagger(tok2vec("spacy_rnn.RNNEncoder.v1")),
        "textcat": {
            "model": {
                "@architectures": "spacy_rnn.TextCat.v1",
                "exclusive_classes": True,
                "pooling": "last",
                "tok2vec": tok2vec(),
            }
        },
        "sentencizer": {},
    },
    "no layers": {"tagger": tagger(tok2vec(depth=0))},
}
PIPELINES["several"]["morphologizer"]["model"]["tok2vec"]["encode"].pop("dropout")
every_pipeline = pytest.mark.parametrize("name", PIPELINES)


@pytest.fixture(scope="module")
def make_nlp():
    """(name, encoder) -> the pipeline, trained for a moment, and its examples."""
    pytest.importorskip("torch")
    made = {}

    def make(name, encoder=TORCH):
        if (name, encoder) not in made:
            made[name, encoder] = train(PIPELINES[name], encoder, **(AS_TORCH if encoder == OURS else {}))
        return made[name, encoder]

    return make


def train(components, encoder, **settings):
    """A pipeline, trained for a moment, and its examples. Settings are those of this package's encoders, not torch's."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    for component, config in components.items():
        config = convert_config(config, "spacy_rnn" if encoder == OURS else "torch")
        for block in encoders(config):
            block.update(settings)
        nlp.add_pipe(component, config=config)
    examples = []
    for i, (text, tags, ents) in enumerate(SENTENCES):
        reference = Doc(nlp.vocab, words=text.split(), tags=tags.split(), morphs=["Odd=Yes", "", "", "Odd=Yes", ""])
        reference.ents = [Span(reference, *ent) for ent in ents]
        reference.cats = {"odd": float(i % 2), "even": float(1 - i % 2)}
        examples.append(Example(Doc(nlp.vocab, words=text.split()), reference))
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(15):
        nlp.update(examples, sgd=optimizer)
    return nlp, examples


def annotate(nlp, words):
    doc = nlp(Doc(nlp.vocab, words=words))
    return doc.to_array(["TAG", "MORPH", "ENT_IOB", "ENT_TYPE", "SENT_START"]).tolist(), doc.cats


def assert_same_predictions(nlp, other):
    texts = [text.split() for text, _, _ in SENTENCES] + [["Anna"], [], ["London", "sleeps", "in", "a", "new", "room", "today"]]
    for words in texts:
        tags, cats = annotate(nlp, words)
        other_tags, other_cats = annotate(other, words)
        assert other_tags == tags
        assert other_cats == pytest.approx(cats, abs=1e-5)
    for name, pipe in nlp.pipeline:
        tok2vec = pipe.model if name == "tok2vec" else getattr(pipe, "model", Model("none", None)).maybe_get_ref("tok2vec")
        if tok2vec is not None and not tok2vec.name.endswith("listener"):
            other_pipe = other.get_pipe(name)
            other_tok2vec = other_pipe.model if name == "tok2vec" else other_pipe.model.get_ref("tok2vec")
            for words in filter(None, texts):
                rows, other_rows = (m.predict([Doc(nlp.vocab, words=words)])[0] for m in (tok2vec, other_tok2vec))
                numpy.testing.assert_allclose(other_rows, rows, atol=1e-5)


def architectures(config):
    if not isinstance(config, dict):
        return []
    own = [config["@architectures"]] if "@architectures" in config else []
    return own + [name for value in config.values() for name in architectures(value)]


def encoders(config):
    """The blocks of a config that name this package's counterpart of torch's encoder."""
    if not isinstance(config, dict):
        return []
    own = [config] if config.get("@architectures") == OURS else []
    return own + [block for value in config.values() for block in encoders(value)]


@pytest.mark.parametrize("old, new, to", [(TORCH, OURS, "spacy_rnn"), (OURS, TORCH, "torch")])
@every_pipeline
def test_a_converted_pipeline_predicts_the_same_and_is_saved(name, old, new, to, make_nlp, tmp_path):
    nlp, examples = make_nlp(name, old)
    bytes_before, config_before = nlp.to_bytes(), nlp.config.to_str()
    converted = convert_pipeline(nlp, to)
    assert nlp.to_bytes() == bytes_before and nlp.config.to_str() == config_before
    assert [new if arch == old else arch for arch in architectures(nlp.config)] == architectures(converted.config)
    assert old not in architectures(converted.config) and new in architectures(converted.config)
    assert_same_predictions(nlp, converted)
    converted.to_disk(tmp_path)
    assert_same_predictions(converted, spacy.load(tmp_path))
    assert converted.meta["pipeline"] == nlp.meta["pipeline"]


@every_pipeline
def test_there_and_back_again(name, make_nlp):
    nlp, _ = make_nlp(name)
    back = convert_pipeline(convert_pipeline(nlp), "torch")
    assert back.config.to_str() == nlp.config.to_str()
    assert_same_predictions(nlp, back)


@pytest.mark.parametrize("name", ["tagger", "shared", "several"])
def test_a_converted_pipeline_has_no_torch_in_it_and_goes_on_learning(name, make_nlp):
    nlp, examples = make_nlp(name)
    converted = convert_pipeline(nlp)
    for _, pipe in converted.pipeline:
        if hasattr(pipe, "model"):
            assert not any(node.shims for node in pipe.model.walk())
    examples = [Example(Doc(converted.vocab, words=[t.text for t in eg.x]), eg.reference) for eg in examples]
    optimizer = converted.resume_training()
    optimizer.learn_rate = 0.005
    losses = [converted.update(examples, sgd=optimizer) for _ in range(10)]
    assert losses[-1]["tagger"] < losses[0]["tagger"]
    before = {node.name for node in converted.get_pipe("tok2vec" if name == "shared" else "tagger").model.walk()}
    assert {"rnn", "lstm_forward", "lstm_backward"} <= before


def test_the_embedding_moves_by_its_name_in_the_saved_config(make_nlp, tmp_path):
    nlp, _ = make_nlp("tagger")
    converted = convert_pipeline(nlp)
    converted.to_disk(tmp_path)
    path = tmp_path / "config.cfg"
    text = path.read_text(encoding="utf8")
    for name in ("MultiHashEmbed.v2", "Tok2Vec.v2"):
        assert text.count(f'"spacy.{name}"') == 1
        text = text.replace(f"spacy.{name}", f"spacy_rnn.{name.removeprefix('Multi').replace('v2', 'v1')}")
    path.write_text(text, encoding="utf8")
    moved = spacy.load(tmp_path)
    assert {"spacy_rnn.HashEmbed.v1", "spacy_rnn.Tok2Vec.v1", OURS} <= set(architectures(moved.config))
    assert_same_predictions(converted, moved)


def test_a_sentence_no_longer_depends_on_its_neighbours(make_nlp):
    nlp, _ = make_nlp("tagger")
    converted = convert_pipeline(nlp)

    def difference(pipeline):
        encode = pipeline.get_pipe("tagger").model.get_ref("tok2vec")
        short, long = (Doc(pipeline.vocab, words=words) for words in (["Anna", "paints"], ["room"] * 30))
        return numpy.abs(encode.predict([short])[0] - encode.predict([short, long])[0]).max()

    assert difference(nlp) > 1e-3
    assert difference(converted) < 1e-6


def test_disabled_components_are_converted_too(make_nlp):
    nlp, _ = make_nlp("several")
    with nlp.select_pipes(disable=["ner"]):
        converted = convert_pipeline(nlp)
    assert converted.disabled == ["ner"]
    assert TORCH not in architectures(converted.config)
    converted.enable_pipe("ner")
    assert_same_predictions(nlp, converted)


@pytest.mark.parametrize("to", ["spacy_rnn", "torch"])
def test_a_pipeline_without_such_an_encoder_is_refused(to):
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("rnn_tagger")
    with pytest.raises(ValueError, match="no component.*BiLSTMEncoder.*sentencizer, rnn_tagger"):
        convert_pipeline(nlp, to)
    with pytest.raises(ValueError, match="no component.*BiLSTMEncoder.*none"):
        convert_pipeline(spacy.blank("xx"), to)


def test_encoders_that_cannot_be_told_apart_are_refused():
    pytest.importorskip("torch")
    both = {**tok2vec("spacy_rnn.RNNEncoder.v1", depth=1), "embed": tok2vec(OURS)}
    both["encode"].update(AS_TORCH)
    nlp, _ = train({"tagger": tagger(both)}, OURS, **AS_TORCH)
    with pytest.raises(ValueError, match="'tagger' names 1 encoders spacy_rnn.BiLSTMEncoder.v1, but its model has 2"):
        convert_pipeline(nlp, "torch")


@pytest.mark.parametrize("settings", [{}, {"layer_norm": False}, {"residual": False}], ids=str)
def test_an_encoder_without_counterpart_in_torch_is_refused(settings):
    pytest.importorskip("torch")
    nlp, _ = train(PIPELINES["shared"], OURS, **settings)
    with pytest.raises(ValueError, match="'tok2vec' has an encoder spacy_rnn.BiLSTMEncoder.v1 with layer_norm.*residual"):
        convert_pipeline(nlp, "torch")


def test_encoders_that_were_not_torchs_keep_their_settings():
    pytest.importorskip("torch")
    nlp = spacy.blank("xx")
    nlp.add_pipe("tagger", config=tagger({**tok2vec(OURS), "embed": tok2vec(TORCH)}))
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("a book"), {"tags": ["DT", "NN"]})])
    converted = convert_pipeline(nlp)
    settings = {(block["layer_norm"], block["residual"]) for block in encoders(converted.config)}
    assert settings == {(True, True), (False, False)}
    assert_same_predictions(nlp, converted)


@pytest.mark.parametrize("convert", [convert_config, convert_pipeline])
def test_other_targets_are_refused(convert):
    with pytest.raises(ValueError, match="spacy_rnn, torch, got 'keras'"):
        convert({} if convert is convert_config else spacy.blank("xx"), "keras")


def test_a_config_to_train_with_changes_in_one_line():
    text = """
    [paths]
    train = "train.spacy"

    [components]

    [components.tagger]
    factory = "tagger"

    [components.tagger.model]
    @architectures = "spacy.Tagger.v2"

    [components.tagger.model.tok2vec]
    @architectures = "spacy.Tok2Vec.v2"

    [components.tagger.model.tok2vec.encode]
    @architectures = "spacy.TorchBiLSTMEncoder.v1"
    width = ${components.tagger.model.tok2vec.embed.width}
    depth = 2
    dropout = 0.3

    [components.tagger.model.tok2vec.embed]
    @architectures = "spacy.HashEmbedCNN.v2"
    width = 96
    """
    config = Config().from_str(text.replace("    ", ""), interpolate=False)
    before = config.to_str()
    after = convert_config(config).to_str()
    assert config.to_str() == before
    changed = [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    assert changed == [(f'@architectures = "{TORCH}"', f'@architectures = "{OURS}"')]
    assert convert_config(convert_config(config), "torch").to_str() == before
    normalized = {"encode": {"@architectures": OURS, "layer_norm": True, "residual": False}}
    assert convert_config(normalized, "torch") == {"encode": {"@architectures": TORCH}}
    assert convert_config({"encode": {"@architectures": TORCH}}) == {"encode": {"@architectures": OURS}}


def test_to_rewrite_a_config_takes_no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert convert_config({"encode": {"@architectures": TORCH}}) == {"encode": {"@architectures": OURS}}
