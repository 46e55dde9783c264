// What a job made: before and after under a slider, the proof, and the way to save it.

import { Failure, address, get, save } from "./api.js";
import { complain, duration, find, hold, make, many, release } from "./dom.js";

let shown = null;

export function clear() {
  release(find("result"));
  shown = null;
  find("result").hidden = true;
  find("result-body").replaceChildren();
}

document.addEventListener("job-away", (event) => event.detail === shown && clear());

/** Show a job's result; `focus` moves there. */
export async function show(id, focus) {
  let job;
  try {
    job = await get(`/api/jobs/${id}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    complain(error.message);
    return;
  }
  clear();
  shown = id;
  const { result } = job;
  const body = find("result-body");
  find("result-title").textContent = job.title;
  body.append(summary(job));
  if (result.pictures.length) body.append(viewer(job), saving(job));
  else if (job.task === "learn") body.append(saving(job));
  if (result.table?.length) body.append(...proof(result));
  if (result.history) body.append(history(result.history));
  if (result.failed.length) body.append(failures(result.failed, job.task));
  find("result").hidden = false;
  if (focus) {
    find("result-title").focus();
    find("result").scrollIntoView({ block: "start" });
  }
}

function summary({ task, result, seconds }) {
  const made = { protect: "picture", learn: "picture", apply: "photo", remove: "photo" }[task];
  const what = task === "learn"
    ? `A mask learned from ${many(result.mask.photos, "photo")}, in ${duration(seconds)}. It changes a pixel by at most ${result.mask.change.toFixed(1)} of 255.`
    : `${many(result.pictures.length, made)} made in ${duration(seconds)}${result.failed.length ? `, ${result.failed.length} not` : ""}.`;
  return make("p", {}, what);
}

function saving(job) {
  const { task, id, result } = job;
  if (task === "learn") {
    return make("p", { class: "saving" },
      make("button", { type: "button", class: "primary", onclick: () => save(`/api/masks/${result.mask.id}/file`, result.mask.name) }, `Save ${result.mask.name}`),
      make("span", { class: "hint" }, "Keep it to yourself: it takes the mask off. It is wiped here when bauta serve ends."));
  }
  return make("p", { class: "saving" },
    make("button", { type: "button", class: "primary", id: "save-zip", onclick: () => save(`/api/jobs/${id}/zip`, "bauta.zip") },
      `Save ${many(result.pictures.length, "PNG")} as a zip`));
}

// before and after

function viewer(job) {
  const { id, result, names, files } = job;
  const [before, after] = [make("img", { alt: "" }), make("img", { alt: "", class: "after" })];
  const slider = make("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "How much of the picture shows the result" });
  const note = make("p", { class: "hint note", "aria-live": "polite" });
  const rule = make("span", { class: "rule" });
  const stage = make("div", { class: "compare" }, before, after, rule,
    make("span", { class: "tag left" }, "after"), make("span", { class: "tag right" }, "before"), slider);
  const cut = () => {
    after.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    rule.style.left = `${slider.value}%`;
    slider.setAttribute("aria-valuetext", `${slider.value} % result, ${100 - slider.value} % original`);
  };
  slider.addEventListener("input", cut);
  cut();
  const small = ["protect", "learn"].includes(job.task);
  stage.classList.toggle("face-sized", small);
  const strip = make("div", { class: "strip", role: "group", "aria-label": "Pictures" });
  let turn = 0;
  const pick = async (number) => {
    const mine = ++turn; // a later choice wins, whichever answer comes first
    const [old, made] = await Promise.all(["before", "after"].map((side) => address(`/api/jobs/${id}/pictures/${number}/${side}`)));
    if (mine !== turn) return;
    const picture = result.pictures[number - 1];
    const name = picture.photo === null ? `photo ${number}` : names[picture.photo];
    hold(before, old);
    hold(after, made);
    before.alt = `${name}, before`;
    after.alt = `${name}, after`;
    note.textContent = described(picture, job.task === "learn" ? "" : `${name} → ${files[number - 1]}`);
    [...strip.children].forEach((button, at) => button.setAttribute("aria-pressed", at === number - 1));
  };
  result.pictures.forEach((picture, at) => {
    const name = picture.photo === null ? `Photo ${at + 1}` : names[picture.photo];
    const image = make("img", { alt: "", loading: "lazy" });
    const face = picture.face === null || picture.face === undefined ? "" : `, face ${picture.face + 1}`;
    strip.append(make("button", { type: "button", class: "thumb", "aria-label": `${name}${face}`, title: `${name}${face}`, onclick: () => pick(at + 1) }, image));
    address(`/api/jobs/${id}/pictures/${at + 1}/before`).then((url) => hold(image, url));
  });
  pick(1);
  return make("div", { class: "viewer" }, stage, make("div", {}, note, strip));
}

function described(picture, name) {
  const told = [name];
  if (picture.ssim !== undefined && picture.ssim !== null) told.push(`SSIM to the original ${picture.ssim.toFixed(3)}`);
  for (const { z, strength, variant } of picture.found ?? []) {
    told.push(z === null ? `mask ${variant}, strength ${strength.toFixed(2)}` : `carried mask ${variant}, z = ${z.toFixed(1)}, strength about ${strength.toFixed(2)}`);
  }
  return told.filter(Boolean).join(" · ");
}

// the proof

const PLACES = 2;
const fixed = (value) => (value === null || value === undefined ? "–" : value.toFixed(PLACES).replace(/^-(0\.0*)$/, "$1"));
const entry = (value) => (value !== null && typeof value === "object"
  ? make("td", {}, fixed(value.value), " ", make("small", {}, `${fixed(value.low)} to ${fixed(value.high)}`))
  : make("td", {}, typeof value === "number" ? fixed(value) : String(value ?? "–")));
const worst = (row) => Math.max(...Object.entries(row)
  .filter(([column]) => !["recognizer", "role", "n", "cosine"].includes(column))
  .map(([, value]) => (value !== null && typeof value === "object" ? value.value : value ?? 0)));

function proof({ table, refused, settings }) {
  const [ours, others] = [table.filter(({ role }) => role === "authorized"), table.filter(({ role }) => role !== "authorized")];
  const told = ours.map((row) => `${row.recognizer} accepts ${row.accepted ? Math.round(row.accepted.value * row.n) : "an unknown number"} of ${row.n}.`);
  if (others.length) {
    const most = others.reduce((a, b) => (worst(a) >= worst(b) ? a : b));
    told.push(`Of ${many(others.length, "other recognizer")}, the most successful (${most.recognizer}) accepts at most ${Math.round(worst(most) * most.n)} of ${most.n}, cleaned or not.`);
  } else {
    told.push("No other recognizer is on this machine to try them.");
  }
  for (const [name, number] of Object.entries(refused)) {
    if (number) told.push(`${name} refuses ${many(number, "picture")}: take more steps, or look at the originals.`);
  }
  const columns = [...new Set(table.flatMap((row) => Object.keys(row)))].filter((column) => column !== "role");
  const head = make("tr", {}, ...columns.map((column) => make("th", { scope: "col" }, column)));
  const lines = table.map((row) => make("tr", { class: row.role },
    ...columns.map((column) => (column === "recognizer"
      ? make("th", { scope: "row" }, row.recognizer, " ", make("span", { class: `role ${row.role}` }, row.role))
      : column === "n" ? make("td", {}, String(row.n)) : entry(row[column])))));
  return [
    make("h3", {}, "Who accepts them as their originals"),
    make("p", { class: "verdict" }, told.join(" ")),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Proof" },
      make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines))),
    make("p", { class: "hint" },
      "Each recognizer at its own LFW threshold; shares of pictures, with 95 % intervals, as written and after what services do to files. Best cleaned: behind the best of thirteen purifiers, for each picture. Whoever holds the client’s layers can still link these pictures: share them as you would share a key."),
    make("p", { class: "hint" }, make("code", {}, settings)),
  ];
}

function history(rows) {
  const columns = { epoch: "epoch", loss: "loss", angle: "angle", dssim: "DSSIM", ssim: "SSIM" };
  const lines = rows.map((row) => make("tr", {}, make("th", { scope: "row" }, rows.some(({ variant }) => variant > 1) ? `${row.variant} / ${row.epoch}` : String(row.epoch)),
    ...["loss", "angle", "dssim", "ssim"].map((key) => make("td", {}, row[key].toFixed(4)))));
  return make("details", {}, make("summary", {}, `How it was learned: ${many(rows.length, "epoch")}`),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Epochs" },
      make("table", {}, make("thead", {}, make("tr", {}, ...Object.values(columns).map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...lines))));
}

function failures(failed, task) {
  return make("div", {}, make("h3", {}, task === "learn" ? "Left out" : "Not done"),
    make("ul", { class: "failures" }, ...failed.map(({ name, error }) => make("li", {}, make("strong", {}, name), " ", error))));
}
