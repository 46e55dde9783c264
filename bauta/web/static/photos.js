// Step 1: photos come in one after the other, are looked at by the server, and show their faces as buttons.

import { Failure, address, get, remove, upload } from "./api.js";
import { find, hold, make, many, release, say } from "./dom.js";

const photos = new Map(); // id -> {facts, chosen: Set, card}
let limits = { bytes: 0, photos: 0 };
let changed = () => {};
let waiting = 0;
let line = Promise.resolve(); // uploads, one after the other

export async function begin(given, tell) {
  limits = given;
  changed = tell;
  const size = Math.round(limits.bytes / 2 ** 20);
  find("files-hint").textContent =
    `JPEG, PNG, WebP, TIFF, BMP, GIF or HEIC; up to ${limits.photos} photos of ${size} MB. They stay on this machine.`;
  find("files").addEventListener("change", (event) => {
    take([...event.target.files]);
    event.target.value = ""; // so that the same file may be chosen again
  });
  const drop = find("drop");
  // the whole window, so that a photo that misses the field is not opened in the page's place
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  for (const facts of await get("/api/photos")) await show(facts);
}

/** The photos with a chosen face, as an order says them; all photos where faces do not matter. */
export function chosen(facesMatter) {
  const all = [...photos.values()];
  if (!facesMatter) return all.map(({ facts }) => ({ photo: facts.id }));
  return all
    .filter((photo) => photo.chosen.size)
    .map(({ facts, chosen: faces }) => ({ photo: facts.id, faces: [...faces].sort((a, b) => a - b) }));
}

/** Forget what the page shows; the server has wiped it. */
export function clear() {
  release(find("photos"));
  photos.clear();
  find("photos").replaceChildren();
  find("refused").replaceChildren();
  changed();
}

/** Whether single faces can be chosen for what is to be done. */
export function facesMatter(yes) {
  find("photos").classList.toggle("whole", !yes);
  for (const button of find("photos").querySelectorAll(".face")) button.disabled = !yes;
}

export const busy = () => waiting > 0;

function take(files) {
  if (!files.length) return;
  const aligned = find("aligned").checked;
  find("refused").replaceChildren();
  waiting += files.length;
  say(`Looking for faces in ${many(files.length, "photo")}.`);
  changed();
  for (const file of files) line = line.then(() => takeOne(file, aligned));
  line = line.then(() => {
    const faces = [...photos.values()].reduce((sum, { facts }) => sum + facts.faces.length, 0);
    say(`${many(photos.size, "photo")} with ${many(faces, "face")}.`);
  });
}

async function takeOne(file, aligned) {
  const pending = make("li", { class: "pending" }, `Looking for faces in ${file.name} …`);
  find("photos").append(pending);
  try {
    if (file.size > limits.bytes) {
      throw new Failure(`${file.name} has more than ${Math.round(limits.bytes / 2 ** 20)} MB; make it smaller.`);
    }
    const facts = await upload(`/api/photos?aligned=${aligned}`, file);
    await show(facts, pending);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    pending.remove();
    const named = error.message.includes(file.name) ? null : `${file.name}: `; // most sentences say it themselves
    find("refused").append(make("li", { role: "alert" }, named, error.message));
  } finally {
    waiting -= 1;
    changed();
  }
}

async function show(facts, pending) {
  const image = make("img", { alt: facts.name });
  hold(image, await address(`/api/photos/${facts.id}/preview`));
  const faces = new Set(facts.faces.keys());
  const count = make("span", { class: "count" });
  const stage = make("div", { class: "stage" }, image);
  const card = make("li", {}, stage);
  const tally = () => {
    count.textContent = !facts.faces.length ? "no face found"
      : facts.faces.length === 1 ? (faces.size ? "1 face" : "face left out")
      : `${faces.size} of ${facts.faces.length} faces`;
    changed();
  };
  facts.faces.forEach((box, number) => {
    const label = `Face ${number + 1} of ${facts.faces.length} in ${facts.name}`;
    const button = make("button", { type: "button", class: "face", "aria-label": label, title: label },
      make("span", { "aria-hidden": "true" }, String(number + 1)));
    const press = () => button.setAttribute("aria-pressed", faces.has(number));
    place(button, box, facts);
    press();
    button.addEventListener("click", () => {
      if (!faces.delete(number)) faces.add(number);
      press();
      tally();
    });
    stage.append(button);
  });
  const away = async () => {
    await remove(`/api/photos/${facts.id}`);
    release(card);
    const next = card.nextElementSibling || card.previousElementSibling;
    card.remove();
    photos.delete(facts.id);
    (next?.querySelector(".away") || find("files")).focus();
    say(`${facts.name} is taken away.`);
    changed();
  };
  const button = make("button", { type: "button", class: "quiet away", "aria-label": `Take ${facts.name} away`, onclick: away }, "×");
  card.append(make("div", { class: "caption" }, make("span", { class: "name", title: facts.name }, facts.name), count, button));
  photos.set(facts.id, { facts, chosen: faces, card });
  if (pending?.isConnected) pending.replaceWith(card);
  else find("photos").append(card);
  tally();
}

/** Lay a button over a box (left, top, width, height, in the photo's pixels). */
function place(button, box, { width, height }) {
  const [left, top, w, h] = box;
  const from = (value, most) => Math.min(Math.max(value, 0), most);
  const [x, y, right, bottom] = [from(left, width), from(top, height), from(left + w, width), from(top + h, height)];
  button.classList.toggle("tiny", (right - x) / width < 0.12);
  button.style.left = `${(100 * x) / width}%`;
  button.style.top = `${(100 * y) / height}%`;
  button.style.width = `${(100 * (right - x)) / width}%`;
  button.style.height = `${(100 * (bottom - y)) / height}%`;
}
