/** What an operator looks after and does: nodes, origins, storage, changes; invalidations, releases, why. */

import {html, useEffect, useRef, useState} from "./vendor/preact.js";
import {call, read, withQuery} from "./control.js";
import {
  ActionButton, Awaited, Badge, Bar, DataTable, Foreign, Notice, Panel, ViewTitle, address, bytes, count, day, duration, figure, instant,
  latency, naming, plural, rate, useConfirmation, usePage, useRead, visible,
} from "./elements.js";

const foreign = (text) => html`<${Foreign} text=${text} />`;
const unseen = (text) => html`<span class="unseen">${text}</span>`;
const CLOCK_OFF_S_MAX = 2; // as control's own list of problems has it
const DAY_S = 86_400;
const warned = (text) => html`<${Badge} kind="warn">${text}<//>`;

export const placeOf = (node) => node.location || node.role;

/** How a node is: how good that is, a word, and why. */
export function stateOf(node) {
  if (!node.alive) return {kind: "bad", word: "lost", why: `silent for ${duration(node.seen_s_ago)}`};
  if (node.draining || node.drain) return {kind: "warn", word: "draining", why: `${plural(node.connections, "connection")} left`};
  if (node.disk_failing) return {kind: "bad", word: "disk fails", why: ""};
  if (node.ready) return {kind: "good", word: "ok", why: ""};
  return {kind: "warn", word: "not ready", why: visible(Object.values(node.unready).join("; "))};
}

export const NodeStateBadge = ({node}) => html`<${Badge} kind=${stateOf(node).kind}>${stateOf(node).word}<//>`;

function Drain({node, ask}) {
  const name = node.machine ? `${node.name}@${node.machine}` : node.name;
  const path = `/nodes/${encodeURIComponent(name)}/drain`;
  const question = node.drain ? {
    title: `Let ${name} take viewers again?`, confirm: "End the drain", method: "DELETE", path, done: `${name} takes viewers again.`,
    text: html`<p>Its health checks say that it is ready again.</p>`,
  } : {
    title: `Drain ${name}?`, confirm: "Drain", danger: true, method: "POST", path, done: `${name} drains.`,
    text: html`<p>Its viewers are sent elsewhere: health checks fail, and connections end after their request. It has
      ${" "}${plural(node.connections, "connection")} now. The drain lasts until it is ended here, restarts included.</p>`,
  };
  return html`<${ActionButton} action="drain" onClick=${() => ask(question)}>${node.drain ? "End drain…" : "Drain…"}<//>`;
}

function nodeColumns({generation}, ask) {
  const versioned = (one) => html`${count(one)}${one < generation && html` ${warned(`${generation - one} behind`)}`}`;
  return [
    {name: "state", title: "State", value: (node) => stateOf(node).word, show: (node) => html`<${NodeStateBadge} node=${node} /><small>${stateOf(node).why}</small>`},
    naming("Node", (node) => node.name, (node) => node.machine && html`<small>${visible(node.machine)}</small>`),
    {name: "place", title: "Location", value: placeOf, show: (node) => html`${visible(placeOf(node))}<small>${visible(node.region)}</small>`},
    figure("generation", "Configuration", versioned), {name: "release", title: "Version", value: (node) => visible(node.release)},
    figure("lease_s", "Lease", (left) => (left > 0 ? duration(left) : warned("none")), "How long it may serve without a word of control"),
    figure("seen_s_ago", "Heard", (ago) => `${duration(ago)} ago`), figure("connections", "Connections", count),
    figure("cpu_s", "CPU", duration, "Processor time since it started"), figure("resident_bytes", "Memory", bytes),
    figure("clock_off_s", "Clock", (off) => (Math.abs(off) > CLOCK_OFF_S_MAX ? warned(`${duration(Math.abs(off))} off`) : "ok"), "How far its clock is from control's"),
    {name: "drain", title: unseen("Action"), show: (node) => html`<${Drain} node=${node} ask=${ask} />`},
  ];
}

function Controls({controls}) {
  return controls.length > 1 && html`<${Panel} title="Controls"><ul class="lines">${controls.map((one) => html`<li key=${one.address}>
    <${Badge} kind=${one.problem ? "bad" : "good"}>${one.problem ? "not reached" : "ok"}<//><${Foreign} text=${one.name || one.address} />
    <span class="aside">${visible(one.problem)}</span></li>`)}</ul><//>`;
}

/** A view of the state alone: its title, and `show(state)`, which gives its note and what it shows. */
function StateView({title, note, children}) {
  const {state} = usePage();
  return html`<${ViewTitle} title=${title} note=${state && note?.(state)} />${state ? children(state) : html`<${Awaited} of="" />`}`;
}

/** Who is alive, on which configuration, how long each may serve without a word of control. */
export function Nodes() {
  const {ask, question} = useConfirmation();
  const note = ({nodes, generation, release, uptime_s: uptime}) => `${plural(nodes.length, "node")}, ${count(nodes.filter((node) => !node.alive).length)} lost; `
    + `configuration ${count(generation)}; control ${release}, up for ${duration(uptime)}.`;
  return html`<${StateView} title="Nodes" note=${note}>${(state) => html`
    <${DataTable} caption="Nodes" rows=${state.nodes} rowKey=${(node) => `${node.name} ${node.instance}`} columns=${nodeColumns(state, ask)} sort=${{name: "name"}}
      rowClass=${(node) => !node.alive && "lost"} empty="No node has reported yet." /><${Controls} controls=${state.controls} />`}<//>${question}`;
}

const ORIGIN_STATES = {
  healthy: ["good", ""], idle: ["idle", "not asked in the last minute"], failing: ["bad", "more than half of the attempts of the last minute failed"],
  open: ["bad", "its circuit is open: not asked until it answers again"],
};
const originState = (one) => ORIGIN_STATES[one.state] ?? ["warn", ""];

export const OriginStateBadge = ({origin}) => html`<${Badge} kind=${originState(origin)[0]}>${visible(origin.state)}<//>`;

const ORIGIN_COLUMNS = [
  {name: "state", title: "State", value: (one) => one.state, show: (one) => html`<${OriginStateBadge} origin=${one} /><small>${originState(one)[1]}</small>`},
  naming("Origin"), figure("requests_s", "Requests", rate), figure("errors_s", "Errors", rate),
  {name: "faults", title: "Faults", value: (one) => Object.entries(one.faults).map(([word, times]) => `${visible(word)} ${count(times)}`).join(", ")},
  figure("p50_s", "p50", latency), figure("p99_s", "p99", latency), figure("connections", "Connections", count), figure("circuits_open", "Circuits open", count),
];

/** Origins, as the nodes that ask them find them. */
export const Origins = () => html`<${StateView} title="Origins" note=${() => "As the nodes that ask them find them."}>${({origins}) => html`
  <${DataTable} caption="Origins" rows=${origins} rowKey=${(one) => one.name} columns=${ORIGIN_COLUMNS} sort=${{name: "name"}}
    rowClass=${(one) => originState(one)[0] === "bad" && "lost"} empty="None was asked yet." />`}<//>`;

function Validity({left}) {
  const [kind, word] = left < 0 ? ["bad", "ended"] : left < 7 ? ["bad", "ends soon"] : left < 21 ? ["warn", "ends soon"] : ["good", "valid"];
  return html`<${Badge} kind=${kind}>${word}<//>`;
}

const CERTIFICATE_COLUMNS = [
  {name: "state", title: "State", show: (one) => html`<${Validity} left=${one.days_left} />`}, naming("Certificate"),
  figure("days_left", "Left", (days) => (days < 2 ? duration(DAY_S * days) : `${count(Math.floor(days))} d`)),
  figure("begins_at", "From", day), figure("ends_at", "Until", day),
];

/** Certificates, and how long they hold. */
export const Certificates = () => html`<${StateView} title="Certificates" note=${() => "As nodes have them; of several of a name the one that ends first."}>
  ${({certificates}) => html`<${DataTable} caption="Certificates" rows=${certificates} rowKey=${(one) => one.name} columns=${CERTIFICATE_COLUMNS}
    sort=${{name: "days_left"}} empty="No node has a certificate." />`}<//>`;

const STORE_FIGURES = [
  figure("objects", "Objects", count), figure("bytes", "In memory", bytes), figure("disk_objects", "Objects on disk", count), figure("disk_bytes", "On disk", bytes),
  figure("stored_s", "Stored", rate), figure("evicted_s", "Evicted", rate), figure("oldest_s", "Oldest", duration, "Since when the object that is there longest is"),
];

function Kinds({title, note, kinds}) {
  const rows = Object.entries(kinds).map(([name, held]) => ({name, held})).filter((row) => row.held).sort((a, b) => b.held - a.held);
  const sum = rows.reduce((before, row) => before + row.held, 0);
  return html`<${Panel} title=${`Memory of ${title}`} note=${note ?? bytes(sum)}><${DataTable} caption=${`Memory of ${title} by kind`} rows=${rows} rowKey=${(row) => row.name} columns=${[
    {name: "name", title: "Kind", value: (row) => row.name, show: (row) => visible(row.name.replaceAll("_", " "))}, figure("held", "Bytes", bytes),
    {name: "share", title: unseen("Share"), show: (row) => html`<${Bar} share=${row.held / (sum || 1)} kind="plain" />`}]} /><//>`;
}

function StorageTables({state}) {
  const {resident, ...control} = state.control_memory;
  const nodes = state.nodes.filter((node) => node.store).map(({name, instance, store}) => ({...store, name, instance}));
  return html`<${Panel} title="Stores by location"><${DataTable} caption="Stores by location" rows=${state.stores} rowKey=${(one) => `${one.tier} ${one.location}`}
      columns=${[naming("Location", (one) => one.location || one.tier), {name: "tier", title: "Tier", value: (one) => visible(one.tier)}, ...STORE_FIGURES]} /><//>
    <div class="panels">${state.memory.map((one) => html`<${Kinds} key=${`${one.tier} ${one.location}`} title=${visible(one.location || one.tier)} kinds=${one.kinds} />`)}
      <${Kinds} title="control" note=${`${bytes(resident)} resident`} kinds=${control} /></div>
    <${Panel} title="Stores by node"><${DataTable} caption="Stores by node" rows=${nodes} rowKey=${(one) => `${one.name} ${one.instance}`} columns=${[naming("Node"), ...STORE_FIGURES]} /><//>`;
}

/** What the stores hold, and what memory is used for. */
export const Storage = () => html`<${StateView} title="Storage" note=${() => "What the caches hold, and what memory is used for."}>${(state) => html`<${StorageTables} state=${state} />`}<//>`;

const CHANGES_MS = 10_000;
const CHANGES = "/changes?max_items=20";
const CHANGE_KINDS = {config: "good", invalidation: "warn"};

function Value({mark, kind, value}) {
  let text = value;
  try {
    text = JSON.stringify(JSON.parse(value), null, 1);
  } catch { /* no JSON: as it is */ }
  return html`${unseen(`${kind}: ${value === null ? "not set" : ""}`)}${value !== null && html`<pre class=${`value ${kind}`}>${text.split("\n").map((line) => html`
    <i aria-hidden="true">${mark}</i>${`${visible(line)}\n`}`)}</pre>`}`;
}

function Differences({number}) {
  const told = useRead(`/changes/${number}`);
  if (!told.data) return html`<${Awaited} of=${told} />`;
  const {differences, problem, cut} = told.data;
  if (problem || !differences.length) return html`<${Notice}>${visible(problem || "Nodes run on the same as before.")}<//>`;
  return html`<ul class="differences">${differences.map((one) => html`<li key=${one.path}><h3 class="mono">${visible(one.path)}</h3>
    <${Value} mark="−" kind="before" value=${one.before} /><${Value} mark="+" kind="after" value=${one.after} /></li>`)}</ul>
    ${cut && html`<${Notice} kind="warn">More differs than is shown.<//>`}`;
}

function Change({one}) {
  const [open, setOpen] = useState(false);
  const id = `change-${one.number}`;
  return html`<li data-change=${one.number}><h2><button type="button" class="fold" aria-expanded=${open} aria-controls=${id} onClick=${() => setOpen(!open)}>
      <span class="aside">${count(one.number)}</span><${Badge} kind=${CHANGE_KINDS[one.kind]}>${visible(one.kind)}<//><${Foreign} text=${one.summary} />
      <span class="aside">${visible(one.author)} · ${instant(one.at)}</span></button></h2>
    <div id=${id} hidden=${!open}>${open && html`<${Differences} number=${one.number} />`}</div></li>`;
}

/** The configuration log: who changed what and when, and what differs from before. */
export function Changes() {
  const newest = useRead(CHANGES, CHANGES_MS);
  const [older, setOlder] = useState({changes: []});
  const next = older.next ?? newest.data?.next;
  const more = () => read(`${CHANGES}&marker=${next}`).then((page) => setOlder({changes: [...older.changes, ...page.changes], next: page.next}), () => {});
  const known = new Map([...older.changes, ...(newest.data?.changes ?? [])].map((one) => [one.number, one]));
  return html`<${ViewTitle} title="Changes" note="Who changed what and when, the newest first." /><${Awaited} of=${newest} />
    <ol class="changes">${[...known.values()].sort((a, b) => b.number - a.number).map((one) => html`<${Change} key=${one.number} one=${one} />`)}</ol>
    ${next && html`<button type="button" onClick=${more}>Older changes</button>`}`;
}

const POLL_MS = 5_000;
const PATHS_SHOWN = 3;
const linesOf = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** The distributions there are, and the one that the address names or the first. */
function useDistributions() {
  const {route} = usePage();
  const told = useRead("/distributions?max_items=100", 30_000);
  const all = told.data?.distributions ?? [];
  return {told, all, chosen: all.some((one) => one.id === route.query.distribution) ? route.query.distribution : all[0]?.id};
}

function DistributionChoice({all, chosen}) {
  const {route} = usePage();
  const choose = (event) => {
    location.hash = route.link({distribution: event.target.value});
  };
  return html`<label>Distribution<select value=${chosen} onChange=${choose}>${all.map(({id, aliases}) => html`
    <option key=${id} value=${id} selected=${id === chosen}>${visible([id, ...aliases].join(" · "))}</option>`)}</select></label>`;
}

function Paths({one}) {
  const more = (one.paths_total ?? one.paths.length) - PATHS_SHOWN;
  return html`<span class="paths">${one.paths.slice(0, PATHS_SHOWN).map(foreign)}${more > 0 && html`<small>and ${count(more)} more</small>`}
    ${one.soft && html`<${Badge}>soft<//>`}</span>`;
}

/** Whom an invalidation waits for, or how long it took. */
function Progress({one, now}) {
  if (one.completed_at) return html`<span><${Badge} kind="good">Completed<//> <small>in ${duration(one.completed_at - one.created_at)}</small></span>`;
  return html`<span><${Badge} kind="warn">In progress<//> <small>for ${duration(now - one.created_at)}</small>
    ${one.waiting_for.length > 0 && html`<span class="waiting">waits for ${one.waiting_for.map((name) => html`
      <span key=${name} class="chip warn" data-waiting=${name}>${visible(name)}</span>`)}</span>`}</span>`;
}

/** What is under way, or was a moment ago; for the overview. */
export function WaitingInvalidations({invalidations}) {
  const {state} = usePage();
  return html`<${Panel} title="Invalidations" note=${html`<a href=${address(["invalidations"])}>all</a>`}>
    ${!invalidations.length && html`<${Notice}>None under way.<//>`}<ul class="lines">${invalidations.map((one) => html`
      <li key=${one.id} data-invalidation=${one.id}><${Paths} one=${one} /><small>${visible(one.distribution)}</small>
        <${Progress} one=${one} now=${state.time} /></li>`)}</ul><//>`;
}

function InvalidationTable({caption, rows, more = []}) {
  const {state} = usePage();
  return html`<${DataTable} caption=${caption} rows=${rows} rowKey=${(one) => one.id} empty="None." columns=${[
    naming("ID", (one) => one.id), {name: "paths", title: "What", show: (one) => html`<${Paths} one=${one} />`},
    {...figure("created_at", "Accepted", instant), number: false},
    {name: "status", title: "Status", show: (one) => html`<${Progress} one=${one} now=${state?.time} />`}, ...more,
  ]} />`;
}

/** What each process would remove, by a dry run's report. */
function DryRun({report}) {
  const rows = report.flatMap((place) => [
    ...place.nodes.map((node) => ({...node, name: node.node, disk: node.disk?.entries, note: node.disk ? "" : "its disk is being looked at"})),
    ...(place.problem ? [{name: place.name, note: place.problem}] : []),
  ]);
  return html`<section aria-label="Dry run"><h3>Nothing was removed. It would remove:</h3>
    <${DataTable} caption="What each node would remove" rows=${rows} rowKey=${(one) => `${one.name} ${one.note}`} columns=${[
      naming("Node"), figure("entries", "Entries", count), figure("size_bytes", "Bytes", bytes), figure("disk", "On disk", count),
      {name: "note", title: "Note", value: (one) => visible(one.note)}]} /></section>`;
}

function NewInvalidation({all, chosen, again}) {
  const form = useRef(null);
  const [dry, setDry] = useState({});
  const {ask, question} = useConfirmation();
  const bodyOf = () => {
    const values = new FormData(form.current);
    return {distribution: chosen, paths: linesOf(values.get("paths")), tags: linesOf(values.get("tags")), soft: values.has("soft")};
  };
  const tryDry = () => call("POST", "/invalidations/dry-run", bodyOf()).then((report) => setDry({report}), (error) => setDry({error: error.message}));
  const submit = (event) => {
    event.preventDefault();
    const body = bodyOf();
    const items = [...body.paths, ...body.tags.map((tag) => `tag ${tag}`)];
    ask({
      title: `Invalidate ${plural(items.length, "item")} of ${chosen}?`, confirm: "Invalidate", danger: true,
      text: html`<ul class="asked">${items.map((one) => html`<li>${foreign(one)}</li>`)}</ul><p>${body.soft
        ? "What is stored becomes stale, and is asked about at its next use." : "Every node removes it; the next request of each goes to the origin."}</p>`,
      method: "POST", path: "/invalidations", body, done: "The invalidation was accepted.",
      after: () => {
        form.current.reset();
        setDry({});
        again();
      },
    });
  };
  return html`<${Panel} title="New invalidation"><form ref=${form} class="fields" onSubmit=${submit}><${DistributionChoice} all=${all} chosen=${chosen} />
      <label>Paths, one a line<textarea name="paths" rows="4" spellcheck="false" placeholder="/images/*"></textarea></label>
      <label>Tags, one a line<textarea name="tags" rows="2" spellcheck="false"></textarea></label>
      <label class="check"><input type="checkbox" name="soft" /> Soft: make stale instead of removing</label>
      <div class="buttons"><${ActionButton} action="invalidate" onClick=${tryDry}>Dry run<//><${ActionButton} action="invalidate" submit danger>Invalidate…<//></div></form>
    ${dry.error && html`<${Notice} kind="bad">${visible(dry.error)}<//>`}${dry.report && html`<${DryRun} report=${dry.report} />`}${question}<//>`;
}

/** Those under way and whom they wait for, those that were, and a new one. */
export function Invalidations() {
  const {state} = usePage();
  const {told, all, chosen} = useDistributions();
  const history = useRead(chosen && `/invalidations/${encodeURIComponent(chosen)}`, POLL_MS);
  return html`<${ViewTitle} title="Invalidations" note="Completed is said when every node that may serve has removed what was named, or may serve no more." />
    <${Panel} title="Under way, or done within a minute"><${InvalidationTable} caption="Invalidations under way" rows=${state?.invalidations ?? []}
      more=${[{name: "distribution", title: "Distribution", value: (one) => one.distribution, show: (one) => foreign(one.distribution)}]} /><//>
    <${Awaited} of=${told} />
    ${chosen && html`<div class="panels sided"><${NewInvalidation} all=${all} chosen=${chosen} again=${history.again} />
      <${Panel} title="History" note=${visible(chosen)}><${Awaited} of=${history} />
        ${history.data && html`<${InvalidationTable} caption=${`Invalidations of ${chosen}`} rows=${history.data.invalidations} />`}<//></div>`}`;
}

function ReleaseTable({chosen, releases, ask, again}) {
  const activate = ({number, path}) => ask({
    title: `Activate release ${number} of ${chosen}?`, confirm: "Activate", danger: true,
    text: html`<p>Objects of ${foreign(path)} are those of release ${number} again, where they are still stored.</p>`,
    method: "POST", path: `/distributions/${encodeURIComponent(chosen)}/releases/active`, body: {path, number}, done: `Release ${number} is current.`, after: again,
  });
  return html`<${DataTable} caption=${`Releases of ${chosen}`} rows=${releases} rowKey=${(one) => `${one.path} ${one.number}`} empty="None was cut yet." columns=${[
    naming("Path pattern", (one) => one.path), figure("number", "Release", count),
    {name: "created", title: "Cut", value: (one) => one.created_at, show: (one) => (one.number ? instant(one.created_at) : "before the first")},
    {name: "current", title: unseen("Action"), show: (one) => (one.current ? html`<${Badge} kind="good">current<//>`
      : html`<${ActionButton} action="release" onClick=${() => activate(one)}>Activate…<//>`)}]} />`;
}

/** Releases of a distribution: which is current, cut the next, bring a former one back. */
export function Releases() {
  const {told, all, chosen} = useDistributions();
  const path = chosen && `/distributions/${encodeURIComponent(chosen)}/releases`;
  const releases = useRead(path, POLL_MS);
  const {ask, question} = useConfirmation();
  const cut = (event) => {
    event.preventDefault();
    const pattern = new FormData(event.target).get("path").trim();
    ask({
      title: `Cut a release of ${chosen}?`, confirm: "Cut", danger: true, method: "POST", path, body: {path: pattern}, done: "A release was cut.", after: releases.again,
      text: html`<p>Everything of ${foreign(pattern)} misses at once. What is stored is kept under the former release, and is back when that is activated.</p>`,
    });
  };
  return html`<${ViewTitle} title="Releases" note="A release is a number in the cache key: cut one and all misses, activate the one before and its objects are back." />
    <${Awaited} of=${told} />
    ${chosen && html`<div class="panels sided"><${Panel} title="Cut a release"><form class="fields" onSubmit=${cut}><${DistributionChoice} all=${all} chosen=${chosen} />
        <label>Path pattern<input name="path" value="*" spellcheck="false" autocapitalize="none" required /></label>
        <div class="buttons"><${ActionButton} action="release" submit danger>Cut a release…<//></div></form><//>
      <${Panel} title="Releases" note=${visible(chosen)}><${Awaited} of=${releases} />
        ${releases.data?.deployed === false && html`<${Notice} kind="warn">Not every node goes by the current releases yet.<//>`}
        ${releases.data && html`<${ReleaseTable} chosen=${chosen} releases=${releases.data.releases} ask=${ask} again=${releases.again} />`}<//></div>`}${question}`;
}

const NOW = {
  hit: ["good", "served from the store"], stale: ["warn", "served as it is, refreshed in the background"],
  validate: ["warn", "the next tier is asked whether it still holds"], fetch: ["warn", "fetched from the next tier"],
  bypass: ["idle", "passed through: nothing is looked up or stored"], refuse: ["bad", "refused"],
};

/** Facts by name; those that say nothing are left out. */
const Facts = ({facts}) => html`<dl class="facts">${facts.filter(([, value]) => value).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
const listed = (values) => values.length > 0 && html`<ul>${values.map((one) => html`<li>${foreign(one)}</li>`)}</ul>`;

function Rules({rules}) {
  const {choice, admission, unavailable} = rules;
  if (unavailable.length) return html`<${Panel} title="503: its distribution is not served">${listed(unavailable)}<//>`;
  if (!choice) return html`<${Notice} kind="bad">No distribution answers to this host: 403.<//>`;
  return html`<${Panel} title="Rules"><${Facts} facts=${[
    ["Distribution", html`${foreign(choice.distribution)}<small>by its name ${visible(choice.name)}, ${choice.semantics}</small>`],
    ["Behavior", html`${foreign(choice.pattern)}<small>number ${choice.behavior}</small>`],
    ["Not matched before it", listed(choice.passed_over)],
    ["Path", html`${foreign(choice.path)}${choice.matched_as !== choice.path && html`<small>matched as ${visible(choice.matched_as)}</small>`}`],
    ["Admission", admission.status ? html`<${Badge} kind="bad">${admission.status}<//> ${visible(`${admission.why} ${admission.location}`)}` : html`<${Badge} kind="good">admitted<//>`],
    ["Rules of the behavior", listed(rules.viewer_rules)], ["Asked for and not done", listed(rules.unsupported)],
    ["Compresses", visible(rules.never_compressed || rules.compresses || "no")], ["Paths that invalidate it", listed(rules.invalidated_by)],
  ]} /><//>`;
}

function Key({rules}) {
  if (!rules.choice) return null;
  const shown = ({name, values}) => [visible(name), foreign(values.map((value) => value ?? "(absent)").join(" ") || "(nothing)")];
  return html`<${Panel} title="Cache key" note=${!rules.bypass && (rules.collapses ? "requests of it are collapsed" : "not collapsed")}>${rules.bypass
    ? html`<${Notice}>None: nothing is looked up or stored (${visible(rules.bypass)}).<//>` : html`<${Facts} facts=${rules.key_parts.map(shown)} />`}<//>`;
}

function Origin({origin}) {
  return origin && html`<${Panel} title="Origin, on a miss" note=${visible(`${origin.origin} at ${origin.address}`)}>
    <pre class="wire">${visible(`${origin.method} ${origin.target}`)}${origin.fields.map(([name, value]) => `\n${visible(name)}: ${visible(value)}`)}</pre>
    ${origin.then.length > 0 && html`<p>Group ${visible(origin.group)}: then ${visible(origin.then.join(", "))} on ${origin.fails_over_on.join(", ")} or no answer.</p>`}<//>`;
}

/** A row for each process, with the entry that answers or another of its key; and for who did not answer. */
function nodeRows(places) {
  return places.flatMap((place) => [...place.nodes, ...(place.problem ? [null] : [])].map((node) => {
    const entry = node?.stored.find((one) => one.answers) ?? node?.stored[0];
    return {...entry, place, node, entry, name: node?.node ?? place.name, key: `${place.machine} ${node?.node} ${place.name}`};
  }));
}

const NODE_COLUMNS = [
  naming("Node", ({name}) => name, ({place}) => place.asked_first_by.length > 0 && html`<small>asked first by ${visible(place.asked_first_by.join(", "))}</small>`),
  {name: "now", title: "Now", value: ({node}) => node?.now, show: ({node, place}) => (node
    ? html`<${Badge} kind=${NOW[node.now]?.[0]}>${node.now}<//><small>${NOW[node.now]?.[1]}${node.why && ` (${node.why})`}</small>`
    : html`<${Badge} kind="bad">no answer<//><small>${visible(place.problem)}</small>`)},
  {name: "stored", title: "Stored", show: ({entry}) => (entry ? html`${entry.status}, ${bytes(entry.body_bytes)} ${visible(entry.part)}
    ${!entry.answers && html`<small>for other request headers</small>`}` : "nothing")},
  figure("age_s", "Age", duration), figure("ttl_s", "TTL", duration), figure("ttl_left_s", "Left", (left) => (left <= 0 ? "stale" : duration(left))),
  {name: "because", title: "TTL because", show: ({ttl}) => visible(ttl?.map((step) => step.because).join("; "))},
];

function Report({report}) {
  return html`<div data-explained><h2 class="explained">${visible(report.rules.method)} ${foreign(report.rules.url)}</h2>
    <${DataTable} caption="What each node would do now" rows=${nodeRows(report.places)} rowKey=${(row) => row.key} columns=${NODE_COLUMNS} empty="No node is asked." />
    <div class="panels"><${Rules} rules=${report.rules} /><${Key} rules=${report.rules} /><${Origin} origin=${report.origin} /></div></div>`;
}

/** What would happen to a viewer's request, where it is stored, and why. */
export function Explain({route}) {
  const {say} = usePage();
  const form = useRef(null);
  const [told, setTold] = useState({});
  const explain = async () => {
    const values = Object.fromEntries(new FormData(form.current));
    try {
      setTold({report: await read(withQuery("/explain", {...values, header: linesOf(values.header)}))});
      say("Explained.", false);
    } catch (error) {
      setTold({error: error.message});
    }
  };
  const submit = (event) => {
    event.preventDefault();
    explain();
  };
  useEffect(() => {
    if (route.query.url) explain();
  }, [route.query.url]);
  return html`<${ViewTitle} title="Explain a URL" note="Every node is asked what it would do with this request now. Nothing is fetched, nothing changes." />
    <form ref=${form} class="explain" onSubmit=${submit}>
      <label>URL<input name="url" type="url" required spellcheck="false" placeholder="https://www.example.com/index.html" defaultValue=${route.query.url} /></label>
      <label>Method<input name="method" defaultValue="GET" required spellcheck="false" /></label>
      <label>HTTP<select name="http_version"><option>1.1</option><option>2</option><option>3</option></select></label>
      <label>Request headers, one a line<textarea name="header" rows="1" spellcheck="false" placeholder="Accept-Encoding: gzip"></textarea></label>
      <button class="primary">Explain</button></form>
    <p class="notice bad" role="alert" hidden=${!told.error}>${visible(told.error)}</p>${told.report && html`<${Report} report=${told.report} />`}`;
}
