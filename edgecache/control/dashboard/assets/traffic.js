/** How viewers are served: the overview, traffic by what serves it, rankings. */

import {html, useMemo, useState} from "./vendor/preact.js";
import {withQuery} from "./control.js";
import {
  Awaited, Badge, Bar, Chart, Choice, DataTable, Foreign, Notice, Panel, RANGES, Trend, ViewTitle, address, bandwidth, bytes, clock,
  count, duration, figure, latency, naming, percent, plural, rate, usePage, useRead, visible,
} from "./elements.js";
import {NodeStateBadge, OriginStateBadge, WaitingInvalidations, placeOf, stateOf} from "./operations.js";

const POLL_MS = {"5m": 3_000, "1h": 10_000, "6h": 60_000, "1d": 120_000, "7d": 600_000};
const CERTIFICATE_DAYS = 21; // fewer left are shown in the overview
const ROWS_MAX = 6;

const CHARTS = [
  {name: "requests", title: "Requests", format: rate, columns: ["requests_s", "hits_s", "misses_s"],
    series: [["all", "ink"], ["hits", "hit", "filled"], ["misses", "miss", "filled"]]},
  {name: "hit_ratio", title: "Hit ratio", format: percent, ceiling: 1, columns: ["hit_ratio", "byte_hit_ratio"],
    series: [["requests", "hit", "filled"], ["bytes", "second", "dashed"]]},
  {name: "latency", title: "Latency", format: latency, log: true, columns: ["hit_p50_s", "hit_p99_s", "miss_p50_s", "miss_p99_s"],
    series: [["hit p50", "hit"], ["hit p99", "hit", "dashed"], ["miss p50", "miss"], ["miss p99", "miss", "dashed"]]},
  {name: "bandwidth", title: "Bandwidth", format: bandwidth, floor: 125, columns: ["bytes_s", "bytes_in_s"],
    series: [["to viewers", "hit", "filled"], ["from viewers", "second"]]},
  {name: "errors", title: "Errors", format: rate, floor: 0.1, columns: ["errors_s", "client_errors_s"],
    series: [["5xx", "bad", "filled"], ["4xx", "miss", "dashed"]]},
];

const RangeChoice = ({route}) => html`<${Choice} label="Time range" name="range" options=${RANGES} chosen=${route.range} />`;
const all = (view) => html`<a href=${address([view])}>all</a>`;

function Missing({told}) {
  const missing = told.controls_missing;
  return missing.length > 0 && html`<${Notice} kind="warn">Without what these controls counted, which cannot be reached: ${visible(missing.join(", "))}.<//>`;
}

/** The charts of one series; `by` and `name` as control has them. */
function TrafficCharts({range, by, name}) {
  const {theme} = usePage();
  const told = useRead(withQuery("/dashboard/series", {range, by, name}), POLL_MS[range]);
  const series = told.data?.series[0];
  const data = useMemo(() => series && CHARTS.map(({columns}) => [told.data.times, ...columns.map((column) => series[column])]), [series]);
  if (!series) return told.data ? html`<${Notice}>Nothing was counted.<//>` : html`<${Awaited} of=${told} />`;
  return html`<${Missing} told=${told.data} /><div class="charts">${CHARTS.map((chart, at) => html`
    <${Chart} key=${chart.name} chart=${chart} data=${data[at]} theme=${theme} />`)}</div>`;
}

const Vital = ({name, label, value, detail, kind}) => html`<div class=${`vital ${kind}`} data-vital=${name}><dt>${label}</dt>
  <dd><b>${value}</b><span>${detail}</span></dd></div>`;

function Latencies({row}) {
  return ["hit", "miss"].map((one) => html`<${Vital} key=${one} name=${one} label=${one === "hit" ? "Hit, median" : "Miss, median"}
    value=${latency(row[`${one}_p50_s`])} detail=${`p99 ${latency(row[`${one}_p99_s`])}`} />`);
}

/** The figures of a row of the state. */
function Vitals({row}) {
  return html`<dl class="vitals" aria-label="Now">
    <${Vital} name="requests" label="Requests" value=${rate(row.requests_s)} detail=${`${count(row.requests)} in 5 min`} />
    <${Vital} name="hit_ratio" label="Hit ratio" value=${percent(row.hit_ratio)} detail=${`${percent(row.byte_hit_ratio)} of bytes`} />
    <${Latencies} row=${row} />
    <${Vital} name="bandwidth" label="Bandwidth" value=${bandwidth(row.bytes_s)} detail=${`in ${bandwidth(row.bytes_in_s)}`} />
    <${Vital} name="errors" label="Server errors" kind=${row.errors_s > 0 && "bad"} value=${rate(row.errors_s)}
      detail=${`4xx ${rate(row.client_errors_s)}`} /></dl>`;
}

function Problems({problems, nodes}) {
  if (!problems.length) return html`<p class="well" data-problems="0"><i aria-hidden="true"></i>No problems. ${plural(nodes.length, "node")} known.</p>`;
  return html`<section class="problems" data-problems=${problems.length} aria-label="Problems"><h2>${plural(problems.length, "problem")}</h2>
    <ul>${problems.map((line) => html`<li key=${line}>${visible(line)}</li>`)}</ul></section>`;
}

function PlacesPanel({nodes}) {
  const places = [...new Set(nodes.map(placeOf))];
  return html`<${Panel} title="Nodes" note=${all("nodes")}><ul class="places">${places.map((place) => html`<li key=${place}>
    <b>${visible(place)}</b><span>${nodes.filter((node) => placeOf(node) === place).map((node) => html`<a key=${node.instance} href=${address(["nodes"])}
      class=${`chip ${stateOf(node).kind}`} title=${stateOf(node).why}>${visible(node.name)}<${NodeStateBadge} node=${node} /></a>`)}</span></li>`)}</ul><//>`;
}

function OriginsPanel({origins}) {
  return html`<${Panel} title="Origins" note=${all("origins")}>${!origins.length && html`<${Notice}>None was asked yet.<//>`}
    <ul class="lines">${origins.slice(0, ROWS_MAX).map((one) => html`<li key=${one.name}><${OriginStateBadge} origin=${one} /><${Foreign} text=${one.name} />
      <span class="aside">${rate(one.requests_s)} · p99 ${latency(one.p99_s)}</span></li>`)}</ul><//>`;
}

function CertificatesPanel({certificates}) {
  const soon = certificates.filter((one) => one.days_left < CERTIFICATE_DAYS);
  return soon.length > 0 && html`<${Panel} title="Certificates that end soon" note=${all("certificates")}><ul class="lines">${soon.map((one) => html`
    <li key=${one.name}><${Badge} kind=${one.days_left < 7 ? "bad" : "warn"}>${duration(86_400 * one.days_left)}<//><${Foreign} text=${one.name} /></li>`)}</ul><//>`;
}

function BusiestPanel({rows, range}) {
  const busiest = [...rows].sort((a, b) => b.requests - a.requests).slice(0, ROWS_MAX);
  return html`<${Panel} title="Busiest distributions" note=${all("traffic")}>${!rows.length && html`<${Notice}>None was asked yet.<//>`}
    <ul class="lines">${busiest.map((row) => html`<li key=${row.name}><a href=${address(["traffic", "distribution", row.name], {range})}>
      <${Foreign} text=${row.name} /></a><span class="aside">${rate(row.requests_s)} · ${percent(row.hit_ratio)} hits</span></li>`)}</ul><//>`;
}

/** How viewers are served now and over a range, and what somebody should look at. */
export function Overview({route}) {
  const {state} = usePage();
  return html`<${ViewTitle} title="Overview"><${RangeChoice} route=${route} /><//>
    ${state ? html`<${Problems} problems=${state.problems} nodes=${state.nodes} /><${Vitals} row=${state.total} />` : html`<${Awaited} of="" />`}
    <${TrafficCharts} range=${route.range} />
    ${state && html`<div class="panels"><${PlacesPanel} nodes=${state.nodes} /><${OriginsPanel} origins=${state.origins} />
      <${BusiestPanel} rows=${state.distributions} range=${route.query.range} /><${WaitingInvalidations} invalidations=${state.invalidations} />
      <${CertificatesPanel} certificates=${state.certificates} /></div>`}`;
}

const KINDS = {
  distribution: ["Distributions", "distributions"], behavior: ["Behaviors", "behaviors"],
  location: ["Locations", "locations"], node: ["Nodes", "nodes_traffic"],
};
const TREND_POINTS = 48;
const TREND_MS = 15_000;

function columns(kind, trends, range) {
  return [
    {...naming("Name"), show: (row) => html`<a href=${address(["traffic", kind, row.name], {range})}><${Foreign} text=${row.name} /></a>`},
    {name: "trend", title: "Trend", show: (row) => trends[row.name] && html`<${Trend} values=${trends[row.name]} label="Requests" />`},
    figure("requests_s", "Requests", rate),
    figure("requests", "in 5 min", count),
    figure("hit_ratio", "Hit ratio", (share) => html`${percent(share)} <${Bar} share=${share} />`),
    figure("byte_hit_ratio", "of bytes", percent),
    ...["hit p50", "hit p99", "miss p50", "miss p99"].map((name) => figure(`${name.replace(" ", "_")}_s`, name, latency)),
    figure("bytes_s", "Out", bandwidth),
    figure("client_errors_s", "4xx", rate),
    figure("errors_s", "5xx", rate),
  ];
}

function TrafficTable({kind, route}) {
  const {state} = usePage();
  const [wanted, setWanted] = useState("");
  const told = useRead(withQuery("/dashboard/series", {range: route.range, by: kind}), TREND_MS);
  const trends = useMemo(() => Object.fromEntries((told.data?.series ?? []).map(({name, requests_s: values}) =>
    [name, values.filter((_, at) => at % Math.ceil(values.length / TREND_POINTS) === 0)])), [told.data]);
  if (!state) return html`<${Awaited} of="" />`;
  const rows = state[KINDS[kind][1]].filter((row) => row.name.toLowerCase().includes(wanted.toLowerCase()));
  const folded = state.folded[kind];
  return html`<div class="filter"><label>Filter<input type="search" value=${wanted} onInput=${(event) => setWanted(event.target.value)} /></label>
      <span>${plural(rows.length, "row")}${folded > 0 && `; ${count(folded)} that are less busy are counted as “other”`}</span></div>
    <${DataTable} caption=${`Traffic by ${kind}`} rows=${rows} rowKey=${(row) => row.name} columns=${columns(kind, trends, route.query.range)}
      sort=${{name: "requests", down: true}} rowClass=${(row) => row.errors_s > 0 && "failing"} empty="None was asked yet, or has this in its name." />`;
}

function OneSeries({kind, name, route}) {
  const {state} = usePage();
  const [title, member] = KINDS[kind];
  const row = state?.[member].find((one) => one.name === name);
  return html`<${ViewTitle} title=${visible(name)} note=${html`<a href=${address(["traffic"], {by: kind, range: route.query.range})}>${title}</a>`}>
      <${RangeChoice} route=${route} /><//>
    ${row && html`<${Vitals} row=${row} />`}<${TrafficCharts} range=${route.range} by=${kind} name=${name} />`;
}

/** Traffic by distribution, behavior, location or node; one of them with its charts. */
export function Traffic({route}) {
  const [kind, name] = route.rest;
  if (KINDS[kind] && name) return html`<${OneSeries} kind=${kind} name=${name} route=${route} />`;
  const by = KINDS[route.query.by] ? route.query.by : "distribution";
  return html`<${ViewTitle} title="Traffic"><${RangeChoice} route=${route} /><//>
    <${Choice} label="Traffic by" name="by" chosen=${by} options=${Object.entries(KINDS).map(([value, [title]]) => [value, title])} />
    <${TrafficTable} key=${by} kind=${by} route=${route} />`;
}

const WINDOWS = [["60", "1 min"], ["300", "5 min"], ["900", "15 min"], ["3600", "1 hour"]];
const RANKS_MS = 3_000;
const RANKS_MAX = 15;
const REASONS = {
  absent: "nothing is stored under this key", expired: "what is stored is stale", variant: "stored, but for other request headers",
  "must-validate": "each use must be validated", partial: "stored in part, and not the part asked for",
  method: "this method is never answered from a store", upgrade: "a WebSocket is opened", grpc: "a call of gRPC",
  disabled: "the cache policy switches caching off", request: "the request asks for a newer answer",
  range: "a part of an object that is not stored whole", block: "stored in blocks, and not the block asked for",
  invalidated: "an invalidation came after it was stored", unconfirmed: "an invalidation may not have reached the node",
  error: "the error is known, its page is fetched", function: "a Lambda function is asked first",
};
const REGIONS = new Intl.DisplayNames(["en"], {type: "region"});

const country = ({name}) => (/^[A-Z]{2}$/.test(name) ? `${REGIONS.of(name)} (${name})` : name === "-" ? "not known" : visible(name));
const explained = (object) => html`<a href=${address(["explain"], {url: `https://${object}`})} title="Explain this URL"><${Foreign} text=${object} /></a>`;
const foreign = ({name}) => html`<${Foreign} text=${name} />`;
const URLS = 3; // of the rankings: they are long, and have the wide column
const RANKINGS = [
  ["objects", "Popular objects", ({name}) => explained(name)],
  ["misses", "Top misses, and why", ({reason, object}) => html`<span title=${REASONS[reason]}><${Badge} kind="warn">${visible(reason)}<//></span> ${explained(object)}`],
  ["errors", "Top errors", ({status, object}) => html`<${Badge} kind=${status < 500 ? "warn" : "bad"}>${status}<//> ${explained(object)}`],
  ["reasons", "Reasons of misses", ({name}) => html`<b>${visible(name)}</b><small>${REASONS[name]}</small>`],
  ["referrers", "Referrers", foreign], ["viewers", "Viewers", foreign], ["countries", "Countries", country],
  ["devices", "Devices", foreign], ["protocols", "Protocols", foreign], ["origins", "Origins asked", foreign],
];

function Ranking({name, title, show, ranking}) {
  const note = ranking.error > 0 && `each at most ${count(ranking.error)} too low`;
  return html`<${Panel} title=${title} note=${note}><div data-ranking=${name}>
    <${DataTable} caption=${title} rows=${ranking.rows.slice(0, RANKS_MAX)} rowKey=${(row) => row.name} empty="None." columns=${[
      {name: "name", title: "Name", show}, {name: "count", title: "Requests", number: true, show: (row) => count(row.count)},
      {name: "share", title: "Share", number: true, show: (row) => html`${row.percent.toFixed(1)} % <${Bar} share=${row.percent / 100} kind="plain" />`},
    ]} /></div><//>`;
}

function Counted({told}) {
  const {viewers, watched_s: watched} = told;
  const sampled = told.sampled_percent < 100 && `Counts are of a sample: ${told.sampled_percent} % of the requests.`;
  return html`<${Missing} told=${told} />${[visible(told.problem), sampled].map((line) => line && html`<${Notice} kind="warn">${line}<//>`)}
    ${watched < told.seconds - 2 && html`<${Notice}>Counted while somebody looks: for ${duration(watched)} of the time chosen.<//>`}
    <dl class="vitals" aria-label="Counted">
      <${Vital} name="counted" label="Requests" value=${count(told.requests)} detail=${told.since ? `since ${clock(told.since)}` : "not counted yet"} />
      <${Vital} name="viewers" label="Viewers" value=${count(viewers.estimate)} detail=${`within ${viewers.error_percent} %`} />
      <${Vital} name="sent" label="Sent" value=${bytes(told.bytes_out)} detail="heads and bodies" /><${Latencies} row=${told} /></dl>`;
}

/** What is asked most, what misses and why, what fails, who asks, by what. */
export function Rankings({route}) {
  const chosen = route.query.seconds ?? "300";
  const told = useRead(withQuery("/dashboard/ranks", {seconds: chosen}), RANKS_MS);
  return html`<${ViewTitle} title="Rankings" note="Counted in bounded memory; each list says how far off its counts may be.">
      <${Choice} label="Counted over the last" name="seconds" options=${WINDOWS} chosen=${chosen} /><//><${Awaited} of=${told} />
    ${told.data && html`<${Counted} told=${told.data} /><div class="panels ranked">${[RANKINGS.slice(0, URLS), RANKINGS.slice(URLS)].map((column) => html`<div>
      ${column.map(([name, title, show]) => html`<${Ranking} key=${name} name=${name} title=${title} show=${show} ranking=${told.data.ranks[name]} />`)}</div>`)}</div>`}`;
}
