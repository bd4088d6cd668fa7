"""Files of a component that are damaged, or hold something else than its config says."""

import numpy
import pytest
import srsly
from spacy.tokens import Doc

HASHES = {"attrs": ["NORM", "SHAPE"], "rows": [20, 10], "include_static_vectors": False}
WORDS = {"@architectures": "spacy_rnn.Embed.v1", "width": 4, "size": 20}
EMBEDDINGS = {
    "hashes": {"@architectures": "spacy_rnn.HashEmbed.v1", "width": 8, **HASHES},
    "spacy": {"@architectures": "spacy.MultiHashEmbed.v2", "width": 8, **HASHES},
    "words": {**WORDS, "width": 8},
    "characters": {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 4, "char_width": 4, "rows": 20, "embed": WORDS},
}
RNN = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8}
HIGHWAY = {**RNN, "depth": 2, "cell": "gru", "highway": True, "residual": False, "layer_norm": True, "train_initial_state": True}
CNN = {"@architectures": "spacy_rnn.CNN.v1", "width": 8}
NGRAMS = {"@architectures": "spacy_rnn.NGrams.v1", "size": 16}
# Component, embedding, encoder, settings of its model, its settings.
PIPELINES = {
    "tagger": ("rnn_tagger", "hashes", RNN, {}, {}),
    "crf": ("rnn_tagger", "words", HIGHWAY, {}, {"use_crf": True}),
    "pos": ("rnn_pos_tagger", "characters", CNN, {}, {}),
    "ner": ("rnn_ner", "characters", RNN, {}, {}),
    "textcat": ("rnn_textcat", "spacy", RNN, {"pooling": ["max", "attention"]}, {"class_weight": "balanced"}),
    "multilabel": ("rnn_textcat_multilabel", "words", CNN, {"pooling": "last", "linear_model": NGRAMS}, {}),
}
TEXTS = [["They", "book", "a", "small", "room"], [], ["warm"]]
N_DAMAGES = 250


@pytest.fixture(scope="module", params=PIPELINES)
def saved(request, make_nlp, tmp_path_factory):
    """(pipeline, its one component, the folder it is saved in)."""
    factory, embed, encode, model, settings = PIPELINES[request.param]
    tok2vec = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": EMBEDDINGS[embed], "encode": encode}
    if "textcat" in factory:
        architecture = {"@architectures": "spacy_rnn.TextCat.v1", "exclusive_classes": factory == "rnn_textcat"}
    else:
        architecture = {"@architectures": "spacy.Tagger.v2"}
    nlp, _ = make_nlp(factory, n_updates=2, config={"model": {**architecture, "tok2vec": tok2vec, **model}, **settings})
    component = nlp.get_pipe(factory)
    folder = tmp_path_factory.mktemp("saved") / factory
    component.to_disk(folder, exclude=["vocab"])
    return nlp, component, folder


def run(nlp):
    """Annotate, and read all annotation."""
    docs = list(nlp.pipe([Doc(nlp.vocab, words=words) for words in TEXTS]))
    for doc in docs:
        doc.to_json()
        assert all(0 <= score <= 1 for score in doc.cats.values())
        assert all(isinstance(label, str) for token in doc for label in (token.tag_, token.pos_, token.ent_type_))


def damages(data, n):
    """(what was done, damaged data): bytes that are changed, half of them among the structure at the start, and cut off ends."""
    rng = numpy.random.default_rng(len(data))
    for k in range(n):
        at = int(rng.integers(len(data) if k % 2 else min(len(data), 3000)))
        value = int(data[at] ^ 1 << k % 8) if k % 3 else int(rng.integers(256))
        yield f"byte {at} made {value}", data[:at] + bytes([value]) + data[at + 1 :]
    for at in rng.integers(len(data), size=5).tolist():
        yield f"cut off at {at}", data[:at]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["cfg", "model"])
def test_a_damaged_file_is_named_or_does_no_harm(part, saved):
    nlp, component, folder = saved
    data = (folder / part).read_bytes()
    n_refused = 0
    try:
        for what, damaged in damages(data, N_DAMAGES):
            (folder / part).write_bytes(damaged)
            try:
                component.from_disk(folder, exclude=["vocab"])
            except ValueError as error:
                assert type(error) is ValueError and str(folder / part) in str(error), what
                n_refused += 1
            else:
                assert "cut off" not in what
                run(nlp)
    finally:
        (folder / part).write_bytes(data)
    assert n_refused > N_DAMAGES / 4
    component.from_disk(folder, exclude=["vocab"])
    run(nlp)


@pytest.mark.slow
def test_damaged_bytes_are_refused_or_do_no_harm(saved):
    nlp, component, folder = saved
    data = component.to_bytes(exclude=["vocab"])
    for what, damaged in damages(data, 60):
        try:
            component.from_bytes(damaged, exclude=["vocab"])
        except ValueError as error:
            assert type(error) is ValueError and f"'{component.name}' could not be loaded" in str(error), what
        else:
            run(nlp)
    component.from_disk(folder, exclude=["vocab"])


def shorter(array):
    return array[: len(array) // 2]


def spoiled(value):
    def change(array):
        changed = array.copy()
        changed.flat[array.size // 2] = value
        return changed

    return change


CHANGES = {
    "half as long": (shorter, "shape"),
    "of one more axis": (lambda array: array[None], "shape"),
    "integers": (lambda array: array.astype("int32"), "int32"),
    "float64": (lambda array: array.astype("float64"), "float64"),
    "the other byte order": (lambda array: array.astype(">f4"), "f4"),
    "with NaN": (spoiled(numpy.nan), "nan"),
    "with infinity": (spoiled(-numpy.inf), "-inf"),
    "with a wild number": (spoiled(1e30), "1e"),
    "no array": (lambda array: array.tolist(), "list"),
    "missing": (lambda array: None, "missing"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change, named", CHANGES.values(), ids=CHANGES)
def test_weights_that_cannot_be_are_refused_by_name(change, named, saved):
    nlp, component, folder = saved
    data = (folder / "model").read_bytes()
    try:
        for i, node in enumerate(component.model.walk()):
            for name in node.param_names:
                message = srsly.msgpack_loads(data)
                if not message["params"][i][name].size:
                    # A projection of static vectors that there are none of holds nothing to be damaged.
                    continue
                message["params"][i][name] = change(message["params"][i][name])
                (folder / "model").write_bytes(srsly.msgpack_dumps(message))
                with pytest.raises(ValueError) as error:
                    component.from_disk(folder, exclude=["vocab"])
                for part in (
                    str(folder / "model"),
                    f"'{component.name}'",
                    f"layer {i}, {node.name!r}",
                    f"parameter {name}",
                    named,
                ):
                    assert part in str(error.value)
    finally:
        (folder / "model").write_bytes(data)


def test_labels_that_do_not_go_with_the_weights_are_refused(saved):
    nlp, component, folder = saved
    data = (folder / "cfg").read_bytes()
    labels = srsly.json_loads(data)["labels"]
    try:
        for wrong in (labels[1:], [*labels, "X"], [labels[0], *labels[:-1]], [*labels[:-1], 3], "labels", None):
            if wrong == labels:
                continue
            (folder / "cfg").write_bytes(srsly.json_dumps({**srsly.json_loads(data), "labels": wrong}).encode())
            with pytest.raises(ValueError, match="could not be loaded.*cfg.*label"):
                component.from_disk(folder, exclude=["vocab"])
    finally:
        (folder / "cfg").write_bytes(data)
    component.from_disk(folder, exclude=["vocab"])
