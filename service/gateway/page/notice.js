// An error, told on the stage, and at the field that the service names.

import { byId, element } from "./dom.js";

export class Notice {
  constructor() {
    this.box = byId("notice");
  }

  /** form: where the field is looked for that the problem's `param` names; problem.link: [address, words]. */
  show(problem, form = null) {
    this.clear();
    const dismiss = element("button", { type: "button", class: "plain", "aria-label": "Dismiss" }, "×");
    dismiss.addEventListener("click", () => this.clear());
    const lines = [element("p", { class: "notice-detail" }, problem.detail ?? String(problem))];
    if (problem.suggestion) lines.push(element("p", {}, problem.suggestion));
    if (problem.link) {
      const [href, words] = problem.link;
      lines.push(element("p", {}, element("a", { href }, words)));
    }
    if (problem.request_id) lines.push(element("p", { class: "hint" }, problem.request_id));
    this.box.replaceChildren(element("div", {}, ...lines), dismiss);
    this.box.hidden = false;
    if (form && problem.param) mark(form, problem);
  }

  clear() {
    this.box.hidden = true;
    this.box.replaceChildren();
    for (const wrong of document.querySelectorAll(".wrong")) {
      wrong.classList.remove("wrong");
      wrong.querySelector(".wrong-word")?.remove();
      for (const input of wrong.querySelectorAll("[aria-invalid]")) {
        input.removeAttribute("aria-invalid");
        input.removeAttribute("aria-describedby");
      }
    }
  }
}

function mark(form, { param, detail }) {
  const field = form.querySelector(`[data-param="${CSS.escape(param)}"]`);
  if (!field?.classList.contains("field")) return;
  const id = `wrong-${param}`;
  field.classList.add("wrong");
  field.append(element("span", { class: "wrong-word", id }, detail));
  const inputs = field.querySelectorAll("input, select");
  for (const input of inputs) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", id);
  }
  inputs[0]?.focus();
}
