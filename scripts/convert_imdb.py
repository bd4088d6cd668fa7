"""Convert the film reviews of Maas et al. (2011), "Learning word vectors for sentiment analysis", to spaCy's binary format."""

import random
import re
import tarfile
from pathlib import Path
from typing import Annotated, Dict, Iterator, List, NamedTuple

import spacy
import typer
from spacy.tokens import DocBin

_PATH = re.compile(r"(?:^|/)(train|test)/(neg|pos)/(\d+)_(\d+)\.txt$")
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


def read_reviews(folder: Path) -> Iterator[Review]:
    """Read all reviews with a label.

    folder (Path): Where `aclImdb_v1.tar.gz` lies, or several such archives, which together hold all.
    YIELDS (Review): The reviews.
    RAISES (FileNotFoundError): If there is no archive.
    RAISES (ValueError): If an archive is damaged.
    """
    archives = sorted(folder.glob("*.tar.gz"))
    if not archives:
        raise FileNotFoundError(f"expected aclImdb_v1.tar.gz in {folder}")
    for path in archives:
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    found = _PATH.search(member.name)
                    content = archive.extractfile(member) if found else None
                    if found and content:
                        # Line breaks are the one markup in these texts.
                        text = content.read().decode("utf8").replace("<br />", "\n")
                        yield Review(found[1], found[2], int(found[3]), text)
        except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: {error}") from error


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
            if not own:
                raise ValueError(f"there are no reviews {split}/{label}")
            n_dev = round(dev_share * len(own)) if split == "train" else 0
            splits[split] += own[: len(own) - n_dev]
            splits["dev"] += own[len(own) - n_dev :]
    for own in splits.values():
        random.Random(0).shuffle(own)
    return splits


def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with aclImdb_v1.tar.gz")],
    output: Annotated[Path, typer.Argument(help="Folder for train.spacy, dev.spacy and test.spacy")],
    dev_share: Annotated[float, typer.Option(help="Share of the training part that becomes dev.spacy", min=0.0, max=0.5)] = 0.1,
) -> None:
    """Convert the film reviews to spaCy's binary format."""
    nlp = spacy.blank("en")
    output.mkdir(parents=True, exist_ok=True)
    try:
        splits = split_reviews(list(read_reviews(folder)), dev_share)
    except (OSError, ValueError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    for split, reviews in splits.items():
        docs = DocBin(attrs=["ORTH", "SPACY"])
        for review in reviews:
            doc = nlp.make_doc(review.text)
            doc.cats = {name: float(review.label == label) for label, name in _CLASSES.items()}
            docs.add(doc)
        docs.to_disk(output / f"{split}.spacy")
        typer.echo(f"{folder}, {split}: {len(reviews):,} texts")


if __name__ == "__main__":
    typer.run(convert)
