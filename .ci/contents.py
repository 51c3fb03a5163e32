"""Compare an sdist and a wheel with the source they were built from: python contents.py SOURCE DIST."""

import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

source, dist = map(Path, sys.argv[1:])
(sdist_file,), (wheel_file,) = dist.glob("*.tar.gz"), dist.glob("*.whl")

package = {str(file.relative_to(source)) for file in (source / "latentstem").rglob("*") if file.is_file()}
with tarfile.open(sdist_file) as archive:
    sdist = {name.partition("/")[2] for name in archive.getnames()}
with zipfile.ZipFile(wheel_file) as archive:
    wheel = set(archive.namelist())
    (metadata_name,) = (name for name in wheel if name.endswith(".dist-info/METADATA"))
    metadata = HeaderParser().parsestr(archive.read(metadata_name).decode())

assert package <= sdist, f"missing from the sdist: {sorted(package - sdist)}"
in_wheel = {name for name in wheel if not name.partition("/")[0].endswith(".dist-info")}
assert in_wheel == package, f"only in one of wheel and package: {sorted(in_wheel ^ package)}"
top = {name.partition("/")[0] for name in sdist} - {""}
expected = {"latentstem", "pyproject.toml", "PKG-INFO", ".gitignore", "README.md", "LICENSE", "CITATION.cff"}
assert top == expected, f"at the top of the sdist: {sorted(top)}"
assert any("weights" in name and name.endswith(".safetensors") for name in wheel), "no weights in the wheel"
assert metadata["Name"] == "latentstem" and metadata["Version"] in sdist_file.name, metadata["Version"]
assert metadata["License-Expression"] == "Apache-2.0" and "LICENSE" in metadata.get_all("License-File", [])
for file in (sdist_file, wheel_file):
    size = file.stat().st_size / 1e6
    assert size < 100, f"{file.name} has {size:.0f} MB; package indexes take 100"
    print(f"{file.name}: {size:.1f} MB")
