// An error, told on the stage, and at the field that the service names.

import { byId, element } from "./dom.js";
import { forPeople, rangeWords } from "./words.js";

export class Notice {
  constructor() {
    this.box = byId("notice");
  }

  /**
   * form: where the field is looked for that the problem's `param` names; where that is out of its range,
   * the field alone tells it. problem.link: [address, words].
   */
  show(problem, form = null) {
    this.clear();
    const range = rangeWords(problem);
    const marked = form && problem.param && mark(form, problem.param, range ?? problem.detail);
    if (marked && range) return;
    const dismiss = element("button", { type: "button", class: "plain", "aria-label": "Dismiss" }, "×");
    dismiss.addEventListener("click", () => this.clear());
    const lines = [element("p", { class: "notice-detail" }, problem.detail ?? String(problem))];
    const suggestion = forPeople(problem.suggestion);
    if (suggestion) lines.push(element("p", {}, suggestion));
    if (problem.link) {
      const [href, words] = problem.link;
      lines.push(element("p", {}, element("a", { href }, words)));
    }
    if (problem.request_id) lines.push(element("p", { class: "hint" }, problem.request_id));
    this.box.replaceChildren(element("div", {}, ...lines), dismiss);
    this.box.hidden = false;
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

/** Whether there is such a field: it is marked, told its words, and gets the focus. */
function mark(form, param, words) {
  const field = form.querySelector(`.field[data-param="${CSS.escape(param)}"]`);
  if (!field) return false;
  const id = `wrong-${param}`;
  field.classList.add("wrong");
  field.append(element("span", { class: "wrong-word", id }, words));
  const inputs = field.querySelectorAll("input, select");
  for (const input of inputs) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", id);
  }
  inputs[0]?.focus();
  return true;
}
