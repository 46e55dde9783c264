// The page's beginning: its two views, and who hears of what.

import { Failure, get, hasToken, listen, post } from "./api.js";
import { complain, find, say } from "./dom.js";
import * as jobs from "./jobs.js";
import * as order from "./order.js";
import * as photos from "./photos.js";
import * as reports from "./reports.js";
import * as result from "./result.js";

let options = null;

async function view() {
  const reading = location.hash === "#reports";
  find("work").hidden = reading;
  find("reports").hidden = !reading;
  for (const [id, here] of [["to-work", !reading], ["to-reports", reading]]) {
    if (here) find(id).setAttribute("aria-current", "page");
    else find(id).removeAttribute("aria-current");
  }
  if (reading) await reports.read(options.reports);
}

async function wipe() {
  if (!confirm("Wipe all photos, pictures and masks of this page? What you did not save is gone.")) return;
  await post("/api/wipe");
  photos.clear();
  result.clear();
  await order.readMasks();
  say("Everything is wiped.");
}

async function begin() {
  options = await get("/api/options");
  addEventListener("hashchange", view);
  find("wipe").addEventListener("click", wipe);
  jobs.begin(
    async (job) => {
      if (job.task === "learn") await order.readMasks();
      await result.show(job.id, false);
    },
    result.show,
  );
  await order.begin(options, () => say("The job waits for its turn."));
  listen("/api/events", jobs.hear, complain);
  await photos.begin(options.limits, order.refresh);
  await view();
  document.body.dataset.ready = "yes";
}

addEventListener("unhandledrejection", (event) => complain(String(event.reason?.message ?? event.reason)));

if (!hasToken) {
  find("locked").hidden = false;
} else {
  try {
    await begin();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    find("locked").hidden = false;
    complain(error.message);
  }
}
