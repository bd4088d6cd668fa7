"""The commands themselves. spaCy imports this module whenever one of its own commands runs, so it imports nothing heavy."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import typer
from click import NoSuchOption
from spacy.cli._util import Arg, Opt, app, import_code, parse_config_overrides, setup_gpu

from .errors import CommandError, refusals_as_errors, shown_to_user

HELP = """Look into recurrent networks: layers, reports, comparisons, calibration, gradients; texts, translations, n-grams."""

# Defaults, not Annotated, as in spaCy's own commands: typer < 0.9, which spaCy allows, has nothing else.
PIPELINE = Arg(..., help="Directory of a trained pipeline, or name of an installed one", show_default=False)
CORPUS = Arg(..., help="Annotated texts in .spacy format", show_default=False)
COMPONENT = Opt(None, help="Component to look at; the first one that can be if not given")
LANGUAGE_MODEL = Opt(None, "--component", help="Language model to use; the first one if not given")
LOG = Opt(None, help="Log of the training, as spaCy's ConsoleLogger writes it to its output_file")
TRAIN = Opt(None, help="Training corpus in .spacy format: scores of the words or entities it has, and of the others")
UNIT = Opt(None, help="What a text of a .txt file is: line, paragraph or file; as the model was trained if not given")
TOKENS = Opt(None, help="What words are: pipeline (its tokens) or whitespace; as the model was trained if not given")
ERRORS = Opt(20, "--errors", min=0, help="How many errors are shown at most")
PLOTS = Opt(None, help="Folder for the plots as PNG and SVG files")
GOLD_PREPROC = Opt(False, "--gold-preproc", "-G", help="Take each gold sentence as a text, with gold tokens")
GPU = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU")
CODE = Opt(None, "--code", "-c", help="Python file with registered functions to be imported")

rnn_cli = typer.Typer(name="rnn", help=HELP, no_args_is_help=True, rich_markup_mode=None)
app.add_typer(rnn_cli)


@contextmanager
def _running(code: Optional[Path], gpu: int = -1) -> Iterator[None]:
    """Run a command: what it needs is imported in the block, and what it refuses is shown to the user."""
    import_code(code)
    with shown_to_user():
        try:
            setup_gpu(gpu, silent=gpu < 0)
        except ValueError as error:
            raise CommandError(f"GPU {gpu} cannot be used", str(error)) from error
        with refusals_as_errors():
            yield


def _parse_overrides(arguments: List[str]) -> Dict[str, Any]:
    try:
        return parse_config_overrides(arguments)
    except NoSuchOption as error:
        raise CommandError(str(error), "Settings of a config have dots in their names, e.g. --vars.cell gru.") from error


@rnn_cli.command("summary", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def summary_command(
    ctx: typer.Context,
    path: str = Arg(..., help="A config (.cfg), or a trained pipeline", show_default=False),
    code: Optional[Path] = CODE,
) -> None:
    """Show layers and parameters.

    Of a config, without training it, or of a trained pipeline. Settings of a config can be replaced, e.g. --vars.cell gru.
    """
    with _running(code):
        from .summary import summarize

        summarize(path, _parse_overrides(ctx.args))


@rnn_cli.command("report")
def report_command(
    pipeline: str = PIPELINE,
    corpus: Path = CORPUS,
    output: Path = Opt(Path("report.html"), "--output", "-o", help="Where the page goes"),
    component: Optional[str] = COMPONENT,
    train: Optional[Path] = TRAIN,
    log: Optional[Path] = LOG,
    errors: int = ERRORS,
    plots: Optional[Path] = PLOTS,
    gold_preproc: bool = GOLD_PREPROC,
    gpu: int = GPU,
    code: Optional[Path] = CODE,
) -> None:
    """Write a page about a trained pipeline.

    Scores by label, of known and unknown words, confusions, calibration, the worst errors, the learning curve, and speed.
    """
    with _running(code, gpu):
        from .report import Options, report_pipeline

        report_pipeline(pipeline, corpus, component, log, Options(output, plots, errors, gold_preproc, gpu, train))


@rnn_cli.command("compare")
def compare_command(
    pipeline_a: str = PIPELINE,
    pipeline_b: str = PIPELINE,
    corpus: Path = CORPUS,
    output: Path = Opt(Path("compare.html"), "--output", "-o", help="Where the page goes"),
    component_a: Optional[str] = COMPONENT,
    component_b: Optional[str] = COMPONENT,
    train: Optional[Path] = TRAIN,
    log_a: Optional[Path] = LOG,
    log_b: Optional[Path] = LOG,
    samples: int = Opt(10_000, min=100, help="How often the bootstrap draws texts"),
    seed: int = Opt(0, min=0, help="What its draws begin with"),
    errors: int = ERRORS,
    plots: Optional[Path] = PLOTS,
    gold_preproc: bool = GOLD_PREPROC,
    gpu: int = GPU,
    code: Optional[Path] = CODE,
) -> None:
    """Write a page about two trained pipelines.

    The figures of "report" side by side, and by a paired bootstrap whether the difference between the two is real.
    """
    with _running(code, gpu):
        from .report import Options, compare_pipelines

        options = Options(output, plots, errors, gold_preproc, gpu, train)
        compare_pipelines((pipeline_a, pipeline_b), corpus, (component_a, component_b), (log_a, log_b), samples, seed, options)


@rnn_cli.command("calibrate")
def calibrate_command(
    pipeline: str = PIPELINE,
    corpus: Path = Arg(..., help="Annotated texts it was not trained on, in .spacy format: those of dev", show_default=False),
    output: Path = Arg(..., help="Directory where the calibrated pipeline goes", show_default=False),
    component: Optional[List[str]] = Opt(
        None, help="Component to calibrate, once or several times; all that can be if not given"
    ),
    gold_preproc: bool = GOLD_PREPROC,
    force: bool = Opt(False, "--force", "-F", help="Replace a pipeline that is there already"),
    gpu: int = GPU,
    code: Optional[Path] = CODE,
) -> None:
    """Make probabilities as often right as they say.

    Fit the temperature of taggers and text categorizers, and write the pipeline with it. What they predict stays the same.
    """
    with _running(code, gpu):
        from .calibrate import calibrate_pipeline

        calibrate_pipeline(pipeline, corpus, output, component or None, gold_preproc, force)


@rnn_cli.command("gradients")
def gradients_command(
    pipeline: Optional[str] = Arg(None, help="A trained pipeline; freshly initialized cells if not given", show_default=False),
    corpus: Optional[Path] = Arg(None, help="Texts for it in .spacy format", show_default=False),
    component: Optional[str] = Opt(None, help="Component to look at; all if not given"),
    cell: Optional[List[str]] = Opt(None, help="Cell to look at, once or several times; all if not given"),
    width: int = Opt(64, min=1, help="Width of freshly initialized layers"),
    distance: int = Opt(100, min=1, max=1000, help="The greatest distance, time steps"),
    samples: int = Opt(5, min=1, help="How many layers, or pieces of text, are averaged"),
    clip: float = Opt(1.0, min=0.0, help="The norm that gradients are clipped to"),
    seed: int = Opt(0, min=0, help="What is drawn is drawn with this and the following numbers"),
    output: Optional[Path] = Opt(None, "--output", "-o", help="Where a page goes, if there is to be one"),
    plots: Optional[Path] = PLOTS,
    code: Optional[Path] = CODE,
) -> None:
    """Show how far back the gradient reaches.

    Its norm by distance, of each cell, freshly initialized, or of a trained pipeline's recurrent layers.
    """
    with _running(code):
        from .gradients import Options, of_cells, of_pipeline

        options = Options(distance, samples, clip, seed, output, plots)
        if pipeline is None and component is None:
            of_cells(cell or [], width, options)
        elif pipeline is None:
            raise CommandError("--component is for a trained pipeline", "Name a pipeline and a corpus.")
        elif cell:
            raise CommandError("--cell is for freshly initialized layers", "A trained pipeline has the cells of its config.")
        elif corpus is None:
            raise CommandError("What a trained layer passes back depends on what it reads", "Name a corpus, too.")
        else:
            of_pipeline(pipeline, corpus, component, options)


@rnn_cli.command("train-lm", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train_lm_command(
    ctx: typer.Context,
    texts: Path = Arg(..., help="Texts: .txt, .jsonl, either with .gz, or .spacy; or a folder", show_default=False),
    output: Path = Arg(..., help="Folder for the pipeline, the trainings and their logs", show_default=False),
    dev: Optional[Path] = Opt(None, "--dev", help="Texts that are not trained on; a hundredth of the others if not given"),
    config: Optional[Path] = Opt(None, "--config", help="Config with one component rnn_lm called lm; lm_embed if not given"),
    name: Optional[str] = Opt(None, "--name", help="Name of the pipeline; LANG_texts_lm if not given"),
    lang: str = Opt("en", "--lang", "-l", help="Its language"),
    unit: str = Opt("line", "--unit", help="What a text of a .txt file is: line, paragraph or file"),
    hidden_width: Optional[int] = Opt(None, min=1, help="Hidden units of each model; as the config says if not given: 256"),
    epochs: Optional[float] = Opt(None, help="How often the texts are read; as the config says if not given: 2"),
    seed: int = Opt(0, min=0, help="What random numbers begin with"),
    processes: Optional[int] = Opt(None, min=1, help="How many models are trained at a time; two if there are two cores"),
    package: bool = Opt(False, "--package", help="Build a package of the pipeline, too"),
    force: bool = Opt(False, "--force", "-F", help="Replace a pipeline that is there already"),
    gpu: int = GPU,
    code: Optional[Path] = CODE,
) -> None:
    """Train language models of your texts.

    One that reads forward and one that reads backward, in one pipeline with the components lm_forward and lm_backward, for other
    components to read. Settings of the config can be replaced, e.g. --training.max_steps 100.
    """
    with _running(code):
        # Refuses what is no setting; spaCy takes what it has parsed from the list.
        _parse_overrides(list(ctx.args))
        from ..pipeline.language_model.both_directions import CONFIG, Settings
        from .language_models.train_lm import Options, train_language_models

        n_processes = processes or min(2, os.cpu_count() or 1)
        name = name or f"{lang}_texts_lm"
        settings = Settings(config or CONFIG, name, lang, unit, hidden_width, epochs, seed, gpu, code, n_processes, ctx.args)
        train_language_models(texts, output, Options(dev, package, force), settings)


@rnn_cli.command("generate")
def generate_command(
    pipeline: str = PIPELINE,
    prompt: Optional[List[str]] = Opt(
        None, "--prompt", "-p", help="What a text goes on from, once or several times; the beginning of a text if not given"
    ),
    number: int = Opt(1, "--number", "-n", min=1, help="How many texts are written for each prompt"),
    temperature: float = Opt(1.0, help="Above 0; below 1 is safer, above 1 more diverse"),
    top_k: int = Opt(0, help="Draw from the k most probable symbols; 0 for all"),
    top_p: float = Opt(1.0, help="Draw from the most probable symbols that together have this probability"),
    min_p: float = Opt(0.0, help="Draw from symbols that have this part of the probability of the most probable one"),
    typical_p: float = Opt(1.0, help="Draw from the most typical symbols that together have this probability"),
    repetition_penalty: float = Opt(1.0, help="Above 1, symbols that a text already has come less often"),
    no_repeat_ngram: int = Opt(0, help="So many symbols in a row never come twice; 0 for none"),
    greedy: bool = Opt(False, "--greedy", help="Always take the most probable symbol"),
    beam: Optional[int] = Opt(None, min=1, help="Search for the most probable texts, keeping so many at each step"),
    max_symbols: int = Opt(500, min=1, help="The largest number of symbols after a prompt"),
    stop: Optional[List[str]] = Opt(None, help="Text that ends a text, once or several times"),
    seed: int = Opt(0, min=0, help="What random numbers begin with"),
    component: Optional[str] = LANGUAGE_MODEL,
    replace_unknown: bool = Opt(False, "--replace-unknown", help="Read what the model has never seen as unknown"),
    gpu: int = GPU,
    code: Optional[Path] = CODE,
) -> None:
    """Write texts with a language model.

    They are printed as they are, each after its prompt; a single one as it is written.
    """
    with _running(code, gpu):
        from .language_models.generate import Options, write_texts

        options = Options(number, beam, max_symbols, stop or [], seed, replace_unknown)
        sampling = {
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "typical_p": typical_p,
            "repetition_penalty": repetition_penalty,
            "no_repeat_ngram": no_repeat_ngram,
            "greedy": greedy,
        }
        write_texts(pipeline, prompt or [], component, options, sampling)


@rnn_cli.command("perplexity")
def perplexity_command(
    pipeline: str = PIPELINE,
    texts: Path = Arg(..., help="Texts: .txt, .jsonl, either with .gz, or .spacy; or a folder", show_default=False),
    unit: Optional[str] = UNIT,
    tokens: Optional[str] = TOKENS,
    worst: int = Opt(20, "--worst", min=0, help="How many texts are shown, those first that surprise most"),
    words: bool = Opt(False, "--words", help="Print the surprisal of each word, in the order of the texts"),
    html: Optional[Path] = Opt(None, "--html", help="Where a page goes that shades each word of these texts by its surprisal"),
    output: Optional[Path] = Opt(None, "--output", "-o", help="Where the scores of all texts go, in .jsonl format"),
    component: Optional[str] = LANGUAGE_MODEL,
    gpu: int = GPU,
    code: Optional[Path] = CODE,
) -> None:
    """Show how much texts surprise a language model.

    Bits a character and a word, and perplexity, by text, those first that surprise most, and of all texts together.
    """
    with _running(code, gpu):
        from .language_models.perplexity import Options, score_texts

        score_texts(pipeline, texts, component, Options(unit, tokens, worst, words, html, output))


@rnn_cli.command("translate")
def translate_command(
    pipeline: str = PIPELINE,
    file: str = Arg(
        ..., help="Text, a line each: a file, compressed if its name ends in .gz, or - for standard input", show_default=False
    ),
    output: Optional[Path] = Opt(
        None, "--output", "-o", help="Where the output goes, compressed if its name ends in .gz; standard output if not given"
    ),
    beam: Optional[int] = Opt(None, min=1, help="Width of the beam search, 1 for greedy; that of the component if not given"),
    batch_size: int = Opt(64, "--batch-size", min=1, help="How many lines are translated together"),
    alternatives: int = Opt(
        0, min=0, help="How many further outputs each line gets; if any, a row for each: line, score and text"
    ),
    attention: Optional[Path] = Opt(None, help="Where a page goes that shows what the model looked at, for the first 100 lines"),
    component: Optional[str] = Opt(None, help="Encoder-decoder to use; the first one if not given"),
    gpu: int = GPU,
    code: Optional[Path] = CODE,
) -> None:
    """Translate the lines of a file.

    By an encoder-decoder (rnn_seq2seq): a line of output for each line, in their order.
    """
    with _running(code, gpu):
        from .translate import Options, translate_lines

        translate_lines(pipeline, file, component, Options(output, beam, batch_size, alternatives, attention))


@rnn_cli.command("mix")
def mix_command(
    pipelines: List[str] = Arg(..., help="Trained pipelines with a language model each", show_default=False),
    texts: Path = Opt(..., "--dev", help="Texts that they were not trained on, which the weights are fitted to"),
    output: Path = Opt(..., "--output", "-o", help="Directory where the pipeline goes"),
    unit: Optional[str] = UNIT,
    cache: Optional[int] = Opt(None, min=1, help="Mix in a cache that remembers so many symbols of a text"),
    cache_order: Optional[int] = Opt(None, min=1, help="Order of the cache's n-grams; 1, single symbols, if not given"),
    force: bool = Opt(False, "--force", "-F", help="Replace a pipeline that is there already"),
    gpu: int = GPU,
    code: Optional[Path] = CODE,
) -> None:
    """Mix language models.

    Write a pipeline whose language model is the weighted mean of others over the same symbols, with the weights that fit texts
    best.
    """
    with _running(code, gpu):
        from .language_models.mix import Options, mix_pipelines

        mix_pipelines(pipelines, texts, output, Options(unit, cache, cache_order, force))


@rnn_cli.command("samples")
def samples_command(
    pipelines: List[str] = Arg(..., help="Trained pipelines with a language model each", show_default=False),
    output: Path = Opt(Path("samples.html"), "--output", "-o", help="Where the page goes"),
    text: Optional[Path] = Opt(None, "--text", help="Real text that they were not trained on: that of dev"),
    train: Optional[Path] = Opt(None, "--train", help="Training text: words that it does not have are counted"),
    prompt: Optional[List[str]] = Opt(
        None, "--prompt", "-p", help="What texts go on from, once or several times; beginnings of --text if not given"
    ),
    number: int = Opt(4, "--number", "-n", min=1, help="How many texts are drawn for each prompt"),
    max_symbols: int = Opt(200, min=1, help="The largest number of symbols after a prompt"),
    seed: int = Opt(0, min=0, help="What random numbers begin with"),
    unit: Optional[str] = UNIT,
    component: Optional[str] = LANGUAGE_MODEL,
    gpu: int = GPU,
    code: Optional[Path] = CODE,
) -> None:
    """Write a page about what goes wrong in generation.

    Texts of language models side by side, over temperatures and by search; how diverse they are, how much context helps, and
    how far a model's own text is from real text.
    """
    with _running(code, gpu):
        from .language_models.samples import Options, show_samples

        show_samples(pipelines, Options(output, text, train, prompt or [], number, max_symbols, seed, unit, component))


@rnn_cli.command("ngrams")
def ngrams_command(
    texts: List[Path] = Arg(..., help="Plain text: files .txt, .txt.gz or .jsonl, or folders of them", show_default=False),
    output: Path = Opt(..., "--output", "-o", help="The ARPA file; compressed if its name ends in .gz", show_default=False),
    order: int = Opt(5, "--order", "-n", min=1, max=16, help="Order of the longest n-grams"),
    symbols: str = Opt("words", help="What is counted: words, by white space, or characters"),
    unit: str = Opt("line", help="What a text is: a line, a paragraph, or a file"),
    size: int = Opt(0, min=0, help="How many words or characters are known, the most frequent ones; 0 for all"),
    min_count: int = Opt(1, min=1, help="How often a known word or character occurs at least"),
    smoothing: str = Opt("kneser_ney", help="kneser_ney, witten_bell, add_k or none"),
    k: float = Opt(1.0, help="What add_k adds to each count"),
    prune: str = Opt("", help="Counts up to which n-grams are left out, by order, e.g. 0,0,1"),
    discount_fallback: bool = Opt(
        False,
        "--discount-fallback",
        help="Take 0.5, 1, 1.5 where discounts cannot be estimated, as for characters",
    ),
    memory: str = Opt("512M", help="How much memory counting may take; beyond it uses temporary files"),
) -> None:
    """Write an n-gram model of plain text.

    Modified Kneser-Ney smoothing by default, in an ARPA file, which KenLM and SRILM read as well.
    """
    with _running(None):
        from .language_models.ngrams import Options, write_ngrams

        options = Options(order, symbols, unit, size, min_count, smoothing, k, prune, discount_fallback, memory)
        write_ngrams(texts, output, options)
