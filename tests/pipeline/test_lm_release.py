"""Language models as spaCy's commands and processes use them."""

import pytest
import spacy
from spacy.cli.apply import apply
from spacy.cli.assemble import assemble_cli
from spacy.cli.evaluate import evaluate
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from typer import Typer
from typer.testing import CliRunner

TEXTS = ["the night is long", "and the day is short, too", "so it goes"] * 4


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a pipeline that stores what texts are to it."""
    nlp = spacy.blank("en")
    config = {"store_surprisal": True, "store_perplexity": True}
    model = {
        "@architectures": "spacy_rnn.RNNLM.v1",
        "width": 4,
        "hidden_width": 8,
        "symbols": {"@misc": "spacy_rnn.Characters.v1"},
    }
    nlp.add_pipe("rnn_lm", name="lm", config={**config, "model": model})
    nlp.initialize(lambda: [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in TEXTS])
    folder = tmp_path_factory.mktemp("lm") / "model"
    nlp.to_disk(folder)
    return folder


def list_annotation(docs):
    return [(doc._.rnn_perplexity, [token._.rnn_surprisal for token in doc]) for doc in docs]


@pytest.mark.slow
def test_processes_give_the_same_annotation(saved):
    nlp = spacy.load(saved)
    expected = list_annotation(nlp(text) for text in TEXTS)
    assert all(perplexity > 1 and min(bits) > 0 for perplexity, bits in expected)
    assert list_annotation(nlp.pipe(TEXTS, n_process=2, batch_size=4)) == expected


def test_applied_texts_keep_their_annotation(saved, tmp_path):
    (tmp_path / "texts").mkdir()
    for number, text in enumerate(TEXTS):
        (tmp_path / "texts" / f"{number:02}.txt").write_text(text)
    apply(tmp_path / "texts", tmp_path / "out.spacy", str(saved), "text", 4, 1)
    nlp = spacy.load(saved)
    docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab))
    assert sorted(list_annotation(docs)) == sorted(list_annotation(nlp.pipe(TEXTS)))


def test_gold_tokens_are_the_words_of_an_evaluation(saved, tmp_path):
    nlp = spacy.load(saved)
    docs = [Doc(nlp.vocab, words=text.split()) for text in TEXTS]
    DocBin(docs=docs).to_disk(tmp_path / "test.spacy")
    scores = evaluate(str(saved), tmp_path / "test.spacy", output=tmp_path / "scores.json", silent=True, gold_preproc=True)
    scored = nlp.get_pipe("lm").score(docs)
    n_words = sum(len(doc) + 1 for doc in docs)
    assert scores["lm_bits_per_word"] == pytest.approx(sum(each.bits for each in scored) / n_words)


def test_a_trained_model_is_assembled_with_others(saved, tmp_path):
    app = Typer()
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(assemble_cli)
    config = f'[nlp]\nlang = "en"\npipeline = ["lm", "sentencizer"]\n[components]\n[components.lm]\nsource = "{saved}"\n'
    (tmp_path / "config.cfg").write_text(f'{config}[components.sentencizer]\nfactory = "sentencizer"\n')
    result = CliRunner().invoke(app, [str(tmp_path / "config.cfg"), str(tmp_path / "assembled")])
    assert result.exit_code == 0, result.output
    assembled = spacy.load(tmp_path / "assembled")
    assert assembled.pipe_names == ["lm", "sentencizer"]
    assert list_annotation(assembled.pipe(TEXTS)) == list_annotation(spacy.load(saved).pipe(TEXTS))
