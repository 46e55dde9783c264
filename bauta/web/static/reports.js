// Reports of audits: listed by the server, shown in a frame that reaches nothing.

import { Failure, get, post, save } from "./api.js";
import { complain, find, make, say } from "./dom.js";

export async function read(offered) {
  const hint = find("reports-hint");
  if (!offered) {
    hint.textContent = "Start bauta serve with --reports FOLDER to read the reports of bauta audit here.";
    return;
  }
  const reports = await get("/api/reports");
  hint.textContent = reports.length ? "" : "There is no report in that folder yet: bauta audit writes one.";
  find("reports-list").replaceChildren(...reports.map((report) => make("li", {},
    make("div", { class: "line" },
      make("span", { class: "title" }, report.name === "." ? "this folder" : report.name),
      make("small", {}, new Date(report.changed * 1000).toLocaleString()),
      report.page
        ? make("button", { type: "button", "aria-label": `Read ${report.name}`, onclick: () => open(report) }, "Read")
        : make("span", { class: "state" }, "not over")),
    about(report), tables(report))));
}

function about({ settings }) {
  if (!settings) return null;
  return make("details", {}, make("summary", {}, "Settings"), make("pre", {}, JSON.stringify(settings, null, 1)));
}

function tables({ id, tables: names }) {
  if (!names.length) return null;
  return make("p", { class: "tables" }, ...names.map((name, at) =>
    make("button", { type: "button", class: "quiet", "aria-label": `Save ${name}`, onclick: () => save(`/api/reports/${id}/tables/${at}`, name) }, name)));
}

async function open(report) {
  try {
    const { path } = await post(`/api/reports/${report.id}/ticket`);
    const frame = make("iframe", { title: `Report ${report.name}` });
    frame.setAttribute("sandbox", "allow-scripts"); // of an origin of its own; the server says which scripts
    frame.src = path;
    const close = make("button", { type: "button", onclick: () => shut() }, "Close");
    find("report").replaceChildren(make("div", { class: "line" }, make("h3", { tabindex: -1, id: "report-title" }, report.name), close), frame);
    find("report").hidden = false;
    find("report-title").focus();
    say(`The report ${report.name} is open.`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    complain(error.message);
  }
}

function shut() {
  find("report").replaceChildren();
  find("report").hidden = true;
  find("reports-list").querySelector("button")?.focus();
}
