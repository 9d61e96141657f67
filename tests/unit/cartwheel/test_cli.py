"""The command line where nothing has been set up yet."""

import os
import subprocess
import sys


def test_every_command_is_known_before_there_are_settings(tmp_path):
    empty = {name: value for name, value in os.environ.items() if not name.startswith("CARTWHEEL_")}
    environment = empty | {"CARTWHEEL_LOCAL_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "cartwheel.cli", "--help"]
    help_text = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert help_text.returncode == 0, help_text.stderr
    assert {"demo", "up", "recommend", "experiments", "make-api-key"} <= set(help_text.stdout.split())
