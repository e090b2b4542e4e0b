// The link is in the fragment of the address, which no server sees: it is put into the form, and taken out of the address.
// It is sent when somebody presses the button: programs that look into mails open links, too. Without this script the
// link is pasted.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("link");
  const link = location.hash.includes("scim_setup_") ? location.href : "";
  if (link) history.replaceState(null, "", location.pathname);
  if (field && link) {
    field.value = link;
    for (const [part, shown] of [["[data-field]", false], ["[data-paste]", false], ["[data-found]", true]]) {
      const place = document.querySelector(part);
      if (place) place.hidden = !shown;
    }
    document.querySelector(".door-form button").focus();
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      const word = button.firstChild;
      word.textContent = "Copied";
      setTimeout(() => { word.textContent = "Copy"; }, 2000);
    });
  }
});
