/**
 * Parts that views are made of: numbers and foreign text, tables, charts, actions, polled data.
 *
 * Law: foreign text is a child of an element, never markup, and passes `visible`. An action that a
 * session may not take is there and says why. A chart has words, a legend and a table.
 */

/* global uPlot */
import {createContext, html, useContext, useEffect, useLayoutEffect, useRef, useState} from "./vendor/preact.js";
import {call, read} from "./control.js";

const NONE = "–";
const DAY_S = 86_400;
const WHOLE = new Intl.NumberFormat("en-US", {maximumFractionDigits: 0});
const TIME = {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"};
const DATE = {year: "numeric", month: "short", day: "2-digit"};
const CLOCK = new Intl.DateTimeFormat(undefined, TIME);
const INSTANT = new Intl.DateTimeFormat(undefined, {...DATE, ...TIME});
const DAY = new Intl.DateTimeFormat(undefined, DATE);
// C0, C1, zero-width characters, marks and overrides of direction, line separators, BOM.
const HIDDEN = /[\0-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/** Foreign text with each hidden character as an escape. */
export function visible(text) {
  return String(text ?? "").replace(HIDDEN, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const told = (format) => (value) => (typeof value === "number" && !Number.isNaN(value) ? format(value) : NONE);

function scaled(value, base, units) {
  let place = 0;
  for (; Math.abs(value) >= base && place < units.length - 1; place += 1) value /= base;
  return `${place ? amount(value) : WHOLE.format(value)} ${units[place]}`;
}

/** 36,120 */
export const count = told(WHOLE.format);

/** Three digits that count: 0.25, 12.3, 1,235. */
export const amount = told((value) => {
  if (value > 0 && value < 0.01) return "< 0.01";
  return Math.abs(value) >= 100 ? WHOLE.format(value) : String(Number(value.toPrecision(3)));
});
export const rate = told((value) => `${amount(value)}/s`);

/** A share in percent. What is not all is never told as 100 %, what is not none never as 0 %. */
export const percent = told((share) => {
  const shown = (100 * share).toFixed(1);
  if (share < 1 && shown === "100.0") return "> 99.9 %";
  return share > 0 && shown === "0.0" ? "< 0.1 %" : `${shown} %`;
});
export const bytes = told((value) => scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]));

/** Of bytes a second. */
export const bandwidth = told((value) => scaled(8 * value, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]));
export const latency = told((s) => (s > 60 ? "> 60 s" : s && s < 1 ? `${amount(1000 * s)} ms` : `${amount(s)} s`));

/** How long something takes: 4.2 s, 42 s, 3 min, 5 h, 12 d. */
export const duration = told((s) => {
  if (s < 10) return `${Math.max(0, s).toFixed(1)} s`;
  const [unit, name] = [[120, 1, "s"], [7200, 60, "min"], [2 * DAY_S, 3600, "h"], [Infinity, DAY_S, "d"]]
    .find(([most]) => s < most).slice(1);
  return `${Math.round(s / unit)} ${name}`;
});
export const instant = told((s) => INSTANT.format(1000 * s));
export const clock = told((s) => CLOCK.format(1000 * s));
export const day = told((s) => DAY.format(1000 * s));
export const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

export const RANGES = [["5m", "5 min"], ["1h", "1 hour"], ["6h", "6 hours"], ["1d", "1 day"], ["7d", "7 days"]];

/** The part of the address behind `#`: a view, names of what is looked at, and choices. */
export class Route {
  constructor(hash) {
    const [path, search] = hash.slice(2).split("?", 2);
    [this.view, ...this.rest] = path.split("/").map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
    this.query = Object.fromEntries(new URLSearchParams(search));
    this.range = RANGES.some(([name]) => name === this.query.range) ? this.query.range : "5m";
  }

  /** The address of this view with other choices. */
  link(changes) {
    return address([this.view || "overview", ...this.rest], {...this.query, ...changes});
  }
}

/** The address of a view. */
export function address(path, query = {}) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  return `#/${path.map(encodeURIComponent).join("/")}${search.size ? `?${search}` : ""}`;
}

/** What every view may use: session, live, state, theme, route, say. */
export const Page = createContext(null);
export const usePage = () => useContext(Page);

/** What control says at a path, asked again each `everyMs` (0: once): {data, error, again}. */
export function useRead(path, everyMs) {
  const [known, setKnown] = useState({});
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    let over = !path;
    let timer;
    const ask = async () => {
      let found;
      try {
        found = {path, data: await read(path), error: ""};
      } catch (error) {
        found = {path, error: error.message};
      }
      if (over) return;
      setKnown((before) => ({...(before.path === path && before), ...found}));
      if (everyMs) timer = setTimeout(ask, everyMs);
    };
    if (!over) ask();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [path, everyMs, asked]);
  return {...(known.path === path && known), again: () => setAsked(asked + 1)};
}

export const Foreign = ({text}) => html`<span class="foreign mono">${visible(text)}</span>`;

/** A word whose color says how good it is: good, warn, bad, idle. */
export const Badge = ({kind = "idle", children}) => html`<span class=${`badge ${kind}`}>${children}</span>`;
export const Notice = ({kind = "idle", children}) => html`<p class=${`notice ${kind}`}>${children}</p>`;

/** Said while data is awaited, or when it failed. */
export function Awaited({of: known}) {
  if (known.error) return html`<${Notice} kind="bad">${visible(known.error)}<//>`;
  return known.data ? null : html`<${Notice}>Loading…<//>`;
}

export const Panel = ({title, note, children}) => html`<section class="panel">
  <h2>${title}${note && html` <small>${note}</small>`}</h2>${children}</section>`;

/** A view's first line: its name, and what is chosen for all of it. */
export const ViewTitle = ({title, note, children}) => html`<div class="view-title">
  <div><h1 tabindex="-1">${title}</h1>${note && html`<p>${note}</p>`}</div>${children}</div>`;

/** One of a few, as links, which can be opened apart and shared. */
export function Choice({label, options, chosen, name}) {
  const {route} = usePage();
  return html`<nav class="choice" aria-label=${label}>${options.map(([value, text]) => html`<a key=${value}
    href=${route.link({[name]: value})} aria-current=${value === chosen ? "true" : undefined}>${text}</a>`)}</nav>`;
}

/** A column of figures: a member of each row as `format` tells it. */
export const figure = (name, title, format, hint) => ({
  name, title, hint, number: true, value: (row) => row[name], show: (row) => format(row[name]),
});

/** The column of foreign text that names each row, with `more` below it. */
export const naming = (title, of = (row) => row.name, more = () => null) => ({
  name: "name", title, value: of, show: (row) => html`<${Foreign} text=${of(row)} />${more(row)}`,
});

function compared(a, b) {
  if ((a ?? null) === (b ?? null)) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true});
}

/**
 * A table that is sorted by a column's head. A column: name, title, value(row) to sort by,
 * show(row), number (at the right), hint. `sort`: by which at first, `down` or not.
 */
export function DataTable({caption, columns, rows, rowKey, rowClass, sort, empty = "Nothing to show."}) {
  const [by, setBy] = useState(sort ?? {});
  const column = columns.find((one) => one.name === by.name);
  if (!rows.length) return html`<${Notice}>${empty}<//>`;
  const sorted = column ? [...rows].sort((a, b) => (by.down ? -1 : 1) * compared(column.value(a), column.value(b))) : rows;
  const head = (one) => {
    const order = one === column ? (by.down ? "descending" : "ascending") : undefined;
    const turn = () => setBy({name: one.name, down: one === column ? !by.down : one.number});
    return html`<th scope="col" class=${one.number && "number"} aria-sort=${order}>${one.value
      ? html`<button type="button" class="sort" title=${one.hint} onClick=${turn}>${one.title}</button>` : one.title}</th>`;
  };
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}><table><caption class="unseen">${caption}</caption>
    <thead><tr>${columns.map(head)}</tr></thead>
    <tbody>${sorted.map((row) => html`<tr key=${rowKey(row)} data-row=${rowKey(row)} class=${rowClass?.(row)}>
      ${columns.map(({name, number, show, value}) => html`<${name === "name" ? "th" : "td"} scope=${name === "name" ? "row" : undefined}
        class=${number && "number"} data-cell=${name}>${(show ?? value)(row)}<//>`)}</tr>`)}</tbody></table></div>`;
}

/** A share as a bar, beside the number that says the same. */
export const Bar = ({share, kind}) => html`<svg class=${`bar ${kind}`} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
  <rect class="all" width="100" height="6" /><rect class="part" width=${Math.min(1, share ?? 0) * 100} height="6" /></svg>`;

/** A button for an action. One that the session may not take stays in reach, and says why. */
export function ActionButton({action, onClick, danger, submit, children}) {
  const {session} = usePage();
  const why = session.may.includes(action) ? "" : session.may_write ? `This key may not ${action}.` : "This key may only read.";
  return html`<span class="action"><button type=${submit ? "submit" : "button"} class=${danger ? "danger" : "primary"}
    data-action=${action} aria-disabled=${why ? "true" : undefined} title=${why}
    onClick=${why ? (event) => event.preventDefault() : onClick}>${children}</button>${why && html`<small class="why">${why}</small>`}</span>`;
}

function Confirmation({title, text, confirm, danger, act, close}) {
  const dialog = useRef(null);
  const [working, setWorking] = useState(false);
  const [error, setError] = useState("");
  useEffect(() => dialog.current.showModal(), []);
  const confirmed = () => {
    setWorking(true);
    act().catch((problem) => {
      setError(problem.message);
      setWorking(false);
    });
  };
  return html`<dialog ref=${dialog} aria-labelledby="question" onCancel=${close}><h2 id="question">${title}</h2>
    <div class="body">${text}</div>
    <p class="notice bad" role="alert" hidden=${!error}>${visible(error)}</p>
    <div class="buttons"><button type="button" onClick=${close}>Cancel</button>
      <button type="button" class=${danger ? "danger" : "primary"} data-confirm disabled=${working} onClick=${confirmed}>${confirm}</button>
    </div></dialog>`;
}

/**
 * Ask before control is asked to act. `ask({title, text, confirm, danger, method, path, body, done,
 * after})` shows the question; `question` is to be rendered.
 */
export function useConfirmation() {
  const [wanted, ask] = useState(null);
  const {say} = usePage();
  const close = () => ask(null);
  const act = async () => {
    await call(wanted.method, wanted.path, wanted.body);
    close();
    say(wanted.done);
    wanted.after?.();
  };
  return {ask, question: wanted && html`<${Confirmation} ...${wanted} act=${act} close=${close} />`};
}

const CHART_REM = 12.2;
const TABLE_ROWS_MAX = 30;
const FONT = 'ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif';

/** What a custom property of the style sheet stands for now, as a canvas takes it. */
function color(name, fade) {
  const probe = document.getElementById("color-probe");
  probe.style.color = `var(--${name})`;
  const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g);
  return `rgba(${r}, ${g}, ${b}, ${fade ?? 1})`;
}

function scaleRange({log, ceiling, floor = 1}) {
  return (_, low, high) => {
    if (!(high > 0)) return log ? [0.0001, 1] : [0, ceiling ?? floor];
    if (log) return [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.01))];
    return ceiling ? [Math.max(0, Math.floor((low - 0.02) * 10) / 10), ceiling] : [0, Math.max(floor, high * 1.08)];
  };
}

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

function plotOptions(chart, width, span, onCursor) {
  const axis = {stroke: color("muted"), font: `${0.79 * rem()}px ${FONT}`, ticks: {show: false}, gap: 4};
  const at = (s) => (span > 2 * DAY_S ? day(s).replace(/,? \d{4}/, "") : clock(s).slice(0, s % 60 ? 8 : 5));
  const each = (show) => (_, ticks) => ticks.map((tick) => (tick === null ? "" : show(tick)));
  return {
    width, height: CHART_REM * rem(), padding: [8, 16, 0, 0], legend: {show: false},
    scales: {y: {distr: chart.log ? 3 : 1, range: scaleRange(chart)}},
    axes: [
      {...axis, values: each(at), grid: {show: false}, size: 1.8 * rem(), space: 3.6 * rem()},
      {...axis, values: each(chart.format), grid: {stroke: color("grid"), width: 1}, space: 2.3 * rem(),
        size: (_, shown) => 12 + 0.47 * rem() * Math.max(...(shown ?? [""]).map((text) => text.length))},
    ],
    series: [{}, ...chart.series.map(([, name, style]) => ({
      stroke: color(name), width: 1.5, points: {show: false},
      dash: style === "dashed" ? [4, 3] : undefined, fill: style === "filled" ? color(name, 0.14) : undefined,
    }))],
    cursor: {sync: {key: "time"}, y: false, drag: {x: false, y: false}},
    hooks: {setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)]},
  };
}

/** The plot itself: made anew for another theme or kind of axis, else given new data. */
function Plot({chart, data, theme, onCursor}) {
  const place = useRef(null);
  const plot = useRef(null);
  const [width, setWidth] = useState(0);
  const span = data[0].length ? data[0].at(-1) - data[0][0] : 0;
  const shown = chart.log ? data.map((values) => values.map((value) => value || null)) : data; // log of 0: a gap
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (!width) return undefined;
    plot.current = new uPlot(plotOptions(chart, width, span, onCursor), shown, place.current);
    return () => plot.current.destroy();
  }, [width > 0, theme, span > 600, span > 2 * DAY_S]);
  useEffect(() => width && plot.current.setSize({width, height: CHART_REM * rem()}), [width]);
  useEffect(() => plot.current?.setData(shown), [data]);
  return html`<div class="plot" ref=${place} aria-hidden="true"></div>`;
}

const newest = (values) => values.findLast((value) => value !== null) ?? null;

/** At most TABLE_ROWS_MAX times with their values, the newest first. */
function ChartTable({chart, data}) {
  const step = Math.ceil(data[0].length / TABLE_ROWS_MAX);
  const rows = data[0].map((time, at) => ({time, at})).reverse().filter((_, place) => place % step === 0);
  return html`<${DataTable} caption=${`${chart.title}, table`} rows=${rows} rowKey=${(row) => row.time} columns=${[
    {name: "name", title: "Time", value: (row) => row.time, show: (row) => instant(row.time)},
    ...chart.series.map(([label], place) => ({
      name: label, title: label, number: true, value: (row) => data[place + 1][row.at], show: (row) => chart.format(data[place + 1][row.at]),
    })),
  ]} />`;
}

/**
 * A chart: name, title, format, series [[label, color, dashed or filled]], log, ceiling, floor;
 * `data`: times, then a column for each series (null: not known).
 */
export function Chart({chart, data, theme}) {
  const [cursor, setCursor] = useState(null);
  const [asTable, setAsTable] = useState(false);
  const values = data.slice(1).map((column) => chart.format(cursor === null ? newest(column) : column[cursor]));
  const words = chart.series.map(([label], at) => `${label} ${chart.format(newest(data[at + 1]))}`).join(", ");
  return html`<figure class="chart panel" data-chart=${chart.name}><figcaption><h3>${chart.title}</h3>
      <button type="button" aria-pressed=${asTable} onClick=${() => setAsTable(!asTable)}>Table<span class="unseen"> of ${chart.title}</span></button>
    </figcaption><p class="unseen">Chart of ${data[0].length} points. The newest: ${words}.</p>
    ${asTable ? html`<${ChartTable} chart=${chart} data=${data} />` : html`<div class="legend" aria-hidden="true">
      ${chart.series.map(([label, name, style], at) => html`<span><i class=${`swatch ${name} ${style}`}></i>${label} <b>${values[at]}</b></span>`)}
      <span class="when">${cursor !== null && clock(data[0][cursor])}</span></div>
      <${Plot} chart=${chart} data=${data} theme=${theme} onCursor=${setCursor} />`}</figure>`;
}

/** The trend of some values, for a table's cell. */
export function Trend({values, label}) {
  const top = Math.max(...values, 1e-9);
  const points = values.map((value, at) => `${96 * at / values.length},${19 - 17 * (value ?? 0) / top}`);
  return html`<svg class="trend" viewBox="0 0 96 20" role="img" aria-label=${label}><polyline points=${points.join(" ")} /></svg>`;
}
