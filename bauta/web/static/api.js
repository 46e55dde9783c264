// The one way to the server. The token came in the address's fragment, which browsers keep to themselves; it goes back
// as a header, which no other site can set. It is kept for this tab, so that a reload finds it.

const KEPT = "bauta-token";

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", location.pathname); // out of the address bar
  }
  return sessionStorage.getItem(KEPT);
}

const token = takeToken();
export const hasToken = Boolean(token);

export class Failure extends Error {}

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, {
      ...options,
      headers: { ...options.headers, "x-bauta-token": token },
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The server does not answer; look at the terminal where bauta serve runs.");
  }
  if (response.ok) return response;
  let sentence = `The server answered ${response.status}.`;
  try {
    sentence = (await response.json()).error || sentence;
  } catch { /* no JSON: the status says it */ }
  throw new Failure(sentence);
}

export const get = async (path) => (await call(path)).json();
export const remove = async (path) => (await call(path, { method: "DELETE" })).json();
export const address = async (path) => URL.createObjectURL(await (await call(path)).blob());

export const post = async (path, asked = {}) =>
  (await call(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(asked),
  })).json();

export const upload = async (path, file) =>
  (await call(path, {
    method: "POST",
    headers: { "content-type": "application/octet-stream", "x-name": encodeURIComponent(file.name) },
    body: file,
  })).json();

/** Save what the server gives at `path` under a name on the user's disk. */
export async function save(path, name) {
  const url = await address(path);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Hear every event of a stream, for ever: a stream that breaks off is opened again. `lost` hears whether it is. */
export async function listen(path, hear, lost) {
  for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
    try {
      const reader = (await call(path)).body.pipeThrough(new TextDecoderStream()).getReader();
      lost(null);
      wait = 500;
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const events = (text + value).split("\n\n");
        text = events.pop();
        for (const event of events) if (event.startsWith("data: ")) hear(JSON.parse(event.slice(6)));
      }
    } catch (error) {
      if (!(error instanceof Failure || error instanceof TypeError)) throw error;
    }
    lost("The server does not answer; look at the terminal where bauta serve runs.");
    await new Promise((go) => setTimeout(go, wait));
  }
}
