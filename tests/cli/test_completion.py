"""Completion, as a shell asks for it: through processes of its own."""

import os
import shutil
import subprocess
import sys

import pytest

bash = shutil.which("bash")
pytestmark = pytest.mark.skipif(bash is None, reason="bash is not installed")


@pytest.fixture
def shell(tmp_path):
    """Run lines in a bash that finds a `latentstem`, and return what they print."""
    program = tmp_path / "bin" / "latentstem"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m latentstem "$@"\n')
    program.chmod(0o755)

    def run(lines, **variables):
        environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        done = subprocess.run(
            [bash, "--norc", "-c", lines], env=environment | variables, capture_output=True, text=True, timeout=120
        )
        assert done.stderr == ""
        return done.stdout

    return run


def test_the_script_completes_commands_and_options(shell):
    asked = """
        COMP_WORDS=(latentstem accompany --mi) COMP_CWORD=2
        eval "$(complete -p latentstem | sed 's/.*-F \\([^ ]*\\).*/\\1/') latentstem"
        echo "${COMPREPLY[@]}"
    """
    assert shell(f'eval "$(_LATENTSTEM_COMPLETE=source_bash latentstem)"; {asked}').split() == ["--midi"]
    first = asked.replace("accompany --mi", "acc").replace("COMP_CWORD=2", "COMP_CWORD=1")
    assert shell(f'eval "$(_LATENTSTEM_COMPLETE=source_bash latentstem)"; {first}').split() == ["accompany"]


def test_show_completion_prints_the_script_of_the_shell_that_runs_it(shell):
    script = shell("_LATENTSTEM_COMPLETE=source_bash latentstem")
    assert shell("latentstem --show-completion; true").strip() == script.strip()
    assert shell("latentstem --show-completion bash; true").strip() == script.strip()


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish", "powershell", "pwsh"])
def test_every_shell_has_its_script(shell, kind):
    assert f"complete_{kind}".replace("pwsh", "p") in shell(f"_LATENTSTEM_COMPLETE=source_{kind} latentstem")


def test_installing_writes_below_the_home_folder(shell, tmp_path):
    assert "bash completion installed" in shell("latentstem --install-completion; true")
    assert "latentstem" in (tmp_path / ".bashrc").read_text()
