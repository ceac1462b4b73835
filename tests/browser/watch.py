"""What no page of the site may do, whatever a test looks at: leave this machine, break the policy, fail."""

from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

# no name and no other address leads anywhere: Playwright's routes would do it too, but without the browser's cache,
# which takes twice the time
NOWHERE_ELSE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@dataclass
class Watch:
    """The misdeeds of the pages of one context, in their order."""

    address: str
    refusals_expected: bool = False  # a test that is answered 403 on purpose: the browser writes an error for it
    misdeeds: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Note what the context's pages do from now on; NOWHERE_ELSE keeps what would leave from leaving."""
        context.on("request", self._see_request)
        context.on("response", self._see_response)
        context.on("console", self._see_console)
        context.on("weberror", self._see_error)

    def _see_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.address}/", "data:", "blob:")):
            self.misdeeds.append(f"a request leaves the site: {request.method} {request.url}")

    def _see_response(self, response: Response) -> None:
        if response.status >= 500:
            self.misdeeds.append(f"{response.status} of {response.request.method} {response.url}")

    def _see_console(self, message: ConsoleMessage) -> None:
        is_refusal = self.refusals_expected and "status of 403" in message.text
        if message.type in {"error", "warning"} and not is_refusal:
            self.misdeeds.append(f"console {message.type}: {message.text} ({message.location.get('url')})")

    def _see_error(self, error: WebError) -> None:
        self.misdeeds.append(f"uncaught: {error.error}")
