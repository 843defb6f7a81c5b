"""Checks that scripts and workflows install only what is locked, and nothing once they have AWS credentials.

1. Whatever installs or runs a package does so from a lock: pip with --require-hashes, cargo with --locked, `npm ci`.
2. In a job of a workflow, nothing is installed or downloaded after the step that configures AWS credentials.
3. Each lock in .ci/tools names what its source names.
"""

import re
import sys
from pathlib import Path

import yaml

# Each way of installing or running a package, and what makes it a locked one; None if nothing does.
INSTALLS = {
    r"\bpip3?\b.* (install|download|wheel)\b": "--require-hashes",
    r"\bcargo install\b": "--locked",
    r"\b(npm|pnpm|yarn) (install|i|add|exec|create|update|dlx|x|ci)\b": "npm ci",
    r"\b(pipx|npx|uvx|bunx|easy_install)\b": None,
    r"\buv (add|run|sync|tool|pip install)\b": None,
    r"\bgo (install|run|get)\b": None,
    r"\bgem install\b": None,
    r"\b(curl|wget)\b.*\| *(sudo )?(ba|z)?sh\b": None,
}
# What brings code to a job besides: our own script that installs, further tools, and downloads into files.
DOWNLOADS = (
    r"\.ci/(venv|lock|run)\b|tests/deploy/(run|real-account)\b|\brustup\b|\bcargo (install|build|run|lambda)\b"
    r"|\bapt(-get)?\b|\bgit clone\b|\bgh (run|release) download\b|\bdocker\b|\bwget\b"
    r"|\bcurl\b.* (-o|-O|--output|--remote-name)\b|\bsam build\b"
)
CREDENTIALS = "configure-aws-credentials"


def commands(text: str) -> list[str]:
    """The lines of a script that are no comments, with those put together that a backslash continues."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if not line.strip().startswith("#")]


def unlocked(text: str) -> list[str]:
    """The commands of a script that install or run packages without a lock."""
    found = []
    for command in commands(text):
        for install, lock in INSTALLS.items():
            if re.search(install, command) and (lock is None or lock not in command):
                found.append(command)
    return found


def after_credentials(steps: list[dict]) -> list[str]:
    """The steps of a job that bring code to it after one of them has configured credentials."""
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
    """The packages of a source that its lock lacks, or has in another version."""
    lock = source.with_suffix(".txt").read_text() if source.with_suffix(".txt").exists() else ""
    wanted = [line.strip() for line in source.read_text().splitlines() if line[:1].isalnum()]
    return [each for each in wanted if not re.search(rf"^{re.escape(each)}( |$)", lock, re.M) or "==" not in each]


def check_itself() -> None:
    """Sees that each rule finds what it is about, and leaves alone what is right."""
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
    """Checks everything, and says what is wrong."""
    check_itself()
    wrong = []
    for script in sorted([*Path(".ci").iterdir(), *Path("tests/deploy").rglob("*")]):
        if script.is_file() and script.suffix in ("", ".sh", ".py") and script.name != Path(__file__).name:
            wrong += [f"{script}: without a lock: {each}" for each in unlocked(script.read_text())]
    workflows = sorted(Path(".github").rglob("*.y*ml"))
    for workflow in workflows:
        wrong += [f"{workflow}: without a lock: {each}" for each in unlocked(workflow.read_text())]
        for name, job in (yaml.safe_load(workflow.read_text()).get("jobs") or {}).items():
            later = after_credentials(job.get("steps", []))
            wrong += [f"{workflow}: {name}: after the credentials: {each}" for each in later]
    sources = sorted(Path(".ci/tools").glob("*.in"))
    for source in sources:
        wrong += [f"{source.with_suffix('.txt')} lacks {each}; run .ci/lock" for each in not_locked(source)]
    if wrong or not sources or not workflows:
        sys.exit("\n".join(wrong) or "there are no workflows or no locks where this looks for them")


if __name__ == "__main__":
    main()
