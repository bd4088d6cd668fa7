"""Files in the format of Doug Paul's ARPA back-off models, which KenLM and SRILM read and write."""

from .reading import Arpa, read_arpa
from .writing import write_arpa

__all__ = ["Arpa", "read_arpa", "write_arpa"]
