// Step 3: every job of the server, as it tells of them. A page that is loaded anew shows the same list.

import { post, remove } from "./api.js";
import { duration, find, make, say } from "./dom.js";

const rows = new Map(); // id -> its elements
const states = new Map();
let finished = () => {};
let show = () => {};
let heard = false;

export function begin(whenFinished, whenShown) {
  finished = whenFinished;
  show = whenShown;
}

/** All jobs, newest first. */
export function hear(jobs) {
  const list = find("jobs");
  find("no-jobs").hidden = jobs.length > 0;
  const here = new Set(jobs.map(({ id }) => id));
  for (const [id, row] of rows) {
    if (here.has(id)) continue;
    row.item.remove();
    rows.delete(id);
  }
  jobs.forEach((job, at) => {
    if (!rows.has(job.id)) rows.set(job.id, row(job));
    const { item } = rows.get(job.id);
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
    paint(rows.get(job.id), job, jobs);
    const before = states.get(job.id);
    states.set(job.id, job.state);
    if (before !== job.state && heard) tell(job, before);
  });
  if (!heard) {
    heard = true;
    const last = jobs.find(({ state }) => state === "done");
    if (last && !jobs.some(({ state }) => state === "running")) show(last.id, false);
  }
}

function tell(job, before) {
  if (job.state === "running") say(`${job.title}: begun.`);
  if (job.state === "failed") say(`${job.title}: failed. ${job.error}`);
  if (job.state === "canceled") say(`${job.title}: canceled, and its files are wiped.`);
  if (job.state === "done" && before) {
    say(`${job.title}: done.`);
    finished(job);
  }
}

function row(job) {
  const parts = {
    state: make("span", { class: "state" }),
    bar: make("progress", { "aria-label": job.title }),
    status: make("span", { class: "status" }),
    error: make("p", { class: "trouble", hidden: true }),
    showing: make("button", { type: "button", onclick: () => show(job.id, true), "aria-label": `Show the result: ${job.title}` }, "Show"),
    cancel: make("button", { type: "button", onclick: () => post(`/api/jobs/${job.id}/cancel`), "aria-label": `Cancel: ${job.title}` }, "Cancel"),
    away: make("button", { type: "button", class: "quiet", onclick: () => away(job), "aria-label": `Take away: ${job.title}` }, "×"),
  };
  parts.item = make("li", { "data-job": job.id },
    make("div", { class: "line" }, make("span", { class: "title" }, job.title), parts.state, parts.showing, parts.cancel, parts.away),
    parts.bar, parts.status, parts.error);
  return parts;
}

async function away(job) {
  await remove(`/api/jobs/${job.id}`);
  find("jobs-title").focus();
  document.dispatchEvent(new CustomEvent("job-away", { detail: job.id }));
}

function paint(parts, job, jobs) {
  const over = !["waiting", "running"].includes(job.state);
  parts.item.dataset.state = job.state;
  parts.state.textContent = job.state;
  parts.bar.hidden = job.state !== "running";
  if (job.of) {
    parts.bar.max = job.of;
    parts.bar.value = job.at;
  } else {
    parts.bar.removeAttribute("value"); // not known yet
  }
  parts.status.hidden = over && job.state !== "done";
  parts.status.textContent = status(job, jobs);
  parts.error.hidden = job.state !== "failed";
  parts.error.textContent = job.error;
  // focus must not fall off the page with a button that goes
  const held = document.activeElement;
  parts.showing.hidden = job.state !== "done";
  parts.cancel.hidden = over;
  parts.away.hidden = !over;
  if (held === parts.cancel && over) (job.state === "done" ? parts.showing : parts.away).focus();
}

function status(job, jobs) {
  if (job.state === "done") return `in ${duration(job.seconds)}`;
  if (job.state === "waiting") {
    const before = jobs.filter(({ state }) => ["waiting", "running"].includes(state)).reverse();
    const ahead = before.findIndex(({ id }) => id === job.id);
    return ahead > 0 ? `waits for ${ahead} other${ahead === 1 ? "" : "s"}` : "begins at once";
  }
  if (!job.of) return "loading networks …";
  const unit = { protect: "faces", learn: "epochs" }[job.task] ?? "photos";
  const left = job.at ? `, about ${duration((job.seconds * (job.of - job.at)) / job.at)} left` : "";
  return `${job.at} of ${job.of} ${unit}${left}`;
}
