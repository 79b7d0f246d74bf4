/**
 * Control as the page asks it: its API with a session, and its state once a second.
 *
 * Law: the session is a cookie no script reads; a change carries the session's token in a header,
 * which no page of another origin can send. A stream that broke is told, and opened again.
 */

const TIMEOUT_MS = 35_000; // control holds a question back for up to 30 s
const SILENCE_MS = 4_500; // a state comes each second
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 15_000;
const HIDDEN_MS = 60_000; // who does not look gives the stream back: there are few

export const CONNECTING = "connecting";
export const LIVE = "live";
export const LOST = "lost";

let csrf = "";
let onLogout = () => {};

/** Call `act` when control says that there is no session any more. */
export function whenLoggedOut(act) {
  onLogout = act;
}

/** What control answers, as JSON. An Error with its `status` (0: no answer) when it refuses. */
export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method, redirect: "error", cache: "no-store", body: body && JSON.stringify(body),
      headers: {...(body && {"content-type": "application/json"}), ...(method !== "GET" && {"x-csrf-token": csrf})},
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw Object.assign(new Error("Control does not answer."), {status: 0});
  }
  const said = await response.json().catch(() => ({}));
  if (response.ok) return said;
  if (response.status === 401 && path !== "/session") onLogout();
  const lines = [said.error, ...(said.problems ?? [])].filter(Boolean);
  throw Object.assign(new Error(lines.join("\n") || `Control answered ${response.status}.`), {status: response.status});
}

export const read = (path) => call("GET", path);

function remembered(session) {
  csrf = session.csrf;
  return session;
}

/** The session there is: name, may_write, may, csrf; null when there is none. */
export async function currentSession() {
  try {
    return remembered(await read("/session"));
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

/** Log in by access_key_id and secret_access_key, or a token. */
export const login = async (credentials) => remembered(await call("POST", "/session", credentials));
export const logout = () => call("DELETE", "/session");

/** A path with its query: values are escaped, empty ones left out, lists repeated. */
export function withQuery(path, query) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one) search.append(name, one);
  }
  return search.size ? `${path}?${search}` : path;
}

/** The stream of states, the newest one and how it is. `onEnd`: the session is over. */
export class LiveState {
  constructor(onChange, onEnd) {
    Object.assign(this, {state: null, status: CONNECTING, reason: "", onChange, onEnd});
    this._failures = 0;
    this._timers = {};
    this._onVisibility = () => this._looked();
    document.addEventListener("visibilitychange", this._onVisibility);
    this._open();
  }

  /** End for good. */
  close() {
    document.removeEventListener("visibilitychange", this._onVisibility);
    this._pause();
    this._later("hidden");
    this.onChange = this.onEnd = () => {};
  }

  _open() {
    this._pause();
    const source = this._source = new EventSource("/dashboard/live");
    source.addEventListener("state", (event) => this._arrived(JSON.parse(event.data)));
    source.addEventListener("end", () => this._resume());
    source.addEventListener("error", () => this._broke("Control does not answer."));
    this._later("silence", SILENCE_MS, () => this._broke("Control has gone silent."));
  }

  _arrived(state) {
    Object.assign(this, {state, status: LIVE, reason: "", _failures: 0});
    this._later("silence", SILENCE_MS, () => this._broke("Control has gone silent."));
    this.onChange();
  }

  _broke(reason) {
    this._pause();
    Object.assign(this, {status: LOST, reason});
    this.onChange();
    const wait = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this._failures++);
    this._later("retry", wait * (0.75 + Math.random() / 2), () => this._resume());
  }

  /** Ask first whether there is a session: an EventSource does not tell why it ends. */
  async _resume() {
    this._pause();
    try {
      if (await currentSession()) this._open();
      else this.onEnd();
    } catch (error) {
      this._broke(error.message);
    }
  }

  _looked() {
    this._later("hidden", document.hidden && HIDDEN_MS, () => this._pause());
    if (!document.hidden && !this._source) this._resume();
  }

  _pause() {
    this._source?.close();
    this._source = null;
    this._later("silence");
    this._later("retry");
  }

  _later(name, ms, act) {
    clearTimeout(this._timers[name]);
    if (ms) this._timers[name] = setTimeout(act, ms);
  }
}
