// A page with an element of the class "live" is asked for again every two seconds, and the element is replaced.
// Without this script the page has a link that does the same.
"use strict";

const SECONDS = 2;
const FARTHEST = 30;
let waits = SECONDS;
let stopped = false;

async function again() {
  const shown = document.querySelector(".live");
  if (!stopped && !document.hidden) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector(".live");
      if (!stopped && fresh && shown.outerHTML !== fresh.outerHTML && !shown.contains(document.activeElement)) {
        shown.replaceWith(document.adoptNode(fresh));
      }
      waits = SECONDS;
      said("asks again every two seconds");
    } catch {
      waits = Math.min(waits * 2, FARTHEST);
      said(`no answer; asks again in ${waits} seconds`);
    }
  }
  setTimeout(again, waits * 1000);
}

function said(text) {
  const place = document.querySelector("[data-live-state]");
  const now = stopped ? "paused" : text;
  if (place && place.textContent !== now) place.textContent = now;
}

document.addEventListener("DOMContentLoaded", () => {
  const button = document.querySelector("[data-live-pause]");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      stopped = !stopped;
      button.textContent = stopped ? "Go on" : "Pause";
      button.setAttribute("aria-pressed", String(stopped));
      said("asks again every two seconds");
    });
  }
  if (document.querySelector(".live")) setTimeout(again, waits * 1000);
});
