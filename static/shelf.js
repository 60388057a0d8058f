// The comparisons that are kept ready: each in an inert template, so that nothing in them is part of the page.
import { findShown, findWork } from "./comparison.js";

export const shelf = document.getElementById("ready");
const formOf = (template) => template.content.querySelector("form");

// The form on show and those kept ready.
export const listForms = () => [findShown(), ...[...shelf.children].map(formOf)].filter(Boolean);

const processed = new WeakSet();

// Let htmx read an element that it has not read yet: one on the shelf ahead of time, so that showing it takes less.
export function prepare(element) {
  if (!processed.has(element)) htmx.process(element);
  processed.add(element);
}

// Put a comparison or a message into the page, as htmx would.
export function show(element) {
  findWork().replaceChildren(element);
  prepare(element);
  htmx.trigger(element, "htmx:load");
}

// Take a form, by default the first one, from the shelf; undefined if there is none.
export function takeOff(template = shelf.firstElementChild) {
  template?.remove();
  return template && formOf(template);
}

// Put a form back before all others, as it is filled in.
export function shelve(form) {
  if (!form) return;
  const template = document.createElement("template");
  template.content.append(form);
  shelf.prepend(template);
}
