# Sourced by the scripts beside it: makes .venv with VibeSeater in it, from nothing but Python and pip.
# Expects $root, the checkout's folder. Writes to nothing outside of it.

say() { printf '\n== %s\n' "$*" >&2; }
die() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

venv=$root/.venv
python=$venv/bin/python
# pip and Playwright would keep these in HOME.
export PIP_CACHE_DIR="${PIP_CACHE_DIR:-$venv/.cache/pip}"
export PLAYWRIGHT_BROWSERS_PATH="${PLAYWRIGHT_BROWSERS_PATH:-$venv/.cache/browsers}"
export PIP_DISABLE_PIP_VERSION_CHECK=1
# An activated environment, or a PYTHONPATH, of something else must not leak in.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV

is_fit() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_make() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Prints a Python that is new enough and can make an environment, or fails.
find_python() {
    if [ -n "${VIBESEATER_PYTHON:-}" ]; then
        is_fit "$VIBESEATER_PYTHON" || die "VIBESEATER_PYTHON=$VIBESEATER_PYTHON is no Python of 3.11 or newer."
        can_make "$VIBESEATER_PYTHON" || die "VIBESEATER_PYTHON=$VIBESEATER_PYTHON can't make environments (no ensurepip)."
        printf '%s\n' "$VIBESEATER_PYTHON"
        return
    fi
    unable=
    # 3.12 and 3.11 first: for them there is a package with a Redis in it.
    for candidate in python3.12 python3.11 python3.13 python3 python; do
        if is_fit "$candidate"; then
            if can_make "$candidate"; then
                printf '%s\n' "$candidate"
                return
            fi
            unable=$candidate
        fi
    done
    if [ -n "$unable" ]; then
        die "$unable can't make environments: its venv or ensurepip is missing.
       On Debian and Ubuntu run: apt-get install python3-venv
       or name another Python: VIBESEATER_PYTHON=/path/to/python3 $0"
    fi
    die "No Python of 3.11 or newer was found.
       Install one (apt-get install python3 python3-venv, or brew install python@3.12)
       or name it: VIBESEATER_PYTHON=/path/to/python3 $0"
}

# What the environment was made from; where it differs, it is made again.
fingerprint() { { printf '%s\n' "$root" "$1"; "$python" -V; cat "$root/pyproject.toml"; } 2>&1 | cksum; }
is_installed() { [ "$(cat "$venv/.installed-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]; }

# prepare EXTRA: .venv holds VibeSeater, editable, with that extra ("" for none).
prepare() {
    if ! is_fit "$python" || ! "$python" -m pip --version >/dev/null 2>&1; then
        found=$(find_python) || exit 1
        say "Making $venv with $("$found" -V 2>&1)"
        "$found" -m venv --clear "$venv" ||
            die "$found can't make $venv. See above; VIBESEATER_PYTHON names another Python."
    fi
    if is_installed "$1" || is_installed test; then
        return
    fi
    say "Installing VibeSeater into $venv (a minute or two the first time)"
    (cd "$root" && "$python" -m pip install --editable ".${1:+[$1]}") ||
        die "pip could not install VibeSeater. See above; without a network it can't."
    fingerprint "$1" >"$venv/.installed-$1"
}
