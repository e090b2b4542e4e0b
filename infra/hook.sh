#!/bin/sh
# What azd runs before and after its steps (azure.yaml), in the project's folder: `exec sh infra/hook.sh preprovision`.
# infra/azd does the work, in Python. Here is what must be known before that: no pipeline mints a secret, prints one, or
# runs code of packages next to its credentials.
set -eu
step=$1

say() { echo "$*" >&2; }

# Our parent is azd. It tells its hooks nothing of --no-prompt, so its own command line is read: all of it, not only what
# fits the terminal.
azd_was_called() { ps -ww -o args= -p "$PPID" 2>/dev/null || tr '\0' ' ' <"/proc/$PPID/cmdline"; }

somebody_is_there() {
    if [ -n "${CI:-}${GITHUB_ACTIONS:-}${TF_BUILD:-}" ] || ! [ -t 0 ] || ! [ -t 1 ]; then return 1; fi
    case "${AZD_NON_INTERACTIVE:-}" in 1 | [tT]*) return 1 ;; esac
    called=$(azd_was_called) || return 1
    case " $called" in *" --no-prompt"* | *" --non-interactive"*) return 1 ;; esac
}

case $step in
    preprovision)
        if ! somebody_is_there; then
            say "Nobody is at a terminal: no Secret Token and no signing key is made (docs/deploy.md)."
            exit 0
        fi ;;
    prepackage)
        say "The source alone does not run: nothing is built in Azure. Deploy the package, which azd builds before:" \
            "azd deploy api --from-package dist/scim.zip"
        exit 1 ;;
    predeploy)
        if [ -n "${CI:-}" ]; then exit 0; fi ;;  # a pipeline has built its package in another job
    postdeploy)
        kept=.azure/$AZURE_ENV_NAME/first-hour.json
        if ! [ -e "$kept" ]; then exit 0; fi
        if ! somebody_is_there; then
            say "What was made for this deployment waits in $kept: run \`azd hooks run postdeploy\` at a terminal."
            exit 0
        fi ;;
esac
sh devhost/environment.sh requirements.txt devhost/requirements.txt
if [ "$step" = predeploy ]; then exec .venv/bin/python -m infra.package; fi
exec .venv/bin/python -m infra.azd "$step"
