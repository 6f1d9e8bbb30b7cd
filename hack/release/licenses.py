"""Are the licences of everything that the images contain on the list of those that we may ship?

    python -m release.licenses LICENSES.json requirements/collector.txt ...

The first is what `pip-licenses --format=json --from=mixed` wrote; what the others pin must be in it.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from release.locked import locked_names, normal

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    }
)
_SAME = {
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}


def refused(packages: Iterable[Mapping[str, str]]) -> list[str]:
    """Packages with a licence that is not allowed. `A OR B` needs one of both, `A AND B` and `A; B` all."""
    return [
        f"{it['Name']} {it['Version']}: {it['License']}" for it in packages if not _allowed(it["License"])
    ]


def unseen(packages: Iterable[Mapping[str, str]], requirements: Iterable[str]) -> list[str]:
    """What the requirements files pin for this platform and nobody looked at."""
    seen = {normal(it["Name"]) for it in packages}
    pinned: set[str] = set().union(*(locked_names(text) for text in requirements))
    return sorted(pinned - seen)


def _allowed(expression: str) -> bool:
    parts = re.split(r"\s*;\s*|\s+AND\s+", expression)
    return all(any(_name(choice) in ALLOWED for choice in re.split(r"\s+OR\s+", part)) for part in parts)


def _name(said: str) -> str:
    bare = said.strip()
    return _SAME.get(bare.lower(), bare)


def main(arguments: Sequence[str]) -> None:
    """Exit 1 naming every package whose licence is not allowed, or was not looked at."""
    listed, *files = arguments
    packages = json.loads(Path(listed).read_text(encoding="utf-8"))
    if wrong := refused(packages):
        sys.exit("not on the list of hack/release/licenses.py:\n  " + "\n  ".join(wrong))
    if unknown := unseen(packages, (Path(file).read_text(encoding="utf-8") for file in files)):
        sys.exit(f"not installed, so their licences are unknown: {', '.join(unknown)}")
    print(f"{len(packages)} packages, all under a licence that may be shipped")


if __name__ == "__main__":
    main(sys.argv[1:])
