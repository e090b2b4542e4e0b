"""What azd runs before and after its steps, by infra/hook.sh and infra/hook.ps1 (azure.yaml names them).

Read first: `minting` (before provisioning), `announcement` (after deploying). `kept` is the file between the two.
docs/adr/0042-azd-mints-the-first-secret.md has the reasons.
"""
