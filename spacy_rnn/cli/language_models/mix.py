"""`mix`: a mixture of language models."""

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from spacy.language import Language
from wasabi import table

from ...evaluation.components import find_language_model
from ...evaluation.language.documents import find_reading, read_documents
from ...pages.files import write_folder
from ...pipeline.language_model.mixing import mix_language_models
from ..errors import CommandError, writing
from ..loading import load_pipeline, require_free


class Options(NamedTuple):
    """What a user chooses.

    unit (Optional[str]): What a text of a `.txt` file is; as the first model was trained if None.
    cache (Optional[int]): How many symbols of a text a cache remembers; None for no cache.
    cache_order (Optional[int]): The order of the cache's n-grams; 1 if None.
    force (bool): Whether a pipeline that is there already is replaced.
    """

    unit: Optional[str]
    cache: Optional[int]
    cache_order: Optional[int]
    force: bool


def mix_pipelines(pipelines: List[str], texts: Path, output: Path, options: Options) -> None:
    """Write a pipeline whose language model is a mixture of those of others, with weights that fit texts best.

    pipelines (List[str]): Directories, or names of installed packages.
    texts (Path): Texts that no model has been trained on: a file or a folder.
    output (Path): Where the pipeline goes.
    options (Options): The rest.
    RAISES (CommandError): If there is no such pipeline or file, or one cannot be written.
    RAISES (ValueError): If a pipeline has no language model, they have other symbols, or an option is out of its range.
    """
    require_free(output, options.force)
    cache = _settings_of_cache(options)
    members = _load_members(pipelines)
    nlp, name = next(iter(members.values()))
    _, lm = find_language_model(nlp, name)
    try:
        docs = (placed.doc for placed in read_documents(nlp, texts, find_reading(nlp, lm, options.unit)))
        mixed, weights = mix_language_models(members, docs, cache=cache)
    except FileNotFoundError as error:
        raise CommandError(f"There is no file or folder {texts}", "Expected texts, or a folder of them.") from error
    with writing("pipeline", output):
        write_folder(output, mixed.to_disk)
    names = dict(zip(members, pipelines, strict=True))
    rows = [(key, names.get(key, "–"), f"{weight:.3f}") for key, weight in weights.items()]
    print(table(rows, header=("member", "pipeline", "weight"), divider=True, aligns=("l", "l", "r")))


def _settings_of_cache(options: Options) -> Optional[Dict[str, int]]:
    if options.cache is None:
        if options.cache_order is not None:
            raise CommandError("--cache-order is of a cache", "Say by --cache how many symbols it remembers.")
        return None
    order = options.cache_order or 1
    if order > options.cache:
        raise CommandError(f"--cache-order is at most --cache, that is {options.cache}, got {order}", "Set a longer --cache.")
    return {"size": options.cache, "order": order}


def _load_members(pipelines: List[str]) -> Dict[str, Tuple[Language, str]]:
    """Load pipelines, and name them so that they are in the order in which they were given."""
    members = {}
    for i, pipeline in enumerate(pipelines):
        nlp = load_pipeline(pipeline)
        members[f"model_{i + 1:02}"] = (nlp, find_language_model(nlp)[0])
    return members
