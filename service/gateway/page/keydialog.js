// Asks for an API key, where the server does.

import { byId } from "./dom.js";

/** Whether there is a key to try with now; `api.key` holds it. */
export function askForKey(api, problem) {
  const dialog = byId("key-dialog");
  const form = byId("key-form");
  byId("key-reason").textContent = api.key ? problem.detail : "Whoever runs it can make you one.";
  form.reset();
  dialog.showModal();
  return new Promise((resolve) => {
    const end = (given) => {
      form.onsubmit = dialog.oncancel = null;
      dialog.close();
      if (given) api.key = given;
      byId("forget-key").hidden = !api.key;
      resolve(Boolean(given));
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      end(form.elements.key.value.trim());
    };
    dialog.oncancel = () => end(""); // the Escape key
    byId("key-later").onclick = () => end("");
  });
}
