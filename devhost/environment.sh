#!/bin/sh
# Makes .venv (or the folder that VENV names), with Python 3.13, hold the packages of the requirement files given as
# arguments. Does nothing when it does already: the stamp is a checksum of the files' content. Every file that pip fetches
# must have a hash there: `make lock` writes them.
set -eu
venv=${VENV:-.venv}

say() { echo "$*" >&2; }

# The versions that this machine's pyenv and uv know need not be the default: look them up by their names.
candidates() {
    for name in python3.13 python3 python; do command -v "$name" || true; done
    for root in "${PYENV_ROOT:-}" "${HOME:-}/.pyenv"; do
        ls -d "$root"/versions/3.13*/bin/python3.13 2>/dev/null || true
    done
    if command -v uv >/dev/null; then uv python find --system 3.13 2>/dev/null || true; fi
}

# A pyenv shim is found on PATH even where it has no such version behind it, so each one is tried.
works() { "$1" -c "import sys, $2; sys.exit(sys.version_info[:2] != (3, 13))" >/dev/null 2>&1; }

find_python() {
    candidates | while read -r python; do
        if works "$python" "venv, ensurepip"; then echo "$python"; break; fi
    done
}

if ! works "$venv"/bin/python pip; then
    rm -rf "$venv"  # first, lest an activated half of it be found as the Python to make it with
    python=$(find_python)
    if [ -z "$python" ]; then
        say "Python 3.13 with venv and pip is needed and was not found: install it (uv python install 3.13," \
            "pyenv install 3.13, or python3.13 and python3.13-venv of your system), then run make again."
        exit 1
    fi
    "$python" -m venv "$venv"
fi

stamp=$venv/installed-$(echo "$*" | cksum | cut -d ' ' -f 1)
wanted=$(cat "$@" | cksum)
[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || exit 0

say "Installing Python packages (once, about half a minute) ..."
set -- $(printf -- '-r %s ' "$@")
if ! "$venv"/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes "$@" \
    >"$venv/pip.log" 2>&1; then
    say "pip could not install the packages ($(grep ERROR "$venv/pip.log" | tail -n 1)):" \
        "check the network and pip's configuration, then run make again; $venv/pip.log has the whole story."
    exit 1
fi
echo "$wanted" >"$stamp"
