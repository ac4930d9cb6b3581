"""Completions in the shells themselves, and the manual page in `man`. A shell that is not installed is skipped."""

import pathlib
import shutil
import subprocess

import pytest

# For an interactive zsh behind a pseudo-terminal: what stands on its line after the tab key.
ZSH = r"""
zmodload zsh/zpty
drain() { local all= chunk; repeat 60; do if zpty -r -t z chunk; then all+=$chunk; else sleep 0.05; fi; done; REPLY=$all }
zpty z zsh -f -i
zpty -w z "PS1='> '; fpath=(FOLDER \$fpath); autoload -Uz compinit; compinit -u -d FOLDER/dump; setopt noautomenu"
drain
zpty -n -w z "$1"$'\t'
drain
print -r -- $REPLY
zpty -d z
"""


@pytest.fixture
def script(fresh):
    def write(shell: str) -> pathlib.Path:
        if not shutil.which(shell):
            pytest.skip(f"{shell} is not installed")
        done = fresh.run("completions", shell)
        assert done.returncode == 0, done.stderr
        folder = fresh.folder / shell
        folder.mkdir()
        file = folder / {"zsh": "_lmdeck", "fish": "lmdeck.fish", "bash": "lmdeck"}[shell]
        file.write_text(done.stdout)
        return file

    return write


def answer(fresh, *words: str) -> str:
    environment = {**fresh.environment, "PATH": f"{fresh.binary.parent}:{fresh.environment['PATH']}"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment, cwd=fresh.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bash_completes_verbs_and_values(fresh, script):
    file = script("bash")
    ask = f"source {file}; COMP_WORDS=(%s); COMP_CWORD=%d; _lmdeck lmdeck '%s' '%s'; echo \"${{COMPREPLY[@]}}\""
    assert answer(fresh, "bash", "--norc", "-c", ask % ("lmdeck config u", 2, "u", "config")).split() == ["undo"]
    kinds = answer(fresh, "bash", "--norc", "-c", ask % ("lmdeck providers add --type l", 4, "l", "--type")).split()
    assert {"lm_studio", "llama_cpp"} == set(kinds)


def test_fish_completes_verbs_with_their_meaning(fresh, script):
    file = script("fish")
    said = answer(fresh, "fish", "--no-config", "-c", f"source {file}; complete -C 'lmdeck config u'")
    assert said.startswith("undo\tTake back"), said
    kinds = answer(fresh, "fish", "--no-config", "-c", f"source {file}; complete -C 'lmdeck providers add --type l'")
    assert kinds.split() == ["llama_cpp", "lm_studio"]


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("lmdeck config u", ["lmdeck config undo"]), ("lmdeck providers add --type l", ["llama_cpp", "lm_studio"])],
)
def test_zsh_completes_verbs_and_values(fresh, script, typed, completed):
    file = script("zsh")
    said = answer(fresh, "zsh", "-f", "-c", ZSH.replace("FOLDER", str(file.parent)), "zsh", typed)
    for words in completed:
        assert words in said, said


@pytest.mark.parametrize("verb", [[], ["providers", "add"], ["config", "undo"], ["connect"]])
def test_man_shows_the_page_without_a_complaint(fresh, verb):
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    page = fresh.folder / "page.1"
    page.write_text(fresh.run("man", *verb).stdout)
    environment = {**fresh.environment, "MANWIDTH": "80"}
    done = subprocess.run(
        ["man", "--warnings=all", "-l", str(page)], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    for part in ("NAME", "SYNOPSIS", "OPTIONS", "-".join(["lmdeck", *verb])):
        assert part in done.stdout
