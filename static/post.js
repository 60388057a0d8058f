// A POST as htmx sends it, but finished even if the page is left, and without following a redirect.

const MOST_KEPT_ALIVE = 15_000; // bytes: a browser allows 64 KiB of such requests in total

const readToken = () => (document.cookie.match("(?:^|; )csrftoken=([^;]*)") || [])[1] || "";

// pairs: [name, value]. Throws if the server cannot be reached.
export async function post(url, pairs) {
  const headers = { "HX-Request": "true", "X-CSRFToken": readToken() };
  const body = new URLSearchParams(pairs);
  const keepalive = body.toString().length < MOST_KEPT_ALIVE;
  const answer = await fetch(url, { method: "POST", headers, body, keepalive, redirect: "manual" });
  return {
    status: answer.status,
    html: await answer.text(),
    swapStyle: answer.headers.get("HX-Reswap") || "innerHTML",
    isSignedOut: answer.type === "opaqueredirect" || answer.headers.has("HX-Redirect"),
  };
}

// In htmx's own requests too the cookie's token, which is fresh: that of a form kept ready may be older than the sign-in.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  delete detail.parameters.csrfmiddlewaretoken;
  if (detail.verb !== "get") detail.headers["X-CSRFToken"] = readToken();
});
