// Elements by hand. Text only ever becomes text: nothing here, or anywhere on the page, parses HTML.

export const find = (id) => document.getElementById(id);

/** An element with properties (`class`, `data-…` and `aria-…` as attributes) and children, strings among them. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const many = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

/** Said once to those who listen to the page and do not see it. */
export function say(sentence) {
  find("news").textContent = sentence;
}

/** A sentence at the top of the page that stays until the next success; none takes it away. */
export function complain(sentence) {
  const line = find("trouble");
  line.textContent = sentence || "";
  line.hidden = !sentence;
}

/** Show `pictures` (a URL each) by what the server gives; an address is given back when its picture is gone. */
export function hold(image, url) {
  if (image.dataset.held) URL.revokeObjectURL(image.dataset.held);
  image.dataset.held = url;
  image.src = url;
}

export function release(root) {
  for (const image of root.querySelectorAll("img[data-held]")) URL.revokeObjectURL(image.dataset.held);
}

/** Seconds in words, as one says them. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
