/** Doors: what is typed as a password can be looked at, and a form is sent once. Without script the pages do as well. */

import { h } from "./dom.js";

for (const holder of document.querySelectorAll(".peeked")) {
  const field = holder.querySelector("input");
  const button = h("button", { type: "button", class: "peek", "aria-pressed": "false", "aria-controls": field.id, "aria-label": "Show what is typed" }, "Show");
  button.addEventListener("click", () => {
    const isShown = field.type === "password";
    field.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", String(isShown));
  });
  holder.append(button);
}

for (const form of document.querySelectorAll("form")) {
  let isSent = false;
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
    // Sent as it was: a browser offers to keep what lies in a field for passwords.
    for (const field of form.querySelectorAll(".peeked input")) field.type = "password";
  });
  addEventListener("pageshow", () => {
    isSent = false;
  });
}
