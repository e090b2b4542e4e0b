#!/bin/sh
# Installs the packages of the given requirement files into .venv (or the folder that VENV names), with Python 3.13. It
# does nothing if they are there already: a stamp holds a checksum of the files. Every package that pip fetches must
# have its hash in the files: `make lock` writes the hashes.
set -eu
venv=${VENV:-.venv}

say() { echo "$*" >&2; }

# The default Python can be another version than 3.13. pyenv and uv may have 3.13, so their folders are listed, too.
installed_pythons() {
    for name in python3.13 python3 python; do command -v "$name" || true; done
    for root in "${PYENV_ROOT:-}" "${HOME:-}/.pyenv"; do
        ls -d "$root"/versions/3.13*/bin/python3.13 2>/dev/null || true
    done
    if command -v uv >/dev/null; then uv python find --system 3.13 2>/dev/null || true; fi
}

# PATH can have a pyenv shim without a Python of that version behind it. So each one is tried.
works() { "$1" -c "import sys, $2; sys.exit(sys.version_info[:2] != (3, 13))" >/dev/null 2>&1; }

find_python() {
    installed_pythons | while read -r python; do
        if works "$python" "venv, ensurepip"; then echo "$python"; break; fi
    done
}

if ! works "$venv"/bin/python pip; then
    rm -rf "$venv"  # first: if the broken folder is activated, PATH would offer its Python
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
