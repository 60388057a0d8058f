"""Takes the pictures of the READMEs: `make pictures`. A server of its own with the demo data, a real browser."""

import os
import tempfile

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.serving import BROWSER, ROOT, find_free_port, manage, running_server

FOLDER = ROOT / "docs" / "pictures"
SIZE = {"width": 1440, "height": 900}
JUDGED = 17  # by bob, so that the progress bar shows something
# Name of the picture, language of the page, how the prompt begins, the models whose answers are compared.
PICTURES = (
    ("comparison", "en", "Table: employees", ("model-dune", "model-birch")),
    ("comparison.zh", "zh-CN", "从会议记录里整理待办事项", ("model-atlas", "model-cedar")),
)
FIRST_IN_QUEUE = """
from annotate.models import User
from annotate.queue.places import RING, compute_place
from datasets.models import Comparison, Response
answers = Response.objects.filter(prompt__instruction__startswith={prompt!r}, source__in={models!r})
key = Comparison.build_key(answers.values_list("pk", flat=True))
comparison = Comparison.objects.get(key=key)
place = compute_place(User.objects.get(username="alice").pk, comparison.dataset_id, RING)
assert Comparison.objects.filter(key=key).update(priority=place) == 1
"""


def main() -> None:
    """Writes each picture into docs/pictures/."""
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "DATA_DIR": folder, "PORT": str(find_free_port())}
            environment.pop("DATABASE_URL", None)
            manage(environment, "migrate", "--verbosity=0")
            manage(environment, "load_demo")
            take(environment, *picture)


def take(environment: dict[str, str], name: str, language: str, prompt: str, models: tuple[str, ...]) -> None:
    """Opens the comparison as alice, lets bob judge others, and takes the picture."""
    manage(environment, "set_dataset", "models", "--task", "helpfulness", "--reasons", "off", "--criteria", "")
    manage(environment, "shell", "--verbosity=0", "--command", FIRST_IN_QUEUE.format(prompt=prompt, models=models))
    with running_server(environment), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = open_work(browser, environment["PORT"], "alice", language)
        judge(open_work(browser, environment["PORT"], "bob", language))
        page.reload()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=FOLDER / f"{name}.png")
        browser.close()


def open_work(browser: Browser, port: str, person: str, language: str) -> Page:
    """The comparison page as this person sees it in a browser of their own."""
    context: BrowserContext = browser.new_context(
        base_url=f"http://127.0.0.1:{port}",
        viewport=SIZE,
        locale=language,
        color_scheme="light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto("/accounts/login/?next=/annotate/models/")
    page.locator("#id_username").fill(person)
    page.locator("#id_password").fill("demo")
    page.keyboard.press("Enter")
    page.locator("[data-response=left]").wait_for()
    return page


def judge(page: Page) -> None:
    """Judges some comparisons by keys."""
    for n in range(1, JUDGED + 1):
        page.keyboard.press("12"[n % 2])
        page.locator("#judged", has_text=str(n)).wait_for()
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
