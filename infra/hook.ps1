# What azd runs on Windows before and after its steps (azure.yaml), in the project's folder: ./infra/hook.ps1 preprovision
# infra/azd does the work, in Python. Here is what must be known before that, as in hook.sh.
param([Parameter(Mandatory = $true)] [string] $Step)
$ErrorActionPreference = 'Stop'

# Our parent is azd. It tells its hooks nothing of --no-prompt, so its own command line is read.
function Get-CallOfAzd {
    $own = Get-CimInstance -ClassName Win32_Process -Filter "ProcessId = $PID"
    (Get-CimInstance -ClassName Win32_Process -Filter "ProcessId = $($own.ParentProcessId)").CommandLine
}

function Test-SomebodyIsThere {
    if ($env:CI -or $env:GITHUB_ACTIONS -or $env:TF_BUILD) { return $false }
    if ([Console]::IsInputRedirected -or [Console]::IsOutputRedirected) { return $false }
    if ($env:AZD_NON_INTERACTIVE -match '^(1|t)') { return $false }
    return (Get-CallOfAzd) -notmatch ' --(no-prompt|non-interactive)'
}

if ($Step -eq 'preprovision' -and -not (Test-SomebodyIsThere)) {
    [Console]::Error.WriteLine('Nobody is at a terminal: no Secret Token and no signing key is made (docs/deploy.md).')
    exit 0
}
if ($Step -eq 'prepackage') {
    [Console]::Error.WriteLine('The source alone does not run: nothing is built in Azure. Deploy the package, which azd ' +
        'builds before: azd deploy api --from-package dist/scim.zip')
    exit 1
}
if ($Step -eq 'predeploy' -and $env:CI) { exit 0 }
if ($Step -eq 'postdeploy') {
    $kept = ".azure/$env:AZURE_ENV_NAME/first-hour.json"
    if (-not (Test-Path -LiteralPath $kept)) { exit 0 }
    if (-not (Test-SomebodyIsThere)) {
        [Console]::Error.WriteLine("What was made for this deployment waits in ${kept}: run ``azd hooks run postdeploy`` " +
            'at a terminal.')
        exit 0
    }
}

$python = '.venv\Scripts\python.exe'
if (-not (Test-Path -LiteralPath $python)) {
    py -3.13 -m venv .venv
    if ($LASTEXITCODE -ne 0) { throw 'Python 3.13 is needed and was not found: install it, then run azd again.' }
}
& $python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r requirements.txt
if ($LASTEXITCODE -ne 0) { throw 'pip could not install the packages: check the network, then run azd again.' }
if ($Step -eq 'predeploy') { & $python -m infra.package } else { & $python -m infra.azd $Step }
exit $LASTEXITCODE
