"""Corpora in spaCy's binary format, converted where they are not yet, and parts of them."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Mapping, NamedTuple, Optional, Tuple

import spacy
from _measure import ROOT
from spacy.tokens import DocBin

SPLITS = ("train", "dev", "test")


class Conversion(NamedTuple):
    """How a corpus is converted.

    names (Tuple[str, ...]): What the folder of the raw corpus may be called.
    script (str): The converter in scripts/.
    options (Tuple[str, ...]): Its options.
    """

    names: Tuple[str, ...]
    script: str
    options: Tuple[str, ...] = ()


# By the name of the converted corpus, as in project.yml.
CONVERSIONS = {
    "ewt": Conversion(("ewt", "ud-english-ewt"), "convert_conllu.py"),
    "french": Conversion(("french", "ud-french-sequoia"), "convert_conllu.py"),
    "uyghur": Conversion(("uyghur", "ud-uyghur-udt"), "convert_conllu.py"),
    "vietnamese": Conversion(("vietnamese", "ud-vietnamese-vtb"), "convert_conllu.py"),
    "pos": Conversion(("pos",), "convert_conllu.py"),
    "wnut": Conversion(("wnut", "wnut17"), "convert_conll.py"),
    "sst2": Conversion(("sst2",), "convert_textcat.py", ("--name", "0=negative", "--name", "1=positive")),
    "tweets": Conversion(("tweets", "tweet-sentiment"), "convert_textcat.py"),
    "imdb": Conversion(("imdb",), "convert_imdb.py"),
    "reviews": Conversion(("reviews",), "convert_textcat.py"),
    "topics": Conversion(("topics",), "convert_textcat.py"),
}


def is_available(name: str, corpora: Path, data: Path) -> bool:
    """Tell whether a corpus is there, converted or raw.

    name (str): The name of the converted corpus.
    corpora (Path): The folder of converted corpora.
    data (Path): The folder of raw corpora; those in assets/ count as well.
    RETURNS (bool): Whether `find_corpus` finds it.
    """
    return _is_converted(corpora / name) or _find_raw(name, data) is not None


def find_corpus(name: str, corpora: Path, data: Path) -> Path:
    """Find a converted corpus, or convert it.

    name (str): The name of the converted corpus.
    corpora (Path): The folder of converted corpora.
    data (Path): The folder of raw corpora; those in assets/ count as well.
    RETURNS (Path): The folder of train.spacy, dev.spacy and test.spacy.
    RAISES (FileNotFoundError): If there is neither the converted nor the raw corpus.
    RAISES (CalledProcessError): If the converter refuses it, after it has said why.
    """
    if not _is_converted(corpora / name):
        raw, conversion = _find_raw(name, data), CONVERSIONS[name]
        if raw is None:
            raise FileNotFoundError(
                f"expected the converted corpus in {corpora / name} or the raw one in {data}, in a folder called "
                f"{' or '.join(conversion.names)}; `python -m spacy project assets` fetches most of them"
            )
        script = ROOT / "scripts" / conversion.script
        # Without bytecode in scripts/corpora, by which the project's workflows would run again.
        subprocess.run([sys.executable, "-B", script, raw, corpora / name, *conversion.options], check=True)
    return corpora / name


def take_parts(corpus: Path, limits: Mapping[str, Optional[int]], output: Path) -> Path:
    """Copy some texts of the parts of a converted corpus, at equal distances from each other: many are sorted by source.

    corpus (Path): The folder of train.spacy, dev.spacy and test.spacy.
    limits (Mapping[str, Optional[int]]): How many texts of each part; all of those it does not mention, or of which it says None.
    output (Path): Where the copies go.
    RETURNS (Path): The same.
    """
    output.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        path, limit = f"{split}.spacy", limits.get(split)
        if limit is None:
            shutil.copyfile(corpus / path, output / path)
        else:
            docs = list(DocBin().from_disk(corpus / path).get_docs(spacy.blank("xx").vocab))
            n = min(limit, len(docs))
            DocBin(docs=[docs[i * len(docs) // n] for i in range(n)]).to_disk(output / path)
    return output


def _is_converted(folder: Path) -> bool:
    return all((folder / f"{split}.spacy").is_file() for split in SPLITS)


def _find_raw(name: str, data: Path) -> Optional[Path]:
    folders = [parent / own for parent in (data, ROOT / "assets") for own in CONVERSIONS[name].names]
    return next((folder for folder in folders if folder.is_dir() and any(folder.iterdir())), None)
