"""A pipeline of two language models, of which one reads texts from their beginning and one from their end."""

import sys
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import spacy
import srsly
from spacy import util
from spacy.language import Language

from ..corpus.reader import build_text_corpus
from .component import RNNLanguageModel
from .held_out import SplitTexts, split_texts
from .side_by_side import Command, run_side_by_side

# Beside this module, so that it is there where the package is installed without its repository, which has it in configs/.
CONFIG = Path(__file__).parent / "lm_embed.cfg"
DIRECTIONS = ("forward", "backward")
# The component of the config, and those of the pipeline.
COMPONENT = "lm"
COMPONENTS = {direction: f"{COMPONENT}_{direction}" for direction in DIRECTIONS}


class Settings(NamedTuple):
    """How two language models are trained.

    config (Path): The config, with one component "lm" and the variables `vars.backward` and `vars.unit`.
    name (str): The name of the pipeline's package, with or without the language and "_" before it.
    lang (str): Its language.
    unit (str): What a text of a `.txt` file is: a "line", a "paragraph" or the "file".
    hidden_width (Optional[int]): The number of hidden units; that of the config if None.
    epochs (Optional[float]): How often the texts are read; as the config says if None.
    seed (int): What random numbers begin with.
    gpu (int): The GPU, or -1 for the CPU.
    code (Optional[Path]): A Python file with registered functions.
    n_processes (int): How many models are trained at the same time.
    overrides (Sequence[str]): Further arguments of `spacy train`: settings of the config.
    """

    config: Path
    name: str
    lang: str
    unit: str
    hidden_width: Optional[int]
    epochs: Optional[float]
    seed: int
    gpu: int
    code: Optional[Path]
    n_processes: int
    overrides: Sequence[str] = ()


def train_both_directions(texts: Path, dev: Optional[Path], output: Path, settings: Settings) -> Language:
    """Train a language model that reads forward and one that reads backward, and put both into one pipeline.

    Trainings, their logs, and the texts if some were kept aside, are in folders of the output. Of the last and the best state of
    each training that is taken which predicts the texts for development better.

    texts (Path): What is trained on: a file or a folder, as `spacy_rnn.TextCorpus.v1` reads it.
    dev (Optional[Path]): What is not; a hundredth of the texts if None.
    output (Path): The folder for what is made on the way.
    settings (Settings): The rest.
    RETURNS (Language): The pipeline, whose components are called `lm_forward` and `lm_backward`. In its meta, "language_models"
        has what it was trained on, and the bits of a character of the texts for development.
    RAISES (ValueError): If the config has no such component, texts are damaged or there are none, or a training fails.
    RAISES (FileNotFoundError): If there is no such file or folder.
    """
    check_config(settings.config)
    begin = time.time()
    split = split_texts(texts, dev, output / "corpus", settings.unit, settings.seed)
    commands = [_train(direction, split, output, settings) for direction in DIRECTIONS]
    run_side_by_side(commands, settings.n_processes)
    seconds = time.time() - begin
    chosen = {direction: _choose(output / direction, split.dev, settings.unit) for direction in DIRECTIONS}
    nlp = join_directions({direction: model for direction, (model, _) in chosen.items()}, settings)
    bits = {COMPONENTS[direction]: round(found, 4) for direction, (_, found) in chosen.items()}
    nlp.meta["performance"] = {f"{name}_bits_per_char": value for name, value in bits.items()}
    nlp.meta["language_models"] = {**split.counts, "bits_per_character": bits, "seconds": round(seconds, 1)}
    return nlp


def check_config(path: Path) -> None:
    """Refuse a config that does not train a language model in either direction.

    path (Path): The config.
    RAISES (ValueError): If its pipeline is not one component `rnn_lm` called "lm", or it has no variable for the direction.
    RAISES (FileNotFoundError): If there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no config {path}")
    config = util.load_config(path)
    factory = config.get("components", {}).get(COMPONENT, {}).get("factory")
    if config.get("nlp", {}).get("pipeline") != [COMPONENT] or factory != "rnn_lm":
        raise ValueError(f"{path}: expected a pipeline of one component rnn_lm called '{COMPONENT}', as in lm_embed.cfg")
    missing = {"backward", "unit"} - set(config.get("vars", {}))
    if missing:
        raise ValueError(f"{path}: expected {' and '.join(sorted(missing))} in [vars], which symbols and corpora refer to")


def join_directions(models: Dict[str, Language], settings: Settings) -> Language:
    """Put two trained language models into a pipeline that has nothing else.

    models (Dict[str, Language]): By direction, a pipeline with a component "lm".
    settings (Settings): How they were trained.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): If their symbols are not read in the direction.
    """
    nlp = spacy.blank(settings.lang)
    for direction, name in COMPONENTS.items():
        lm: Any = models[direction].get_pipe(COMPONENT)
        if lm.symbols.backward != (direction == "backward"):
            raise ValueError(
                f"the symbols of the {direction} model are not read {direction}: in the config, they need "
                "backward = ${vars.backward}"
            )
        nlp.add_pipe(COMPONENT, name=name, source=models[direction])
    # spaCy puts the language before the name of a package, also where it is there already.
    nlp.meta["name"] = settings.name.removeprefix(f"{settings.lang}_")
    nlp.meta["version"] = "0.1.0"
    nlp.meta["description"] = "Language models of characters that read texts from their beginning and from their end."
    nlp.config["training"]["frozen_components"] = list(nlp.pipe_names)
    # Commands read texts as a model was trained on them, as far as its config says how.
    corpora = models["forward"].config.interpolate()["corpora"]
    nlp.config["corpora"] = {name: {**block, "path": f"${{paths.{name}}}"} for name, block in corpora.items()}
    return nlp


def save_pipeline(nlp: Language, path: Path) -> None:
    """Save a pipeline, and with it how large it is, in millions of bytes.

    nlp (Language): The pipeline of `train_both_directions`.
    path (Path): The directory.
    RAISES (OSError): If it cannot be written.
    """
    nlp.to_disk(path)
    n_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    nlp.meta["language_models"]["megabytes"] = round(n_bytes / 1e6, 2)
    srsly.write_json(path / "meta.json", nlp.meta)


def _train(direction: str, split: SplitTexts, output: Path, settings: Settings) -> Command:
    """Give the command that trains a model."""
    overrides: Dict[str, Any] = {
        "paths.train": split.train,
        "paths.dev": split.dev,
        "vars.backward": "true" if direction == "backward" else "false",
        "vars.unit": settings.unit,
        "nlp.lang": settings.lang,
        "system.seed": settings.seed,
        f"components.{COMPONENT}.model.hidden_width": settings.hidden_width,
        "initialize.before_init.epochs": settings.epochs,
    }
    arguments: List[Any] = ["train", settings.config, "--output", output / direction, "--gpu-id", settings.gpu]
    arguments += [] if settings.code is None else ["--code", settings.code]
    for name, value in overrides.items():
        arguments += [] if value is None else [f"--{name}", value]
    command = [sys.executable, "-m", "spacy", *map(str, arguments), *settings.overrides]
    return Command(f"the training of the {direction} model", command, output / f"{direction}.log")


def _choose(folder: Path, dev: Path, unit: str) -> Tuple[Language, float]:
    """Load of the best and the last state of a training that which predicts texts better, with its bits a character."""
    found = []
    for state in ("model-last", "model-best"):
        nlp = util.load_model(folder / state)
        lm = nlp.get_pipe(COMPONENT)
        assert isinstance(lm, RNNLanguageModel)
        examples = build_text_corpus(dev, unit=unit, tokens="none")(nlp)
        found.append((nlp, float(lm.score(examples)["lm_bits_per_char"])))
    return min(found, key=lambda pair: pair[1])
