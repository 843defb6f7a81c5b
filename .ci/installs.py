"""Checks that scripts and workflows install only locked packages, and none once they have AWS credentials.

1. Each command that installs or runs a package uses a lock: pip with --require-hashes, cargo with --locked, `npm ci`.
2. No step of a workflow job installs or downloads anything after the step that configures AWS credentials.
3. Each lock in .ci/tools contains the packages that its source names.
"""

import re
import sys
from pathlib import Path

import yaml

# Each command that installs or runs a package, and the words that make it use a lock; None if it cannot.
INSTALLS = {
    r"\bpip3?\b.* (install|download|wheel)\b": "--require-hashes",
    r"\bcargo install\b": "--locked",
    r"\b(npm|pnpm|yarn) (install|i|add|exec|create|update|dlx|x|ci)\b": "npm ci",
    r"\b(pipx|npx|uvx|bunx|easy_install)\b": None,
    r"\buv (add|run|sync|tool|pip install)\b": None,
    r"\bgo (install|run|get)\b": None,
    r"\bgem install\b": None,
    r"\b(curl|wget)\b.*\| *(sudo )?(bash|sh|zsh)\b": None,
}
# Other commands that bring code into a job: our own scripts that install, other tools, and downloads into files.
DOWNLOADS = (
    r"\.ci/(cargo_tool|venv|lock|run|npm|swagger_ui|fuzz|mutants)\b|tests/deploy/(run|real-account)\b|\brustup\b|\bcargo (install|build|run|lambda)\b"
    r"|\bapt(-get)?\b|\bgit clone\b|\bgh (run|release) download\b|\bdocker\b|\bwget\b"
    r"|\bcurl\b.* (-o|-O|--output|--remote-name)\b|\bsam build\b"
)
CREDENTIALS = "configure-aws-credentials"


def commands(text: str) -> list[str]:
    """Returns the lines of a script without comments. A line that ends in a backslash is joined with the next."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if not line.strip().startswith("#")]


def unlocked(text: str) -> list[str]:
    """Returns the commands of a script that install or run packages without a lock."""
    found = []
    for command in commands(text):
        for install, lock in INSTALLS.items():
            if re.search(install, command) and (lock is None or lock not in command):
                found.append(command)
    return found


def after_credentials(steps: list[dict]) -> list[str]:
    """Returns the steps of a job that bring code into it after the step that configures credentials."""
    found, configured = [], False
    for step in steps:
        action, script = step.get("uses", ""), step.get("run", "")
        if configured and action:
            found.append(action)
        if configured:
            fetches = [DOWNLOADS, *INSTALLS]
            found += [each for each in commands(script) if any(re.search(fetch, each) for fetch in fetches)]
        configured = configured or CREDENTIALS in action
    return found


def not_locked(source: Path) -> list[str]:
    """Returns the packages of a source that its lock lacks or has in another version."""
    lock = source.with_suffix(".txt").read_text() if source.with_suffix(".txt").exists() else ""
    wanted = [line.strip() for line in source.read_text().splitlines() if line[:1].isalnum()]
    return [each for each in wanted if not re.search(rf"^{re.escape(each)}( |$)", lock, re.M) or "==" not in each]


def check_itself() -> None:
    """Checks that each rule finds its violations and accepts correct commands."""
    for bad in ("pip install x", "x/pip3 -q install \\\n  --upgrade x", "pipx install x", "npm install x", "npx x",
                "uv pip install x", "cargo install x", "curl x | bash", 'python3 -m pip install --quiet "x"'):
        assert unlocked(bad), bad
    for good in ("pip install --quiet \\\n  --require-hashes -r x", "npm ci", "cargo install --locked x", "# pip install x"):
        assert not unlocked(good), good
    keys = {"uses": f"aws-actions/{CREDENTIALS}@0"}
    for later in ({"run": ".ci/venv x sam"}, {"run": "pip install --require-hashes -r x"}, {"uses": "actions/checkout@0"},
                  {"run": "echo\ncurl x --output y"}):
        assert after_credentials([keys, later]) and not after_credentials([later, keys]), later
    assert not after_credentials([keys, {"run": "sam deploy\ncurl --fail $url"}])


def main() -> None:
    """Runs all checks and reports what is wrong."""
    check_itself()
    wrong = []
    for script in sorted([*Path(".ci").rglob("*"), *Path("tests/deploy").rglob("*")]):
        if script.is_file() and script.suffix in ("", ".sh", ".py") and script.name != Path(__file__).name:
            wrong += [f"{script}: installs without a lock: {each}" for each in unlocked(script.read_text())]
    workflows = sorted(Path(".github").rglob("*.y*ml"))
    for workflow in workflows:
        wrong += [f"{workflow}: installs without a lock: {each}" for each in unlocked(workflow.read_text())]
        for name, job in (yaml.safe_load(workflow.read_text()).get("jobs") or {}).items():
            later = after_credentials(job.get("steps", []))
            wrong += [f"{workflow}: {name}: installs after the AWS credentials: {each}" for each in later]
    sources = sorted(Path(".ci/tools").glob("*.in"))
    for source in sources:
        wrong += [f"{source.with_suffix('.txt')} lacks {each}; run .ci/lock" for each in not_locked(source)]
    if wrong or not sources or not workflows:
        sys.exit("\n".join(wrong) or "found no workflows or no locks")


if __name__ == "__main__":
    main()
