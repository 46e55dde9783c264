// Step 2: what to do with the photos, and with which choices. The server checks all of it again.

import { Failure, get, post, remove, save, upload } from "./api.js";
import { find, make, many, say } from "./dom.js";
import * as photos from "./photos.js";

let placed = () => {};
let recognizers = [];
let masks = [];

const task = () => find("order").elements.task.value;
const number = (id) => (find(id).value.trim() === "" ? null : Number(find(id).value));
const ticked = (id) => [...find(id).querySelectorAll("input:checked")].map((box) => box.value);

const VERBS = { protect: "Protect", learn: "Learn a mask from", apply: "Put the mask on", remove: "Take the mask off" };

export async function begin(options, tell) {
  placed = tell;
  recognizers = options.recognizers;
  const { protect, learn } = options.defaults;
  boxes("recognizers", recognizers, (one, at) => at === 0);
  const measured = recognizers.filter((one) => one.threshold !== null);
  boxes("team", measured, (one, at) => (measured.some(({ name }) => learn.team.includes(name)) ? learn.team.includes(one.name) : at === 0));
  find("steps").value = protect.steps;
  find("epochs").value = learn.epochs;
  find("epsilon").value = learn.epsilon;
  find("budget").value = learn.budget;
  find("variants").value = learn.variants;
  find("order").addEventListener("change", refresh);
  find("order").addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  find("mask-file").addEventListener("change", addMask);
  await readMasks();
  refresh();
}

function boxes(id, offered, isTicked) {
  const list = find(id);
  if (!offered.length) {
    list.append(make("p", { class: "hint" }, "No recognizer’s weights are on this machine: bauta models pull NAME fetches them."));
  }
  offered.forEach((one, at) => {
    const about = one.accuracy ? `${one.trained_on}, LFW ${one.accuracy.toFixed(1)} %` : one.own ? "yours" : one.trained_on;
    list.append(make("label", { class: "check" },
      make("input", { type: "checkbox", value: one.name, checked: isTicked(one, at) }),
      make("span", {}, one.label), make("small", {}, about)));
  });
}

/** Show the fields of what is to be done, and say on the button what it will do. */
export function refresh() {
  const doing = task();
  for (const part of find("order").querySelectorAll("[data-task]")) part.hidden = !part.dataset.task.split(" ").includes(doing);
  photos.facesMatter(doing === "protect");
  const chosen = photos.chosen(doing === "protect");
  const things = doing === "protect"
    ? many(chosen.reduce((sum, { faces }) => sum + faces.length, 0), "face")
    : many(chosen.length, "photo");
  find("start").textContent = `${VERBS[doing]} ${things}`;
  const why = photos.busy() ? "Photos are still being looked at."
    : !chosen.length ? "Choose photos first."
    : doing === "protect" && !ticked("recognizers").length ? "Choose at least one recognizer that may read them."
    : doing === "learn" && chosen.length < 2 ? "A mask needs at least two photos of its person."
    : doing === "learn" && !ticked("team").length ? "Choose at least one recognizer to mislead."
    : ["apply", "remove"].includes(doing) && !mask() ? "Choose a mask first." : "";
  find("start").setAttribute("aria-disabled", why ? "true" : "false");
  find("start-hint").textContent = why;
}

function order() {
  const doing = task();
  const asked = { task: doing, photos: photos.chosen(doing === "protect") };
  if (doing === "protect") {
    return { ...asked, recognizers: ticked("recognizers"), steps: number("steps"), cut: number("cut"), proof: find("proof").checked };
  }
  if (doing === "learn") {
    return {
      ...asked, team: ticked("team"), method: find("method").value, epochs: number("epochs"), epsilon: number("epsilon"),
      budget: number("budget"), strength: number("learned-strength"), variants: number("variants"),
    };
  }
  const masked = { ...asked, mask: mask(), strength: number("strength") };
  return doing === "apply" ? { ...masked, face: find("face").value } : masked;
}

async function start() {
  const trouble = find("order-trouble");
  trouble.hidden = true;
  refresh();
  if (find("start").getAttribute("aria-disabled") === "true") {
    say(find("start-hint").textContent);
    return;
  }
  try {
    placed(await post("/api/jobs", order()));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    trouble.textContent = error.message;
    trouble.hidden = false;
  }
}

// masks

const mask = () => find("order").querySelector("input[name=mask]:checked")?.value;

export async function readMasks() {
  const before = mask();
  masks = await get("/api/masks");
  find("no-masks").hidden = masks.length > 0;
  find("masks").replaceChildren(...masks.map((one) => {
    const about = `${many(one.photos, "photo")}, against ${one.team.join(", ")}${one.masks > 1 ? `, ${one.masks} variants` : ""}`;
    return make("li", {},
      make("label", { class: "check" },
        make("input", { type: "radio", name: "mask", value: one.id, checked: before ? one.id === before : one === masks.at(-1) }),
        make("span", {}, one.name), make("small", {}, about)),
      make("button", { type: "button", class: "quiet", "aria-label": `Save ${one.name}`, onclick: () => save(`/api/masks/${one.id}/file`, one.name) }, "Save"),
      make("button", { type: "button", class: "quiet", "aria-label": `Take ${one.name} away`, onclick: () => takeMask(one) }, "×"));
  }));
  if (masks.length && !mask()) find("masks").querySelector("input").checked = true;
  refresh();
}

async function takeMask(one) {
  await remove(`/api/masks/${one.id}`);
  await readMasks();
  find("mask-file").focus();
}

async function addMask(event) {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  const trouble = find("order-trouble");
  try {
    const one = await upload("/api/masks", file);
    trouble.hidden = true;
    await readMasks();
    find("order").querySelector(`input[name=mask][value="${one.id}"]`).checked = true;
    refresh();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    trouble.textContent = error.message;
    trouble.hidden = false;
  }
}
