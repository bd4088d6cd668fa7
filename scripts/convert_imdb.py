"""Convert the film reviews of Maas et al. (2011), "Learning word vectors for sentiment analysis", to spaCy's binary format."""

import random
import re
from pathlib import Path
from typing import Annotated, Dict, List, NamedTuple, Tuple

import spacy
import typer
from corpora.archives import is_archive, read_members
from corpora.command_errors import reported_errors
from corpora.corpus_files import write_corpus
from spacy.language import Language
from spacy.tokens import DocBin

# Hidden files are what some systems add to an archive.
_PATH = re.compile(r"(?:^|/)(train|test)/(neg|pos)/([^/.][^/]*)$")
_NAME = re.compile(r"[0-9]{1,9}_[0-9]{1,9}\.txt")
_CLASSES = {"neg": "negative", "pos": "positive"}


class Review(NamedTuple):
    """A review.

    split (str): "train" or "test".
    label (str): "neg" or "pos".
    number (int): Its number among those of the same label; the reviews of a film follow each other.
    text (str): The text.
    """

    split: str
    label: str
    number: int
    text: str


def read_reviews(folder: Path) -> List[Review]:
    """Read all reviews with a label.

    folder (Path): Where `aclImdb_v1.tar.gz` lies, or several archives (`.tar.gz` or `.tgz`), which together hold all.
    RETURNS (List[Review]): The reviews.
    RAISES (FileNotFoundError): If there is no archive.
    RAISES (ValueError): With archive and file, if an archive is damaged, a review is no text, or there are two of the same name.
    """
    archives = sorted(path for path in folder.glob("*") if is_archive(path))
    if not archives:
        raise FileNotFoundError(f"expected aclImdb_v1.tar.gz in {folder}")
    reviews: Dict[Tuple[str, str, str], Review] = {}
    for path in archives:
        for member in read_members(path):
            found = _PATH.search(member.name)
            if not found:
                continue
            review = _read_review(f"{path}, {member.name}", member.content, *found.groups())
            if reviews.setdefault(found.groups(), review) is not review:  # type: ignore[arg-type]
                raise ValueError(
                    f"{path}, {member.name}: this review has been read before, from this archive or another in {folder}"
                )
    return list(reviews.values())


def _read_review(where: str, content: bytes, split: str, label: str, name: str) -> Review:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{where}: expected the name of a review to be its number and its rating, e.g. 0_9.txt")
    try:
        # Line breaks are the one markup in these texts.
        text = content.decode("utf8").replace("<br />", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: expected text in UTF-8: {error}") from error
    return Review(split, label, int(name.split("_")[0]), text)


def split_reviews(reviews: List[Review], dev_share: float) -> Dict[str, List[Review]]:
    """Put aside the last reviews of each label of the training part as a development part, so that the two share at most a film.

    reviews (List[Review]): The reviews.
    dev_share (float): The share of the training part.
    RETURNS (Dict[str, List[Review]]): The reviews of "train", "dev" and "test", in a random order that is always the same.
    RAISES (ValueError): If a part has no reviews of a label.
    """
    splits: Dict[str, List[Review]] = {"train": [], "dev": [], "test": []}
    for label in _CLASSES:
        for split in ("train", "test"):
            own = sorted((review for review in reviews if (review.split, review.label) == (split, label)), key=lambda r: r.number)
            n_dev = round(dev_share * len(own)) if split == "train" else 0
            if not own or n_dev == len(own):
                raise ValueError(f"there are no reviews {split}/{label}")
            if split == "train" and dev_share and not n_dev:
                raise ValueError(
                    f"there are too few reviews train/{label}, {len(own)}, for a share of {dev_share} for development"
                )
            splits[split] += own[: len(own) - n_dev]
            splits["dev"] += own[len(own) - n_dev :]
    for own in splits.values():
        random.Random(0).shuffle(own)
    return splits


def make_docs(nlp: Language, split: str, reviews: List[Review]) -> DocBin:
    """Make the documents of a split.

    nlp (Language): The tokenizer.
    split (str): The name of the split.
    reviews (List[Review]): Its reviews.
    RETURNS (DocBin): The documents.
    RAISES (ValueError): If a text is too long for spaCy.
    """
    docs = DocBin(attrs=["ORTH", "SPACY"])
    for review in reviews:
        try:
            doc = nlp.make_doc(review.text)
        except ValueError as error:
            raise ValueError(f"{split}, review {review.number} ({review.label}): {error}") from error
        doc.cats = {name: float(review.label == label) for label, name in _CLASSES.items()}
        docs.add(doc)
    return docs


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with aclImdb_v1.tar.gz")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    dev_share: Annotated[float, typer.Option(help="Share of the training part that becomes dev.spacy", min=0.0, max=0.5)] = 0.1,
) -> None:
    """Convert the film reviews to spaCy's binary format."""
    nlp = spacy.blank("en")
    with reported_errors():
        splits = split_reviews(read_reviews(folder), dev_share)
        write_corpus(output, {split: make_docs(nlp, split, reviews) for split, reviews in splits.items()})
    for split, reviews in splits.items():
        typer.echo(f"{folder}, {split}: {len(reviews):,} texts")


if __name__ == "__main__":
    typer.run(convert)
