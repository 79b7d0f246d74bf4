/** The dashboard: its login, its frame, which view is shown, and whether control is heard. */

import {html, render, useEffect, useRef, useState} from "./vendor/preact.js";
import {LIVE, LOST, LiveState, currentSession, login, logout, whenLoggedOut} from "./control.js";
import {Badge, Notice, Page, Route, address, clock, visible} from "./elements.js";
import {Certificates, Changes, Explain, Invalidations, Nodes, Origins, Releases, Storage} from "./operations.js";
import {Overview, Rankings, Traffic} from "./traffic.js";

const VIEWS = [
  ["Watch", [["overview", "Overview", Overview], ["traffic", "Traffic", Traffic], ["rankings", "Rankings", Rankings]]],
  ["Act", [["invalidations", "Invalidations", Invalidations], ["releases", "Releases", Releases], ["explain", "Explain a URL", Explain]]],
  ["Installation", [["nodes", "Nodes", Nodes], ["origins", "Origins", Origins], ["storage", "Storage", Storage],
    ["certificates", "Certificates", Certificates], ["changes", "Changes", Changes]]],
];
const SAID_MS = 6_000;
const RETRY_MS = 2_000;
const THEME = "edgecache.theme";
const DARK = matchMedia("(prefers-color-scheme: dark)");

function setTheme(chosen) {
  document.documentElement.dataset.theme = chosen;
}

/** Storage may be switched off: the theme lasts as long as the page, then. */
function storedTheme(...chosen) {
  try {
    if (chosen.length) localStorage.setItem(THEME, ...chosen);
    return localStorage.getItem(THEME) ?? "";
  } catch {
    return chosen[0] ?? "";
  }
}

function useTheme() {
  const [chosen, setChosen] = useState(() => storedTheme());
  const [dark, setDark] = useState(DARK.matches);
  useEffect(() => DARK.addEventListener("change", () => setDark(DARK.matches)), []);
  const choose = (event) => {
    setTheme(storedTheme(event.target.value));
    setChosen(event.target.value);
  };
  return {chosen, choose, shown: chosen || (dark ? "dark" : "light")};
}

function useRoute() {
  const [route, setRoute] = useState(() => new Route(location.hash));
  useEffect(() => addEventListener("hashchange", () => setRoute(new Route(location.hash))), []);
  return route;
}

/** Tell who cannot see, once, and show it for a while where the view does not. */
function useAnnouncements() {
  const [said, setSaid] = useState("");
  const timer = useRef(0);
  const say = (text, shown = true) => {
    document.getElementById("announcements").textContent = text;
    setSaid(shown && text);
    clearTimeout(timer.current);
    timer.current = setTimeout(setSaid, SAID_MS, "");
  };
  return {said, say};
}

function useLive(session, onEnd) {
  const live = useRef(null);
  const [, setTurn] = useState(0);
  useEffect(() => {
    live.current = new LiveState(() => setTurn((turn) => turn + 1), onEnd);
    return () => live.current.close();
  }, [session]);
  return live.current ?? {};
}

/** Say that the connection or nodes are lost or back; nothing that moves all the time. */
function useLiveAnnouncements({status, state}, say) {
  const before = useRef({});
  const lost = state?.nodes.filter((node) => !node.alive).map((node) => node.name).join(", ");
  useEffect(() => {
    const was = before.current;
    if (status === LOST && was.status === LIVE) say("Connection to control lost. It is tried again.");
    if (status === LIVE && was.status === LOST) say("Connected to control again.");
    if (was.lost !== undefined && lost !== was.lost) say(lost ? `Nodes lost: ${visible(lost)}` : "All nodes report again.");
    before.current = {status, lost};
  }, [status, lost]);
}

function Connection({live}) {
  const text = {[LIVE]: "Live", [LOST]: "Connection lost"}[live.status] ?? "Connecting…";
  return html`<span class=${`connection ${live.status}`} data-connection=${live.status}><i aria-hidden="true"></i>${text}
    ${live.status === LIVE && html`<span class="when">${clock(live.state.time)}</span>`}</span>`;
}

function Header({session, live, theme, open, onMenu, onLogout}) {
  return html`<header><button type="button" class="menu" aria-expanded=${open} aria-controls="views" onClick=${onMenu}>Menu</button>
    <a class="brand" href="#/overview"><img src="/dashboard/assets/icon.svg" alt="" width="22" height="22" /><span>edgecache</span></a>
    <${Connection} live=${live} /><span class="fill"></span>
    <label class="theme"><span class="unseen">Theme</span><select value=${theme.chosen} onChange=${theme.choose}>
      <option value="">System</option><option value="light">Light</option><option value="dark">Dark</option></select></label>
    <span class="who">${visible(session.name)}</span>${!session.may_write && html`<${Badge}>read-only<//>`}
    ${session.csrf && html`<button type="button" data-logout onClick=${onLogout}>Log out</button>`}</header>`;
}

function Navigation({route, view, open, problems}) {
  return html`<nav id="views" class=${open ? "views open" : "views"} aria-label="Views">${VIEWS.map(([group, views]) => html`
    <div key=${group}><h2>${group}</h2><ul>${views.map(([name, title]) => html`<li key=${name}>
      <a href=${address([name], {range: route.query.range})} aria-current=${name === view ? "page" : undefined}>${title}
        ${name === "overview" && problems > 0 && html`<span class="mark">${problems}<span class="unseen"> problems</span></span>`}</a>
    </li>`)}</ul></div>`)}</nav>`;
}

function LostBand({live}) {
  return live.status === LOST && html`<p class="band" data-lost><b>Connection to control lost.</b> ${live.reason}${" "}
    ${live.state && `What is shown is of ${clock(live.state.time)}.`} It is tried again by itself.</p>`;
}

/** The page for who is logged in. */
function Frame({session, theme, onLogout}) {
  const route = useRoute();
  const {said, say} = useAnnouncements();
  const live = useLive(session, onLogout);
  const [open, setOpen] = useState(false);
  const main = useRef(null);
  const known = VIEWS.flatMap(([, views]) => views);
  const [name, , View] = known.find(([one]) => one === route.view) ?? known[0];
  const title = () => main.current.querySelector("h1");
  const place = [name, ...route.rest].join("/");
  const before = useRef(place);
  useLiveAnnouncements(live, say);
  useEffect(() => {
    setOpen(false);
    document.title = `${title().textContent} · edgecache`;
    if (before.current !== place) title().focus();
    before.current = place;
  }, [place]);
  const skip = (event) => {
    event.preventDefault();
    title().focus();
  };
  return html`<${Page.Provider} value=${{session, live, state: live.state, theme: theme.shown, route, say}}>
    <a class="skip" href="#main" onClick=${skip}>Skip to the view</a>
    <${Header} session=${session} live=${live} theme=${theme} open=${open} onMenu=${() => setOpen(!open)} onLogout=${onLogout} />
    <${Navigation} route=${route} view=${name} open=${open} problems=${live.state?.problems.length} />
    <main id="main" data-view=${name} ref=${main}><${LostBand} live=${live} /><${View} key=${place} route=${route} /></main>
    ${said && html`<p class="toast" aria-hidden="true">${said}</p>`}<//>`;
}

function KeyFields() {
  return html`<label>Access key ID<input name="access_key_id" autocomplete="username" spellcheck="false" autocapitalize="none" required /></label>
    <label>Secret access key<input name="secret_access_key" type="password" autocomplete="current-password" required /></label>`;
}

function TokenField() {
  return html`<label>Token<input name="token" type="password" autocomplete="off" required /></label>
    <p class="hint">Made where control runs, good for an hour: <code>edgecache token</code></p>`;
}

/** The page for who is not: an access key or a token becomes a session, and stays nowhere here. */
function Login({onSession}) {
  const [kind, setKind] = useState("key");
  const [problem, setProblem] = useState("");
  const form = useRef(null);
  useEffect(() => {
    document.title = "Log in · edgecache";
    form.current.querySelector("[required]").focus();
  }, [kind]);
  const submit = (event) => {
    event.preventDefault();
    const {kind: _, ...credentials} = Object.fromEntries([...new FormData(form.current)].map(([name, text]) => [name, text.trim()]));
    login(credentials).then(onSession, (error) => setProblem(error.message));
  };
  return html`<main class="alone"><form class="login" ref=${form} onSubmit=${submit}>
    <img src="/dashboard/assets/icon.svg" alt="" width="36" height="36" /><h1>Log in to edgecache</h1>
    <fieldset class="segments"><legend class="unseen">Log in with</legend>${[["key", "Access key"], ["token", "Token"]].map(([value, text]) => html`
      <label key=${value}><input type="radio" name="kind" value=${value} checked=${kind === value}
        onChange=${() => setKind(value)} /><span>${text}</span></label>`)}</fieldset>
    ${kind === "key" ? html`<${KeyFields} />` : html`<${TokenField} />`}
    <p class="notice bad" role="alert" hidden=${!problem}>${visible(problem)}</p>
    <button class="primary">Log in</button>
    <p class="hint">A key that may only look: <code>edgecache access-keys create NAME --only read</code></p></form></main>`;
}

function App() {
  const [session, setSession] = useState(undefined);
  const [problem, setProblem] = useState("");
  const theme = useTheme();
  const leave = () => setSession(null);
  const ask = () => currentSession().then(setSession, (error) => {
    setProblem(`${error.message} It is tried again.`);
    setTimeout(ask, RETRY_MS);
  });
  useEffect(() => {
    whenLoggedOut(leave);
    ask();
  }, []);
  if (session) return html`<${Frame} session=${session} theme=${theme} onLogout=${() => logout().catch(() => {}).finally(leave)} />`;
  if (session === null) return html`<${Login} onSession=${setSession} />`;
  return html`<main class="alone"><h1>edgecache</h1><${Notice} kind=${problem && "bad"}>${problem || "Loading…"}<//></main>`;
}

setTheme(storedTheme());
render(html`<${App} />`, document.getElementById("page"));
